from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common.serde import message_to_proto
from flwr.supercore.task_identity import TaskIdentity
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefed.datasets import (
    DataError,
    DatasetInfo,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    UsageError,
    write_dataset,
)
from kinefed.personalization.codec import encode
from kinefed.personalization.messages import PersonalScores, Update
from kinefed.simulations.wireparts import segments
from kinefed.simulations.wiresearch import (
    HALF_RUN,
    Hit,
    SignalIndex,
    search_wire,
    signals_of_dataset,
)
from kinefed.simulations.wiretext import numbers

CHANNELS = {"knee": 3, "emg": 5}
DTYPES = ("f2", "f4", "f8")


def walk(channels: int, seed: int, samples: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(samples)[:, None] / 100
    phase = rng.uniform(0, 6, channels)
    swing = np.sin(2 * np.pi * t + phase) + 0.3 * np.sin(5 * t + phase)
    return swing + rng.normal(0, 0.01, (samples, channels))


SIGNALS = {name: walk(channels, channels) for name, channels in CHANNELS.items()}
INDEX = SignalIndex.build(SIGNALS, strides=(12,))
# Four samples of float16 may stand in random weights by chance; no test here has so many.
FOUR = SignalIndex.build(SIGNALS, strides=(12,), half_run=4)


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def weights(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, count).astype(np.float32)


@pytest.fixture
def _task(monkeypatch: pytest.MonkeyPatch) -> None:
    # A Message is made in the name of a task.
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


def wire(record: RecordDict, node: int = 7) -> bytes:
    return message_to_proto(Message(record, node, "train")).SerializeToString()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stride", [1, 3, 5, 6, 12, 13])
def test_four_samples_are_found_in_every_format_and_layout(
    dtype: str, order: str, stride: int
) -> None:
    sample, channel = 321, 2
    size = np.dtype(dtype).itemsize
    for offset in range(size):
        values = np.random.default_rng(offset).normal(size=3 * stride + 1)
        values[::stride] = SIGNALS["emg"][sample : sample + 4, channel]
        body = values.astype(f"{order}{dtype}").tobytes()
        hits = FOUR.search(noise(40 + offset) + body + noise(33, 1))
        assert hits == [
            Hit(
                "emg",
                channel,
                sample,
                f"{order}{dtype}",
                40 + offset,
                40 + offset + len(body),
                stride,
                4,
            )
        ]


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(CHANNELS)),
    channel=st.integers(0, 2),
    sample=st.integers(0, 1990),
    length=st.integers(HALF_RUN, 10),
    dtype=st.sampled_from(DTYPES),
    order=st.sampled_from("<>"),
    before=st.integers(0, 70),
    after=st.integers(0, 20),
)
def test_any_window_is_found_wherever_it_stands(
    name: str,
    channel: int,
    sample: int,
    length: int,
    dtype: str,
    order: str,
    before: int,
    after: int,
) -> None:
    window = SIGNALS[name][sample : sample + length, channel].astype(f"{order}{dtype}")
    hits = INDEX.search(noise(before) + window.tobytes() + noise(after, 1))
    assert (name, channel, sample, f"{order}{dtype}", before) in {
        (h.signal, h.channel, h.sample, h.encoding, h.offset) for h in hits
    }


def test_a_whole_recording_is_told_per_channel_in_both_layouts() -> None:
    signal = SIGNALS["knee"].astype("<f4")
    for body, stride in ((signal, 3), (signal.T, 1)):
        hits = INDEX.search(body.tobytes())
        assert {(h.signal, h.channel, h.stride) for h in hits} == {
            ("knee", c, stride) for c in range(3)
        }
        assert sum(h.length for h in hits) == signal.size


def test_a_window_over_the_border_of_two_blocks_is_found() -> None:
    window = SIGNALS["knee"][100:106, 1]
    for before in ((1 << 19) - 9, (1 << 19) - 1, 1 << 19):
        for dtype in DTYPES:
            data = bytes(before) + window.astype(dtype).tobytes() + bytes(50)
            found = INDEX.search(data)
            assert min(h.offset for h in found) == before
            assert max(h.end for h in found) == len(data) - 50


def test_half_precision_takes_a_longer_run() -> None:
    window = SIGNALS["knee"][50 : 50 + HALF_RUN, 0].astype(np.float16)
    assert [h.length for h in INDEX.search(window.tobytes())] == [HALF_RUN]
    assert INDEX.search(window[:-1].tobytes()) == []
    assert FOUR.search(window[:4].tobytes())


