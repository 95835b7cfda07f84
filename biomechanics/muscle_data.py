"""What the muscles are made of: parameters and path lengths of the leg and of the arm.

Leg: the path points, forces, fibre lengths and pennations of the OpenSim model *gait2392*
(Delp, Loan, Hoy, Zajac, Topp, Rosen, IEEE Trans Biomed Eng 37, 1990; Yamaguchi and Zajac, J
Biomech 22, 1989; Thelen, Anderson, Seth, Delp; licence CC BY 3.0, used with credit). A muscle
here may be several lines of action there (three of gluteus maximus, medius, minimus and adductor
magnus; iliacus and psoas; adductor longus and brevis): force is their sum, the rest their mean
weighted by force. The lengths were computed from the path points with the subtalar joint and hip
rotation at zero, then fitted together with their derivatives by polynomials of order 5, terms
chosen one by one. Against the path points: length to 0.3 mm, moment arms to 1.2 mm RMS over the
range below; iliopsoas 0.8 mm and 5 mm, for its via point vanishes at 45 degrees of flexion there.

Tendon slack lengths are not those of gait2392, which go with an elastic tendon and leave some
fibres at 0.4 of their optimal length where the tendon is rigid. They are set so that the range of
a fibre over fifteen postures of daily life (standing, walking, stairs, sitting, squatting, bending)
is centred on its optimal length: 36 mm shorter to 22 mm longer than there.

Arm: elbow moment arms are the polynomials tabulated at the Institute of Biophysics and Biomedical
Engineering, Sofia (biomed.bas.bg, MuscleArms), with peaks near those measured by Murray, Buchanan
and Delp (J Biomech 33, 2000): biceps 4.7 cm, triceps 2.3 cm, brachioradialis 7.7 cm. Forces, fibre
lengths and pennation are those of Holzbaur, Murray and Delp (Ann Biomed Eng 33, 2005), CC BY 3.0.
The wrist has two lumped muscles: moment arms of flexor and extensor carpi radialis from the same
table, forces that give the moments of 12.2 and 7.1 N m that Delp, Grierson and Buchanan (J Biomech
29, 1996) measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LEG_COORDINATES = ("hip_flexion", "hip_adduction", "knee_flexion", "ankle_dorsiflexion")
ARM_COORDINATES = ("elbow_flexion", "wrist_flexion")

# Where the polynomials hold, in degrees. Beyond, `geometry` goes on in straight lines.
LEG_RANGE_DEG = ((-30.0, 110.0), (-30.0, 25.0), (-2.0, 120.0), (-45.0, 30.0))
ARM_RANGE_DEG = ((0.0, 130.0), (-60.0, 60.0))

# The person whom the numbers describe: height and mass of gait2392, segments by Winter's shares.
REFERENCE_HEIGHT_M = 1.80
REFERENCE_MASS_KG = 75.2
REFERENCE_THIGH_M = 0.245 * REFERENCE_HEIGHT_M
REFERENCE_SHANK_M = 0.246 * REFERENCE_HEIGHT_M
REFERENCE_UPPER_ARM_M = 0.186 * REFERENCE_HEIGHT_M


@dataclass(frozen=True, slots=True)
class Row:
    """One muscle.

    Attributes
    ----------
    name
        The site of its channel in `datasets/channels.py`, where it has one.
    max_force_n, optimal_length_m, slack_length_m, pennation_deg
        Of the reference person.
    segment
        The segment whose length its path follows.
    """

    name: str
    max_force_n: float
    optimal_length_m: float
    slack_length_m: float
    pennation_deg: float
    segment: str


LEG = (
    Row("gluteus_maximus", 1944.0, 0.1447, 0.0952, 2.9, "thigh"),
    Row("gluteus_medius", 2045.0, 0.0657, 0.0605, 9.3, "thigh"),
    Row("gluteus_minimus", 878.0, 0.0531, 0.0325, 3.4, "thigh"),
    Row("tensor_fasciae_latae", 233.0, 0.095, 0.398, 3.0, "thigh"),
    Row("iliopsoas", 2186.0, 0.1, 0.106, 7.5, "thigh"),
    Row("adductor_longus", 1056.0, 0.136, 0.0427, 3.6, "thigh"),
    Row("adductor_magnus", 1212.0, 0.1143, 0.147, 4.4, "thigh"),
    Row("rectus_femoris", 1169.0, 0.114, 0.2954, 5.0, "thigh"),
    Row("vastus_lateralis", 1871.0, 0.084, 0.1523, 5.0, "thigh"),
    Row("vastus_medialis", 1294.0, 0.089, 0.1198, 5.0, "thigh"),
    Row("vastus_intermedius", 1365.0, 0.087, 0.1317, 3.0, "thigh"),
    Row("biceps_femoris", 896.0, 0.109, 0.3293, 0.0, "thigh"),
    Row("biceps_femoris_short", 804.0, 0.173, 0.0597, 23.0, "thigh"),
    Row("semitendinosus", 410.0, 0.201, 0.2779, 5.0, "thigh"),
    Row("semimembranosus", 1288.0, 0.08, 0.348, 15.0, "thigh"),
    Row("gastrocnemius_lateralis", 683.0, 0.064, 0.3703, 8.0, "shank"),
    Row("gastrocnemius_medialis", 1558.0, 0.06, 0.3801, 17.0, "shank"),
    Row("soleus", 3549.0, 0.05, 0.2476, 25.0, "shank"),
    Row("tibialis_anterior", 905.0, 0.098, 0.2031, 5.0, "shank"),
)

# Muscle-tendon lengths in metres: ``powers:coefficient``, the powers (a digit each) of the angles
# in radians in the order of LEG_COORDINATES.
_LEG_LENGTHS = """
    gluteus_maximus
        0000:0.21354 1000:0.0571262 0200:-0.00261339 1100:0.023799 1200:-0.0144597 2100:-0.0185164
        3000:-0.00870276 3100:0.00390704 4000:0.0015915 3200:0.0027697
    gluteus_medius
        0000:0.120337 0100:0.0416046 1000:0.0190734 0200:-0.00741777 2000:-0.00347731
        1200:0.00558664 2100:-0.0194698 3000:-0.00158229 4100:0.0015153
    gluteus_minimus
        0000:0.0839348 0100:0.0404258 1000:0.00602518 0200:-0.00730134 1100:-0.00716472
        2000:-0.00397285 1200:0.00708752 2100:-0.018705 3100:0.00372049 5000:-3.02339e-05
    tensor_fasciae_latae
        0000:0.535649 0010:0.0135176 0100:0.0485996 1000:-0.0344741 0020:-0.00329077
        0200:-0.0211115 1100:-0.00224848 2000:-0.0223085 1200:0.00915846 2100:-0.00786496
        1300:-0.00425539 3100:-0.00180658 4000:0.00111165 3200:0.0103032
    iliopsoas
        0000:0.233569 0100:-0.00276077 1000:-0.0388053 0200:0.00727961 1100:-0.00565494
        1200:0.0189313 2100:-0.00603576 1300:-0.0035583 4000:-0.00603755 2300:0.0212517
        3200:0.00262646 5000:0.00345323
    adductor_longus
        0000:0.18326 0100:-0.0668279 1000:-0.0260975 0200:-0.00710049 1100:-0.0122195
        2000:0.00790156 0300:0.00870544 1200:0.00297782 2100:0.00710155 3000:0.00464851
        5000:-0.000434649
    adductor_magnus
        0000:0.227252 0100:-0.0570201 1000:0.0245599 0200:0.0121494 1100:0.00298817 2000:0.0250042
        0300:0.00764645 1200:-0.014581 2100:0.0101882 3000:-0.00809877 3100:-0.00340787
        3200:-0.000660517
    rectus_femoris
        0000:0.410208 0010:0.0478962 0100:0.0120569 1000:-0.0422353 0020:0.00725231
        0200:-0.0146594 1100:0.00120757 2000:-0.0151916 0030:-0.00808456 1200:0.021619
        3000:0.00687184 0050:0.000518378 3200:0.000542483 5000:0.0001381
    vastus_lateralis
        0000:0.200118 0010:0.0405878 0020:0.0202958 0030:-0.0277917 0040:0.0119316
        0050:-0.00184141
    vastus_medialis
        0000:0.172297 0010:0.0451409 0020:0.0025953 0030:-0.00646859 0040:0.0014873
    vastus_intermedius
        0000:0.182067 0010:0.045682 0020:0.00244084 0030:-0.00473756 0050:0.000299911
    biceps_femoris
        0000:0.42009 0010:-0.0286675 0100:-0.0171002 1000:0.0565839 0020:-0.00675789
        0200:0.0171273 1100:0.00550518 2000:0.0176832 1200:-0.0324778 3000:-0.0114788
        0040:0.00346838 2020:-0.000161076 0050:-0.000701801 3200:0.00250179 5000:0.000324335
    biceps_femoris_short
        0000:0.246231 0010:-0.0212589 0020:-0.0151371 0030:0.0058914 0050:4.4414e-05
    semitendinosus
        0000:0.463374 0010:-0.0379853 0100:-0.0222671 1000:0.0563795 0020:-0.00894943
        0200:0.0218563 2000:0.0229126 1200:-0.0345066 3000:-0.0126213 0040:0.00230693
        0050:-0.00019071 3200:0.00214623 5000:0.00032141
    semimembranosus
        0000:0.414613 0010:-0.0343672 0100:-0.0116206 1000:0.0488855 0020:-0.00374976
        0200:0.0153177 2000:0.0160167 1200:-0.0278885 3000:-0.0100112 0050:0.000454063
        3200:0.00195989 5000:0.000256312
    gastrocnemius_lateralis
        0000:0.446909 0001:0.0471531 0010:-0.0220493 0002:-0.00571023 0003:-0.00750365
        0030:0.00131949
    gastrocnemius_medialis
        0000:0.450444 0001:0.0462789 0010:-0.0216889 0002:-0.00517267 0003:-0.00740616
        0030:0.00102675
    soleus
        0000:0.29137 0001:0.0454863 0002:-0.00735538 0003:-0.00694706
    tibialis_anterior
        0000:0.303744 0001:-0.0418455 0002:-0.00402737 0003:0.00372934
