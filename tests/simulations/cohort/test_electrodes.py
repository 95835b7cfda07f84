"""Electrodes: crosstalk, days, sweat."""

import numpy as np
import pytest

from kinefed.biomechanics.geometry import arm_muscles, leg_muscles
from kinefed.datasets.errors import DataError, UsageError, UsageReason
from kinefed.simulations.cohort.electrodes import (
    ElectrodeConfig,
    distances,
    muscles_under,
    place_electrodes,
)

LEG = leg_muscles().names
CHANNELS = ("emg.vastus_lateralis.r", "emg.soleus.r", "emg.hamstrings.r", "emg.gluteus_medius.r")
STEADY = ElectrodeConfig(amplitude_spread=0.0, crosstalk=0.1, shift=0.0, gain_spread=0.0, drift=0.0)


def place(config=None, person=1, session=2, channels=CHANNELS, muscles=LEG):
    return place_electrodes(
        channels, muscles, np.random.default_rng(person), np.random.default_rng(session), config
    )


def weight(electrodes, channel, muscle):
    return electrodes.mixing[channel, LEG.index(muscle)] / 5e-4


def test_a_channel_shows_its_muscle_and_less_of_the_neighbours():
    found = place(STEADY)
    assert found.channels == tuple(c.removeprefix("emg.") for c in CHANNELS)
    assert weight(found, 0, "vastus_lateralis") == pytest.approx(1.0)
    assert weight(found, 0, "rectus_femoris") == pytest.approx(0.1)
    assert weight(found, 0, "vastus_intermedius") == pytest.approx(0.1 / np.e)
    assert weight(found, 0, "tensor_fasciae_latae") == pytest.approx(0.1 / np.e)
    assert weight(found, 0, "soleus") == 0.0
    for muscle in ("biceps_femoris", "semitendinosus", "semimembranosus"):
        assert weight(found, 2, muscle) == pytest.approx(1.0)


def test_no_crosstalk_means_none():
    found = place(ElectrodeConfig(crosstalk=0.0, shift=0.0))
    assert (found.mixing > 0.0).sum(axis=1).tolist() == [1, 1, 3, 1]


def test_a_person_keeps_the_skin_and_every_day_differs():
    config = ElectrodeConfig(gain_spread=0.0, shift=0.0)
    one, two = place(config, session=2), place(config, session=3)
    assert one.mixing == pytest.approx(two.mixing)
    assert not np.allclose(place(config, person=9).mixing, one.mixing)
    days = np.array([place(session=s).mixing[:, [0, 8, 11, 17]] for s in range(200)])
    own = np.log([place(session=s).mixing[1, LEG.index("soleus")] for s in range(300)])
    # Gain of the day, a little more by the share that moved to a neighbour.
    assert own.std() == pytest.approx(0.2, rel=0.3)
    assert days.std(axis=0).max() > 0.0


def test_a_shift_moves_towards_a_neighbour():
    config = ElectrodeConfig(
        amplitude_spread=0.0, crosstalk=0.05, shift=0.3, gain_spread=0.0, drift=0.0
    )
    shares, gained = [], []
    for session in range(100):
        found = place(config, session=session)
        shares.append(1.0 - weight(found, 1, "soleus"))
        others = [m for m in LEG if m != "soleus"]
        gained.append(max(weight(found, 1, m) for m in others))
    shares, gained = np.array(shares), np.array(gained)
    assert (shares >= -1e-12).all()
    assert shares.max() > 0.3
    assert np.corrcoef(shares, gained)[0, 1] > 0.95


def test_sweat_changes_the_gain_over_a_session():
    found = place(ElectrodeConfig(drift=0.2, drift_s=600.0))
    gain = found.gain(np.array([0.0, 600.0, 1e6]))
    assert gain[0] == pytest.approx(1.0)
    assert gain[2] == pytest.approx(1.0 + found.drift)
    assert gain[1] - 1.0 == pytest.approx((1.0 - np.exp(-1.0)) * found.drift)
    assert np.abs(found.drift).max() > 0.05
    assert place(STEADY).gain(np.array([1e6])) == pytest.approx(1.0)


def test_the_same_generators_give_the_same_electrodes():
    assert (place().mixing == place().mixing).all()


@pytest.mark.parametrize("muscles", [LEG, arm_muscles().names], ids=["leg", "arm"])
def test_every_muscle_has_a_place(muscles):
    away = distances(muscles)
    assert (np.diag(away) == 0.0).all()
    assert (away[~np.eye(len(muscles), dtype=bool)] >= 1.0).all()
    for name in muscles:
        assert muscles_under(name, muscles)


def test_an_arm():
    found = place(STEADY, channels=("emg.biceps_brachii.l",), muscles=arm_muscles().names)
    assert found.channels == ("biceps_brachii.l",)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError) as caught:
        place(channels=("emg.trapezius.r",))
    assert caught.value.reason is UsageReason.UNKNOWN_NAME
    with pytest.raises(DataError):
        place(channels=("emg.elbow.r",))
    for bad in ({"crosstalk": -0.1}, {"amplitude_v": 0.0}, {"drift": float("nan")}):
        with pytest.raises(UsageError) as caught:
            ElectrodeConfig(**bad)
        assert caught.value.reason is UsageReason.BAD_ARGUMENT
