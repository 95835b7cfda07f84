"""The Lab Streaming Layer over the loopback: what is sent arrives, with its times and units."""

import builtins
import os
import subprocess
import sys
import textwrap
import time
import uuid

import numpy as np
import pytest

from kinefed.datasets.errors import DataError, DataReason, OutsideError, UsageError, UsageReason
from kinefed.datasets.types import Stream
from kinefed.sensors import lsl
from kinefed.sensors.lsl_network import need_pylsl, offset_ns
from kinefed.signals import LowPass, Pipeline

NS = 10**9
CONFIG = """
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {127.0.0.1}
[log]
level = -3
"""


@pytest.fixture(scope="module", autouse=True)
def this_machine_only(tmp_path_factory):
    """Nothing of a test leaves the machine; liblsl reads its settings once, at its first use."""
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text(CONFIG)
    before = os.environ.get("LSLAPICFG")
    os.environ["LSLAPICFG"] = str(path)
    yield path
    if before is None:
        del os.environ["LSLAPICFG"]
    else:
        os.environ["LSLAPICFG"] = before


@pytest.fixture
def name():
    """A stream of this test: other programs on the machine may send as well."""
    return f"test-{uuid.uuid4().hex[:8]}"


def gather(inlet, samples, seconds=5.0):
    """Pull until so many samples came."""
    parts, end = [], time.monotonic() + seconds
    while sum(len(p.host_ns) for p in parts) < samples and time.monotonic() < end:
        timed = inlet.pull(0.1)
        if timed is not None:
            parts.append(timed)
    assert sum(len(p.host_ns) for p in parts) >= samples
    return parts


def column(parts, what):
    return np.concatenate([getattr(p.samples, what) for p in parts])


def test_torque_goes_out_and_comes_in_exactly(name):
    channels = ("torque.knee.r", "torque.ankle.r")
    outlet = lsl.Outlet(name, "Torque", 100.0, channels)
    values = np.random.default_rng(0).normal(0.0, 1.0, (50, 2))
    values[7, 1] = np.nan
    with lsl.Inlet(name) as inlet:
        assert (inlet.channels, inlet.rate_hz) == (channels, 100.0)
        assert outlet.wait(2.0)
        start = time.monotonic_ns()
        host = start + np.arange(50, dtype=np.int64) * 10_000_000
        for i in range(0, 50, 10):
            outlet.push(values[i : i + 10], host[i : i + 10])
        parts = gather(inlet, 50)
        end = time.monotonic_ns()
        assert inlet.pull() is None
    assert column(parts, "values").tobytes() == values.tobytes()
    assert column(parts, "index").tolist() == list(range(50))
    assert inlet.lost == 0
    # The host's time of a sample survives both clocks and the network between them.
    got = np.concatenate([p.host_ns for p in parts])
    assert np.abs(got - host).max() < 2_000_000
    # The sender's stamp is kept as it was.
    assert np.abs(np.diff(column(parts, "device_ns")) - 10_000_000).max() < 1000
    arrival = column(parts, "arrival_ns")
    assert start <= arrival.min() <= arrival.max() <= end


def test_streams_are_listed(name):
    outlet = lsl.Outlet(name, "Torque", None, ("torque.knee.r",), "my-knee")
    (found,) = [each for each in lsl.find_streams(1.0) if each.name == name]
    assert (found.type, found.channels, found.rate_hz) == ("Torque", 1, None)
    assert found.source_id == "my-knee"
    assert outlet.channels == ("torque.knee.r",)


def foreign(name, labels, rate=200.0, kind="EMG", fmt=None):
    """What another program sends, by pylsl itself."""
    pylsl = need_pylsl()
    info = pylsl.StreamInfo(name, kind, len(labels), rate, fmt or pylsl.cf_float32, name)
    channels = info.desc().append_child("channels")
    for label, unit in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
    return pylsl.StreamOutlet(info)


