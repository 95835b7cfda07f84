"""What holds for every driver of the registry, against an emulator that shares no code with it."""

import importlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_bench import Bench, joined

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.sensors.channel import COUNT
from kinefed.sensors.decoder import Battery, Notice, Refusal, Samples
from kinefed.sensors.driver import Advertisement
from kinefed.sensors.drivers import DRIVERS, make_driver, recognise
from kinefed.sensors.drivers.movella_dot import MODES
from kinefed.sensors.virtual import EMULATORS

SETTINGS = [
    *((name, {}) for name in DRIVERS),
    *(("movella-dot", {"mode": mode}) for mode in MODES if mode != "custom-5"),
    ("gforce", {"rate_hz": 1000, "bits": 8}),
    ("gforce", {"signals": "imu"}),
    ("thingy", {"orientation": False, "rate_hz": 200}),
    ("polar-h10", {"rate_hz": 25}),
    *(("witmotion", {"rate_hz": rate}) for rate in (1, 20, 50, 200)),
]
IDS = [f"{name}-{'-'.join(map(str, each.values()))}".rstrip("-") for name, each in SETTINGS]
every_setting = pytest.mark.parametrize(("name", "options"), SETTINGS, ids=IDS)
every_driver = pytest.mark.parametrize("name", DRIVERS)


def test_every_driver_has_an_emulator():
    assert set(EMULATORS) == set(DRIVERS)


@every_setting
def test_what_the_sensor_measured_comes_out(name, options):
    bench = Bench(name, **options)
    items = bench.run(4.0)
    for spec in bench.driver.streams:
        values, index, arrival, device, lost = joined(items, spec.name)
        assert lost == 0
        assert (np.diff(index) == 1).all()
        assert index[0] == 0
        assert values.shape[1] == len(spec.channels)
        # Emulators start with the link, so sample k was taken at k periods.
        rate = spec.rate_hz or 50.0
        for i, channel in enumerate(spec.channels):
            truth = bench.signal(channel.label, index / rate)
            step = channel.lsb or 1e-5
            assert values[:, i] == pytest.approx(truth, abs=0.51 * step + 1e-6, rel=1e-6), (
                channel.label
            )
        assert (device is not None) == spec.clocked
        if device is not None:
            period = np.diff(device) * 1e-9 * rate
            assert period == pytest.approx(1.0, abs=0.001)
        if spec.rate_hz:
            assert arrival[-1] - arrival[0] == pytest.approx(
                (len(arrival) - 1) / rate * 1e9, abs=2e6
            )
    assert not bench.decoder.refused


@every_driver
def test_lost_packets_are_counted_and_numbered_over(name):
    bench = Bench(name)
    gone = []

    def lose(value, i):
        if 3.0 < value.ready_s < 4.3:
            gone.append(value)
            return True
        return False

    # Without clock or counter it takes until two windows later.
    items = bench.run(8.0, lose)
    full = Bench(name).run(8.0)
    assert gone
    for spec in bench.driver.streams:
        _, index, _, _, lost = joined(items, spec.name)
        whole = joined(full, spec.name)[1]
        missing = len(whole) - len(index)
        assert missing > 20
        assert lost == missing
        # After it has been found, the number of a sample is the true one again.
        assert index[-1] == whole[-1]
        assert (np.diff(index) > 0).all()


@every_driver
def test_a_stalled_link_loses_nothing(name):
    """Values held back for a second and given out at once are late, not lost."""
    bench = Bench(name)
    items = []
    for value in bench.sensor.take(10.0):
        at = max(value.ready_s, 5.0) if value.ready_s > 4.0 else value.ready_s
        items += bench.feed(value.characteristic, value.data, at)
    assert sum(item.lost for item in items if isinstance(item, Samples)) == 0


@every_driver
def test_a_reconnection_is_told_from_a_stream_that_goes_on(name):
    bench = Bench(name)
    before = bench.run(4.0)
    bench.sensor.disconnected()
    bench.decoder.reconnected()
    bench.start(7.0)
    after = [item for item in bench.run(10.0) if isinstance(item, Samples)]
    for spec in bench.driver.streams:
        mine = [item for item in after if item.stream == spec.name]
        last = joined(before, spec.name)[1][-1]
        rate = spec.rate_hz or 50.0
        assert sum(item.restarted for item in mine) == (0 if mine[0].lost else 1)
        if mine[0].lost:
            assert mine[0].index[0] - last == pytest.approx(3.0 * rate, abs=2 * len(mine[0].values))
        assert not any(item.lost for item in mine[1:])