def test_half_precision_goes_on_at_any_place_where_its_first_four_stand() -> None:
    # The first four samples stand twice in the signal, and only the second goes on like this.
    signal = np.array([1, 2, 3, 5, 9, 9, 9, 1, 2, 3, 5, 7, 8, 6], dtype=np.float64)[:, None]
    index = SignalIndex.build({"s": signal})
    hits = index.search(signal[7:13, 0].astype(np.float16).tobytes())
    assert [(h.sample, h.length) for h in hits] == [(7, 6)]


@pytest.mark.parametrize(
    "text",
    [
        lambda w: json.dumps({"trial": 3, "angle_1": w.tolist()}),
        lambda w: json.dumps([round(v, 4) for v in w.tolist()]),
        lambda w: json.dumps([float(f"{v:.4g}") for v in w.tolist()]),
        lambda w: ",".join(f"{v:.6e}" for v in w),
        lambda w: "\n".join(f"{v:+.8f}" for v in w),
        lambda w: repr(w.astype(np.float32).tolist()),
        lambda w: " ".join(map(str, w.astype(np.float32))),
        lambda w: repr(w.astype(np.float16).tolist()),
        lambda w: repr(list(w)),
        lambda w: "\n".join(f"{i};{v!r}" for i, v in enumerate(w.tolist())),
        lambda w: json.dumps([{"i": None, "knee": v, "j2": 0.5} for v in w.tolist()]),
    ],
)
def test_text_is_found(text) -> None:  # type: ignore[no-untyped-def]
    # All four are above 0.5, so that four decimals are four figures.
    sample = int(np.flatnonzero((SIGNALS["knee"][:, 0] > 0.5) & (np.arange(2000) > 10))[0])
    while (SIGNALS["knee"][sample : sample + 4, 0] < 0.5).any():
        sample += 1
    window = SIGNALS["knee"][sample : sample + 4, 0]
    index = SignalIndex.build(SIGNALS, strides=(2, 3))
    data = noise(100) + b"\x00" + text(window).encode() + b"\x00" + noise(100, 1)
    hits = index.search(data)
    assert {(h.signal, h.channel, h.sample, h.encoding) for h in hits} == {
        ("knee", 0, sample, "text")
    }
    assert str(window[0])[:4].encode() in data[hits[0].offset : hits[0].end]
    assert index.search(text(window + 0.01).encode()) == []


def test_long_text_is_found_at_the_seam_of_two_batches() -> None:
    rng = np.random.default_rng(0)
    foreign = json.dumps(rng.normal(3000, 1, 99_998).tolist())[1:-1]
    window = SIGNALS["emg"][70:74, 4].tolist()
    hits = INDEX.search(f"[{foreign}, {json.dumps(window)[1:]}".encode())
    assert {(h.signal, h.channel, h.sample) for h in hits} == {("emg", 4, 70)}


def test_numbers_are_read_with_their_figures() -> None:
    (read,) = numbers(b'{"k_1": -0.0120, "b": [1.5e-3, .5, 7., null, NaN, 1e999]} 0x12ab', 99, 0)
    assert read.value[:4].tolist() == [-0.012, 0.0015, 0.5, 7.0]
    assert np.isnan(read.value[4:]).all()
    assert len(read.value) == 7
    assert read.figures[:4].tolist() == [3, 2, 1, 1]
    assert read.decimals[:4].tolist() == [4, 4, 1, 0]


@pytest.mark.usefixtures("_task")
@pytest.mark.parametrize("shape", [(60, 3), (3, 60)])
def test_a_window_in_the_array_of_a_message_is_found(shape: tuple[int, int]) -> None:
    leak = SIGNALS["knee"][200:260].astype(np.float32)
    leak = leak if shape == (60, 3) else leak.T
    vector = np.concatenate([weights(5000), leak.reshape(-1), weights(5000, 1)])
    clean = wire(encode(Update("p", "pooled", 1, 9, 0.5, "s", weights(10_000))))
    leaking = wire(encode(Update("p", "pooled", 1, 9, 0.5, "s", vector)))
    read: list[int] = []
    hits = search_wire([clean, leaking], INDEX, read.append)
    assert read == [len(clean), len(leaking)]
    assert {(h.signal, h.channel, h.sample, h.length, h.message) for h in hits} == {
        ("knee", c, 200, 60, 1) for c in range(3)
    }
    for hit in hits:
        first = np.frombuffer(leaking, hit.encoding, 1, hit.offset)[0]
        assert first == np.float32(SIGNALS["knee"][200, hit.channel])
    assert search_wire([clean], INDEX) == []