"""

ARM = (
    Row("biceps_brachii", 1059.9, 0.1225, 0.2394, 0.0, "upper_arm"),
    Row("brachialis", 987.3, 0.0858, 0.0535, 0.0, "upper_arm"),
    Row("brachioradialis", 261.3, 0.1726, 0.133, 0.0, "upper_arm"),
    Row("triceps_longus", 798.5, 0.134, 0.143, 12.0, "upper_arm"),
    Row("triceps_lateralis", 624.3, 0.1138, 0.098, 9.0, "upper_arm"),
    Row("triceps_medialis", 624.3, 0.1138, 0.0908, 9.0, "upper_arm"),
    Row("wrist_flexors", 690.0, 0.0628, 0.244, 3.0, "upper_arm"),
    Row("wrist_extensors", 520.0, 0.0585, 0.2223, 9.0, "upper_arm"),
)

_TRICEPS = (-2.365, -1.015, 1.92, -1.035, 0.257, -0.0262)

# Moment arms in centimetres: coordinate, then the coefficients of the powers 0..5 of its angle.
_ARM_ARMS = {
    "biceps_brachii": (0, (1.963, -1.44, 3.031, 0.887, -1.418, 0.285)),
    "brachialis": (0, (1.554, 0.0813, -1.689, 3.523, -1.811, 0.276)),
    "brachioradialis": (0, (2.015, -0.458, 3.058, -1.081, 0.159, -0.0187)),
    "triceps_longus": (0, _TRICEPS),
    "triceps_lateralis": (0, _TRICEPS),
    "triceps_medialis": (0, _TRICEPS),
    "wrist_flexors": (1, (1.77, -0.081, -0.24, 0.05, 0.07, -0.02)),
    "wrist_extensors": (1, (-1.37, 0.18, 0.21, -0.11, -0.08, 0.04)),
}

Polynomial = dict[tuple[int, ...], float]


def leg_lengths() -> dict[str, Polynomial]:
    """Give the length of each leg muscle: powers of the four angles to coefficients in metres."""
    lengths: dict[str, Polynomial] = {}
    name = ""
    for word in _LEG_LENGTHS.split():
        powers, _, coefficient = word.partition(":")
        if coefficient:
            lengths[name][tuple(int(digit) for digit in powers)] = float(coefficient)
        else:
            name = word
            lengths[name] = {}
    return lengths


def arm_lengths() -> dict[str, Polynomial]:
    """Give the length of each arm muscle: powers of the two angles to coefficients in metres.

    Minus the integral of the moment arm; the constant centres the fibre's range over the joint's
    range on its optimal length.
    """
    lengths: dict[str, Polynomial] = {}
    for row in ARM:
        coordinate, arm_cm = _ARM_ARMS[row.name]
        powers = [tuple(k if c == coordinate else 0 for c in (0, 1)) for k in range(7)]
        length = {powers[k + 1]: -0.01 * c / (k + 1) for k, c in enumerate(arm_cm)}
        ends = [
            sum(value * math.radians(deg) ** sum(power) for power, value in length.items())
            for deg in ARM_RANGE_DEG[coordinate]
        ]
        straight = row.optimal_length_m * math.cos(math.radians(row.pennation_deg))
        length[powers[0]] = row.slack_length_m + straight - 0.5 * sum(ends)
        lengths[row.name] = length
    return lengths
