"""Standardisation and principal components against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.preprocessing import StandardScaler

from kinefed.datasets.types import Stream
from kinefed.signals import PCA, Pipeline, SignalError, SignalReason, ZScore

CHANNELS = ("emg.soleus.r", "emg.vastus_lateralis.r", "emg.hamstrings.r", "emg.peroneus.r")


def stream(seed: int, samples: int = 80, channels: tuple[str, ...] = CHANNELS) -> Stream:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).standard_normal((4, 4))
    data = (rng.standard_normal((samples, 4)) * [4.0, 2.0, 1.0, 0.3]) @ mix + seed
    return Stream("emg", 100.0, 0.0, channels, ("V",) * 4, data)


@pytest.fixture
def people():
    return {"A": [stream(1), stream(2, 30)], "B": [stream(3)], "held out": [stream(50)]}


def test_z_score_is_sklearn(people):
    step = ZScore.fit(people, ["B", "A"])
    train = np.concatenate([s.data for p in ("A", "B") for s in people[p]])
    out = Pipeline((step,)).apply(people["held out"][0])
    expected = StandardScaler().fit(train).transform(people["held out"][0].data)
    np.testing.assert_allclose(out.data, expected, rtol=1e-10)
    assert out.units == ("1",) * 4


def test_pca_is_sklearn(people):
    step = PCA.fit(people, ["A", "B"], 3)
    train = np.concatenate([s.data for p in ("A", "B") for s in people[p]])
    theirs = SklearnPCA(3, svd_solver="full").fit(train)
    out = Pipeline((step,)).apply(people["held out"][0])
    expected = theirs.transform(people["held out"][0].data)
    signs = np.sign((expected * out.data).sum(axis=0))
    np.testing.assert_allclose(out.data * signs, expected, rtol=1e-8, atol=1e-9)
    assert out.channels == ("pc.1", "pc.2", "pc.3")
    assert out.units == ("V",) * 3
    for row in np.array(step.components):
        assert row[np.abs(row).argmax()] > 0


@pytest.mark.parametrize("fit", [ZScore.fit, lambda p, t: PCA.fit(p, t, 2)])
def test_who_is_held_out_changes_nothing(people, fit):
    step = fit(people, ["A", "B"])
    people["held out"] = [stream(7), stream(8)]
    assert fit(people, ["A", "B"]) == step
    del people["held out"]
    assert fit(dict(reversed(people.items())), ["B", "A", "A"]) == step
    people["B"] = [stream(4)]
    assert fit(people, ["A", "B"]) != step


@pytest.mark.parametrize("fit", [ZScore.fit, lambda p, t: PCA.fit(p, t, 2)])
@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (["A", "C"], SignalReason.TOO_SHORT),
        ([], SignalReason.TOO_SHORT),
        (["A", "other"], SignalReason.WRONG_CHANNELS),
        (["A", "nan"], SignalReason.NOT_FINITE),
    ],
)
def test_what_cannot_be_fitted_is_refused(people, fit, train, reason):
    people["other"] = [stream(1, channels=tuple(reversed(CHANNELS)))]
    people["nan"] = [Stream("emg", 100.0, 0.0, CHANNELS, ("V",) * 4, np.full((3, 4), np.nan))]
    with pytest.raises(SignalError) as caught:
        fit(people, train)
    assert caught.value.reason is reason


def test_too_many_components_are_refused(people):
    for count in (0, 5):
        with pytest.raises(SignalError) as caught:
            PCA.fit(people, ["A"], count)
        assert caught.value.where == "pca.n_components"
    people["short"] = [stream(1, 2)]
    with pytest.raises(SignalError) as caught:
        PCA.fit(people, ["short"], 3)
    assert caught.value.reason is SignalReason.TOO_SHORT


def test_a_constant_channel_is_only_centred():
    data = np.column_stack([np.full(50, 0.1), np.arange(50.0)])
    flat = Stream("emg", 100.0, 0.0, CHANNELS[:2], ("V", "V"), data)
    step = ZScore.fit({"A": [flat]}, ["A"])
    assert step.std[0] == 1.0
    assert np.abs(Pipeline((step,)).apply(flat).data[:, 0]).max() < 1e-12
