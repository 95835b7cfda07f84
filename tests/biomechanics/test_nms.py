"""The EMG-driven model: it finds what made the data, and its derivatives are right."""

from dataclasses import replace

import numpy as np
import pytest

from kinefed.biomechanics.geometry import arm_muscles, leg_muscles
from kinefed.biomechanics.nms import NmsModel, leg_sources, leg_trial
from kinefed.biomechanics.nms_forward import PARAMETERS, NmsParameters, NmsTrial, Prepared
from kinefed.datasets.errors import DataError, DataReason
from kinefed.signals import LegSeries, LegSpec, contacts_of

MASS_KG = 72.0
RATE_HZ = 100.0
ARM = arm_muscles()
SITES = ("biceps_brachii", "brachioradialis", "triceps_longus", "triceps_lateralis")
# brachialis is seen with biceps, the medial head with the lateral one; the wrist has no electrode.
SOURCES = np.zeros((8, 4))
SOURCES[[0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 3, 3]] = 1.0
HIDDEN = NmsParameters(
    strength=np.array([0.3, -0.2, 0.1, -0.3, 0.2, 0.1, 0.0, 0.0]),
    optimal=np.array([0.05, -0.05, 0.0, 0.06, -0.04, 0.0, 0.0, 0.0]),
    slack=np.array([0.05, 0.0, -0.06, 0.0, 0.06, 0.0, 0.0, 0.0]),
    gain=np.array([0.2, -0.3, 0.1, -0.2]),
    a_shape=np.array([-1.7]),
    delay_s=np.array([0.045]),
)


