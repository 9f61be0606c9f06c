"""The history of one entity as bytes: times in order, and running totals of what windows add.

The bytes are 64-bit little-endian integers: n times, then n + 1 running totals for each column.
A total is the difference of two running totals, so that a window costs two searches and no
addition. The running totals need no common zero: events leave at the front without a rewrite.
"""

import struct
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from groundplan.errors import EngineError
from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.source import Source
from groundplan.features.windows import Series, Window

_FAR: Final = 1 << 62
"""Running totals beyond this are set back to zero, so that they stay within 64 bits."""

_one = struct.Struct("<q").pack
_from = struct.Struct("<q").unpack_from


class Past:
    """A read-only view of one entity's bytes.

    Args:
        packed: the bytes; empty where the entity has no history.
        columns: how many running totals there are.
    """

    __slots__ = ("columns", "count", "integers", "newest", "packed")

    def __init__(self, packed: "bytes | memoryview", columns: int) -> None:
        if not len(packed):
            packed = bytes(8 * columns)
        self.packed = memoryview(packed)
        self.integers = self.packed.cast("q")
        self.columns = columns
        self.count = (len(self.integers) - columns) // (columns + 1)
        self.newest = self.integers[self.count - 1] if self.count else -1
        """The time of the last event, us; -1 where there is none."""

    def offset(self, column: int) -> int:
        """Where the running totals of a column begin."""
        return self.count + column * (self.count + 1)


class Totals:
    """One column of a past, as window functions read it."""

    __slots__ = ("_integers", "_offset")

    def __init__(self, integers: memoryview, offset: int) -> None:
        self._integers = integers
        self._offset = offset

    def total(self, start: int, stop: int) -> int:
        """The sum of the values from start up to, without, stop."""
        integers, offset = self._integers, self._offset
        return integers[offset + stop] - integers[offset + start]

    def values(self, start: int, stop: int) -> Sequence[int]:
        """The values from start up to, without, stop."""
        return [self.total(at, at + 1) for at in range(start, stop)]


class Layout:
    """What the store keeps for the entities of one key, and how its windows are read.

    Args:
        inputs: the features.
        key: the field that names the entity.
    """

    def __init__(self, inputs: FeatureSet, key: str) -> None:
        source = inputs.source
        mine = [(slot, w) for slot, w in enumerate(inputs.windows) if w.key == key]
        self.key = key
        self.position = list(source.fields).index(key)
        self.text = source.fields[key].name == "str"
        self.columns = tuple(dict.fromkeys(w.field for _, w in mine if w.field))
        self.edges = sorted({edge for _, w in mine for edge in (w.youngest, w.oldest)})
        self.lateness = source.lateness
        self.retention = max(w.oldest for _, w in mine) + source.lateness
        self.scales = [source.kind_of(column).scale for column in self.columns]
        self._scaled = tuple(_scaler(source, column) for column in self.columns)
        self._readings = tuple(self._reading(slot, window) for slot, window in mine)

    def scaled(self, event: Event) -> list[int]:
        """What the event adds to each column."""
        return [scale(event) for scale in self._scaled]

    def scaled_columns(self, events: Sequence[Event]) -> list[npt.NDArray[np.int64]]:
        """What many events add: an array for each column."""
        return [np.array([scale(e) for e in events], dtype=np.int64) for scale in self._scaled]

    def read(self, past: Past, time: int, own: Sequence[int], out: list[float]) -> None:
        """The values of this key's windows at a time, into their slots.

        Args:
            past: the entity's history.
            time: us.
            own: what the event itself adds to each column.
            out: a slot per window of the feature set.
        """
        integers, stop = past.integers, past.count
        positions = []
        for edge in self.edges:  # from young to old, so each search ends where the last began
            stop = bisect_right(integers, time - edge, 0, stop)
            positions.append(stop)
        totals: list[Series] = [Totals(integers, past.offset(c)) for c in range(past.columns)]
        totals.append(NO_TOTALS)
        added = [*own, 1, None]
        for slot, online, window, column, old, young, current in self._readings:
            out[slot] = online(
                window, totals[column], positions[old], positions[young], added[current]
            )

    def definition(self) -> dict[str, Any]:
        """What the bytes depend on, as plain data."""
        return {
            "key": self.key,
            "text": self.text,
            "columns": self.columns,
            "scales": self.scales,
            "retention_us": self.retention,
        }

    def _reading(self, slot: int, window: Window) -> tuple[Any, ...]:
        """Where a window finds what it needs: indices into the lists that `read` makes.

        A window without a field reads the last of the columns, which is empty, and adds 1 for
        the event itself; one that leaves the event out adds None.
        """
        column = self.columns.index(window.field) if window.field else len(self.columns)
        return (
            slot,
            window.function.online,
            window,
            column,
            self.edges.index(window.oldest),
            self.edges.index(window.youngest),
            column if window.current else len(self.columns) + 1,
        )


