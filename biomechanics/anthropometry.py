"""Segment masses, centres of mass, gyration radii and lengths of a person.

Inertia is that of de Leva 1996, J Biomech 29:1223, Table 4, women and men; the numbers were
compared with two independent public transcriptions of that table. Lengths of limbs are fractions
of stature (Drillis and Contini 1966, as in Winter, Biomechanics and Motor Control of Human
Movement, 4th ed., Figure 4.1). What neither gives (hip centres, the foot's length behind and in
front of the ankle) is from the skeleton of Rajagopal et al. 2016, IEEE TBME 63:2068, made for a
man of 1.70 m (compared with a published model that was scaled from it, its scale factors undone).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kinefed.datasets.errors import UsageError, UsageReason


@dataclass(frozen=True, slots=True)
class Segment:
    """One row of de Leva's Table 4 for one sex.

    Attributes
    ----------
    mass
        Share of body mass.
    com
        Distance of the centre of mass from the first end point, as a share of the length.
    gyration
        Radii about the sagittal (forward), transverse (sideways) and longitudinal axis, as shares
        of the length. The foot's longitudinal axis runs from heel to toe, so that its "sagittal"
        one is upright.
    length_m
        Between the end points in the sample.
    """

    mass: float
    com: float
    gyration: tuple[float, float, float]
    length_m: float


# Stature and mass of the samples (de Leva 1996, caption of Table 4).
SAMPLE_HEIGHT_M: Mapping[str, float] = MappingProxyType({"f": 1.735, "m": 1.741})
SAMPLE_MASS_KG: Mapping[str, float] = MappingProxyType({"f": 61.9, "m": 73.0})

# de Leva 1996, Table 4. End points: head vertex to cervicale; upper trunk cervicale to xiphion;
# middle trunk xiphion to omphalion; lower trunk omphalion to the middle of the hip centres; upper
# arm, forearm, thigh between joint centres; hand wrist to third metacarpale; shank knee to ankle
# centre; foot heel to toe tip. (Head, upper trunk and shank are of the table's lower half, "other
# end points", because only those chain from vertex to ankle.)
SEGMENTS: Mapping[str, Mapping[str, Segment]] = MappingProxyType(
    {
        "f": {
            "head": Segment(0.0668, 0.4841, (0.271, 0.295, 0.261), 0.2437),
            "upper_trunk": Segment(0.1545, 0.5050, (0.466, 0.314, 0.449), 0.2280),
            "middle_trunk": Segment(0.1465, 0.4512, (0.433, 0.354, 0.415), 0.2053),
            "lower_trunk": Segment(0.1247, 0.4920, (0.433, 0.402, 0.444), 0.1815),
            "upper_arm": Segment(0.0255, 0.5754, (0.278, 0.260, 0.148), 0.2751),
            "forearm": Segment(0.0138, 0.4559, (0.261, 0.257, 0.094), 0.2643),
            "hand": Segment(0.0056, 0.7474, (0.531, 0.454, 0.335), 0.0780),
            "thigh": Segment(0.1478, 0.3612, (0.369, 0.364, 0.162), 0.3685),
            "shank": Segment(0.0481, 0.4352, (0.267, 0.263, 0.092), 0.4386),
            "foot": Segment(0.0129, 0.4014, (0.299, 0.279, 0.139), 0.2283),
        },
        "m": {
            "head": Segment(0.0694, 0.5002, (0.303, 0.315, 0.261), 0.2429),
            "upper_trunk": Segment(0.1596, 0.5066, (0.505, 0.320, 0.465), 0.2421),
            "middle_trunk": Segment(0.1633, 0.4502, (0.482, 0.383, 0.468), 0.2155),
            "lower_trunk": Segment(0.1117, 0.6115, (0.615, 0.551, 0.587), 0.1457),
            "upper_arm": Segment(0.0271, 0.5772, (0.285, 0.269, 0.158), 0.2817),
            "forearm": Segment(0.0162, 0.4574, (0.276, 0.265, 0.121), 0.2689),
            "hand": Segment(0.0061, 0.7900, (0.628, 0.513, 0.401), 0.0862),
            "thigh": Segment(0.1416, 0.4095, (0.329, 0.329, 0.149), 0.4222),
            "shank": Segment(0.0433, 0.4395, (0.251, 0.246, 0.102), 0.4403),
            "foot": Segment(0.0137, 0.4415, (0.257, 0.245, 0.124), 0.2581),
        },
    }
)
# Segments that a person has twice.
PAIRED = frozenset({"upper_arm", "forearm", "hand", "thigh", "shank", "foot"})
# Distance from the middle of the shoulder centres to the middle of the hip centres (de Leva 1996,
# Table 4, trunk MIDS-MIDH).
_SHOULDER_HEIGHT_M = {"f": 0.4979, "m": 0.5155}

# Shares of stature: Winter, Figure 4.1.
STATURE_SHARE: Mapping[str, float] = MappingProxyType(
    {
        "upper_arm": 0.186,
        "forearm": 0.146,
        "thigh": 0.245,
        "shank": 0.246,
        "ankle_height": 0.039,
        "foot_length": 0.152,
        # Half of it is 0.129 in the figure.
        "shoulder_width": 0.259,
        # Rajagopal et al. 2016: hip centres 2 x 77.3 mm apart, calcaneus 48.8 mm behind the ankle
        # axis, metatarsophalangeal axis 178.8 mm before the calcaneus; stature 1.70 m.
        "pelvis_width": 2.0 * 0.0773 / 1.70,
        "heel_back": 0.0488 / 1.70,
        "ball_forward": (0.1788 - 0.0488) / 1.70,
    }
)
_BY_SAMPLE = ("head", "upper_trunk", "middle_trunk", "lower_trunk", "hand")
LENGTHS: tuple[str, ...] = (*STATURE_SHARE, *_BY_SAMPLE, "shoulder_height")


@dataclass(frozen=True, slots=True)
class BodyParameters:
    """The inertia and the lengths of one person.

    Attributes
    ----------
    sex
        ``"f"`` or ``"m"``: which of the two samples of de Leva 1996.
    height_m, mass_kg
        Stature and body mass.
    lengths_m
        Every name of `LENGTHS`: ``pelvis_width`` between the hip centres, ``thigh``, ``shank``,
        ``ankle_height`` above the sole, ``foot_length``, ``heel_back`` (ankle to heel) and
        ``ball_forward`` (ankle to ball) along the sole, ``lower_trunk`` (hip centres to the lumbar
        joint), ``middle_trunk``, ``upper_trunk``, ``head``, ``upper_arm``, ``forearm``, ``hand``,
        ``shoulder_width``, ``shoulder_height`` above the hip centres.
    """

    sex: str
    height_m: float
    mass_kg: float
    lengths_m: Mapping[str, float]

    def segment(self, name: str) -> Segment:
        """Return the table's row for a segment.

        Raises
        ------
        UsageError
            ``unknown_name``.
        """
        table = SEGMENTS[self.sex]
        if name not in table:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no segment {name!r}",
                next_step=f"Use one of {', '.join(table)}",
            )
        return table[name]

    def segment_mass_kg(self, name: str) -> float:
        """Mass of one segment (of one side), in kg; all segments together weigh `mass_kg`."""
        # The women's shares are rounded in the table and add up to 0.9999.
        whole = sum(row.mass * (1 + (key in PAIRED)) for key, row in SEGMENTS[self.sex].items())
        return self.segment(name).mass / whole * self.mass_kg

    def segment_length_m(self, name: str) -> float:
        """Length between the end points of the table's row, in m."""
        return self.lengths_m["foot_length" if name == "foot" else name]

    def inertia(self, name: str) -> tuple[float, float, float]:
        """Moments of inertia about forward, sideways and upright axes through the centre of mass.

        Returns
        -------
        tuple of float
            kg m^2, the segment hanging or standing upright and the foot flat on the ground.
        """
        row = self.segment(name)
        scale = self.segment_mass_kg(name) * self.segment_length_m(name) ** 2
        sagittal, transverse, longitudinal = (scale * radius**2 for radius in row.gyration)
        if name == "foot":
            return longitudinal, transverse, sagittal
        return sagittal, transverse, longitudinal


