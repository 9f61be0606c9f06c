"""How a history grows: a small tail that is rewritten for each event, and a body that rarely is.

The tail has the newest rows and stays small enough to lie inside a page of the store. Where it is
full its older half goes to the body, which has all rows before. The tail's first row is the
body's last, so that the running totals go on; without a body it is before every event.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from groundplan.features.state.compiled import appended_code
from groundplan.features.state.layout import BEFORE, Layout
from groundplan.features.state.rows import Ints, accumulated, changed, kept, merged, raws_of, table

Bytes: TypeAlias = bytes | memoryview
Body: TypeAlias = Callable[[], Bytes]

_FULL: Final = 1_900
"""Bytes of a tail: LMDB puts values above some 2 KB on pages of their own, ten times as slow."""

_LEAST: Final = 8
"""Rows that a tail may have however wide they are."""

_FAR: Final = 1 << 62
"""Running totals beyond this begin anew at zero: what is added to them here fits 64 bits."""

_BEFORE: Final = struct.pack("<q", BEFORE)


class Grown(NamedTuple):
    """A history after a change.

    Args:
        tail: the newest rows.
        body: those before; None where they are as they were, empty where there are none.
    """

    tail: bytes
    body: Bytes | None = None


class Growth:
    """The rules by which one history grows.

    Args:
        layout: of the history.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.rows = max(_FULL // layout.size, _LEAST)
        """How many rows a tail may have."""
        self.settled_rows = 3 * self.rows // 4
        """How many rows a tail has at most after some have gone to the body."""
        self.front = _BEFORE
        """The first bytes of a history without a body."""
        self.appended = appended_code(layout, self.rows)
        """(tail, event) -> the tail with an event after all others, or None: ask `added`."""
        self.half_far = _FAR // 2
        """Half of the size past which running totals begin anew at zero."""
        self._zero = layout.unpack(layout.first)
        self._totals = [c.total for c in layout.columns if c.total is not None]

    def added(self, tail: Bytes, body: Body, raw: tuple[int, ...]) -> Grown:
        """The history with one more event in its place in time."""
        layout = self._layout
        last = layout.unpack(tail, len(tail) - layout.size)
        if raw[0] < last[0]:
            return self._inserted(tail, body, raw)
        try:
            grown = b"".join((tail, layout.after(last, raw)))
        except struct.error:  # a running total has come to the end of 64 bits
            return self.merged(tail, body, np.array([raw], dtype=np.int64))
        count = len(grown) // layout.size
        if count % 8 == 0 and self._due(grown, count, raw[0]):
            return self.settled(grown, body)
        return Grown(grown) if count <= self.rows else self.settled(grown, body)

    def changed(
        self, tail: Bytes, body: Body, old: tuple[int, ...], new: tuple[int, ...]
    ) -> Grown | None:
        """The history with the raw record of one event changed; None where it has none like it."""
        layout = self._layout
        if self.far(tail):
            grown = self.merged(tail, body, np.empty((0, layout.raw_width), dtype=np.int64))
            again = self.changed(grown.tail, lambda: grown.body or b"", old, new)
            return again and Grown(again.tail, grown.body if again.body is None else again.body)
        rows = changed(layout, table(layout, tail), old, new)
        if rows is not None:
            return Grown(rows.tobytes())
        if not self._has_body(tail):
            return None
        rows = changed(layout, table(layout, body()), old, new)
        return None if rows is None else self._based(rows.tobytes(), tail)

    def found(self, tail: Bytes, body: Body, time: int) -> tuple[int, ...] | None:
        """The raw record of an event at a time, us; None where there is none."""
        layout = self._layout
        for rows in (tail, body() if self._has_body(tail) else b""):
            raws = raws_of(layout, table(layout, rows)) if len(rows) else np.empty((0, 1), np.int64)
            at = int(np.searchsorted(raws[:, 0], time))
            if at < len(raws) and raws[at, 0] == time:
                return tuple(raws[at].tolist())
        return None

    def settled(self, tail: bytes, body: Body) -> Grown:
        """The history without what no window reaches, and with no more than a tail can hold."""
        layout, size = self._layout, self._layout.size
        newest = layout.newest(tail)
        older: Bytes | None = None
        drop = kept(layout, _times(tail, layout), newest)
        if drop and self._has_body(tail):
            older = b""  # what is before the tail is older still
        if drop:
            tail = _BEFORE + tail[drop * size + 8 :]
        if len(tail) <= self.settled_rows * size:
            return Grown(tail, older)
        if older is None and self._has_body(tail):
            older = bytes(body())
            drop = kept(layout, _times(older, layout), newest)
            older = _BEFORE + older[drop * size + 8 :] if drop else older
        move = (len(tail) // size - self.rows // 2) * size
        return Grown(tail[move:], b"".join((older or tail[:size], tail[size : move + size])))

    def built(self, rows: bytes) -> Grown:
        """A history from all of its rows."""
        return self.settled(rows, bytes)

    def _due(self, tail: bytes, count: int, newest: int) -> bool:
        """Whether half of a tail counts no more, so that it pays to forget that."""
        at = count // 2 * self._layout.size
        (time,) = struct.unpack_from("<q", tail, at)
        return bool(BEFORE < time <= newest - self._layout.horizon)

    def merged(self, tail: Bytes, body: Body, raws: Ints) -> Grown:
        """The history with many more events, in their places in time."""
        layout = self._layout
        whole = table(layout, tail)
        if self._has_body(tail):
            whole = np.concatenate([table(layout, body()), whole[1:]])
        grown = self.built(merged(layout, whole, raws, self._zero).tobytes())
        return Grown(grown.tail, grown.body or b"")

    def _inserted(self, tail: Bytes, body: Body, raw: tuple[int, ...]) -> Grown:
        """The history with an event that is not the newest."""
        layout = self._layout
        if raw[0] < layout.unpack(tail)[0]:
            return self.merged(tail, body, np.array([raw], dtype=np.int64))
        try:
            rows = self._slid(tail, raw)
        except struct.error:
            return self.merged(tail, body, np.array([raw], dtype=np.int64))
        return Grown(rows) if len(rows) <= self.rows * layout.size else self.settled(rows, body)

    def _slid(self, tail: Bytes, raw: tuple[int, ...]) -> bytes:
        """A tail with an event in its place: the rows after it are made anew."""
        layout, size = self._layout, self._layout.size
        place = bisect_right(_times(tail, layout), raw[0])
        rows = [layout.unpack(tail, at) for at in range((place - 1) * size, len(tail), size)]
        raws = [raw, *map(layout.between, rows, rows[1:])]
        pieces = [bytes(tail[: place * size])]
        last = rows[0]
        for each in raws:
            pieces.append(layout.after(last, each))
            last = layout.unpack(pieces[-1])
        return b"".join(pieces)

    def far(self, tail: Bytes) -> bool:
        """Whether running totals are near the end of 64 bits, so that all rows begin anew."""
        last = self._layout.unpack(tail, len(tail) - self._layout.size)
        return any(not -_FAR < last[place] < _FAR for place in self._totals)

    def _based(self, body: bytes, tail: Bytes) -> Grown:
        """A tail that goes on from a changed body."""
        layout = self._layout
        base = layout.unpack(body, len(body) - layout.size)
        rows = accumulated(layout, raws_of(layout, table(layout, tail)), base)
        return Grown(rows.tobytes(), body)

    def _has_body(self, tail: Bytes) -> bool:
        return bool(tail[:8] != _BEFORE)


def _times(rows: Bytes, layout: Layout) -> memoryview:
    return memoryview(rows).cast("q")[:: layout.width]
