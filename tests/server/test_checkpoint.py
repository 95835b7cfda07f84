"""A checkpoint gives back what was saved, or says why it cannot."""

import numpy as np
import pytest

from kinefed.server.checkpoint import State, load_state, save_state
from kinefed.server.errors import CheckpointError


def state():
    return State(
        "abc",
        {"pooled": 3},
        {"pooled": np.arange(5, dtype=np.float32)},
        np.ones(4, np.float32),
        np.arange(6.0),
        np.zeros(3),
        np.ones(3),
        ({"round": 1, "loss": 0.5},),
    )


def test_round_trip(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, state())
    back = load_state(path, "abc")
    assert back is not None
    assert (back.done, back.history) == ({"pooled": 3}, ({"round": 1, "loss": 0.5},))
    for name in ("scaling", "centres", "z_mean", "z_std"):
        np.testing.assert_array_equal(getattr(back, name), getattr(state(), name))
    np.testing.assert_array_equal(back.vectors["pooled"], np.arange(5, dtype=np.float32))


def test_nothing_there_is_none(tmp_path):
    assert load_state(tmp_path / "state.safetensors", "abc") is None


@pytest.mark.parametrize("damage", ["truncate", "garbage", "other settings"])
def test_damage_and_other_settings_are_refused_by_path(tmp_path, damage):
    path = tmp_path / "state.safetensors"
    save_state(path, state())
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "garbage":
        path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"state\.safetensors"):
        load_state(path, "another" if damage == "other settings" else "abc")