def test_other_programs_channels_are_named_and_brought_to_our_units(name):
    outlet = foreign(name, [("TRIG", ""), ("EMG1", "microvolts"), ("GX", "dps"), ("EMG2", "mV")])
    wanted = {"EMG1": "emg.soleus.r", "EMG2": "emg.tibialis_anterior.r", "GX": "gyro.shank.r.x"}
    with lsl.Inlet(name, wanted) as inlet:
        assert inlet.channels == ("emg.soleus.r", "gyro.shank.r.x", "emg.tibialis_anterior.r")
        assert outlet.wait_for_consumers(2.0)
        outlet.push_chunk([[1.0, 100.0, 180.0, 2.0]] * 3)
        values = column(gather(inlet, 3), "values")
    assert values == pytest.approx(np.array([[1e-4, np.pi, 2e-3]] * 3))


@pytest.mark.parametrize(
    ("labels", "wanted", "reason"),
    [
        ([("EMG1", "uV")], None, DataReason.UNKNOWN_CHANNEL),
        ([("EMG1", "uV")], {"EMG7": "emg.soleus.r"}, DataReason.UNKNOWN_CHANNEL),
        ([("EMG1", "uV")], {"EMG1": "emg.elbow.r"}, DataReason.UNKNOWN_CHANNEL),
        ([("EMG1", "degC")], {"EMG1": "emg.soleus.r"}, DataReason.WRONG_UNIT),
        (
            [("A", "uV"), ("B", "uV")],
            {"A": "emg.soleus.r", "B": "emg.soleus.r"},
            DataReason.DUPLICATE,
        ),
    ],
)
def test_streams_that_mean_nothing_are_refused(name, labels, wanted, reason):
    outlet = foreign(name, labels)
    with pytest.raises(DataError) as caught:
        lsl.Inlet(name, wanted)
    assert caught.value.reason is reason
    assert not outlet.have_consumers()


def test_a_stream_of_text_is_refused(name):
    outlet = foreign(name, [("MARK", "")], 0.0, "Markers", need_pylsl().cf_string)
    with pytest.raises(DataError, match="text"):
        lsl.Inlet(name)
    del outlet


def test_no_such_stream_says_what_to_do(name):
    with pytest.raises(OutsideError, match="16571") as caught:
        lsl.Inlet(name, timeout_s=0.3)
    assert caught.value.exit_code == 4
    assert name in caught.value.where


def test_the_senders_clock_is_corrected(name, monkeypatch):
    """Another computer's clock is 5 s behind: its stamps are moved, and kept."""
    outlet = foreign(name, [("emg.soleus.r", "V")])
    with lsl.Inlet(name) as inlet:
        monkeypatch.setattr(inlet._inlet, "time_correction", lambda timeout: 5.0)
        assert outlet.wait_for_consumers(2.0)
        pylsl = need_pylsl()
        sent = pylsl.local_clock()
        outlet.push_sample([1.0], sent)
        (timed,) = gather(inlet, 1)
        shift = timed.host_ns[0] - offset_ns(pylsl) - timed.samples.device_ns[0]
        assert shift == pytest.approx(5 * NS, abs=1_000_000)
        assert timed.samples.device_ns[0] == pytest.approx(sent * NS, abs=1000)


def test_a_pause_is_a_loss_jitter_is_not_and_a_restart_is_told(name):
    outlet = foreign(name, [("emg.soleus.r", "V")], rate=100.0)
    with lsl.Inlet(name) as inlet:
        assert outlet.wait_for_consumers(2.0)
        # 100 Hz with 100 ms of jitter, then 2 s missing, then a clock that began anew.
        stamps = [1000.0, 1000.01, 1000.11, 1000.12, 1002.12, 1002.13, 3.0, 3.01]
        for stamp in stamps:
            outlet.push_sample([stamp], stamp)
        parts = gather(inlet, len(stamps))
    assert column(parts, "index").tolist() == [0, 1, 2, 3, 203, 204, 205, 206]
    assert inlet.lost == sum(p.samples.lost for p in parts) == 199
    assert any(p.samples.restarted for p in parts)
    assert (np.diff(np.concatenate([p.host_ns for p in parts])) > 0).all()


