"""The events of many entities added to their histories at once."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from groundplan.features.state.growth import Bytes, Grown, Growth
from groundplan.features.state.layout import Layout
from groundplan.features.state.rows import Ints, accumulated


class Stretch:
    """Events of one history, one entity after the other and each in order of time.

    The rows are made as if all were one entity's: running totals may begin anywhere, so that an
    entity's rows are a part of them, moved by what its history ends with.

    Args:
        layout: of the history.
        growth: its rules.
        raws: the raw records, int64[events, raw_width].
        stops: where each entity ends.
    """

    def __init__(self, layout: Layout, growth: Growth, raws: Ints, stops: Sequence[int]) -> None:
        self._layout = layout
        self._growth = growth
        self._raws = raws
        self._stops = stops
        self._firsts = [0, *stops[:-1]]
        self._rows = accumulated(layout, raws, layout.unpack(layout.first))
        self._bytes = self._rows.data.cast("B")
        self._times: list[int] = raws[:, 0].tolist()
        self.newest = [self._times[stop - 1] for stop in stops]
        """The newest time of each entity, us."""
        # 128-bit sums cannot be moved by an addition to each half.
        self._movable = all(column.squares is None for column in layout.columns)

    def grown(
        self, tails: "Sequence[Bytes | None]", bodies: Callable[[int], Bytes]
    ) -> Iterator[Grown]:
        """Each entity's history with its events.

        Args:
            tails: the newest rows of each entity; None where it has no history.
            bodies: gives the rows before the tail of an entity by its number.
        """
        if all(tail is None for tail in tails):
            yield from map(self._begun, self._firsts, self._stops)
            return
        ordered, more = self._moved(tails)
        size, most = self._layout.size, self._growth.settled_rows * self._layout.size
        spans = zip(tails, self._firsts, self._stops, ordered, strict=True)
        for number, (tail, first, stop, in_order) in enumerate(spans):
            if tail is None:
                yield self._begun(first, stop)
            elif in_order:
                rows = b"".join((tail, more[first * size : stop * size]))
                if len(rows) <= most:
                    yield Grown(rows)
                else:
                    yield self._growth.settled(rows, lambda at=number: bodies(at))  # type: ignore[misc]  # a loop's lambda
            else:
                raws = self._raws[first:stop]
                yield self._growth.merged(tail, lambda at=number: bodies(at), raws)  # type: ignore[misc]

    def _begun(self, first: int, stop: int) -> Grown:
        """The history of an entity that had none."""
        size, times = self._layout.size, self._times
        rows = self._growth.front + self._bytes[first * size + 8 : (stop + 1) * size]
        short = stop - first < self._growth.settled_rows
        if short and times[first] > times[stop - 1] - self._layout.horizon:
            return Grown(rows)
        return self._growth.settled(rows, bytes)

    def _moved(self, tails: "Sequence[Bytes | None]") -> tuple[list[bool], memoryview]:
        """Which entities only go on, and the rows of those that do, as bytes."""
        layout, size = self._layout, self._layout.size
        ends = (layout.first if tail is None else tail[-size:] for tail in tails)
        lasts = np.frombuffer(b"".join(ends), dtype="<i8").reshape(-1, layout.width)
        ordered = self._raws[self._firsts, 0] >= lasts[:, 0]
        ordered &= self._movable
        running = np.zeros(layout.width, dtype=np.bool_)
        for column in layout.columns:
            for place in (column.count, column.total):
                if place is not None:
                    running[place] = True
                    ordered &= np.abs(lasts[:, place] >> 1) < self._growth.half_far
        steps = np.where(running, lasts - self._rows[self._firsts], 0)
        counts = np.diff([0, *self._stops])
        moved = self._rows[1:] + np.repeat(steps, counts, axis=0)
        return ordered.tolist(), np.ascontiguousarray(moved).data.cast("B")
