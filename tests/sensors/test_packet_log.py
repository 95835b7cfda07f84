"""The raw log: bit for bit, through crashes and damage."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.datasets.errors import DataError, DataReason, UsageError
from kinefed.sensors.packet_log import LogWriter, read_log
from kinefed.sensors.records import LinkEvent, LinkState, Packet
from kinefed.sensors.worn import Worn

WORN = (
    Worn("shank.r", "movella-dot", {"mode": "rate", "rate_hz": 30}, "F0:00", "shank.r"),
    Worn("band", "myo", electrodes={1: "tibialis_anterior.l", 8: "soleus.l"}),
)
EMG = WORN[1].driver().notifies[2]
BATTERY = WORN[0].driver().reads[1]

packets = st.one_of(
    st.builds(
        Packet, st.just("band"), st.integers(0, 2**62), st.just(EMG), st.binary(max_size=300)
    ),
    st.builds(
        Packet, st.just("shank.r"), st.integers(0, 2**62), st.just(BATTERY), st.binary(max_size=4)
    ),
    st.builds(
        LinkEvent,
        st.sampled_from(["band", "shank.r"]),
        st.integers(0, 2**62),
        st.sampled_from(LinkState),
        st.text(st.characters(codec="utf-8"), max_size=40),
    ),
)


def write(path, records):
    with LogWriter(path, WORN) as log:
        for record in records:
            log.write(record)
    return path.read_bytes()


@given(st.lists(packets, max_size=20))
def test_what_was_written_is_read(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("log") / "x.kfpl"
    write(path, records)
    log = read_log(path)
    assert log.sensors == WORN
    assert list(log.records) == records
    assert log.torn == 0


RECORDS = [Packet("band", i, EMG, bytes([i] * 16)) for i in range(5)]


def test_a_log_cut_anywhere_gives_its_whole_records(tmp_path):
    data = write(tmp_path / "x.kfpl", RECORDS)
    size = 13 + 16 + 4
    start = len(data) - 5 * size
    for end in range(start, len(data)):
        cut = tmp_path / "cut.kfpl"
        cut.write_bytes(data[:end])
        log = read_log(cut)
        assert list(log.records) == RECORDS[: (end - start) // size]
        assert log.torn == (end - start) % size


def test_a_flipped_bit_is_named(tmp_path):
    path = tmp_path / "x.kfpl"
    data = bytearray(write(path, RECORDS))
    at = len(data) - 2 * 33
    data[at + 15] ^= 4
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"byte {at} is damaged") as caught:
        read_log(path)
    assert caught.value.reason is DataReason.TRUNCATED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"KFPL\x01",
        b"PAR1" + bytes(40),
        b"KFPL\x01" + struct.pack("<I", 9) + b'{"a": 1}!',
        b"KFPL\x01" + struct.pack("<I", 15) + b'{"sensors":[1]}',
    ],
)
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "x.kfpl"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_log(path)
    assert caught.value.reason is DataReason.BAD_FORMAT
    with pytest.raises(DataError) as caught:
        read_log(tmp_path / "none.kfpl")
    assert caught.value.reason is DataReason.NOT_FOUND


def test_a_log_is_never_written_over(tmp_path):
    write(tmp_path / "x.kfpl", RECORDS)
    with pytest.raises(DataError) as caught:
        LogWriter(tmp_path / "x.kfpl", WORN)
    assert caught.value.reason is DataReason.EXISTS
    assert len(read_log(tmp_path / "x.kfpl").records) == 5


def test_what_is_older_than_a_second_survives_a_crash(tmp_path):
    path = tmp_path / "x.kfpl"
    log = LogWriter(path, WORN)
    for second in range(4):
        log.write(Packet("band", second * 1_500_000_000, EMG, bytes(16)))
    # Not closed: what a killed program leaves.
    assert len(read_log(path).records) == 4
    log.close()


def test_a_place_that_is_none_is_found_before_anything_is_worn():
    with pytest.raises(UsageError, match="sensor knee") as caught:
        Worn("knee", "movella-dot", place="knee.r")
    assert "acc" in str(caught.value)
    with pytest.raises(UsageError):
        Worn("band", "myo", electrodes={1: "shank.r"})
    with pytest.raises(UsageError, match="no driver"):
        Worn("x", "delsys")
    with pytest.raises(DataError):
        Worn("../x", "myo")
