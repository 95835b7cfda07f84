"""Moment arms against the lengths, the published path points, and anatomy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinefed.biomechanics import muscle_data as data
from kinefed.biomechanics.geometry import arm_muscles, leg_muscles
from kinefed.biomechanics.hill import capacity
from kinefed.datasets.channels import KINDS
from kinefed.datasets.errors import DataError, DataReason

LEG = leg_muscles()
ARM = arm_muscles()
STANDING = np.radians([[0.0, 0.0, 5.0, 0.0]])


def inside(muscles, count, seed=0):
    rng = np.random.default_rng(seed)
    low, high = muscles.paths.low_rad + 1e-3, muscles.paths.high_rad - 1e-3
    return low + (high - low) * rng.random((count, len(low)))


def arms_of(muscles, name, angles):
    return muscles.paths.evaluate(angles)[1][:, muscles.index(name)]


@pytest.mark.parametrize("muscles", [LEG, ARM], ids=["leg", "arm"])
def test_a_moment_arm_is_minus_the_derivative_of_the_length(muscles):
    angles = inside(muscles, 200)
    _, arms = muscles.paths.evaluate(angles)
    step = 1e-5
    for coordinate in range(angles.shape[1]):
        moved = np.zeros(angles.shape[1])
        moved[coordinate] = step
        after = muscles.paths.evaluate(angles + moved)[0]
        before = muscles.paths.evaluate(angles - moved)[0]
        slope = -(after - before) / (2 * step)
        assert arms[:, :, coordinate] == pytest.approx(slope, abs=1e-8)


def test_a_velocity_is_the_derivative_along_a_movement():
    time = np.arange(0.0, 1.0, 1e-3)
    swing = 0.4 * np.sin(2 * np.pi * time)
    angles = np.column_stack([swing, 0.2 * swing, 0.6 + swing, 0.3 * swing])
    lengths, velocities, _ = LEG.evaluate(angles, np.gradient(angles, time, axis=0))
    assert velocities[5:-5] == pytest.approx(np.gradient(lengths, time, axis=0)[5:-5], abs=2e-4)


def test_beyond_the_range_the_arm_is_held_and_the_length_goes_on():
    edge = np.array([[LEG.paths.high_rad[0], 0.0, 0.5, 0.0]])
    far = edge + np.array([0.3, 0.0, 0.0, 0.0])
    length, arm = LEG.paths.evaluate(edge)
    on, held = LEG.paths.evaluate(far)
    assert held == pytest.approx(arm)
    assert on == pytest.approx(length - 0.3 * arm[:, :, 0])


# Signs at an ordinary posture: +1 turns the joint towards flexion, adduction or dorsiflexion.
SIGNS = {
    "gluteus_maximus": (-1, None, 0, 0),
    "gluteus_medius": (None, -1, 0, 0),
    "gluteus_minimus": (None, -1, 0, 0),
    "tensor_fasciae_latae": (1, -1, None, 0),
    "iliopsoas": (1, None, 0, 0),
    "adductor_longus": (1, 1, 0, 0),
    "adductor_magnus": (-1, 1, 0, 0),
    "rectus_femoris": (1, -1, -1, 0),
    "vastus_lateralis": (0, 0, -1, 0),
    "vastus_medialis": (0, 0, -1, 0),
    "vastus_intermedius": (0, 0, -1, 0),
    "biceps_femoris": (-1, 1, 1, 0),
    "biceps_femoris_short": (0, 0, 1, 0),
    "semitendinosus": (-1, 1, 1, 0),
    "semimembranosus": (-1, 1, 1, 0),
    "gastrocnemius_lateralis": (0, 0, 1, -1),
    "gastrocnemius_medialis": (0, 0, 1, -1),
    "soleus": (0, 0, 0, -1),
    "tibialis_anterior": (0, 0, 0, 1),
    "biceps_brachii": (1, 0),
    "brachialis": (1, 0),
    "brachioradialis": (1, 0),
    "triceps_longus": (-1, 0),
    "triceps_lateralis": (-1, 0),
    "triceps_medialis": (-1, 0),
    "wrist_flexors": (0, 1),
    "wrist_extensors": (0, -1),
}


@pytest.mark.parametrize("muscles", [LEG, ARM], ids=["leg", "arm"])
def test_every_muscle_turns_its_joints_the_right_way(muscles):
    assert set(muscles.names) <= set(SIGNS)
    middle = np.array([STANDING[0] if muscles is LEG else [1.2, 0.0]])
    for name in muscles.names:
        arm = arms_of(muscles, name, middle)[0]
        for value, sign in zip(arm, SIGNS[name], strict=True):
            if sign == 0:
                assert value == 0.0, name
            elif sign is not None:
                assert 0.002 < sign * value < 0.09, name


def test_the_limbs_have_the_muscles_that_were_asked_for():
    assert len(LEG.names) >= 13
    assert {"gluteus_medius", "adductor_longus", "adductor_magnus"} <= set(LEG.names)
    elbow = [n for n in ARM.names if arms_of(ARM, n, np.array([[1.2, 0.0]]))[0, 0] != 0.0]
    assert len(elbow) == 6
    # Those without a channel are deep, or the part of a muscle that has one.
    channels = KINDS["envelope"].sites
    missing = {name for name in (*LEG.names, *ARM.names) if name not in channels}
    assert missing == {"biceps_femoris_short", "triceps_medialis"}


def straight(first, second):
    """Distance between a point on the pelvis and one on the femur of gait2392."""
    hip = np.array([-0.0707, -0.0661, 0.0835])

    def length(flexion, adduction):
        cf, sf, ca, sa = np.cos(flexion), np.sin(flexion), np.cos(adduction), np.sin(adduction)
        about_z = np.array([[cf, -sf, 0], [sf, cf, 0], [0, 0, 1]])
        about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
        return np.linalg.norm(hip + about_z @ about_x @ np.array(second) - np.array(first))

    return length


# gluteus medius has three lines of action in gait2392, here with their isometric forces.
MEDIUS = [
    (819.0, (-0.0408, 0.0304, 0.1209), (-0.0218, -0.0117, 0.0555)),
    (573.0, (-0.0855, 0.0445, 0.0766), (-0.0258, -0.0058, 0.0527)),
    (653.0, (-0.1223, 0.0105, 0.0648), (-0.0309, -0.0047, 0.0518)),
]


def test_gluteus_medius_against_the_path_points_it_was_fitted_to():
    angles = inside(LEG, 300)
    lengths = LEG.paths.evaluate(angles)[0][:, LEG.index("gluteus_medius")]
    lines = [straight(a, b) for _, a, b in MEDIUS]
    force = np.array([f for f, _, _ in MEDIUS])
    expected = [np.dot(force / force.sum(), [line(q[0], q[1]) for line in lines]) for q in angles]
    error = lengths - expected
    assert np.sqrt(np.mean(error**2)) < 4e-4
    assert np.abs(error).max() < 2e-3


def test_soleus_against_the_path_points_it_was_fitted_to():
    axis = np.array([-0.10501355, -0.17402245, 0.97912632])
    origin = np.array([-0.0024, -0.1533, 0.0071])
    ankle_joint = np.array([0.0, -0.43, 0.0])
    heel = np.array([-0.04877, -0.04195, 0.00792]) + np.array([0.0, 0.031, -0.0053])
    ankle = np.linspace(-0.7, 0.5, 30)
    expected = []
    for angle in ankle:
        turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
        expected.append(np.linalg.norm(turn.apply(heel) + ankle_joint - origin))
    angles = np.zeros((30, 4))
    angles[:, 3] = ankle
    lengths = LEG.paths.evaluate(angles)[0][:, LEG.index("soleus")]
    assert lengths == pytest.approx(expected, abs=1.5e-4)


def test_elbow_arms_against_the_measured_peaks():
    angles = np.column_stack([np.radians(np.arange(0, 131)), np.zeros(131)])
    # Murray, Buchanan, Delp 2000: 4.7 and 2.3 cm for the long heads, 7.7 for brachioradialis.
    for name, peak in (("biceps_brachii", 0.047), ("triceps_longus", 0.023)):
        assert np.abs(arms_of(ARM, name, angles)[:, 0]).max() == pytest.approx(peak, rel=0.15)
    assert arms_of(ARM, "brachioradialis", angles)[:, 0].max() == pytest.approx(0.077, rel=0.15)


def strongest(muscles, posture_deg, coordinate, sign):
    angles = np.radians([posture_deg])
    lengths, velocities, arms = muscles.evaluate(angles, np.zeros_like(angles))
    turning = arms[0, :, coordinate] * capacity(lengths, velocities, muscles.hill).active_n[0]
    return np.maximum(sign * turning, 0.0).sum()


@pytest.mark.parametrize(
    ("posture", "coordinate", "sign", "least", "most"),
    [
        ((80.0, 0.0, 60.0, 0.0), 2, -1, 150.0, 300.0),  # knee extension, seated
        ((45.0, 0.0, 45.0, 0.0), 2, 1, 60.0, 170.0),  # knee flexion
        ((0.0, 0.0, 5.0, 0.0), 3, -1, 120.0, 260.0),  # plantarflexion
        ((0.0, 0.0, 5.0, 0.0), 3, 1, 25.0, 60.0),  # dorsiflexion
        ((45.0, 0.0, 45.0, 0.0), 0, -1, 150.0, 350.0),  # hip extension
        ((45.0, 0.0, 45.0, 0.0), 0, 1, 80.0, 220.0),  # hip flexion
        ((0.0, 0.0, 5.0, 0.0), 1, -1, 80.0, 180.0),  # hip abduction
    ],
)
def test_a_leg_is_as_strong_as_an_adult_male(posture, coordinate, sign, least, most):
    # Bands about the isometric maxima of Anderson, Madigan, Nussbaum, J Biomech 40, 2007.
    assert least < strongest(LEG, posture, coordinate, sign) < most


def test_an_arm_is_as_strong_as_an_adult_male():
    assert 55.0 < strongest(ARM, (90.0, 0.0), 0, 1) < 110.0
    assert 30.0 < strongest(ARM, (90.0, 0.0), 0, -1) < 70.0
    assert strongest(ARM, (90.0, 0.0), 1, 1) == pytest.approx(12.2, rel=0.1)
    assert strongest(ARM, (90.0, 0.0), 1, -1) == pytest.approx(7.1, rel=0.1)


def test_a_larger_person_has_longer_and_stronger_muscles():
    short = leg_muscles(1.60, 55.0)
    tall = leg_muscles(1.90, 95.0)
    q = inside(LEG, 20)
    ratio = tall.paths.evaluate(q)[0] / short.paths.evaluate(q)[0]
    assert ratio == pytest.approx(1.90 / 1.60)
    # Volume grows faster than fibre length.
    assert (tall.hill.max_force_n > 1.3 * short.hill.max_force_n).all()
    product = LEG.hill.max_force_n * LEG.hill.optimal_length_m
    volume = (47.05 * 1.9 * 95.0 + 1289.6) / (47.05 * 1.8 * 75.2 + 1289.6)
    assert tall.hill.max_force_n * tall.hill.optimal_length_m == pytest.approx(product * volume)


def test_segment_lengths_scale_their_own_muscles():
    long_shank = leg_muscles(shank_m=1.1 * data.REFERENCE_SHANK_M)
    q = inside(LEG, 5)
    ratio = (long_shank.paths.evaluate(q)[0] / LEG.paths.evaluate(q)[0])[0]
    for name, value in zip(LEG.names, ratio, strict=True):
        below = name.startswith(("gastro", "soleus", "tibialis"))
        assert value == pytest.approx(1.1 if below else 1.0), name


def test_fibres_stay_where_they_can_work_in_daily_life():
    postures = np.radians(
        [[0, 0, 5, 0], [25, 5, 20, -5], [-10, 0, 40, -15], [85, 0, 90, 5], [95, 0, 105, 25]]
    )
    lengths, velocities, _ = LEG.evaluate(postures, np.zeros_like(postures))
    fibres = capacity(lengths, velocities, LEG.hill).fibre_length
    assert fibres.min() > 0.4
    assert fibres.max() < 1.6


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError) as caught:
        LEG.evaluate(np.zeros((5, 3)), np.zeros((5, 3)))
    assert caught.value.reason is DataReason.MISMATCH
    assert "ankle_dorsiflexion" in str(caught.value)
    with pytest.raises(DataError) as caught:
        LEG.index("trapezius")
    assert caught.value.reason is DataReason.NOT_FOUND
    with pytest.raises(DataError) as caught:
        leg_muscles(1.7, 0.0)
    assert caught.value.reason is DataReason.OUT_OF_RANGE
