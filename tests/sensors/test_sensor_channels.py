"""Channels of sensors: labels, units, and their names in a recording."""

import math

import pytest

from kinefed.datasets.errors import DataError, UsageError
from kinefed.sensors.channel import COUNT, Channel, axes, electrodes


@pytest.mark.parametrize("label", ["acc.x", "quat.w", "emg.3", "force", "delta_velocity.z"])
def test_a_label_reads_back(label):
    assert Channel.parse(label).label == label


@pytest.mark.parametrize(
    "label", ["acc", "acc.w", "acc.x.y", "emg.0", "warmth", "force.x", "quat.1.2", "", "acc."]
)
def test_labels_of_nothing_are_refused(label):
    with pytest.raises(UsageError):
        Channel.parse(label)


def test_units_are_those_of_recordings():
    assert [c.unit for c in axes("gyro")] == ["rad/s"] * 3
    assert Channel("emg", slot=1, unit=COUNT).unit == COUNT
    with pytest.raises(UsageError, match="stored in m/s"):
        Channel("acc", "x", unit="g")


def test_limits_bound_what_a_sound_sensor_sends():
    assert Channel("acc", "x").limit == 400.0
    assert Channel("quat", "w").limit == pytest.approx(1.1)
    assert electrodes(1, unit=COUNT)[0].limit == math.inf


def test_a_site_makes_it_a_channel_of_a_recording():
    assert Channel("acc", "x").at("shank", "r") == "acc.shank.r.x"
    assert Channel("emg", slot=2).at("soleus", "l") == "emg.soleus.l"
    assert Channel("force").at("load_cell") == "force.load_cell"
    with pytest.raises(DataError):
        Channel("acc", "x").at("knee", "r")
    with pytest.raises(DataError):
        Channel("quat", "w").at("shank", "r")
