"""The channel table: every name goes there and back, and nothing else gets in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.datasets import KINDS, ChannelName, DataError, DataReason, Kind, unit_of, with_side


def _names(kind: Kind) -> list[str]:
    found = []
    for site in sorted(kind.sites) or (["torque"] if kind.name == "valid" else ["lasi"]):
        for side in ("", ".l", ".r"):
            stem = f"{kind.name}.{site}{side}"
            found += [f"{stem}.{axis}" for axis in kind.axes] or [stem]
    return found


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_name_of_the_table_goes_there_and_back(kind: Kind) -> None:
    names = _names(kind)
    assert names
    for name in names:
        parsed = ChannelName.parse(name)
        assert str(parsed) == name
        assert parsed.unit == kind.unit


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("emg.vastus_lateralis.r", "V"),
        ("angle.knee_flexion.r", "rad"),
        ("acc.shank.r.x", "m/s^2"),
        ("gyro.shank.r.z", "rad/s"),
        ("grf.foot.l.vertical", "N"),
        ("torque.knee.r", "N m/kg"),
        ("valid.torque.r", "1"),
        ("force.load_cell.r", "N"),
    ],
)
def test_the_units_of_the_design(name: str, unit: str) -> None:
    assert unit_of(name) == unit


@pytest.mark.parametrize(
    "name",
    [
        "",
        "knee",
        "angle",
        "angle.knee",
        "angle.knee_flexion.r.x",
        "angle.knee_flexion.left",
        "acc.shank.r",
        "grf.foot.r.x",
        "valid.valid",
        "valid.knee.r",
        "emg.Soleus.r",
        "marker.../x.x",
        "angle.knee_flexion.r\n",
    ],
)
def test_a_name_outside_the_table_is_refused(name: str) -> None:
    with pytest.raises(DataError) as caught:
        ChannelName.parse(name)
    assert caught.value.reason is DataReason.UNKNOWN_CHANNEL


@given(st.text(max_size=40))
def test_any_text_is_a_channel_or_one_clear_error(text: str) -> None:
    reason = None
    try:
        assert str(ChannelName.parse(text)) == text
    except DataError as error:
        reason = error.reason
    assert reason in (None, DataReason.UNKNOWN_CHANNEL)


def test_sides_and_limits() -> None:
    assert with_side("angle.knee_flexion", "l") == "angle.knee_flexion.l"
    assert with_side("acc.shank.x", "r") == "acc.shank.r.x"
    assert ChannelName.parse("acc.shank.r.x").sideless == "acc.shank.x"
    assert ChannelName.parse("angle.knee_flexion.r").limit < 2 * math.pi
    assert ChannelName.parse("angle.pelvis_rotation").limit > 4 * math.pi
