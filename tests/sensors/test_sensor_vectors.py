"""Every value printed in the protocol documents, or recorded from a device, decodes as it must."""

import math

import numpy as np
import pytest

from kinefed.sensors.decoder import Battery, Notice, Refusal, Samples
from kinefed.sensors.drivers import make_driver
from kinefed.sensors.drivers.movella_dot import (
    SYNC_STATUS,
    SYNC_STOP,
    message,
    sync_start,
)
from kinefed.sensors.drivers.polar_h10 import delta_samples

G = 9.80665
DEG = math.pi / 180.0

DOT = "1517{}-4947-11e9-8646-d663bd873d93"
MYO = "d506{}-a904-deb9-4748-2c7f4a124842"
WIT = "0000ffe4-0000-1000-8000-00805f9a34fb"
THINGY = "ef68{}-9b35-4933-9b10-52ffa9740042"
GFORCE_DATA = "f000ffe2-0451-4000-b000-000000000000"
GFORCE_COMMAND = "f000ffe1-0451-4000-b000-000000000000"
POLAR = "fb005c{}-02e7-f387-1cad-8acd2d8df0c8"
BATTERY_ANSWER = "5571 6400 7E01 0000 339B 76FC A3C4 0000 0000 E803"
WIT_FRAME = "5561 F5FF 2E00 0008 FEFF FFFF FFFF D9FF B500 0000"
TINDEQ = "7e4e17{}-1ea6-40c9-9dcc-13d34ffead57"


def decode(driver, characteristic, hexadecimal, **settings):
    decoder = make_driver(driver, **settings).make_decoder()
    items = decoder.feed(characteristic, bytes.fromhex(hexadecimal), 10**9)
    return items, decoder.refused


def one(driver, characteristic, hexadecimal, **settings):
    items, refused = decode(driver, characteristic, hexadecimal, **settings)
    assert not refused
    (item,) = items
    return item


def test_dot_free_acceleration_recorded_from_a_device():
    sample = one(
        "movella-dot",
        DOT.format("2004"),
        "d8 05 22 44 af 96 40 40 6b 2a a7 40 5a dd 14 c0 00 00 00 00",
        mode="free-acceleration",
    )
    assert isinstance(sample, Samples)
    assert sample.values == pytest.approx(np.array([[3.009197, 5.223928, -2.326010]]), abs=1e-6)
    assert sample.device_ns is not None
    assert sample.device_ns.tolist() == [1_143_080_408_000]


def test_dot_messages_and_their_checksums():
    assert sync_start("D4:22:CD:AA:BB:CC") == bytes.fromhex("020701CCBBAACD22D402")
    assert message(SYNC_STATUS) == bytes.fromhex("020108F5")
    assert message(SYNC_STOP) == bytes.fromhex("020102FB")
    ack, event = DOT.format("7002"), DOT.format("7003")
    assert one("movella-dot", event, "02025109A2") == Notice("synchronised", False, {"status": 9})
    assert one("movella-dot", event, "02025104A7") == Notice("synchronised", True, {"status": 4})
    assert one("movella-dot", ack, "02020300F9").ok
    assert one("movella-dot", event, "02025000AC").name == "synchronisation_stopped"
    failed = one("movella-dot", ack, "02020307F2")
    assert failed == Notice("synchronisation", False, {"result": "clocks too far apart"})


@pytest.mark.parametrize("wrong", ["02025109A3", "02025009A2"])
def test_dot_message_with_a_wrong_checksum_is_refused(wrong):
    items, refused = decode("movella-dot", DOT.format("7003"), wrong)
    assert items == ()
    assert refused == {Refusal.BAD_CHECKSUM: 1}


def test_dot_settings_are_those_of_the_specification():
    driver = make_driver("movella-dot", rate_hz=60)
    (settings,) = driver.setup
    assert settings.value == bytes.fromhex("30" + "00" * 23 + "3C00" + "00" * 6)
    assert driver.start[0].value == bytes((1, 1, 26))
    assert driver.stop[0].value == bytes((1, 0, 26))
    assert driver.min_mtu == 66


def test_dot_battery_click_and_power_off():
    assert one("movella-dot", DOT.format("3001"), "5001") == Battery(80.0, True)
    click = one("movella-dot", DOT.format("1004"), "06 04 E8 03 00 00")
    assert click == Notice("button", True, {"clicks": 2, "device_ms": 1000})
    assert one("movella-dot", DOT.format("1004"), "01").ok is False


def test_dot_clipping_is_told():
    value = "00 00 00 00" + "00 00 80 3f" + "00" * 12 + "00" * 12 + "09 00 02 03"
    items, refused = decode("movella-dot", DOT.format("2003"), value, mode="extended-quaternion")
    assert not refused
    assert items[1] == Notice("clipping", False, {"status": 9, "acc": 2, "gyro": 3})


def test_myo_imu_scale():
    sample = one("myo", MYO.format("0402"), "0040" + "0000" * 5 + "0008" + "0000" * 3)
    assert sample.values[0].tolist() == pytest.approx([1, 0, 0, 0, 0, 0, G, 0, 0, 0])


