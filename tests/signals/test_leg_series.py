"""From a recording to its legs: what is taken, derived, masked, mirrored and refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError
from kinefed.datasets.types import Gap, Recording, RecordingRef, Stream, Subject
from kinefed.signals import (
    BandPass,
    Differentiate,
    LegSpec,
    LowPassEnvelope,
    Pipeline,
    Rectify,
    Resample,
    SignalError,
    SignalReason,
    emg_reference_of,
    leg_series,
    mirror_sign,
)

SUBJECT = Subject("S01", group="twins")
SPEC = LegSpec(
    inputs=("angle.knee_flexion", "velocity.knee_flexion"),
    outputs=("torque.knee",),
    optional=("envelope.soleus", "envelope.hamstrings"),
)
REFERENCE = {
    "emg.soleus.l": 2e-4, "emg.soleus.r": 1e-4, "emg.hamstrings.l": 1e-4, "emg.hamstrings.r": 3e-4
}  # fmt: skip


def stream(name, rate_hz, columns, start_s=0.0, unit="1"):
    data = np.column_stack(list(columns.values()))
    return Stream(name, rate_hz, start_s, tuple(columns), (unit,) * len(columns), data)


def make(frames=200, **changes) -> Recording:
    time = np.arange(frames) / 100.0
    rng = np.random.default_rng(0)
    emg = {c: 1e-4 * rng.standard_normal(frames * 10) for c in REFERENCE}
    streams = {
        "kinematics": stream(
            "kinematics",
            100.0,
            {"angle.knee_flexion.l": np.sin(6 * time), "angle.knee_flexion.r": np.cos(6 * time)},
        ),
        "torque": stream(
            "torque",
            100.0,
            {
                "torque.knee.l": time,
                "torque.knee.r": -time,
                "valid.torque.r": ((time > 0.5) & (time < 1.0)) | (time > 1.5),
            },
        ),
        "emg": stream("emg", 1000.0, emg),
    }
    streams |= changes.pop("streams", {})
    streams = {name: s for name, s in streams.items() if s is not None}
    return Recording(RecordingRef("S01", "s02", "walk", 3), streams, **changes)


def column(recording, name):
    return recording.find(name).column(name)


def test_both_legs_come_out_with_what_they_are():
    recording = make()
    left, right = leg_series(recording, SUBJECT, SPEC, REFERENCE)
    assert (left.side, right.side) == ("l", "r")
    for leg in (left, right):
        assert (leg.subject, leg.group, leg.session, leg.task) == ("S01", "twins", "s02", "walk")
        assert leg.key == "S01/s02/walk_03"
        assert leg.n_optional == 2
        assert leg.rate_hz == 100.0
        assert leg.available.all()
        np.testing.assert_array_equal(
            leg.x[:, 0], column(recording, f"angle.knee_flexion.{leg.side}").astype(np.float32)
        )
        np.testing.assert_array_equal(
            leg.y[:, 0], column(recording, f"torque.knee.{leg.side}").astype(np.float32)
        )
    assert left.mask.all()  # no validity channel: all finite labels are valid
    np.testing.assert_array_equal(right.mask, column(recording, "valid.torque.r") > 0)
    assert right.contact.max() == 1


def test_velocity_is_the_causal_derivative():
    recording = make()
    wanted = Pipeline((Differentiate(1, SPEC.velocity_cutoff_hz),)).apply(
        recording.streams["kinematics"]
    )
    for leg in leg_series(recording, SUBJECT, SPEC, {}):
        np.testing.assert_allclose(
            leg.x[:, 1], wanted.column(f"velocity.knee_flexion.{leg.side}"), rtol=1e-6
        )
    spec = replace(SPEC, inputs=(*SPEC.inputs, "acceleration.knee_flexion"))
    twice = Pipeline((Differentiate(2, 15.0),)).apply(recording.streams["kinematics"])
    leg = leg_series(recording, SUBJECT, spec, {})[1]
    np.testing.assert_allclose(
        leg.x[:, 2], twice.column("acceleration.knee_flexion.r"), rtol=1e-5, atol=1e-4
    )


def test_velocity_of_smooth_angles_is_the_plain_difference():
    recording = make()
    angle = column(recording, "angle.knee_flexion.r")
    leg = leg_series(recording, SUBJECT, replace(SPEC, velocity_cutoff_hz=None), {})[1]
    wanted = np.diff(angle, prepend=angle[:1]) * 100.0
    np.testing.assert_allclose(leg.x[:, 1], wanted, rtol=1e-5, atol=1e-6)


def test_a_recorded_velocity_is_taken_as_it_is():
    own = np.linspace(0, 1, 200)
    extra = stream("speed", 100.0, {"velocity.knee_flexion.r": own})
    left, right = leg_series(make(streams={"speed": extra}), SUBJECT, SPEC, {})
    np.testing.assert_array_equal(right.x[:, 1], own.astype(np.float32))
    assert np.abs(left.x[:, 1]).max() > 2.0


def test_envelopes_are_a_fraction_of_the_reference():
    recording = make()
    chain = Pipeline((BandPass(), Rectify(), LowPassEnvelope(), Resample(100.0, False)))
    envelopes = chain.apply(recording.streams["emg"])
    for leg in leg_series(recording, SUBJECT, SPEC, REFERENCE):
        for i, muscle in enumerate(("soleus", "hamstrings"), start=2):
            wanted = envelopes.column(f"envelope.{muscle}.{leg.side}")
            wanted = wanted / REFERENCE[f"emg.{muscle}.{leg.side}"]
            np.testing.assert_allclose(leg.x[:, i], wanted, rtol=1e-5, atol=1e-7)
    # Frame by frame, no later sample counts.
    emg = recording.streams["emg"]
    later = emg.data.copy()
    later[1001:] *= 50.0
    changed = make(streams={"emg": replace(emg, data=later)})
    for one, other in zip(
        leg_series(recording, SUBJECT, SPEC, REFERENCE),
        leg_series(changed, SUBJECT, SPEC, REFERENCE),
        strict=True,
    ):
        np.testing.assert_array_equal(one.x[:101], other.x[:101])
        assert np.abs(one.x[110:, 2] - other.x[110:, 2]).max() > 0.1


def test_an_envelope_without_a_reference_is_refused():
    with pytest.raises(SignalError) as caught:
        leg_series(make(), SUBJECT, SPEC)
    assert caught.value.reason is SignalReason.NO_REFERENCE
    assert "emg.soleus.l" in str(caught.value)
    # Where there is no EMG, or none is asked for, no reference is needed.
    assert len(leg_series(make(streams={"emg": None}), SUBJECT, SPEC)) == 2
    assert len(leg_series(make(), SUBJECT, replace(SPEC, optional=()))) == 2


def test_what_cannot_be_had_is_not_available():
    recording = make(quality={"emg.soleus.l": "dead", "emg.hamstrings.r": "good"})
    reference = {k: v for k, v in REFERENCE.items() if k != "emg.hamstrings.l"}
    left, right = leg_series(recording, SUBJECT, SPEC, reference)
    assert left.available.tolist() == [True, True, False, False]
    assert not left.x[:, 2:].any()
    assert right.available.all()
    for leg in leg_series(recording, SUBJECT, SPEC, {}):
        assert leg.available.tolist() == [True, True, False, False]
    emg = recording.streams["emg"]
    data = emg.data.copy()
    data[5, 1] = np.nan  # emg.soleus.r
    holed = make(streams={"emg": replace(emg, data=data)})
    left, right = leg_series(holed, SUBJECT, SPEC, REFERENCE)
    assert left.available.all()
    assert right.available.tolist() == [True, True, False, True]
    assert right.mask.sum() == make().find("valid.torque.r").column("valid.torque.r").sum()


def test_a_leg_without_a_required_channel_is_no_leg():
    def sides(**changes):
        return [leg.side for leg in leg_series(make(**changes), SUBJECT, SPEC, {})]

    assert sides(quality={"angle.knee_flexion.l": "drifts"}) == ["r"]
    assert sides(quality={"torque.knee.r": "no plate"}) == ["l"]
    assert sides(streams={"torque": None}) == []
    nan = stream("kinematics", 100.0, {"angle.knee_flexion.r": np.full(200, np.nan)})
    assert sides(streams={"kinematics": nan}) == []


def test_holes_in_an_angle_are_held_and_masked():
    recording = make()
    kinematics = recording.streams["kinematics"]
    data = kinematics.data.copy()
    data[:3, 0] = np.nan
    data[50:60, 0] = np.nan
    left, right = leg_series(
        make(streams={"kinematics": replace(kinematics, data=data)}), SUBJECT, SPEC, {}
    )
    assert np.flatnonzero(~left.mask).tolist() == [0, 1, 2, *range(50, 60)]
    np.testing.assert_array_equal(left.x[:3, 0], np.float32(data[3, 0]))
    np.testing.assert_array_equal(left.x[50:60, 0], np.float32(data[49, 0]))
    assert right.mask[55]


def test_gaps_and_labels_that_are_not_finite_are_masked():
    recording = make()
    torque = recording.streams["torque"]
    data = torque.data.copy()
    data[120, 0] = np.nan
    gaps = (Gap("kinematics", 0.2, 0.25), Gap("grf", 0.0, 9.0))
    left, _ = leg_series(
        make(streams={"torque": replace(torque, data=data)}, gaps=gaps), SUBJECT, SPEC, {}
    )
    assert np.flatnonzero(~left.mask).tolist() == [*range(20, 26), 120]
    assert left.contact.max() == 2


def test_streams_at_other_rates_and_times_meet_causally():
    """A ramp in time shows by its value which time was taken."""
    fast = np.arange(1, 1999) / 1000.0 + 0.0003
    kinematics = stream("kinematics", 1000.0, {"angle.knee_flexion.r": fast}, start_s=0.0013)
    slow = np.arange(100) / 50.0
    torque = stream("torque", 50.0, {"torque.knee.r": slow})
    spec = replace(SPEC, inputs=("angle.knee_flexion",), optional=())
    (leg,) = leg_series(
        make(streams={"kinematics": kinematics, "torque": torque, "emg": None}), SUBJECT, spec
    )
    time = 0.0013 + np.arange(len(leg.x)) / 100.0
    # Labels: exact, whatever the rate. Inputs: late by the anti-alias filter, never early.
    np.testing.assert_allclose(leg.y[:, 0], time, atol=1e-6)
    late = time - leg.x[:, 0]
    assert (late[20:] > 0).all()
    assert late[50:].max() < 0.012
    assert time[-1] <= slow[-1] < time[-1] + 0.01


def test_a_frame_between_two_samples_takes_the_earlier_one():
    torque = stream("torque", 100.0, {"torque.knee.r": np.arange(150.0)}, start_s=0.013)
    time = np.arange(200) / 100.0
    kinematics = stream("kinematics", 100.0, {"angle.knee_flexion.r": time})
    spec = replace(SPEC, inputs=("angle.knee_flexion",), optional=())
    (leg,) = leg_series(make(streams={"torque": torque, "kinematics": kinematics}), SUBJECT, spec)
    np.testing.assert_allclose(leg.x[:, 0], time[1:151], rtol=1e-6)
    np.testing.assert_array_equal(leg.y[:, 0], np.arange(150.0))


def test_frames_are_those_that_all_used_streams_cover():
    recording = make()
    emg = recording.streams["emg"]
    cut = replace(emg, data=emg.data[:1500], start_s=0.1)
    legs = leg_series(make(streams={"emg": cut}), SUBJECT, SPEC, REFERENCE)
    for leg in legs:
        assert leg.n_frames == 150  # 0.1 s to 1.599 s
        assert leg.y[0, 0] == pytest.approx(0.1 if leg.side == "l" else -0.1)
    # A wearer without an EMG reference has the same frames as one with it.
    legs = leg_series(make(streams={"emg": cut}), SUBJECT, SPEC, {})
    assert [leg.n_frames for leg in legs] == [150, 150]
    legs = leg_series(make(streams={"emg": None}), SUBJECT, SPEC, {})
    assert [leg.n_frames for leg in legs] == [200, 200]


def test_a_missing_channel_is_looked_for_on_the_midline_and_mirrored():
    time = np.arange(200) / 100.0
    imu = stream(
        "imu",
        100.0,
        {
            "gyro.pelvis.x": time, "gyro.pelvis.z": time, "acc.shank.l.z": time,
            "acc.shank.r.z": 2 * time, "angle.trunk_list": time / 4, "angle.trunk_tilt": time / 5,
        },
    )  # fmt: skip
    spec = LegSpec(
        ("gyro.pelvis.x", "gyro.pelvis.z", "acc.shank.z", "angle.trunk_list", "angle.trunk_tilt"),
        ("torque.knee",),
    )
    left, right = leg_series(make(streams={"imu": imu}), SUBJECT, spec)
    last = np.float32(time[-1])
    np.testing.assert_allclose(right.x[-1], [last, last, 2 * last, last / 4, last / 5])
    np.testing.assert_allclose(left.x[-1], [-last, last, -last, -last / 4, last / 5])


@pytest.mark.parametrize(
    ("channel", "sign"),
    [
        ("acc.shank.l.x", 1), ("acc.shank.l.y", 1), ("acc.shank.l.z", -1),
        ("gyro.shank.l.x", -1), ("gyro.shank.l.y", -1), ("gyro.shank.l.z", 1),
        ("grf.foot.l.vertical", 1), ("grf.foot.l.anterior", 1), ("grf.foot.l.lateral", -1),
        ("cop.foot.l.lateral", -1), ("free_moment.foot.l", -1),
        ("angle.hip_adduction.l", 1), ("angle.hip_rotation.l", 1), ("torque.hip_abduction.l", 1),
        ("angle.pelvis_list", -1), ("angle.pelvis_rotation", -1), ("angle.pelvis_tilt", 1),
        ("angle.pelvis_list.l", 1), ("emg.soleus.l", 1),
    ],
)  # fmt: skip
def test_what_is_mirrored(channel, sign):
    assert mirror_sign(ChannelName.parse(channel)) == sign


def test_the_mirror_is_a_reflection():
    """A gyroscope's rotation moves the reflected points as the reflected velocity says."""
    rng = np.random.default_rng(2)
    turn, point = rng.standard_normal((2, 3))
    reflect = np.array([mirror_sign(ChannelName.parse(f"acc.shank.l.{a}")) for a in "xyz"])
    spin = np.array([mirror_sign(ChannelName.parse(f"gyro.shank.l.{a}")) for a in "xyz"])
    np.testing.assert_allclose(
        np.cross(spin * turn, reflect * point), reflect * np.cross(turn, point)
    )