def movement(seed, seconds=30.0):
    """Elbow movements of changing speed, with activity of changing size."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE_HZ)
    time = np.arange(frames) / RATE_HZ

    def wander():
        tones = [
            np.sin(2 * np.pi * f * time + 6.3 * rng.random()) for f in rng.uniform(0.1, 1.5, 6)
        ]
        return np.sum(tones, axis=0) / 3.0

    angles = np.column_stack([1.1 + 0.5 * wander(), 0.2 * wander()])
    envelopes = np.column_stack([np.clip(0.25 + 0.25 * wander(), 0.01, 0.9) for _ in SITES])
    return NmsTrial(envelopes, angles, np.gradient(angles, 1 / RATE_HZ, axis=0), RATE_HZ)


def labelled(trial, noise=0.0, seed=0):
    truth = replace(NmsModel.nominal(ARM, MASS_KG, SOURCES), parameters=HIDDEN)
    torque = truth.predict(trial)
    return replace(
        trial, torque=torque + noise * np.random.default_rng(seed).standard_normal(torque.shape)
    )


def rmse(model, trial):
    return np.sqrt(np.mean((model.predict(trial) - trial.torque)[:, 0] ** 2))


@pytest.fixture(scope="module")
def calibrated():
    nominal = NmsModel.nominal(ARM, MASS_KG, SOURCES)
    return nominal, nominal.calibrate([labelled(movement(1), 0.01)])


def test_calibration_predicts_new_movements(calibrated):
    nominal, model = calibrated
    test = labelled(movement(2))
    spread = test.torque[:, 0].std()
    assert rmse(nominal, test) > 0.3 * spread
    assert rmse(model, test) < 0.05 * spread
    mean = np.sqrt(np.mean((test.torque[:, 0] - labelled(movement(1)).torque[:, 0].mean()) ** 2))
    assert rmse(model, test) < 0.1 * mean


def test_calibration_recovers_what_the_data_determine(calibrated):
    _, model = calibrated
    assert model.parameters.delay_s[0] == pytest.approx(0.045, abs=0.004)

    # Strength and gain trade against one another, their product at small activity does not.
    def effect(p):
        bend = p.a_shape[0] / np.expm1(p.a_shape[0])
        return np.log(bend) + p.strength[[0, 3]] + p.gain[[0, 2]]

    found, truth = effect(model.parameters), effect(HIDDEN)
    nominal = effect(NmsModel.nominal(ARM, MASS_KG, SOURCES).parameters)
    assert np.abs(found - truth).max() < 0.5 * np.abs(nominal - truth).max()


def test_a_muscle_that_nothing_drives_keeps_the_textbook(calibrated):
    _, model = calibrated
    assert model.parameters.strength[6:] == pytest.approx(0.0, abs=0.1)


def test_the_derivatives_are_those_of_the_residual():
    trial = labelled(movement(3, 2.0))
    prepared = Prepared.of(ARM, MASS_KG, SOURCES, trial, 3)
    weight = np.array([2.0, 3.0])
    model = NmsModel.nominal(ARM, MASS_KG, SOURCES)
    at = model._parameters(0.5 * (HIDDEN.vector() + model.parameters.vector()))
    jacobian = prepared.jacobian(at, weight)
    vector = at.vector()
    for column in range(len(vector)):
        step = np.zeros(len(vector))
        step[column] = 1e-5
        up = prepared.residual(model._parameters(vector + step), weight)
        down = prepared.residual(model._parameters(vector - step), weight)
        numeric = (up - down) / 2e-5
        scale = max(np.abs(numeric).max(), 1e-3)
        assert jacobian[:, column] == pytest.approx(numeric, abs=2e-3 * scale), column


def test_frames_without_a_torque_do_not_count():
    trial = labelled(movement(1, 8.0))
    half = np.array(trial.torque)
    half[400:] = np.nan
    poisoned = np.array(trial.envelopes)
    poisoned[500:] = 0.7
    first = NmsModel.nominal(ARM, MASS_KG, SOURCES).calibrate([replace(trial, torque=half)])
    second = NmsModel.nominal(ARM, MASS_KG, SOURCES).calibrate(
        [replace(trial, torque=half, envelopes=poisoned)]
    )
    assert first.parameters.vector() == pytest.approx(second.parameters.vector())


def test_predictions_are_causal(calibrated):
    _, model = calibrated
    trial = movement(4, 5.0)
    later = np.array(trial.envelopes)
    later[300:] = 0.9
    changed = model.predict(replace(trial, envelopes=later))
    assert changed[:300] == pytest.approx(model.predict(trial)[:300])
    assert not np.allclose(changed[310:], model.predict(trial)[310:])


def test_more_biceps_flexes_and_labels_are_extension_positive():
    model = NmsModel.nominal(ARM, MASS_KG, SOURCES)
    still = np.tile([1.4, 0.0], (60, 1))
    quiet = np.full((60, 4), 0.02)
    strong = np.array(quiet)
    strong[:, 0] = 0.8
    trial = NmsTrial(quiet, still, np.zeros_like(still), RATE_HZ)
    change = model.predict(replace(trial, envelopes=strong)) - model.predict(trial)
    assert (change[:, 0] < -0.2).all()
    # The labels are per kilogram.
    heavy = NmsModel.nominal(ARM, 2 * MASS_KG, SOURCES)
    assert heavy.predict(trial) == pytest.approx(0.5 * model.predict(trial))


SPEC = LegSpec(
    inputs=("angle.knee_flexion", "velocity.knee_flexion"),
    outputs=("torque.knee", "torque.ankle"),
    optional=("envelope.vastus_lateralis", "envelope.hamstrings", "envelope.soleus"),
)


def leg(available=(True, True, True, True, True)):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.6, (200, 5))
    x[:, ~np.array(available)] = 0.0
    mask = np.ones(200, dtype=bool)
    mask[:50] = False
    y = np.where(mask[:, None], rng.normal(size=(200, 2)), np.nan)
    return LegSeries(
        subject="S01",
        group="S01",
        session="s01",
        task="walk",
        side="r",
        key="S01/s01/walk_01",
        rate_hz=RATE_HZ,
        x=x,
        available=np.array(available),
        y=y,
        mask=mask,
        contact=contacts_of(mask),
        n_optional=3,
    )


def test_a_leg_becomes_a_trial():
    muscles = leg_muscles()
    series = leg()
    trial = leg_trial(series, SPEC, muscles)
    assert trial.angles_rad[:, 2] == pytest.approx(series.x[:, 0])
    assert trial.velocities_rad_s[:, 2] == pytest.approx(series.x[:, 1])
    assert (trial.angles_rad[:, [0, 1, 3]] == 0.0).all()
    assert trial.envelopes == pytest.approx(series.x[:, 2:])
    assert trial.torque[50:, 2] == pytest.approx(series.y[50:, 0])
    assert trial.torque[50:, 3] == pytest.approx(series.y[50:, 1])
    assert np.isnan(trial.torque[:50]).all()
    assert np.isnan(trial.torque[:, :2]).all()
    model = NmsModel.nominal(muscles, 70.0, leg_sources(muscles, SPEC, series.available))
    fitted = model.calibrate([trial])
    assert np.isfinite(fitted.predict(trial)).all()


def test_muscles_without_an_electrode_are_driven_by_their_neighbours():
    muscles = leg_muscles()
    sources = leg_sources(muscles, SPEC, leg().available)
    drivers = {
        name: np.flatnonzero(row).tolist()
        for name, row in zip(muscles.names, sources, strict=False)
    }
    for name in ("vastus_lateralis", "vastus_medialis"):
        assert drivers[name] == [0]
    assert drivers["semimembranosus"] == drivers["biceps_femoris"] == [1]
    assert drivers["soleus"] == [2]
    assert drivers["tibialis_anterior"] == drivers["gluteus_maximus"] == []
    without = leg_sources(muscles, SPEC, leg((True, True, False, True, True)).available)
    assert not without[muscles.index("vastus_lateralis")].any()
    both = LegSpec(
        inputs=SPEC.inputs,
        outputs=SPEC.outputs,
        optional=("envelope.vastus_lateralis", "envelope.vastus_medialis"),
    )
    shared = leg_sources(muscles, both, np.ones(4, dtype=bool))
    assert shared[muscles.index("vastus_intermedius")] == pytest.approx([0.5, 0.5])


def test_what_does_not_fit_is_refused():
    trial = movement(1, 2.0)
    model = NmsModel.nominal(ARM, MASS_KG, SOURCES)
    bad = {
        DataReason.EMPTY: lambda: model.calibrate([trial]),
        DataReason.NO_MASS: lambda: NmsModel.nominal(ARM, 0.0, SOURCES),
        DataReason.MISMATCH: lambda: model.predict(replace(trial, envelopes=np.zeros((200, 3)))),
        DataReason.NOT_FINITE: lambda: model.predict(
            replace(trial, envelopes=np.full((200, 4), np.nan))
        ),
        DataReason.MISSING_COLUMN: lambda: leg_trial(
            leg(),
            LegSpec(
                inputs=("angle.knee_flexion", "angle.hip_flexion"),
                outputs=SPEC.outputs,
                optional=SPEC.optional,
            ),
            leg_muscles(),
        ),
    }
    for reason, attempt in bad.items():
        with pytest.raises(DataError) as caught:
            attempt()
        assert caught.value.reason is reason


def test_nominal_values_lie_within_their_bounds():
    for nominal, spread, low, high in PARAMETERS.values():
        assert low <= nominal <= high
        assert spread > 0.0
