"""A researcher's OpenSim model: against our own engine, closed forms and published results."""

import gzip

import numpy as np
import pytest
from opencap_motion import MASS_KG, coordinates, stature, wrenches
from opensim_build import Build, name_of

from kinefed.biomechanics import (
    Body,
    Engine,
    NmsModel,
    OpenSimModel,
    Wrench,
    body_parameters,
    joint_torques,
    opensim_leg_muscles,
)
from kinefed.biomechanics.nms_forward import NmsTrial
from kinefed.datasets import DataError, DataReason, UsageError, UsageReason, import_dataset
from kinefed.datasets.importers._read import read_table

osim = pytest.importorskip("opensim", reason="the extra 'opensim' is not installed")
pytest.importorskip("mujoco", reason="the extra 'sim' is not installed")

RATE_HZ = 100.0
JOINTS = ("hip", "hip_abduction", "hip_rotation", "knee", "ankle")
THIGH_POINT = (0.04, 0.0, -0.1)
SHANK_POINT = (0.05, 0.0, -0.07)
FEMUR, TIBIA = "thigh_r", "shank_r"


@pytest.fixture(scope="module")
def person():
    return body_parameters("x", 1.75, 70.0)


@pytest.fixture(scope="module")
def body(person):
    return Body(person, hip_rotation=True)


def moved(body, frames=200, seed=0):
    """A smooth motion of all coordinates, and forces on feet and trunk."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames) / RATE_HZ
    q = sum(
        rng.uniform(-0.3, 0.3, len(body.coordinates))
        * np.sin(2.0 * np.pi * hz * time_s[:, None] + rng.uniform(0.0, 6.0, len(body.coordinates)))
        for hz in (0.4, 1.1)
    )
    forces = [
        Wrench("r", rng.normal(0, 300, (frames, 3)), rng.normal(0, 1, (frames, 3)), q[:, 0] * 30.0),
        Wrench("l", rng.normal(0, 300, (frames, 3)), rng.normal(0, 1, (frames, 3))),
        Wrench("trunk", q[:, :3] * 90.0, q[:, 3:6], q[:, 6:9] * 20.0),
    ]
    return q, forces


def columns(body, q, knee=1.0):
    """Columns of q by OpenSim's names."""
    return {
        name_of(name): (knee if name.startswith("knee") else 1.0) * q[:, i]
        for i, name in enumerate(body.coordinates)
    }


@pytest.mark.parametrize("knee", [1.0, -1.0], ids=["knee-flexes", "knee-extends"])
def test_the_same_body_has_the_same_torques(body, tmp_path, knee):
    """Two programs, one body: what differs is rounding, also where the knee is gait2392's."""
    model = OpenSimModel(Build(osim, body, knee).write(tmp_path / "person.osim"))
    q, forces = moved(body)
    ours = joint_torques(body, q, RATE_HZ, forces, None)
    theirs = model.inverse_dynamics(model.q(columns(body, q, knee)), RATE_HZ, forces, None)
    assert model.mass_kg == pytest.approx(body.params.mass_kg)
    assert set(theirs.channels) == set(ours.channels)
    assert len(ours.channels) == 12
    assert np.abs(ours.labels).max() > 5.0
    for channel in ours.channels:
        np.testing.assert_allclose(theirs.label(channel), ours.label(channel), atol=1e-9)
    np.testing.assert_allclose(theirs.residual_force, ours.residual_force, atol=1e-7)
    np.testing.assert_allclose(theirs.residual_moment, ours.residual_moment, atol=1e-7)
    np.testing.assert_allclose(theirs.dynamics.com, ours.dynamics.com, atol=1e-9)


def test_a_bound_coordinate_follows_and_the_rest_is_as_without(body, tmp_path):
    """Bending is bound to flexion of the trunk; our engine gets what the constraint says."""
    build = Build(osim, body)
    coupler = osim.CoordinateCouplerConstraint()
    coupler.setName("bound")
    coupler.setIndependentCoordinateNames(osim.ArrayStr("lumbar_extension", 1))
    coupler.setDependentCoordinateName("lumbar_bending")
    coupler.setFunction(osim.PolynomialFunction(osim.Vector.createFromMat([1.0, 0.5, 0.1])))
    osim.PropertyHelper.setValueDouble(0.5, coupler.getPropertyByName("scale_factor"))
    build.model.addConstraint(coupler)
    model = OpenSimModel(build.write(tmp_path / "bound.osim"))
    q, forces = moved(body)
    flexion, bend = (body.coordinates.index(name) for name in ("lumbar_flexion", "lumbar_bend"))
    q[:, bend] = 0.5 * (q[:, flexion] ** 2 + 0.5 * q[:, flexion] + 0.1)
    ours = joint_torques(body, q, RATE_HZ, forces, None)
    theirs = model.inverse_dynamics(model.q(columns(body, q)), RATE_HZ, forces, None)
    assert set(ours.channels) - set(theirs.channels) == {"torque.lumbar_bending"}
    for channel in theirs.channels:
        np.testing.assert_allclose(theirs.label(channel), ours.label(channel), atol=1e-9)