def test_another_persons_recording_is_refused():
    with pytest.raises(SignalError) as caught:
        leg_series(make(), Subject("S02"), SPEC, {})
    assert "S02" in str(caught.value)


def test_the_reference_is_the_peak_of_the_envelope():
    one, two = make(), make(quality={"emg.soleus.l": "noisy"})
    emg = two.streams["emg"]
    data = emg.data * np.array([9.0, 2.0, 0.5, 0.0])
    data[7, 2] = np.nan
    two = replace(two, streams=two.streams | {"emg": replace(emg, data=data)})
    names = list(REFERENCE)
    chain = Pipeline((BandPass(), Rectify(), LowPassEnvelope()))
    peaks = dict(zip(names, chain.apply(one.streams["emg"]).data.max(axis=0), strict=True))
    assert emg_reference_of([one]) == pytest.approx(peaks)
    both = emg_reference_of([one, two])
    assert both == pytest.approx(peaks | {"emg.soleus.r": 2 * peaks["emg.soleus.r"]})
    assert emg_reference_of([two]) == pytest.approx({"emg.soleus.r": 2 * peaks["emg.soleus.r"]})
    assert emg_reference_of([]) == {}
    top = max(leg.x[:, 2:].max() for leg in leg_series(one, SUBJECT, SPEC, peaks))
    assert 0.9 < top <= 1.0


def test_a_spec_survives_the_round_trip():
    spec = replace(SPEC, rate_hz=200.0, velocity_cutoff_hz=9.0)
    assert LegSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.n_channels == 6
    assert spec.channels == SPEC.inputs + SPEC.optional


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"inputs": []}, "spec"),
        ({"inputs": ["angle.knee_flexion.r"]}, "spec"),
        ({"optional": ["angle.knee_flexion"]}, "spec"),
        ({"rate_hz": 0}, "spec.rate_hz"),
        ({"velocity_cutoff_hz": -1.0}, "spec.velocity_cutoff_hz"),
        ({"rate": 100.0}, "spec.rate"),
        ({"outputs": "torque.knee"}, "spec.outputs"),
        ({"outputs": ["torque.knee", 3]}, "spec.outputs[1]"),
    ],
)
def test_a_bad_spec_is_refused_by_field(change, where):
    with pytest.raises(SignalError) as caught:
        LegSpec.from_dict(SPEC.to_dict() | change)
    assert caught.value.where == where


def test_an_unknown_channel_in_a_spec_is_refused():
    with pytest.raises(DataError):
        LegSpec(("angle.knie",), ("torque.knee",))
