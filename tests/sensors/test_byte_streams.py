"""Values that come in parts: WitMotion's byte stream and gForce's fragments."""

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_bench import Bench

from kinefed.sensors.decoder import Battery, Refusal, Samples
from kinefed.sensors.drivers import make_driver

WIT = "0000ffe4-0000-1000-8000-00805f9a34fb"
GFORCE = "f000ffe2-0451-4000-b000-000000000000"
NS = 10**9


def frame(i, timed=False):
    """A data frame whose acceleration is its number; 0x55 0x61 lies within it."""
    data = struct.pack("<2s9h", b"\x55\x61", i, 0x6155, 0, 0, 0x6155, 0, 0, 0, i)
    if timed:
        ms = i * 10
        data += struct.pack("<6BH", 26, 9, 1, 0, 0, ms // 1000, ms % 1000)
    return data


def answer():
    return struct.pack("<2sH8h", b"\x55\x71", 0x64, 382, *[0] * 7)


def counts(items):
    values = [item.values for item in items if isinstance(item, Samples)]
    lsb = 16 * 9.80665 / 32768
    return [] if not values else np.round(np.vstack(values)[:, 0] / lsb).astype(int).tolist()


def feed(decoder, parts):
    items = []
    for n, part in enumerate(parts):
        items += decoder.feed(WIT, part, n * NS // 25)
    return items


def cut(data, places):
    edges = [0, *sorted(p % (len(data) + 1) for p in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if b > a]


@given(st.lists(st.integers(0, 400), max_size=12))
def test_frames_cut_anywhere_come_out_whole(places):
    decoder = make_driver("witmotion").make_decoder()
    data = b"".join(frame(i) for i in range(8)) + answer() + frame(8) + frame(9)
    items = feed(decoder, cut(data, places))
    assert counts(items) == list(range(10))
    assert sum(isinstance(item, Battery) for item in items) == 1
    assert not decoder.refused


def test_frames_with_the_time_of_day_come_out_whole_and_clocked():
    decoder = make_driver("witmotion").make_decoder()
    items = feed(decoder, [frame(i, True) + frame(i + 1, True) for i in range(0, 10, 2)])
    assert counts(items) == list(range(10))
    device = np.concatenate([item.device_ns for item in items])
    assert device.tolist() == [i * 10_000_000 for i in range(10)]
    # Two frames are lost, and the clock shows it.
    (late,) = decoder.feed(WIT, frame(12, True), NS)
    assert late.lost == 2


@given(st.lists(st.integers(0, 500), max_size=12))
def test_timed_frames_cut_anywhere_come_out_once_the_length_is_known(places):
    decoder = make_driver("witmotion").make_decoder()
    assert counts(decoder.feed(WIT, frame(0, True) + frame(1, True), 0)) == [0, 1]
    data = b"".join(frame(i, True) for i in range(2, 10))
    assert counts(feed(decoder, cut(data, places))) == list(range(2, 10))
    assert not decoder.refused


def test_a_sensor_that_stops_to_append_the_time_is_followed():
    decoder = make_driver("witmotion").make_decoder()
    feed(decoder, [frame(0, True) + frame(1, True)])
    assert counts(feed(decoder, [frame(2) + frame(3), frame(4)])) == [2, 3, 4]


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_after_garbage_the_stream_is_found_again(before, between):
    decoder = make_driver("witmotion").make_decoder()
    parts = [before, *(frame(i) + frame(i + 1) for i in range(0, 8, 2))]
    parts += [between, *(frame(i) + frame(i + 1) for i in range(8, 16, 2))]
    found = counts(feed(decoder, parts))
    # Garbage that looks like the beginning of a frame costs one frame, or makes one up.
    assert set(range(2, 8)) | set(range(10, 16)) <= set(found)


def test_what_was_half_received_does_not_outlive_a_connection():
    decoder = make_driver("witmotion").make_decoder()
    decoder.feed(WIT, frame(0)[:10], 0)
    decoder.reconnected()
    assert counts(decoder.feed(WIT, frame(1), NS)) == [1]
    assert not decoder.refused


def emg(i):
    return b"\x08" + bytes([i] * 128)


def fragments(packet, sizes=(50, 50, 29)):
    parts, at = [], 0
    for left, size in zip(range(len(sizes) - 1, -1, -1), sizes, strict=True):
        parts.append(bytes((0xFF, left)) + packet[at : at + size])
        at += size
    return parts


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_fragment_costs_its_packet_and_no_other(missing):
    decoder = make_driver("gforce", rate_hz=1000, bits=8).make_decoder()
    parts = fragments(emg(1))
    del parts[missing]
    items = []
    for part in (*parts, *fragments(emg(2)), *fragments(emg(3)), emg(4)):
        items += decoder.feed(GFORCE, part, 0)
    raw = [round(item.values[0, 0] / (2.5 / 127 / 1200)) + 128 for item in items]
    assert raw == [2, 3, 4]
    # Without its first fragment a chain looks whole, but is too short.
    assert decoder.refused[Refusal.OUT_OF_ORDER] == (0 if missing == 0 else 1)
    assert sum(decoder.refused.values()) >= 1


def test_a_whole_packet_amid_fragments_is_not_lost():
    decoder = make_driver("gforce", rate_hz=1000, bits=8).make_decoder()
    assert decoder.feed(GFORCE, fragments(emg(1))[0], 0) == ()
    assert len(decoder.feed(GFORCE, emg(2), 0)) == 1
    assert decoder.refused == {Refusal.OUT_OF_ORDER: 1}


def test_fragments_that_never_end_are_dropped():
    decoder = make_driver("gforce").make_decoder()
    for left in range(255, 200, -1):
        decoder.feed(GFORCE, bytes((0xFF, left)) + bytes(100), 0)
    assert decoder.refused[Refusal.BAD_LENGTH] >= 4


def test_a_connection_on_which_packets_do_not_fit_is_cut_into_parts_and_joined():
    whole, parts = Bench("gforce"), Bench("gforce")
    a = whole.run(2.0)
    b = []
    for value in parts.sensor.take(2.0):
        for part in fragments(value.data):
            b += parts.feed(value.characteristic, part, value.ready_s)
    assert len(a) == len(b)
    assert all((x.values == y.values).all() for x, y in zip(a, b, strict=True))
