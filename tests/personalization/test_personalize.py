from __future__ import annotations

import numpy as np
from personal_worlds import BODY, linear_model, unit_scaling, wearer

from kinefed.models import from_vector, to_vector
from kinefed.personalization import (
    NO_CLUSTER,
    POOLED,
    GateConfig,
    GateReason,
    Personal,
    PersonalConfig,
    TransferConfig,
    label_errors,
    personalise,
)
from kinefed.signals import Windows

SCALING = unit_scaling()
OWN = BODY + np.array([[0.5, 0.0, 0.3], [0.0, -0.4, 0.2]], dtype=np.float32)
GLOBALS = {POOLED: to_vector(linear_model())}
CONFIG = PersonalConfig(TransferConfig(mode="head", steps=200, every=20, rate=1e-2, early=True))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def run(windows: Windows, config: PersonalConfig = CONFIG, **more) -> Personal:
    return personalise(linear_model(), GLOBALS, windows, SCALING, config, 3, **more)


def error_of(vector: np.ndarray, windows: Windows) -> float:
    module = linear_model()
    from_vector(module, vector)
    return label_errors(module, windows, SCALING).rmse


def test_a_wearer_who_differs_gets_a_better_model() -> None:
    personal = run(wearer(rng(), OWN))
    model = personal.models[POOLED]
    assert model.decision.adopt
    assert model.decision.units == 4
    assert model.steps > 0
    assert model.report is not None
    fresh = wearer(rng(9), OWN)
    assert error_of(personal.vector(), fresh) < 0.5 * error_of(GLOBALS[POOLED], fresh)
    np.testing.assert_array_equal(personal.vector(), personal.vector(gated=False))


def test_a_wearer_whom_the_global_model_fits_keeps_it() -> None:
    personal = run(wearer(rng()))
    assert not personal.models[POOLED].decision.adopt
    assert personal.models[POOLED].steps == 0
    np.testing.assert_array_equal(personal.vector(), GLOBALS[POOLED])
    np.testing.assert_array_equal(personal.vector(gated=False), GLOBALS[POOLED])


def test_the_gate_refuses_and_the_ungated_model_is_still_there() -> None:
    strict = PersonalConfig(CONFIG.transfer, GateConfig(margin=0.9))
    personal = run(wearer(rng(), OWN, noise=0.2), strict)
    assert personal.models[POOLED].decision.reason is GateReason.WITHIN_MARGIN
    np.testing.assert_array_equal(personal.vector(), GLOBALS[POOLED])
    fresh = wearer(rng(9), OWN)
    assert error_of(personal.vector(gated=False), fresh) < error_of(GLOBALS[POOLED], fresh)


def test_one_contact_is_too_little_to_adopt_on() -> None:
    personal = run(wearer(rng(), OWN, contacts=1))
    model = personal.models[POOLED]
    assert model.decision.reason is GateReason.TOO_FEW_UNITS
    assert model.report is None
    assert model.steps == CONFIG.transfer.steps
    np.testing.assert_array_equal(personal.vector(), GLOBALS[POOLED])
    assert not np.array_equal(personal.vector(gated=False), GLOBALS[POOLED])


def test_divergence_keeps_the_global_model() -> None:
    wild = PersonalConfig(TransferConfig(rate=1e30))
    personal = run(wearer(rng(), OWN, contacts=1), wild)
    assert personal.models[POOLED].decision.reason is GateReason.DIVERGED
    np.testing.assert_array_equal(personal.vector(gated=False), GLOBALS[POOLED])
    # With folds, none gets past step 0, and the gate compares the global model with itself.
    folded = run(wearer(rng(), OWN), wild)
    assert folded.models[POOLED].decision.reason is GateReason.NOT_BETTER
    np.testing.assert_array_equal(folded.vector(gated=False), GLOBALS[POOLED])


def test_same_seed_same_models_and_the_module_is_given_back() -> None:
    module = linear_model(OWN)
    windows = wearer(rng(), OWN, noise=0.2)
    one, two, other = (
        personalise(module, GLOBALS, windows, SCALING, CONFIG, seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.vector(gated=False), two.vector(gated=False))
    assert one.models[POOLED].decision == two.models[POOLED].decision
    assert not np.array_equal(one.vector(gated=False), other.vector(gated=False))
    np.testing.assert_array_equal(to_vector(module), to_vector(linear_model(OWN)))


def test_each_cluster_adapts_the_model_it_chose() -> None:
    stairs_like = BODY + 0.7
    models = {
        **GLOBALS,
        "cluster-0": to_vector(linear_model(stairs_like)),
        "cluster-1": to_vector(linear_model(BODY - 2.0)),
        "cluster-2": to_vector(linear_model(BODY * 3.0)),
    }
    series = [
        *wearer(rng(0), stairs_like + 0.1).series,
        *wearer(rng(1), BODY + 0.1).series,
    ]
    windows = Windows(series, 4)
    clusters = np.where(windows.leg == 0, 0, 1)
    personal = personalise(linear_model(), models, windows, SCALING, CONFIG, 0, clusters)
    assert personal.choice.model_for(0) == "cluster-0"
    assert personal.choice.model_for(1) == POOLED
    assert set(personal.models) == {"cluster-0", POOLED}
    assert error_of(personal.vector(0), wearer(rng(8), stairs_like + 0.1)) < 0.05
    assert error_of(personal.vector(1), wearer(rng(8), BODY + 0.1)) < 0.05
    # No data of these: their global models, though a personal pooled one exists by now.
    np.testing.assert_array_equal(personal.vector(2), models["cluster-2"])
    np.testing.assert_array_equal(personal.vector(NO_CLUSTER), models[POOLED])
    np.testing.assert_array_equal(personal.vector(NO_CLUSTER, gated=False), models[POOLED])


def test_the_gate_sees_only_windows_of_the_model_at_hand() -> None:
    windows = Windows([*wearer(rng(0), OWN, contacts=3).series, *wearer(rng(1)).series], 4)
    clusters = np.where(windows.leg == 0, 0, 1)
    models = {**GLOBALS, "cluster-0": to_vector(linear_model(OWN + 0.05))}
    personal = personalise(linear_model(), models, windows, SCALING, CONFIG, 0, clusters)
    assert personal.models["cluster-0"].decision.units == 3
    assert personal.models[POOLED].decision.units == 4