def body_parameters(
    sex: str, height_m: float, mass_kg: float, lengths_m: Mapping[str, float] | None = None
) -> BodyParameters:
    """Build a person of sex, stature and mass.

    Parameters
    ----------
    sex
        ``"f"``, ``"m"`` or ``"x"``; for ``"x"`` the men's table is used.
    height_m, mass_kg
        Stature in m and body mass in kg.
    lengths_m
        Measured lengths that replace the fractions of stature, by name of `LENGTHS`.

    Raises
    ------
    UsageError
        ``bad_argument`` for a sex, stature, mass or length that no person has, ``unknown_name``
        for a length that is not in `LENGTHS`.
    """
    if sex not in ("f", "m", "x"):
        raise _bad(f"sex {sex!r} is not 'f', 'm' or 'x'", "sex")
    # The shortest walking children to the tallest and heaviest adults.
    for name, value, low, high in (("height_m", height_m, 0.5, 2.8), ("mass_kg", mass_kg, 5, 400)):
        if not low <= value <= high:
            raise _bad(f"{value:g} is not in {low:g}..{high:g}", name)
    table = "f" if sex == "f" else "m"
    scale = height_m / SAMPLE_HEIGHT_M[table]
    lengths = {name: share * height_m for name, share in STATURE_SHARE.items()}
    lengths |= {name: SEGMENTS[table][name].length_m * scale for name in _BY_SAMPLE}
    lengths["shoulder_height"] = _SHOULDER_HEIGHT_M[table] * scale
    for name, value in (lengths_m or {}).items():
        if name not in lengths:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no length {name!r}",
                where="lengths_m",
                next_step=f"Use one of {', '.join(LENGTHS)}",
            )
        if not 0.0 < value < height_m:
            raise _bad(f"{value} m is not between 0 and the stature", f"lengths_m[{name!r}]")
        lengths[name] = float(value)
    return BodyParameters(table, float(height_m), float(mass_kg), MappingProxyType(lengths))


def _bad(what: str, where: str) -> UsageError:
    return UsageError(
        UsageReason.BAD_ARGUMENT, what, where=where, next_step="Give SI units: m and kg"
    )