def test_limits_and_locks_of_the_file_do_not_hold(body, tmp_path):
    build = Build(osim, body)
    coordinates = build.model.getCoordinateSet()
    coordinates.get("knee_angle_r").set_locked(True)
    hip = coordinates.get("hip_flexion_l")
    hip.setRangeMin(0.0)
    hip.setRangeMax(0.01)
    hip.set_clamped(True)
    locked = OpenSimModel(build.write(tmp_path / "locked.osim"))
    q, forces = moved(body, 60)
    ours = joint_torques(body, q, RATE_HZ, forces, None)
    theirs = locked.inverse_dynamics(locked.q(columns(body, q)), RATE_HZ, forces, None)
    for channel in ours.channels:
        np.testing.assert_allclose(theirs.label(channel), ours.label(channel), atol=1e-9)


def test_only_the_knee_that_extends_is_turned(body, tmp_path):
    flexing = OpenSimModel(Build(osim, body).write(tmp_path / "flexing.osim"))
    extending = OpenSimModel(Build(osim, body, -1.0).write(tmp_path / "extending.osim"))
    # Our lumbar coordinate flexes; in this file it has the name of OpenSim's, which extends.
    against = {name for name, sign in flexing.signs.items() if sign < 0.0}
    assert against == {"lumbar_extension"}
    also = {name for name, sign in extending.signs.items() if sign < 0.0}
    assert also == {"lumbar_extension", "knee_angle_r", "knee_angle_l"}


def test_channels_and_names_make_the_same_q(body, tmp_path):
    model = OpenSimModel(Build(osim, body, -1.0).write(tmp_path / "person.osim"))
    angle = np.linspace(0.0, 1.0, 5)
    by_channel = model.q({"angle.knee_flexion.r": angle, "angle.hip_flexion.l": angle})
    by_name = model.q({"knee_angle_r": -angle, "hip_flexion_l": angle, "unknown": angle})
    np.testing.assert_array_equal(by_channel, by_name)
    assert np.count_nonzero(by_channel.any(axis=0)) == 2
    np.testing.assert_array_equal(by_channel[:, model.coordinates.index("knee_angle_r")], -angle)


@pytest.fixture(scope="module")
def recordings(real_data, tmp_path_factory):
    """Tables of derived_id with the recordings made of them."""
    folder = real_data / "opencap"
    dataset = import_dataset("opencap", folder, tmp_path_factory.mktemp("opencap") / "made")
    return [
        (
            dataset.load(dataset.select(task=task)[0]),
            folder / "derived_id" / f"opencap_S4__{name}.csv.gz",
        )
        for task, name in (("walk", "walking1"), ("squat", "squats1"))
    ]


def test_a_measured_person_has_the_same_torques(real_data, recordings, tmp_path):
    person = body_parameters("x", stature(real_data / "opencap"), MASS_KG)
    body = Body(person, hip_rotation=True)
    engine = Engine(body)
    model = OpenSimModel(Build(osim, body).write(tmp_path / "person.osim"))
    for recording, table in recordings:
        q = coordinates(recording, table, body.coordinates, person.height_m)
        forces = wrenches(recording)
        ours = joint_torques(engine, q, RATE_HZ, forces)
        theirs = model.inverse_dynamics(model.q(columns(body, q)), RATE_HZ, forces)
        for joint in JOINTS:
            for side in "rl":
                channel = f"torque.{joint}.{side}"
                difference = np.abs(theirs.label(channel) - ours.label(channel)).max()
                assert difference < 1e-9, channel
                assert np.ptp(ours.label(channel)) > 0.05


@pytest.fixture(scope="module")
def scaled(real_data, tmp_path_factory):
    """The model of 22 bodies and 80 muscles that was scaled to the person of OpenCap."""
    source = real_data / "opencap" / "raw" / "Subject4" / "Models"
    path = tmp_path_factory.mktemp("scaled") / "scaled.osim"
    packed = source / "optimized_scale_and_markers.osim.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return OpenSimModel(path)