def _scaler(source: Source, column: str) -> Callable[[Event], int]:
    """What an event adds to a column."""
    if column in source.labels:
        at = list(source.labels).index(column)
        return lambda event: int(event.labels[at]) if event.labels else 0
    at, kind = list(source.fields).index(column), source.fields[column]
    if kind.name == "float":
        return lambda event: kind.scaled(event.values[at])
    return lambda event: int(event.values[at])


def inserted(past: Past, time: int, values: Sequence[int], retention: int) -> bytes:
    """The bytes with one more event in its place in time, and without those past the retention."""
    integers, count, known = past.integers, past.count, past.packed
    if time < past.newest:
        return _merged_one(past, time, values, retention)
    drop = 8 * bisect_right(integers, time - retention, 0, count)
    end, step = 8 * count, 8 * (count + 1)
    pieces: list[memoryview | bytes] = [known[drop:end], _one(time)]
    for value in values:
        total = integers[(end + step) // 8 - 1] + value
        if not -_FAR < total < _FAR:
            return _merged_one(past, time, values, retention)
        pieces += [known[end + drop : end + step], _one(total)]
        end += step
    return b"".join(pieces)


def newest_of(packed: "bytes | memoryview", columns: int) -> int:
    """The time of the last event in some bytes that have one, us."""
    count = (len(packed) // 8 - columns) // (columns + 1)
    (time,) = _from(packed, 8 * (count - 1))
    return int(time)


def merged(
    past: Past,
    times: npt.NDArray[np.int64],
    values: Sequence[npt.NDArray[np.int64]],
    retention: int,
) -> bytes:
    """The bytes with many more events, in their places in time.

    Args:
        past: the history so far.
        times: us, in any order.
        values: the scaled values of each column.
        retention: us; events that are this old beside the newest are left out.
    """
    count = past.count
    integers = np.frombuffer(past.packed, dtype="<i8")
    all_times = np.concatenate([integers[:count], times])
    order = np.argsort(all_times, kind="stable")
    all_times = all_times[order]
    first = int(np.searchsorted(all_times, all_times[-1] - retention, side="right"))
    pieces = [all_times[first:].astype("<i8").tobytes()]
    for column, new in enumerate(values):
        start = past.offset(column)
        known = np.diff(integers[start : start + count + 1])
        kept = np.concatenate([known, new])[order][first:]
        running = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
        pieces.append(running.astype("<i8").tobytes())
    return b"".join(pieces)


def _merged_one(past: Past, time: int, values: Sequence[int], retention: int) -> bytes:
    arrays = [np.array([value], dtype=np.int64) for value in values]
    return merged(past, np.array([time], dtype=np.int64), arrays, retention)


def packed(
    times: npt.NDArray[np.int64],
    totals: Sequence[npt.NDArray[np.int64]],
    first: int,
    stop: int,
    retention: int,
) -> bytes:
    """The bytes of a history that lies in arrays.

    Args:
        times: us, in order from first up to, without, stop.
        totals: for each column, the running totals before each position, one more at the end.
        first: where the history begins.
        stop: where it ends.
        retention: us; events that are this old beside the newest are left out.
    """
    cutoff = int(times[stop - 1]) - retention
    if times[first] <= cutoff:
        first += int(np.searchsorted(times[first:stop], cutoff, side="right"))
    parts = [times[first:stop], *(total[first : stop + 1] for total in totals)]
    return b"".join(part.astype("<i8", copy=False).tobytes() for part in parts)


def relabelled(past: Past, time: int, column: int, change: int) -> bytes | None:
    """The bytes with the value of one event at a time changed; None where there is none.

    Events of one instant are counted together or not at all, so which of them changes is the same.
    """
    at = bisect_left(past.integers, time, 0, past.count)
    if at == past.count or past.integers[at] != time:
        return None
    integers = np.frombuffer(past.packed, dtype="<i8").copy()
    start = past.offset(column)
    integers[start + at + 1 : start + past.count + 1] += change
    return integers.tobytes()


def unknown(inputs: FeatureSet) -> Callable[[Event], npt.NDArray[np.float64]]:
    """The features of an event whose entities have no history, without asking a store."""
    layouts = tuple(Layout(inputs, key) for key in inputs.entities)

    def row(event: Event) -> npt.NDArray[np.float64]:
        windows = [0.0] * len(inputs.windows)
        for layout in layouts:
            empty = Past(b"", len(layout.columns))
            layout.read(empty, event.time, layout.scaled(event), windows)
        return inputs.row(event, windows)

    return row


class _NoTotals:
    """The column of a function that reads no field."""

    def total(self, start: int, stop: int) -> int:
        return 0

    def values(self, start: int, stop: int) -> Sequence[int]:
        return ()


NO_TOTALS: Final = _NoTotals()

if sys.byteorder != "little":  # memoryview.cast reads the machine's own order
    raise EngineError("the embedded store needs a little-endian machine: use another online store")
