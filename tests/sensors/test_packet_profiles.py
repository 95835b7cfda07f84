"""Declared drivers: the reference packet, other layouts, and everything wrong in a profile."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.datasets.errors import DataError, DataReason
from kinefed.sensors import drivers
from kinefed.sensors.decoder import Refusal
from kinefed.sensors.drivers.profile import read_profile

REFERENCE = Path(drivers.__file__).with_name("reference_imu.toml")
DATA = "6b696e65-0003-4665-b64c-696b656d7520"

OWN = f"""
[sensor]
id = "strap"
service = "6b696e65-0001-4665-b64c-696b656d7520"
start = [{{ characteristic = "{DATA}", value = "0A ff", no_response = true }}]

[[stream]]
name = "force"
characteristic = "{DATA}"
rate_hz = 50.0
header = [HEADER]
sample = [
    {{ channel = "force", type = "float32", scale = 9.80665 }},
    {{ channel = "skip", type = "uint8" }},
    {{ channel = "emg.3", type = "int16", scale = -1e-6 }},
]
"""


def profile(tmp_path, header):
    file = tmp_path / "own.toml"
    file.write_text(OWN.replace("HEADER", header), encoding="utf-8")
    return read_profile(file)


def packet(head, n):
    return head + b"".join(struct.pack("<fBh", i, 99, i * 10) for i in range(n))


def test_the_reference_packet_wants_the_clock_for_loss():
    decoder = read_profile(REFERENCE).make_decoder()
    first = struct.pack("<HIB12h", 0, 0, 2, *range(12))
    (a,) = decoder.feed(DATA, first, 0)
    assert a.values[1] == pytest.approx(
        [*(np.arange(6, 9) * 4.788403e-3), *(np.arange(9, 12) * 1.0652644e-3)]
    )
    # 50 ms later: two samples were due, three are missing.
    (b,) = decoder.feed(DATA, struct.pack("<HIB6h", 3, 50_000, 1, *range(6)), 50_000_000)
    assert (b.lost, b.index.tolist(), b.device_ns.tolist()) == (3, [5], [50_000_000])


def test_without_a_header_a_packet_is_read_as_far_as_samples_go(tmp_path):
    driver = profile(tmp_path, "")
    assert [c.label for c in driver.streams[0].channels] == ["force", "emg.3"]
    assert driver.start[0].value == b"\x0a\xff"
    assert driver.start[0].response is False
    decoder = driver.make_decoder()
    (sample,) = decoder.feed(DATA, packet(b"", 3) + b"\x01\x02", 0)
    assert sample.values[:, 0] == pytest.approx(np.arange(3) * 9.80665)
    assert sample.values[:, 1] == pytest.approx(np.arange(3) * -1e-5)
    assert decoder.feed(DATA, b"\x00" * 6, 0) == ()
    assert decoder.refused == {Refusal.BAD_LENGTH: 1}


def test_a_counter_of_packets_counts_lost_samples(tmp_path):
    decoder = profile(tmp_path, '{ name = "seq", type = "uint16" }').make_decoder()
    decoder.feed(DATA, packet(struct.pack("<H", 65535), 2), 0)
    (sample,) = decoder.feed(DATA, packet(struct.pack("<H", 2), 2), 120_000_000)
    assert (sample.lost, sample.index.tolist()) == (4, [6, 7])


def test_a_clock_of_the_last_sample(tmp_path):
    header = '{ name = "skip", type = "uint8" }, '
    header += '{ name = "timestamp", type = "uint16", tick_s = 0.001, last = true }'
    decoder = profile(tmp_path, header).make_decoder()
    decoder.feed(DATA, packet(struct.pack("<BH", 7, 40), 2), 0)
    (sample,) = decoder.feed(DATA, packet(struct.pack("<BH", 7, 82), 2), 42_000_000)
    assert sample.device_ns.tolist() == [61_000_000, 82_000_000]


@given(st.binary(max_size=200))
def test_no_bytes_raise_in_a_declared_driver(tmp_path_factory, data):
    header = '{ name = "seq", type = "uint8" }, { name = "count", type = "uint8" }'
    decoder = profile(tmp_path_factory.getbasetemp(), header).make_decoder()
    items = decoder.feed(DATA, data, 0)
    assert len(items) + sum(decoder.refused.values()) == 1


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('id = "strap"', "", "sensor: id"),
        ('id = "strap"', 'id = "../x"', "sensor"),
        ('id = "strap"', 'id = "strap"\ncolour = 3', "colour"),
        ("6b696e65-0001-4665-b64c-696b656d7520", "180f", "sensor: service"),
        ("0A ff", "xyz", "sensor: start[0]: value"),
        ("rate_hz = 50.0", "rate_hz = 0", "stream[0]: rate_hz"),
        ("rate_hz = 50.0", "rate_hz = inf", "stream[0]: rate_hz"),
        ("rate_hz = 50.0", "rate_hz = true", "stream[0]: rate_hz"),
        ('"int16"', '"int12"', "stream[0]: sample[2]: type"),
        ('"emg.3"', '"emg.3.x"', "stream[0]: sample[2]: channel"),
        ('"emg.3"', '"force"', "comes twice"),
        ('"emg.3"', '"velocity.x"', "stream[0]: sample[2]: channel"),
        ("scale = -1e-6", "scale = 0", "stream[0]: sample[2]: scale"),
        ("no_response = true", "no_response = 1", "start[0]: no_response"),
        ("[HEADER]", '[{ name = "seq", type = "int8" }]', "header[0]: type"),
        ("[HEADER]", '[{ name = "crc", type = "uint8" }]', "header[0]: name"),
        ("[HEADER]", '[{ name = "timestamp", type = "uint32" }]', "header[0]: tick_s"),
        (
            "[HEADER]",
            '[{ name = "timestamp", type = "uint16", tick_s = 1e-4 }]',
            "header[0]: type",
        ),
        ("[HEADER]", '["seq"]', "header[0]"),
        ("[[stream]]", "[[streams]]", "unknown field"),
        ("[sensor]", "[sensor", "no TOML"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, old, new, path):
    file = tmp_path / "own.toml"
    text = OWN.replace(old, new, 1)
    assert text != OWN
    file.write_text(text.replace("HEADER", ""), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_profile(file)
    assert path in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_profile_without_streams_or_file_is_refused(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN[: OWN.index("[[stream]]")], encoding="utf-8")
    with pytest.raises(DataError, match="no stream"):
        read_profile(file)
    with pytest.raises(DataError) as caught:
        read_profile(tmp_path / "none.toml")
    assert caught.value.reason is DataReason.NOT_FOUND


def test_two_streams_of_one_characteristic_are_refused(tmp_path):
    file = tmp_path / "own.toml"
    text = OWN.replace("HEADER", "")
    stream = text[text.index("[[stream]]") :].replace('name = "force"', 'name = "other"')
    file.write_text(text + stream, encoding="utf-8")
    with pytest.raises(DataError, match="two streams have one characteristic"):
        read_profile(file)