def test_myo_emg_of_a_recording():
    sample = one("myo", MYO.format("0105"), "fd0101f800030302 01fcfd0b0efffb00")
    assert sample.values.tolist() == [
        [-3, 1, 1, -8, 0, 3, 3, 2],
        [1, -4, -3, 11, 14, -1, -5, 0],
    ]
    # The first of the two is 5 ms older.
    assert sample.arrival_ns.tolist() == [10**9 - 5_000_000, 10**9]


def test_myo_is_started_awake_with_filtered_emg_and_imu():
    values = [write.value.hex() for write in make_driver("myo").start]
    assert values == ["090101", "0103020100"]


def test_wit_frame_recorded_from_a_device():
    sample = one("witmotion", WIT, WIT_FRAME)
    expected = [-0.0054 * G, 0.0225 * G, G]
    expected += [v * DEG for v in (-0.122, -0.061, -0.061, -0.214, 0.994, 0.0)]
    assert sample.values[0] == pytest.approx(expected, abs=6e-4)


def test_wit_battery_within_a_notification_of_60_bytes():
    items, refused = decode("witmotion", WIT, WIT_FRAME + BATTERY_ANSWER + WIT_FRAME)
    assert not refused
    samples, battery = items
    assert len(samples.values) == 2
    assert battery == Battery(60.0, None, 3.82)


def test_wit_magnetic_field_register():
    notice = one("witmotion", WIT, "5571 3A00 6801 6900 7A00" + "0000" * 5)
    assert [notice.fields[f"{r:#04x}"] for r in (0x3A, 0x3B, 0x3C)] == [360, 105, 122]


def test_wit_commands():
    rate, battery = (write.value.hex() for write in make_driver("witmotion", rate_hz=50).start)
    assert (rate, battery) == ("ffaa030800", "ffaa276400")


def test_thingy_settings_and_scales():
    driver = make_driver("thingy", rate_hz=100)
    assert driver.setup[1].value == bytes.fromhex("F401F401F401640000")
    raw = one(
        "thingy", THINGY.format("0406"), "0004 0000 00FC" + "2000 0000 E0FF" + "2003 0000 0000"
    )
    assert raw.values[0] == pytest.approx([G, 0, -G, DEG, 0, -DEG, 1.0, 0, 0])
    quat = one("thingy", THINGY.format("0404"), "00000040" + "00000000" * 3)
    assert quat.values[0].tolist() == [1, 0, 0, 0]


def test_gforce_requests():
    emg = make_driver("gforce", rate_hz=1000, bits=8)
    assert [w.value.hex().upper() for w in emg.start] == ["08", "3FE803FF008008", "4F80000000"]
    assert emg.stop[0].value.hex() == "4f00000000"
    assert make_driver("gforce", signals="imu").start[-1].value.hex() == "4f07000000"


def test_gforce_emg_of_both_resolutions():
    eight = one("gforce", GFORCE_DATA, "08" + "80" * 127 + "FF", rate_hz=1000, bits=8)
    assert eight.values.shape == (16, 8)
    assert eight.values[-1, -1] == pytest.approx(2.5 / 1200)
    assert np.count_nonzero(eight.values) == 1
    twelve = one("gforce", GFORCE_DATA, "08" + "0008" * 63 + "FF0F")
    assert twelve.values.shape == (8, 8)
    assert twelve.values[-1, -1] == pytest.approx(2.5 / 1200)


def test_gforce_fragments_are_joined():
    decoder = make_driver("gforce", rate_hz=1000, bits=8).make_decoder()
    packet = b"\x08" + bytes(range(128))
    for left, part in ((2, packet[:50]), (1, packet[50:100])):
        assert decoder.feed(GFORCE_DATA, bytes((0xFF, left)) + part, 0) == ()
    (sample,) = decoder.feed(GFORCE_DATA, b"\xff\x00" + packet[100:], 0)
    counts = sample.values / (2.5 / 127 / 1200) + 128
    assert counts.ravel() == pytest.approx(np.arange(128))
    assert not decoder.refused


def test_gforce_answers():
    assert one("gforce", GFORCE_COMMAND, "000863") == Battery(99.0)
    refusal = one("gforce", GFORCE_COMMAND, "023F")
    assert refusal == Notice("answer", False, {"command": 0x3F, "result": "bad parameter"})


def test_polar_start_and_answer():
    (start,) = make_driver("polar-h10").start
    assert start.value == bytes.fromhex("02020001C8000101100002010800")
    assert one("polar-h10", POLAR.format("81"), "F002020000").ok
    assert one("polar-h10", POLAR.format("81"), "F002020D00").fields["result"] == "in the charger"


def test_polar_frames():
    head = "02" + "00E40B5402000000"
    plain = one("polar-h10", POLAR.format("82"), head + "01" + "E803 0000 18FC")
    assert plain.values[0] == pytest.approx([G, 0, -G])
    assert plain.device_ns.tolist() == [10_000_000_000]
    short = one("polar-h10", POLAR.format("82"), head + "00" + "7F 00 80")
    assert short.values[0] == pytest.approx([0.127 * G, 0, -0.128 * G])
    wide = one("polar-h10", POLAR.format("82"), head + "02" + "E80300 000000 18FCFF")
    assert wide.values[0] == pytest.approx([G, 0, -G])