@pytest.mark.usefixtures("_task")
def test_scores_metrics_and_fields_are_searched_too() -> None:
    window = SIGNALS["emg"][10:14, 0].tolist()
    messages = [
        wire(encode(PersonalScores("p", json.dumps({"rows": window})))),
        wire(RecordDict({"m": MetricRecord({"loss": window})})),
        wire(RecordDict({"c": ConfigRecord({"blob": np.array(window, ">f4").tobytes()})})),
        wire(RecordDict({"a": ArrayRecord({"v": Array(np.array(window))})})),
    ]
    hits = search_wire(messages, INDEX)
    assert [(h.message, h.encoding) for h in sorted(hits, key=lambda h: h.message)] == [
        (0, "text"),
        (1, "<f8"),
        (2, ">f4"),
        (3, "<f8"),
    ]


@pytest.mark.usefixtures("_task")
def test_an_array_is_searched_once_however_many_clients_get_it() -> None:
    searched: list[int] = []

    class Counting:
        def search(self, data: bytes, *, max_inflated: int) -> list[Hit]:
            searched.append(len(data))
            return INDEX.search(data, max_inflated=max_inflated)

    vector = weights(300_000)
    vector[1000:1004] = SIGNALS["knee"][40:44, 1]
    orders = (wire(encode(Update("p", "m", 1, 9, 0.5, "s", vector)), n) for n in range(1, 40))
    hits = search_wire(orders, Counting())  # type: ignore[arg-type]
    assert [(h.signal, h.channel, h.sample, h.message) for h in hits] == [("knee", 1, 40, 0)]
    assert sum(searched) < 2 * vector.nbytes


@pytest.mark.usefixtures("_task")
def test_the_segments_of_a_message_are_all_of_it() -> None:
    record = RecordDict(
        {
            "a": ArrayRecord({"v": Array(weights(50)), "w": Array(weights(50))}),
            "b": ArrayRecord({"v": Array(weights(5))}),
        }
    )
    for data in (wire(record), b"", b"[1.5, 2.5]", noise(999)):
        parts = list(segments(data))
        assert b"".join(part for _, part in parts) == data
        assert all(data[at : at + len(part)] == part for at, part in parts)
    assert len(list(segments(wire(record)))) >= 6


def test_messages_are_searched_apart() -> None:
    # Half of a window in each of two messages: neither says four samples in a row.
    window = SIGNALS["knee"][30:36, 0]
    halves = [json.dumps(window[:3].tolist()).encode(), json.dumps(window[3:].tolist()).encode()]
    assert search_wire(halves, INDEX) == []
    # Two messages that go on from one another are told each on its own.
    long = SIGNALS["knee"][30:40, 0]
    texts = [json.dumps(half.tolist()).encode() for half in (long[:5], long[5:])]
    hits = search_wire(texts, INDEX)
    assert [(h.message, h.sample, h.length, h.offset) for h in hits] == [
        (0, 30, 5, 1),
        (1, 35, 5, 1),
    ]


def saved(compressed: bool) -> bytes:
    out = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(out, x=SIGNALS["emg"][100:400].astype(np.float32), y=weights(1000))
    return out.getvalue()


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (lambda: saved(True), "zip/<f4"),
        (lambda: saved(False), "<f4"),
        (lambda: gzip.compress(saved(True)), "gzip/zip/<f4"),
        (lambda: zlib.compress(SIGNALS["emg"][100:400].astype("<f4").tobytes(), 1), "zlib/<f4"),
        (lambda: gzip.compress(SIGNALS["emg"][100:400].astype(">f8").tobytes()), "gzip/>f8"),
        (lambda: zlib.compress(json.dumps(SIGNALS["emg"][100:140].tolist()).encode()), "zlib/text"),
    ],
)
def test_compressed_streams_are_searched(pack, encoding: str) -> None:  # type: ignore[no-untyped-def]
    data = noise(5000) + pack() + noise(500, 1)
    hits = INDEX.search(data)
    assert {h.encoding for h in hits} == {encoding}
    assert {(h.signal, h.channel) for h in hits} == {("emg", c) for c in range(5)}
    assert all(h.sample == 100 for h in hits if h.length > 30)
    assert all(5000 <= h.offset < h.end <= len(data) - 500 for h in hits)


def test_a_stream_beyond_the_bound_is_not_passed_over() -> None:
    data = zlib.compress(bytes(10_001))
    assert INDEX.search(data, max_inflated=10_001) == []
    with pytest.raises(DataError, match="more than 10000 bytes"):
        INDEX.search(data, max_inflated=10_000)