def test_a_pipeline_runs_on_it(name):
    """What an inlet gives goes on like a worn sensor's: even times, filters, gaps."""
    outlet = lsl.Outlet(name, "EMG", 200.0, ("emg.soleus.r",))
    times = np.arange(400) / 200.0
    with lsl.Inlet(name) as inlet:
        assert outlet.wait(2.0)
        start = time.monotonic_ns()
        outlet.push(
            np.sin(2 * np.pi * times)[:, None], start + np.round(times * NS).astype(np.int64)
        )
        even = inlet.even(start)
        filtered = Pipeline((LowPass(6.0),)).open(even.rate_hz, even.channels)
        parts = [even.push(timed) for timed in gather(inlet, 400)]
    values = np.vstack([part.values for part in parts])
    assert values[:390, 0] == pytest.approx(np.sin(2 * np.pi * times[:390]), abs=0.05)
    assert all(part.valid.all() for part in parts)
    assert np.isfinite(filtered.push(values)).all()


def test_a_recorded_stream_is_played_in_its_time(name):
    times = np.arange(60) / 100.0 + 0.25
    data = np.column_stack([times, -times])
    channels = ("torque.knee.r", "valid.torque.r")
    stream = Stream("torque", 100.0, 0.25, channels, ("N m/kg", "1"), data)
    outlet = lsl.Outlet(name, "Torque", 100.0, ("torque.knee.r",))
    with lsl.Inlet(name) as inlet:
        assert outlet.wait(2.0)
        begin = time.monotonic_ns()
        outlet.play(stream, begin)
        spent_s = (time.monotonic_ns() - begin) / NS
        parts = gather(inlet, 60)
    # Nothing is sent before it is due.
    assert 0.84 <= spent_s < 1.5
    assert column(parts, "values")[:, 0].tolist() == times.tolist()
    host = np.concatenate([part.host_ns for part in parts])
    assert (host - begin) / NS == pytest.approx(times, abs=0.002)
    with pytest.raises(DataError, match="no channel"):
        lsl.Outlet(name, "Torque", 100.0, ("torque.hip.r",)).play(stream, begin)


def test_an_irregular_stream_needs_a_rate(name):
    outlet = lsl.Outlet(name, "Force", None, ("force.load_cell",))
    with lsl.Inlet(name) as inlet:
        with pytest.raises(UsageError, match="irregular"):
            inlet.even(0)
        assert inlet.even(0, 50.0).rate_hz == 50.0
    assert outlet.channels == inlet.channels


def test_another_process_receives(name, this_machine_only):
    code = f"""
        import sys
        from kinefed.sensors.lsl import Inlet
        with Inlet({name!r}) as inlet:
            got = []
            while len(got) < 20:
                timed = inlet.pull(1.0)
                if timed is not None:
                    got += timed.samples.values[:, 0].tolist()
        print(sum(got))
    """
    outlet = lsl.Outlet(name, "Torque", 100.0, ("torque.hip.l",))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"LSLAPICFG": str(this_machine_only)},
    )
    try:
        assert outlet.wait(20.0)
        values = np.arange(20.0)[:, None]
        outlet.push(values, time.monotonic_ns() + np.arange(20) * 10_000_000)
        out, _ = process.communicate(timeout=20.0)
    finally:
        process.kill()
        process.wait()
    assert out.strip() == "190.0"


def test_wrong_shapes_are_refused(name):
    outlet = lsl.Outlet(name, "Torque", 100.0, ("torque.hip.l",))
    with pytest.raises(DataError, match="1 channels at 2 times"):
        outlet.push(np.zeros((2, 2)), np.zeros(2, dtype=np.int64))
    outlet.push(np.zeros((0, 1)), np.zeros(0, dtype=np.int64))
    with pytest.raises(DataError, match="not in the table"):
        lsl.Outlet(name, "Torque", 100.0, ("torque.elbows",))


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'pylsl'"), RuntimeError("LSL binary not found\nmore")]
)
def test_without_the_library_the_extra_is_named(monkeypatch, error):
    monkeypatch.delitem(sys.modules, "pylsl", raising=False)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pylsl":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"kinefed\[sensors\]") as caught:
        lsl.find_streams(0.1)
    assert caught.value.reason is UsageReason.MISSING_EXTRA