def test_a_scaled_model_gives_the_published_moments(scaled, recordings):
    """The tables are of OpenSim's own tool, whose low-pass has another order than ours."""
    assert scaled.mass_kg == pytest.approx(MASS_KG)
    assert len(scaled.coordinates) == 33
    for recording, path in recordings:
        table = read_table(path, ("time_s",))
        known = {
            name: table[f"{name}_m"] if f"{name}_m" in table else np.deg2rad(table[f"{name}_deg"])
            for name in scaled.coordinates
        }
        ours = scaled.inverse_dynamics(scaled.q(known), RATE_HZ, wrenches(recording))
        theirs = recording.streams["torque"]
        for side in "rl":
            valid = theirs.column(f"valid.torque.{side}") == 1.0
            for joint in (*JOINTS, "subtalar"):
                channel = f"torque.{joint}.{side}"
                pair = np.stack([ours.label(channel), theirs.column(channel)])[:, valid]
                assert np.corrcoef(pair)[0, 1] > 0.997, channel
                assert np.sqrt(np.mean(np.diff(pair, axis=0) ** 2)) < 0.016, channel


def test_a_kneecap_follows_its_knee(scaled):
    """Arms through the kneecap are minus the derivative of the length, as all are."""
    names = ("vasint_r", "recfem_r", "gasmed_r", "soleus_r", "glmed2_r")
    about = ("hip_flexion_r", "knee_angle_r", "ankle_angle_r")
    step = 1e-4
    posture = {"hip_flexion_r": 0.5, "knee_angle_r": 1.0, "ankle_angle_r": 0.1}
    arms = scaled.muscle_geometry(_posture(scaled, posture), names, about).arms_m[0]
    for j, coordinate in enumerate(about):
        ends = [
            scaled.muscle_geometry(_posture(scaled, posture | {coordinate: x}), names, ())
            for x in (posture[coordinate] - step, posture[coordinate] + step)
        ]
        slope = (ends[1].lengths_m - ends[0].lengths_m)[0] / (2.0 * step)
        np.testing.assert_allclose(arms[:, j], -slope, atol=2e-5)
    assert arms[names.index("vasint_r"), about.index("knee_angle_r")] < -0.03
    assert arms[names.index("soleus_r"), about.index("knee_angle_r")] == 0.0


def _posture(model, angles):
    return model.q({name: np.array([x]) for name, x in angles.items()})


def test_polynomials_follow_a_scaled_model(scaled):
    fitted = opensim_leg_muscles(scaled, "l")
    assert len(fitted.muscles.names) == 19
    # Where the lateral gastrocnemius wraps, with the knee straight, OpenSim's arm is 29 mm and the
    # slope of its length 14 mm: no polynomial can have both, and the errors have to say so.
    odd = fitted.muscles.index("gastrocnemius_lateralis")
    assert fitted.length_rms_m[odd] > 1e-3
    assert np.delete(fitted.length_rms_m, odd).max() < 2e-4
    assert fitted.arm_rms_m.max() < 1.5e-3


def straight_line(body, flexion):
    """Length of a line from thigh to shank over the knee, and its arm towards flexion."""
    knee = np.array([0.0, 0.0, -body.params.lengths_m["thigh"]])
    sin, cos = np.sin(flexion), np.cos(flexion)
    x, z = SHANK_POINT[0], SHANK_POINT[2]
    low = np.stack([cos * x + sin * z, 0.0 * sin, cos * z - sin * x], axis=1)
    slope = np.stack([cos * z - sin * x, 0.0 * sin, -cos * x - sin * z], axis=1)
    line = knee + low - np.array(THIGH_POINT)
    length = np.linalg.norm(line, axis=1)
    return length, -np.einsum("fa,fa->f", line, slope) / length


@pytest.fixture(scope="module")
def muscled(body, tmp_path_factory):
    """Knees that extend, and a quadriceps of two lines before each: one twice as strong."""
    build = Build(osim, body, -1.0)
    for side in "rl":
        ends = ((f"thigh_{side}", THIGH_POINT), (f"shank_{side}", SHANK_POINT))
        build.muscle(f"one_{side}", ends, 1000.0, optimal_m=0.09, slack_m=0.1)
        further = ((f"thigh_{side}", (0.05, 0.0, 0.0)), (f"shank_{side}", SHANK_POINT))
        build.muscle(f"two_{side}", further, 2000.0, optimal_m=0.12, slack_m=0.2)
    return OpenSimModel(build.write(tmp_path_factory.mktemp("muscled") / "person.osim"))


