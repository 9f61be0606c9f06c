"""What the history of an entity keeps of each event, and where it lies in a row.

A history is rows of 64-bit integers in order of time, one per event: the time in us, then for
each measure what its windows need: how many events have counted so far (where not all do), the
running total and the running sum of squares (128 bits) up to and with this event, the code of its
own value. The first row is no event: it carries the running totals before the first one. So what
lies between two moments is the difference of two rows, and events leave at the front by
forgetting rows, without a rewrite of the others.

What an event adds is its raw record: its time and, for each measure, whether it counts, its
scaled value and its code, as far as they are needed.
"""

import struct
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from groundplan.features.feature_set import FeatureSet
from groundplan.features.state.batch import Batch, read
from groundplan.features.state.compiled import after_code, between_code, raw_code
from groundplan.features.state.rows import accumulated
from groundplan.features.windows.measure import Measure
from groundplan.features.windows.window import EVER

BEFORE: Final = -(1 << 63)
"""The time of the first row, which is before every event."""


@dataclass(frozen=True)
class Column:
    """Where a measure lies: positions in a row and in a raw record; None where it is not kept.

    Args:
        measure: what is read of an event.
        count: in a row, how many events have counted.
        total: in a row, the running total.
        squares: in a row, the running sum of squares: its lower, then its upper 64 bits.
        code: in a row, the code of the event's value.
        counts: in a raw record, 1 where the event counts.
        value: in a raw record, the scaled value; 0 where it does not count.
        coded: in a raw record, the code; 0 where it does not count.
    """

    measure: Measure
    count: int | None
    total: int | None
    squares: int | None
    code: int | None
    counts: int | None
    value: int | None
    coded: int | None


class Layout:
    """What one of the histories of a feature set keeps.

    Args:
        inputs: the features.
        number: the position of the history in `inputs.histories`.
    """

    def __init__(self, inputs: FeatureSet, number: int) -> None:
        self.number = number
        self.source, self.key = inputs.histories[number]
        source = inputs.sources[self.source]
        self.source_name = source.name
        self.position = list(source.fields).index(self.key)
        """Of the key in `Event.values` of the source."""
        self.text = source.fields[self.key].name == "str"
        self.lateness = max(source.lateness, inputs.source.lateness)
        """How far behind the entity's newest event another counts, us."""
        windows = inputs.windows_of(self.source, self.key)
        ends = [w.oldest for w in windows if w.length < EVER]
        self.retention = max(ends) + self.lateness if len(ends) == len(windows) else None
        """How long an event counts, us; None where the newest one counts for ever."""
        self.horizon = self.lateness if self.retention is None else self.retention
        """Past this age only the newest event may count, and only without a retention; us."""
        self.columns, self.width, self.raw_width = _columns(inputs.measures(self.source, self.key))
        self.size = 8 * self.width
        """Bytes of a row."""
        self.pack = struct.Struct(f"<{self.width}q").pack
        self.unpack = struct.Struct(f"<{self.width}q").unpack_from
        self.first = self.pack(BEFORE, *[0] * (self.width - 1))
        """The rows of an entity without events."""
        self.raw = raw_code(self)
        self.after = after_code(self)
        self.between = between_code(self)

    @cached_property
    def by_measure(self) -> dict[str, Column]:
        """The columns by the `id` of their measure."""
        return {column.measure.id: column for column in self.columns}

    def raws(self, batch: Batch) -> npt.NDArray[np.int64]:
        """The raw records of many events, int64[events, raw_width]."""
        out = np.zeros((len(batch), self.raw_width), dtype=np.int64)
        out[:, 0] = batch.time
        for column in self.columns:
            found = read(column.measure, batch)
            if column.counts is not None:
                out[:, column.counts] = True if found.counts is None else found.counts
            if column.value is not None:
                out[:, column.value] = found.scaled
            if column.coded is not None:
                out[:, column.coded] = found.coded
        return out

    def rows(self, raws: npt.NDArray[np.int64]) -> bytes:
        """The history of an entity from the raw records of its events, in any order."""
        ordered = raws[np.argsort(raws[:, 0], kind="stable")]
        return accumulated(self, ordered, self.unpack(self.first)).tobytes()

    def older(self, body: "bytes | memoryview", before: int) -> tuple[int, tuple[int, ...]]:
        """How many rows are not after a moment, counted from the body's last row, and the last.

        The body's last row is the first of the rows that go on from it, so that its number is 1,
        and those before it have 0 and less.
        """
        times = memoryview(body).cast("q")[:: self.width]
        place = bisect_right(times, before)
        return place - len(times) + 1, self.unpack(body, (place - 1) * self.size)

    def newest(self, rows: "bytes | memoryview") -> int:
        """The time of the newest event in some rows, us; `BEFORE` where there is none."""
        return int.from_bytes(rows[-self.size : 8 - self.size or None], "little", signed=True)

    def definition(self) -> dict[str, Any]:
        """What the rows depend on, as plain data."""
        return {
            "source": self.source_name,
            "key": self.key,
            "text": self.text,
            "retention_us": self.retention,
            "lateness_us": self.lateness,
            "columns": [
                {
                    "measure": column.measure.definition(),
                    "kind": str(column.measure.kind),
                    "keeps": [column.count, column.total, column.squares, column.code],
                }
                for column in self.columns
            ],
        }


def _columns(
    measures: Mapping[str, tuple[Measure, frozenset[str]]],
) -> tuple[tuple[Column, ...], int, int]:
    """The columns for some measures, the width of a row and of a raw record."""
    row, raw = _Places(), _Places()
    columns = []
    for measure, needs in measures.values():
        squares = "squares" in needs
        total = squares or "total" in needs
        column = Column(
            measure,
            count=row.take(not measure.always),
            total=row.take(total),
            squares=row.take(squares, 2),
            code=row.take("values" in needs),
            counts=raw.take(not measure.always),
            value=raw.take(total),
            coded=raw.take("values" in needs),
        )
        columns.append(column)
    return tuple(columns), row.next, raw.next


class _Places:
    """Positions that are given out one after the other; the first is the time's."""

    def __init__(self) -> None:
        self.next = 1

    def take(self, wanted: bool, count: int = 1) -> int | None:
        if not wanted:
            return None
        self.next += count
        return self.next - count
