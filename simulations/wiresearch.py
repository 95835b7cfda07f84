"""Does a signal stand on the wire? Search the recorded Messages of a run for the recordings.

The search finds any four consecutive samples of a channel in the bytes of a run: as float16,
float32 or float64, in both byte orders, at any byte offset, with the channel's samples side by
side or as many values apart as there are channels; as decimal text; and inside zip, gzip and
zlib streams. Four samples must hold at least three distinct values: zeros, constants and steps
occur in every weight vector, counter and header, and give nothing away. float16 needs a longer
run, see :data:`HALF_RUN`.

What it does not find: samples as integers or encrypted, other codings (base64, bz2), text
with fewer than four significant figures, and signals that were scaled, filtered or resampled
unless the caller gives them as signals of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets import Dataset, UsageError, UsageReason
from kinefed.simulations.wireindex import RUN, Codec, chains
from kinefed.simulations.wireparts import Batch, Segment, packed_streams, segments
from kinefed.simulations.wiretext import TextIndex, numbers

# The upper halves of small float32 weights are bit patterns of float16 near 1, and only some
# 1500 of them are common: 30 MB of random weights hold four consecutive float16 samples of
# 200 000 gait-like ones by chance about 0.2 times per even stride. Each sample more makes that
# rarer by two to three orders.
HALF_RUN = 6
MAX_HITS = 1000
MAX_INFLATED = 1 << 28
_DTYPES = ("f2", "f4", "f8")
_BLOCK = 1 << 19
_NUMBERS = 100_000
# A compressed file inside a compressed file is still read.
_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """Consecutive samples of a channel that stand on the wire.

    Attributes
    ----------
    signal, channel, sample
        Where they are from: the signal's name, the column, the first sample.
    encoding
        ``"<f4"`` (a numpy dtype with its byte order) or ``"text"``; in a compressed stream
        with its kind before it, as in ``"zip/<f4"``.
    offset, end
        Byte range in the data, from the first sample to behind the last; of the whole
        compressed stream where there is one.
    stride
        Values from one sample to the next.
    length
        Samples found in a row, at least 4. A long run may be told as several hits.
    message
        Index of the message, the first that held these bytes.
    """

    signal: str
    channel: int
    sample: int
    encoding: str
    offset: int
    end: int
    stride: int
    length: int
    message: int = 0


@dataclass(frozen=True, slots=True)
class SignalIndex:
    """All runs of four samples of some signals, ready to be looked up.

    It takes some 75 bytes a sample, and three tables of up to 128 MiB.

    Attributes
    ----------
    strides
        Distances that are searched, in values: 1, and for each number of channels that number
        and one more (a column of time or row numbers beside them).
    """

    strides: tuple[int, ...]
    _starts: NDArray[np.int64]
    _columns: tuple[tuple[str, int], ...]
    _codecs: tuple[Codec, ...]
    _text: TextIndex

    @classmethod
    def build(
        cls,
        signals: Mapping[str, NDArray[np.float64]],
        strides: Collection[int] = (),
        *,
        half_run: int = HALF_RUN,
    ) -> SignalIndex:
        """Index signals.

        Parameters
        ----------
        signals
            (samples, channels) by name. Samples that are not finite are left out.
        strides
            More numbers of channels to search for, such as those of a network's input.
        half_run
            Samples in a row that make a hit in float16, at least 4.

        Raises
        ------
        UsageError
            ``bad_argument`` for signals that hold nothing to search for, so that no search is
            passed because it could not fail.
        """
        if half_run < RUN or any(stride < 1 for stride in strides):
            raise _bad(f"half_run {half_run} or strides {sorted(strides)} out of range")
        for name, signal in signals.items():
            if signal.ndim != 2:
                raise _bad(f"signal {name} has shape {signal.shape}, not (samples, channels)")
        counts = ({signal.shape[1] for signal in signals.values()} | set(strides)) - {0}
        columns = [
            (name, channel)
            for name, signal in signals.items()
            for channel in range(signal.shape[1])
        ]
        starts = np.cumsum([0, *(len(signals[name]) for name, _ in columns)], dtype=np.int64)
        flat = [np.asarray(signal, dtype=np.float64).T.ravel() for signal in signals.values()]
        values = np.concatenate([np.empty(0), *flat])
        codecs = tuple(
            Codec.build(values, starts, dtype, half_run if dtype == "f2" else RUN)
            for dtype in _DTYPES
        )
        if not codecs[-1].quads.hashes.size:
            raise _bad("the signals hold no four samples in a row with three distinct values")
        return cls(
            tuple(sorted({1} | counts | {count + 1 for count in counts})),
            starts,
            tuple(columns),
            codecs,
            TextIndex.build(values, starts),
        )

    def search(self, data: bytes, *, max_inflated: int = MAX_INFLATED) -> list[Hit]:
        """Find the signals in some bytes.

        Raises
        ------
        DataError
            ``out_of_range`` for a compressed stream of more than ``max_inflated`` bytes.
        """
        return list(self._search(data, max_inflated, _DEPTH))

    def _search(self, data: bytes, max_inflated: int, depth: int) -> Iterator[Hit]:
        for codec in self._codecs:
            for start in range(0, len(data), _BLOCK):
                yield from self._binary(codec, data, start)
        yield from self._written(data)
        if depth == 0:
            return
        for part in packed_streams(data, max_inflated):
            for hit in self._search(part.content, max_inflated, depth - 1):
                encoding = f"{part.kind}/{hit.encoding}"
                yield replace(hit, encoding=encoding, offset=part.start, end=part.end)

    def _binary(self, codec: Codec, data: bytes, start: int) -> Iterator[Hit]:
        """Search for runs that begin in one block."""
        size = codec.size
        reach = (codec.run - 1) * self.strides[-1]
        for offset in range(start, min(start + size, len(data))):
            count = min(_BLOCK // size + reach, (len(data) - offset) // size)
            for order in "<>":
                wire = np.frombuffer(data, f"{order}u{size}", count, offset)
                items = wire.astype(f"=u{size}")
                members = codec.table.has(items)
                for stride in self.strides:
                    own = min(_BLOCK // size, count - (codec.run - 1) * stride)
                    if own <= 0:
                        break
                    at, places = codec.find(items, members, stride, own)
                    for first, place, length in chains(at, places, stride, codec.run):
                        begin = offset + first * size
                        end = begin + ((length - 1) * stride + 1) * size
                        encoding = f"{order}f{size}"
                        yield self._hit(place, encoding, begin, end, stride, length)

    def _written(self, data: bytes) -> Iterator[Hit]:
        for batch in numbers(data, _NUMBERS, (RUN - 1) * self.strides[-1]):
            for stride in self.strides:
                at, places = self._text.find(batch, stride)
                for first, place, length in chains(at, places, stride, RUN):
                    begin = int(batch.start[first])
                    end = int(batch.end[first + (length - 1) * stride])
                    yield self._hit(place, "text", begin, end, stride, length)

    def _hit(
        self, place: int, encoding: str, offset: int, end: int, stride: int, length: int
    ) -> Hit:
        column = int(np.searchsorted(self._starts, place, side="right")) - 1
        name, channel = self._columns[column]
        sample = place - int(self._starts[column])
        return Hit(name, channel, sample, encoding, offset, end, stride, length)


def search_wire(
    messages: Iterable[bytes],
    index: SignalIndex,
    progress: Callable[[int], None] | None = None,
    *,
    max_hits: int = MAX_HITS,
    max_inflated: int = MAX_INFLATED,
) -> list[Hit]:
    """Search the serialised Messages of a run.

    Memory does not grow with the number of messages, except for 16 bytes per distinct part.
    An array that was searched before, such as the model that goes to every client, is skipped.

    Parameters
    ----------
    messages
        Serialised Messages, or other bodies, one by one.
    index
        What to search for.
    progress
        Called with the size of each message when it was read.
    max_hits
        The search stops once it has so many hits.

    Raises
    ------
    DataError
        ``out_of_range`` for a compressed stream of more than ``max_inflated`` bytes.
    """
    seen: set[bytes] = set()
    hits: list[Hit] = []
    waiting: list[Segment] = []
    for number, message in enumerate(messages):
        for offset, data in segments(message):
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if digest not in seen:
                seen.add(digest)
                waiting.append(Segment(number, offset, data))
        if sum(len(segment.data) for segment in waiting) >= _BLOCK:
            hits += _search_together(waiting, index, max_inflated)
            waiting = []
        if progress is not None:
            progress(len(message))
        if len(hits) >= max_hits:
            return hits[:max_hits]
    hits += _search_together(waiting, index, max_inflated)
    return hits[:max_hits]


def _search_together(
    waiting: Sequence[Segment], index: SignalIndex, max_inflated: int
) -> list[Hit]:
    batch, hits = Batch(waiting), []
    for hit in index.search(batch.data, max_inflated=max_inflated):
        origin = batch.origin(hit.offset, hit.end)
        if origin is None:
            # Two segments go on from one another: look at each alone.
            return [hit for one in waiting for hit in _search_together([one], index, max_inflated)]
        message, shift = origin
        found = replace(hit, offset=hit.offset + shift, end=hit.end + shift, message=message)
        hits.append(found)
    return hits


def signals_of_dataset(
    dataset: Dataset, extra: Mapping[str, NDArray[np.float64]] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Collect every stream of every recording, as recorded.

    Each is (samples, channels), by ``recording key/stream``; the extra ones, such as resampled,
    filtered or scaled signals, by their own names.

    Raises
    ------
    UsageError
        ``bad_argument`` for an extra signal with the name of a stream.
    """
    signals = {
        f"{ref.key}/{name}": stream.data
        for ref in dataset.refs
        for name, stream in dataset.load(ref).streams.items()
    }
    for name, signal in (extra or {}).items():
        if name in signals:
            raise _bad(f"the extra signal {name} has the name of a recorded stream")
        signals[name] = signal
    return signals


def _bad(what: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what)