def test_random_weights_give_no_hit_until_a_window_is_put_in() -> None:
    vector = weights(1_000_000)
    assert search_wire([vector.tobytes()], INDEX) == []
    vector[777_777:777_781] = SIGNALS["knee"][5:9, 2]
    hits = search_wire([vector.tobytes()], INDEX)
    assert [(h.signal, h.channel, h.sample) for h in hits] == [("knee", 2, 5)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_gives_nothing_away_gives_no_hit(dtype: str) -> None:
    window = SIGNALS["knee"][300:340, 1]
    constant, step = np.full(50, 0.5), np.repeat([0.0, 1.0], 25)
    tiny = np.arange(50.0) * 2.0**-24
    signals = {
        "s": np.stack([np.resize(window, 50), constant, step, np.zeros(50)], axis=1),
        "counter": tiny[:, None],
    }
    index = SignalIndex.build(signals, half_run=4)
    for body in (window[::-1], constant, step, np.zeros(50), window[::2], -window, window * 1.01):
        assert index.search(body.astype(dtype).tobytes()) == []
        assert index.search(json.dumps(body.tolist()).encode()) == []
    assert index.search(np.arange(50, dtype="<u2").tobytes()) == []
    assert index.search(b"round 1, 2, 3, 4, 5; 1000 1000 1000 1000") == []
    assert index.search(window.astype(dtype).tobytes())


def test_a_window_over_two_channels_or_a_missing_sample_is_none() -> None:
    signal = SIGNALS["knee"][:20].copy()
    signal[10, 0] = np.nan
    index = SignalIndex.build({"s": signal, "empty": np.empty((0, 2)), "one": signal[:1]})
    column = signal.T.reshape(-1)
    for dtype in ("f4", "f8"):
        assert index.search(column[18:22].astype(dtype).tobytes()) == []
        assert index.search(column[8:12].astype(dtype).tobytes()) == []
        assert index.search(column[6:10].astype(dtype).tobytes())
        assert index.search(column[16:20].astype(dtype).tobytes())
        assert index.search(column[20:24].astype(dtype).tobytes())


def test_short_and_empty_data_are_searched() -> None:
    for size in range(40):
        assert INDEX.search(noise(size)) == []
    assert search_wire([], INDEX) == []
    assert search_wire([b"", b""], INDEX) == []


def test_the_search_stops_with_enough_hits() -> None:
    leak = [SIGNALS["emg"][i : i + 200].tobytes() * 70 for i in range(5)]
    taken = iter(leak)
    assert len(search_wire(taken, INDEX, max_hits=3)) == 3
    assert len(list(taken)) == 4


@pytest.mark.parametrize(
    "signals", [{}, {"s": np.ones((9, 2))}, {"s": np.arange(9.0)}, {"s": walk(1, 0)[:3]}]
)
def test_an_index_that_could_find_nothing_is_refused(signals: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError):
        SignalIndex.build(signals)


@pytest.mark.parametrize("wrong", [{"strides": (0,)}, {"half_run": 3}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        SignalIndex.build(SIGNALS, **wrong)  # type: ignore[arg-type]


def test_the_signals_of_a_dataset_are_all_streams_of_all_recordings(tmp_path: Path) -> None:
    def recording(subject: str) -> Recording:
        angle = Stream("kinematics", 100.0, 0.0, ("angle.knee_flexion.r",), ("rad",), walk(1, 1))
        emg = Stream("emg", 1000.0, 0.0, ("emg.soleus.r",), ("V",), walk(1, 2) * 1e-4)
        ref = RecordingRef(subject, "s01", "walk", 1)
        return Recording(ref, {"kinematics": angle, "emg": emg})

    people = [Subject("S01"), Subject("S02")]
    dataset = write_dataset(
        tmp_path / "d", DatasetInfo("d"), people, [recording(p.id) for p in people]
    )
    scaled = walk(1, 1) * 57.3
    signals = signals_of_dataset(dataset, {"degrees": scaled})
    assert sorted(signals) == [
        "S01/s01/walk_01/emg",
        "S01/s01/walk_01/kinematics",
        "S02/s01/walk_01/emg",
        "S02/s01/walk_01/kinematics",
        "degrees",
    ]
    hits = SignalIndex.build(signals).search(scaled[9:19].astype(np.float32).tobytes())
    assert [(h.signal, h.sample, h.length) for h in hits] == [("degrees", 9, 10)]
    with pytest.raises(UsageError, match="has the name"):
        signals_of_dataset(dataset, {"S01/s01/walk_01/emg": scaled})