def test_a_prescribed_knee_changes_no_moment_arm(body, muscled, tmp_path):
    model = osim.Model(str(muscled._opened.path))
    knee = model.getCoordinateSet().get("knee_angle_r")
    knee.set_prescribed_function(osim.Constant(-0.2))
    knee.set_prescribed(True)
    model.finalizeConnections()
    model.printToXML(str(tmp_path / "prescribed.osim"))
    other = OpenSimModel(tmp_path / "prescribed.osim")
    q = muscled.q({"angle.knee_flexion.r": np.linspace(0.0, 1.0, 4)})
    ask = (q, ("one_r",), ("knee_angle_r", "hip_flexion_r"))
    free, bound = muscled.muscle_geometry(*ask), other.muscle_geometry(*ask)
    np.testing.assert_array_equal(bound.arms_m, free.arms_m)
    np.testing.assert_array_equal(bound.lengths_m, free.lengths_m)


def test_a_straight_muscle_has_the_length_and_arm_of_a_triangle(body, muscled):
    flexion = np.linspace(0.0, 1.8, 7)
    q = muscled.q({"angle.knee_flexion.r": flexion, "angle.hip_adduction.r": 0.1 * flexion})
    geometry = muscled.muscle_geometry(q, ("one_r",), ("knee_angle_r", "hip_flexion_r"))
    length, arm = straight_line(body, flexion)
    np.testing.assert_allclose(geometry.lengths_m[:, 0], length, atol=1e-12)
    # This knee's coordinate extends, and so the arm of an extensor is positive.
    np.testing.assert_allclose(geometry.arms_m[:, 0, 0], -arm, atol=1e-9)
    assert geometry.arms_m[0, 0, 0] > 0.04
    np.testing.assert_array_equal(geometry.arms_m[:, 0, 1], 0.0)


def test_lines_of_action_merge_by_their_force(body, muscled):
    lines = {"vastus_lateralis": ["one", "two"], "vastus_medialis": ["one"]}
    fitted = opensim_leg_muscles(muscled, "r", lines)
    both = fitted.muscles
    assert both.names == tuple(lines)
    np.testing.assert_allclose(both.hill.max_force_n, [3000.0, 1000.0])
    np.testing.assert_allclose(both.hill.optimal_length_m, [0.11, 0.09])
    np.testing.assert_allclose(both.hill.slack_length_m, [(0.1 + 2 * 0.2) / 3, 0.1])
    flexion = np.linspace(0.1, 1.6, 9)
    angles = np.zeros((9, 4))
    angles[:, 2] = flexion
    lengths, arms = both.paths.evaluate(angles)
    length, arm = straight_line(body, flexion)
    np.testing.assert_allclose(lengths[:, 1], length, atol=2e-4)
    np.testing.assert_allclose(arms[:, 1, 2], arm, atol=2e-3)
    q = muscled.q({"angle.knee_flexion.r": flexion})
    two = muscled.muscle_geometry(q, ("two_r",), ()).lengths_m[:, 0]
    np.testing.assert_allclose(lengths[:, 0], (length + 2.0 * two) / 3.0, atol=2e-4)
    np.testing.assert_array_equal(arms[:, :, [0, 1, 3]], 0.0)
    assert fitted.length_rms_m.max() < 2e-4


def test_the_emg_driven_model_takes_the_muscles(muscled):
    lines = {"vastus_lateralis": ["one"]}
    muscles = opensim_leg_muscles(muscled, "l", lines).muscles
    model = NmsModel.nominal(muscles, 70.0, np.ones((1, 1)))
    angles = np.zeros((300, 4))
    angles[:, 2] = 0.2
    weak, strong = (
        model.predict(NmsTrial(np.full((300, 1), level), angles, np.zeros((300, 4)), RATE_HZ, None))
        for level in (0.1, 0.8)
    )
    # An extensor: more activity is more extension, which labels count positive.
    assert strong[-1, 2] > weak[-1, 2] > 0.0
    np.testing.assert_array_equal(strong[:, [0, 1, 3]], 0.0)