@every_driver
def test_no_bytes_whatever_raise(name):
    driver = make_driver(name)
    uuids = [*driver.notifies, *driver.reads, "0000ffff-0000-1000-8000-00805f9b34fb"]
    real = [(v.characteristic, v.data) for v in Bench(name).sensor.take(1.0)][:40]
    one = st.one_of(
        st.tuples(st.sampled_from(uuids), st.binary(max_size=80)),
        st.sampled_from(real),
        # Damaged: cut short, lengthened, some bytes changed.
        st.builds(
            lambda packet, cut, tail, at, new: (
                packet[0],
                (packet[1][: at % 40] + new + packet[1][at % 40 + len(new) :])[:cut] + tail,
            ),
            st.sampled_from(real),
            st.integers(0, 260),
            st.binary(max_size=30),
            st.integers(0, 39),
            st.binary(max_size=8),
        ),
    )

    @settings(max_examples=150)
    @given(st.lists(st.tuples(one, st.integers(-(10**6), 20 * 10**9)), max_size=25))
    def fuzz(packets):
        decoder = make_driver(name).make_decoder()
        now, seen = 10**12, {}
        for (uuid, data), gap in packets:
            now += max(gap, 0)
            if gap < 0:
                decoder.reconnected()
            before = sum(decoder.refused.values())
            items = decoder.feed(uuid, data, now)
            assert sum(decoder.refused.values()) >= before
            for item in items:
                assert isinstance(item, Samples | Battery | Notice)
                if isinstance(item, Samples):
                    check(driver, item, seen, now)

    fuzz()


def check(driver, item, seen, now):
    spec = driver.stream(item.stream)
    n = len(item.values)
    assert item.values.shape == (n, len(spec.channels))
    assert n > 0
    assert np.isfinite(item.values).all()
    for channel, column in zip(spec.channels, item.values.T, strict=True):
        assert channel.unit == COUNT or np.abs(column).max() <= channel.limit
    assert item.index.shape == item.arrival_ns.shape == (n,)
    assert item.lost >= 0
    assert item.arrival_ns[-1] == now
    numbers = [seen.get(item.stream, -1), *item.index.tolist()]
    assert all(b > a for a, b in itertools.pairwise(numbers))
    seen[item.stream] = numbers[-1]


@every_driver
def test_values_that_are_too_short_are_refused_and_counted(name):
    bench = Bench(name)
    for value in bench.sensor.take(1.0)[:8]:
        assert bench.feed(value.characteristic, value.data[:1], 0.0) == ()
    if name == "witmotion":
        # A byte stream: the parts are kept, and refused when they do not make a frame.
        assert bench.feed(value.characteristic, b"\x00" * 40, 0.0) == ()
    assert sum(bench.decoder.refused.values()) > 0


def test_a_characteristic_of_nobody_is_refused_and_counted():
    decoder = make_driver("myo").make_decoder()
    assert decoder.feed("00001234-0000-1000-8000-00805f9b34fb", b"\x00", 0) == ()
    assert decoder.refused == {Refusal.UNKNOWN_CHARACTERISTIC: 1}


@every_driver
def test_a_driver_fits_what_its_sensor_shows(name):
    driver, sensor = make_driver(name), EMULATORS[name](None)
    shown = {
        attribute.uuid[: driver.uuid_digits]: attribute.can
        for attributes in sensor.profile.services.values()
        for attribute in attributes
    }
    assert driver.driver_id == name
    assert driver.service in sensor.profile.services
    for uuid in driver.notifies:
        assert {"notify", "indicate"} & set(shown[uuid[: driver.uuid_digits]])
    for uuid in driver.reads:
        assert "read" in shown[uuid[: driver.uuid_digits]]
    for write in (*driver.setup, *driver.start, *driver.stop, *driver.poll):
        assert "write" in shown[write.characteristic[: driver.uuid_digits]]
    assert driver.silence_s >= 0.5
    largest = max(len(value.data) for value in Bench(name).sensor.take(2.0))
    assert largest + 3 <= driver.min_mtu or largest <= 20


@every_driver
def test_a_sensor_is_recognised_by_its_own_driver_only(name):
    sensor = EMULATORS[name](None)
    companies = () if sensor.profile.company is None else (sensor.profile.company,)
    seen = Advertisement(sensor.profile.name, sensor.profile.advertised, companies)
    assert recognise(seen) == name
    assert [each for each, make in DRIVERS.items() if make().recognises(seen)] == [name]


def test_strangers_are_not_recognised():
    assert recognise(Advertisement("Headphones", ("0000180f-0000-1000-8000-00805f9b34fb",))) is None


def test_other_bases_of_witmotion_are_recognised():
    seen = Advertisement("", ("0000FFE5-0000-1000-8000-00805F9B34FB",))
    assert recognise(seen) == "witmotion"


def test_wrong_settings_are_refused_with_what_there_is():
    with pytest.raises(UsageError, match="There are gforce") as caught:
        make_driver("delsys")
    assert caught.value.reason is UsageReason.UNKNOWN_NAME
    with pytest.raises(UsageError, match="1, 4, 10, 12, 15, 20, 30, 60"):
        make_driver("movella-dot", rate_hz=120)
    with pytest.raises(UsageError, match="5 to 200"):
        make_driver("thingy", rate_hz=400)
    with pytest.raises(UsageError, match="no setting 'speed'"):
        make_driver("myo", speed=3)
    with pytest.raises(UsageError, match="bits"):
        make_driver("gforce", rate_hz=1000, bits=12)


def test_the_emulators_share_no_code_with_the_drivers():
    for module in ("bands", "bundles", "imus", "sensor"):
        source = importlib.import_module(f"kinefed.sensors.virtual.{module}").__loader__.get_data(
            importlib.import_module(f"kinefed.sensors.virtual.{module}").__file__
        )
        imports = [line for line in source.decode().splitlines() if "kinefed" in line]
        assert all("kinefed.sensors.virtual" in line for line in imports if "import" in line)