def test_polar_delta_frame():
    # The maker's reference sample; then two samples of 3-bit steps 1, -1, 2 and 0, 3, -4,
    # lowest bit first: 100 111 010 000 110 001.
    reference = "D0FF 6501 E40F"
    bits = "100111010000110001".ljust(24, "0")
    steps = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, 24, 8))
    samples = delta_samples(bytes.fromhex(reference) + bytes((3, 2)) + steps)
    assert samples.tolist() == [[-48, 357, 4068], [-47, 356, 4070], [-47, 359, 4066]]


def test_progressor_weight_and_battery():
    value = "01 10" + "0000803F E8030000" + "00000040 7C380000"
    sample = one("progressor", TINDEQ.format("02"), value)
    assert sample.values.ravel() == pytest.approx([G, 2 * G])
    assert sample.device_ns.tolist() == [1_000_000, 14_460_000]
    assert one("progressor", TINDEQ.format("02"), "00 04 6E0F0000") == Battery(volts=3.95)
    assert one("progressor", TINDEQ.format("02"), "04 00").ok is False


@pytest.mark.parametrize(
    ("driver", "characteristic", "value", "reason"),
    [
        ("polar-h10", POLAR.format("82"), "02 00000000000000C0 01 010001000100", "out_of_range"),
        ("polar-h10", POLAR.format("82"), "00 0000000000000000 01 010001000100", "unknown_type"),
        ("polar-h10", POLAR.format("82"), "02 0000000000000000 80 010001000100", "unknown_type"),
        ("polar-h10", POLAR.format("82"), "02 0000000000000000 01 0100010001", "bad_length"),
        (
            "polar-h10",
            POLAR.format("82"),
            "02" + "00" * 8 + "81 010001000100 1101",
            "out_of_range",
        ),
        (
            "polar-h10",
            POLAR.format("82"),
            "02" + "00" * 8 + "81 010001000100 0A0A00",
            "too_short",
        ),
        ("progressor", TINDEQ.format("02"), "01 09 0000803F E8030000 00", "bad_length"),
        ("progressor", TINDEQ.format("02"), "01 08 0000803F E8", "too_short"),
        ("progressor", TINDEQ.format("02"), "07 00", "unknown_type"),
        ("progressor", TINDEQ.format("02"), "00 04 FFFFFFFF", "out_of_range"),
        ("gforce", GFORCE_DATA, "08" + "FF" * 128, "out_of_range"),
        ("gforce", GFORCE_DATA, "08" + "00" * 127, "bad_length"),
        ("gforce", GFORCE_DATA, "05" + "00" * 16, "unknown_type"),
        ("gforce", GFORCE_COMMAND, "000865", "out_of_range"),
        ("movella-dot", DOT.format("3001"), "6500", "out_of_range"),
        ("movella-dot", DOT.format("1004"), "02", "unknown_type"),
        ("movella-dot", DOT.format("1004"), "05 03 00000000", "bad_length"),
        ("movella-dot", DOT.format("7003"), "03025109A1", "unknown_type"),
        ("myo", MYO.format("0402"), "0080" + "0000" * 9, "out_of_range"),
        ("witmotion", WIT, "5571 6400 E8FF" + "0000" * 7, "out_of_range"),
    ],
)
def test_values_that_do_not_fit_are_refused_for_their_reason(driver, characteristic, value, reason):
    items, refused = decode(driver, characteristic, value)
    assert items == ()
    assert refused == {Refusal(reason): 1}


@pytest.mark.parametrize("number", ["0000C07F", "0100807F", "000080FF", "FFFF7F7F"])
def test_numbers_that_are_none_and_impossible_ones_are_refused(number):
    """NaN, signalling NaN, minus infinity, and the largest float."""
    _, refused = decode("progressor", TINDEQ.format("02"), "01 08" + number + "E8030000")
    expected = Refusal.OUT_OF_RANGE if number == "FFFF7F7F" else Refusal.NOT_FINITE
    assert refused == {expected: 1}


def test_nothing_that_changes_a_calibration_is_ever_sent():
    forbidden = {"progressor": {b"\x69", b"\x6a"}}
    for driver_id in ("progressor", "witmotion"):
        driver = make_driver(driver_id)
        values = {w.value for w in (*driver.setup, *driver.start, *driver.stop, *driver.poll)}
        assert not values & forbidden.get(driver_id, set())
        # WitMotion: 01 calibrates, 00 saves or resets.
        assert not any(v[:2] == b"\xff\xaa" and v[2] in (0, 1) for v in values)


def test_the_bluetooth_battery_service():
    level = "00002A19-0000-1000-8000-00805F9B34FB"
    assert one("thingy", level, "55") == Battery(85.0)
    assert decode("thingy", level, "65") == ((), {Refusal.OUT_OF_RANGE: 1})
    assert decode("thingy", level, "") == ((), {Refusal.TOO_SHORT: 1})
