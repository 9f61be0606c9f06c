"""The events that an entity's rows keep, as the functions of windows read them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, overload

if TYPE_CHECKING:
    from groundplan.features.state.layout import Column, Layout

Bytes: TypeAlias = bytes | memoryview
"""Rows of a history."""


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
        layout: "Layout",
        column: "Column",
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