def text_of(body, tmp_path, knee=1.0):
    return Build(osim, body, knee).write(tmp_path / "good.osim").read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "a letter",
        lambda text: '<OpenSimDocument Version="40000"><Thing/></OpenSimDocument>',
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("/bodyset/femur_r", "/bodyset/nothing"),
        lambda text: text.replace("<gravity>0 -9.8066499999999994 0<", "<gravity>0 0 -9.8<"),
    ],
    ids=["prose", "empty", "truncated", "dangling", "lying-down"],
)
def test_a_bad_file_is_one_error(body, tmp_path, spoil):
    text = text_of(body, tmp_path)
    assert spoil(text) != text
    path = tmp_path / "bad.osim"
    path.write_text(spoil(text))
    with pytest.raises(DataError) as caught:
        OpenSimModel(path)
    assert caught.value.reason is DataReason.BAD_FORMAT
    assert caught.value.where == str(path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(DataError) as caught:
        OpenSimModel(tmp_path / "none.osim")
    assert caught.value.reason is DataReason.NOT_FOUND


def test_a_joint_must_turn_as_its_name_says(body, tmp_path):
    text = text_of(body, tmp_path).replace("hip_rotation_r", "ankle_angle_x")
    text = text.replace("ankle_angle_r", "hip_rotation_r").replace("ankle_angle_x", "ankle_angle_r")
    path = tmp_path / "swapped.osim"
    path.write_text(text)
    with pytest.raises(DataError, match=r"(hip_rotation|ankle_angle)_r turns about"):
        OpenSimModel(path)


@pytest.mark.parametrize("kind", ["ball", "pinned"])
def test_joints_and_constraints_it_cannot_honour_are_refused(body, tmp_path, kind):
    build = Build(osim, body)
    if kind == "ball":
        extra = osim.Body("extra", 1.0, osim.Vec3(0.0), osim.Inertia(0.1, 0.1, 0.1))
        build.model.addBody(extra)
        build.model.addJoint(osim.BallJoint("loose", build.model.getGround(), extra))
    else:
        zero, ground = osim.Vec3(0.0), build.model.getGround()
        foot = build.model.getBodySet().get("calcn_r")
        build.model.addConstraint(osim.PointConstraint(ground, zero, foot, zero))
    path = build.write(tmp_path / "odd.osim")
    with pytest.raises(DataError, match=r"BallJoint|constraint") as caught:
        OpenSimModel(path)
    assert caught.value.reason is DataReason.BAD_FORMAT


@pytest.fixture(scope="module")
def plain(body, tmp_path_factory):
    return OpenSimModel(Build(osim, body).write(tmp_path_factory.mktemp("plain") / "person.osim"))


def test_bad_requests_are_refused(plain, body):
    q, forces = moved(body, 60)
    q = plain.q(columns(body, q))
    cases = [
        (lambda: plain.inverse_dynamics(q[:, :3], RATE_HZ, []), UsageReason.BAD_ARGUMENT),
        (lambda: plain.inverse_dynamics(q * np.nan, RATE_HZ, []), UsageReason.BAD_ARGUMENT),
        (lambda: plain.inverse_dynamics(q, 0.0, []), UsageReason.BAD_ARGUMENT),
        (lambda: plain.inverse_dynamics(q[:40], RATE_HZ, forces), UsageReason.BAD_ARGUMENT),
        (
            lambda: plain.inverse_dynamics(
                q, RATE_HZ, [Wrench("tail", np.ones((60, 3)), np.ones((60, 3)))]
            ),
            UsageReason.UNKNOWN_NAME,
        ),
        (lambda: plain.q({"angle.elbow_flexion.r": q[:, 0]}), UsageReason.BAD_ARGUMENT),
        (
            lambda: plain.q({"knee_angle_r": q[:, 0], "knee_angle_l": q[:5, 0]}),
            UsageReason.BAD_ARGUMENT,
        ),
        (lambda: plain.muscle_geometry(q, ("soleus_r",)), UsageReason.UNKNOWN_NAME),
        (lambda: opensim_leg_muscles(plain, "r"), UsageReason.IMPOSSIBLE),
    ]
    for ask, reason in cases:
        with pytest.raises(UsageError) as caught:
            ask()
        assert caught.value.reason is reason


def test_a_body_may_be_named_as_in_the_model(plain, body):
    q, forces = moved(body, 60)
    q = plain.q(columns(body, q))
    named = [Wrench("calcn_r", forces[0].force, forces[0].point, forces[0].free_moment)]
    ours = plain.inverse_dynamics(q, RATE_HZ, forces[:1])
    np.testing.assert_array_equal(plain.inverse_dynamics(q, RATE_HZ, named).labels, ours.labels)
