"""Reading the windows of a request from the rows of its entities."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.state.compiled import windows_code
from groundplan.features.state.layout import Column, Layout
from groundplan.features.windows import Window

if TYPE_CHECKING:
    from groundplan.features.source import Source

Bytes: TypeAlias = bytes | memoryview


@dataclass(frozen=True)
class Lookup:
    """One history that a request reads.

    Args:
        source: whose events.
        key: the source's field that names the entity.
        field: the main source's field that names the same entity.
        history: the position in `inputs.histories`.
        on: the position of that field in the request's values.
    """

    source: "Source"
    key: str
    field: str
    history: int
    on: int

    def serves(self, window: Window) -> bool:
        """Whether a window is read from it."""
        return (window.source, window.key, window.on) == (self.source, self.key, self.field)


class Reader:
    """The windows of a feature set, read from rows; made once.

    Args:
        inputs: the features.
        layouts: of its histories; made where they are not given.
        refuse: whether `windows` raises `Behind` for an event that is too late.
    """

    def __init__(
        self,
        inputs: FeatureSet,
        layouts: Sequence[Layout] | None = None,
        refuse: bool = False,
    ) -> None:
        self.layouts = tuple(
            layouts or (Layout(inputs, number) for number in range(len(inputs.histories)))
        )
        self.lookups = _lookups(inputs)
        self.windows = windows_code(inputs.windows, self.lookups, self.layouts, refuse)
        """(event, the rows of each lookup, what gives older rows by number) -> window values."""

    def empty(self, lookup: int) -> bytes:
        """The rows of an entity without events."""
        return self.layouts[self.lookups[lookup].history].first


def _lookups(inputs: FeatureSet) -> tuple[Lookup, ...]:
    numbers = {history: number for number, history in enumerate(inputs.histories)}
    positions = {id(source): position for position, source in enumerate(inputs.sources)}
    fields = list(inputs.source.fields)
    found = {
        (w.source.name, w.key, w.on): Lookup(
            w.source, w.key, w.on, numbers[positions[id(w.source)], w.key], fields.index(w.on)
        )
        for w in inputs.windows
    }
    return tuple(found.values())


class Kept:
    """The events of one entity for one measure, as window functions read them.

    Positions count the rows of the tail from its first, which is no event of it; those before
    it, in the body, are 0 and less.

    Args:
        layout: of the history.
        column: the measure.
        tail: the newest rows, as 64-bit integers.
        bodies: gives the older rows of a lookup.
        number: of the lookup.
    """

    __slots__ = ("_bodies", "_body", "_column", "_number", "_tail", "_width")

    def __init__(
        self,
        layout: Layout,
        column: Column,
        tail: memoryview,
        bodies: Callable[[int], Bytes],
        number: int,
    ) -> None:
        self._width = layout.width
        self._column = column
        self._tail = tail
        self._bodies = bodies
        self._number = number
        self._body: memoryview | None = None

    def count(self, start: int, stop: int) -> int:
        """How many events count from position start up to, without, position stop."""
        if self._column.count is None:
            return stop - start
        return self._at(stop, self._column.count) - self._at(start, self._column.count)

    def total(self, start: int, stop: int) -> int:
        """The exact sum of their scaled values."""
        place = self._column.total
        assert place is not None  # a function that needs totals has them kept
        return self._at(stop, place) - self._at(start, place)

    def squares(self, start: int, stop: int) -> int:
        """The exact sum of the squares of their scaled values."""
        return self._wide(stop) - self._wide(start)

    def values(self, start: int, stop: int) -> Sequence[int]:
        """The codes of their values."""
        place = self._column.code
        assert place is not None  # a function that needs values has them kept
        return self._counted(start, stop, self._slice(start, stop, place))

    def times(self, start: int, stop: int) -> Sequence[int]:
        """Their times, us."""
        return self._counted(start, stop, self._slice(start, stop, 0))

    def _at(self, position: int, place: int) -> int:
        """What the last row before a position has at a place."""
        if position > 0:
            return int(self._tail[(position - 1) * self._width + place])
        older = self._older()
        return int(older[len(older) + (position - 2) * self._width + place])

    def _wide(self, position: int) -> int:
        place = self._column.squares
        assert place is not None  # a function that needs squares has them kept
        low = self._at(position, place) & ((1 << 64) - 1)
        return (self._at(position, place + 1) << 64) + low

    def _counted(self, start: int, stop: int, values: Sequence[int]) -> Sequence[int]:
        """Those of the values whose events count."""
        if self._column.count is None:
            return values
        counts = self._slice(start - 1, stop, self._column.count)
        steps = zip(values, counts, counts[1:], strict=False)
        return [value for value, before, after in steps if after != before]

    def _slice(self, start: int, stop: int, place: int) -> Sequence[int]:
        """What the rows from position start up to, without, position stop have at a place."""
        width = self._width
        if start >= 0:
            return self._tail[start * width + place : stop * width : width]
        older = self._older()
        end = len(older) // width - 1  # the tail's first row is the body's last
        early = older[(start + end) * width + place : (min(stop, 1) + end) * width : width]
        if stop <= 1:
            return early
        return Joined(early, self._tail[width + place : stop * width : width])

    def _older(self) -> memoryview:
        if self._body is None:
            self._body = memoryview(self._bodies(self._number)).cast("q")
        return self._body


class Joined(Sequence[int]):
    """Two sequences as one, without a copy."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Sequence[int], second: Sequence[int]) -> None:
        self._first = first
        self._second = second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> list[int]: ...

    def __getitem__(self, at: int | slice) -> int | list[int]:
        if isinstance(at, slice):
            return list(self)[at]
        at = at if at >= 0 else at + len(self)
        split = len(self._first)
        return self._first[at] if at < split else self._second[at - split]

    def __iter__(self) -> Iterator[int]:
        return chain(self._first, self._second)


def no_older(number: int) -> Bytes:
    """The older rows of an entity whose rows are all there: there are none."""
    raise LookupError(f"lookup {number} has no older rows")


def unknown(inputs: FeatureSet) -> Callable[[Event], npt.NDArray[np.float64]]:
    """The features of an event whose entities have no history, without asking a store."""
    reader = Reader(inputs)
    tails = [reader.empty(number) for number in range(len(reader.lookups))]

    def row(event: Event) -> npt.NDArray[np.float64]:
        return inputs.row(event, reader.windows(event, tails, no_older))

    return row
