"""Lists of what is to be forgotten, by time: identifiers, entities and labels that wait.

One list is about one stretch of time, and its key is the newest time in it. An identifier stands
in one list. An entity stands in one too: where it has newer events when its list comes up, it
moves to the list of its newest. So forgetting costs a visit per event and one per entity and
retention, and never a search.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from groundplan.features.shelf import Room, Shelf

_FULL: Final = 1_300
"""Bytes of a list: three of them fill a page."""

_APART: Final = 24
"""Bytes of a list's beginning in its key, which set it apart from others of the same time."""

NEVER: Final = -(1 << 62)
"""The newest time of a source without events, us."""

_HALF: Final = 1 << 63
EVENT: Final = 0
"""The sort of entry that is the identifier of an event."""

_HEAD: Final = struct.Struct(">HBH")
_PARKED: Final = 255

_encode = msgspec.msgpack.Encoder().encode
_decode_parked = msgspec.msgpack.Decoder(tuple[int, dict[str, bool]]).decode


class Lists:
    """The lists that one transaction writes.

    Args:
        txn: of the file.
    """

    def __init__(self, txn: Any) -> None:
        self._txn = txn
        self._waiting: dict[tuple[Room, int], tuple[list[int], list[bytes]]] = {}

    def add_event(self, room: Room, time: int, identifier: bytes) -> None:
        """An event to be forgotten when no window reaches its time, us."""
        self._add(room, EVENT, time, identifier)

    def add_entity(self, room: Room, shelf: Shelf, time: int, key: bytes) -> None:
        """An entity to be visited when no window reaches its newest event."""
        self._add(room, 1 + shelf.place, time, key)

    def add_parked(self, room: Room, time: int, identifier: bytes) -> None:
        """A label that has no event yet."""
        self._add(room, _PARKED, time, identifier)

    def flush(self) -> None:
        """Put the lists into the file."""
        for (room, what), (times, keys) in self._waiting.items():
            put_lists(self._txn, room, what, times, keys)
        self._waiting.clear()

    def forget(self, room: Room, cutoff: int, most: int) -> None:
        """Forget what lies at or before a time, us: up to so many entries."""
        cursor = self._txn.cursor(room.lists)
        while most > 0 and cursor.first():
            key = bytes(cursor.key())
            if int.from_bytes(key[:8], "big") - _HALF > cutoff:
                return
            entries = bytes(cursor.value())
            cursor.delete()
            most -= self._forget_list(room, key, entries, cutoff, most)

    def _forget_list(self, room: Room, key: bytes, entries: bytes, cutoff: int, most: int) -> int:
        """Forget up to so many entries of a list, and put the others back; returns how many."""
        at = done = 0
        while at < len(entries):
            length, what, count = _HEAD.unpack_from(entries, at)
            at += _HEAD.size
            for left in range(count, 0, -1):
                if done == most:
                    rest = _HEAD.pack(length, what, left) + entries[at:]
                    self._txn.put(key, rest, db=room.lists)
                    return done
                self._forget(room, what, entries[at : at + length], cutoff)
                at, done = at + length, done + 1
        return done

    def _forget(self, room: Room, what: int, key: bytes, cutoff: int) -> None:
        if what == EVENT:
            self._txn.delete(key, db=room.ids)
        elif what == _PARKED:
            self._forget_parked(room, key, cutoff)
        else:
            self._forget_entity(room, room.shelves[what - 1], key, cutoff)

    def _forget_entity(self, room: Room, shelf: Shelf, key: bytes, cutoff: int) -> None:
        tail = self._txn.get(key, db=shelf.tails)
        if tail is None:
            return
        newest = shelf.layout.newest(tail)
        if newest > cutoff:
            self.add_entity(room, shelf, newest, key)
            return
        self._txn.delete(key, db=shelf.tails)
        self._txn.delete(key, db=shelf.bodies)

    def _forget_parked(self, room: Room, key: bytes, cutoff: int) -> None:
        found = self._txn.get(key, db=room.parked)
        if found is None:
            return
        since, labels = _decode_parked(found)
        if since == NEVER:  # they came before the first event: their time begins now
            assert room.retention is not None
            newest = cutoff + room.retention
            self._txn.put(key, _encode((newest, labels)), db=room.parked)
            self.add_parked(room, newest, key)
        elif since <= cutoff:
            self._txn.delete(key, db=room.parked)

    def _add(self, room: Room, what: int, time: int, key: bytes) -> None:
        waiting = self._waiting.get((room, what))
        if waiting is None:
            waiting = self._waiting[room, what] = ([], [])
        waiting[0].append(time)
        waiting[1].append(key)


def put_lists(
    txn: Any, room: Room, what: int, times: "Sequence[int]", keys: Sequence[bytes]
) -> None:
    """List things of one sort: lists of one stretch of time each, none larger than a third page.

    Args:
        txn: of the file.
        room: of their source.
        what: the sort.
        times: us, in any order.
        keys: as many.
    """
    if not len(keys):
        return
    if len(keys) == 1:  # as for a request
        _put(txn, room, int(times[0]), _run(what, keys))
        return
    moments = np.asarray(times, dtype=np.int64)
    order = np.argsort(moments, kind="stable")
    moments, ordered = moments[order], [keys[at] for at in order.tolist()]
    most = max(_FULL // max(map(len, keys)), 1)
    first = 0
    for end in [*(np.flatnonzero(np.diff(moments // room.stretch)) + 1).tolist(), len(ordered)]:
        for start in range(first, end, most):
            stop = min(start + most, end)
            _put(txn, room, int(moments[stop - 1]), _entries(what, ordered[start:stop]))
        first = end


def _entries(what: int, keys: Sequence[bytes]) -> bytes:
    """The entries of a list: runs of keys of one length."""
    if len(set(map(len, keys))) == 1:
        return _run(what, keys)
    return b"".join([_run(what, [key]) for key in keys])


def _run(what: int, keys: Sequence[bytes]) -> bytes:
    """Entries of one length and sort: these, their number, then the keys."""
    return _HEAD.pack(len(keys[0]), what, len(keys)) + b"".join(keys)


def _put(txn: Any, room: Room, newest: int, entries: bytes) -> None:
    """Put a list under its newest time, and among those of one time by how it begins."""
    key = (newest + _HALF).to_bytes(8, "big") + entries[:_APART]
    if txn.put(key, entries, append=True, db=room.lists):  # as most: then pages fill up
        return
    if not txn.put(key, entries, overwrite=False, db=room.lists):
        txn.put(key, bytes(txn.get(key, db=room.lists)) + entries, db=room.lists)


def newest_time(txn: Any, room: Room) -> int | None:
    """The newest time of any event of a source that is remembered, us; None where none is."""
    cursor = txn.cursor(room.lists)
    if not cursor.last():
        return None
    return int.from_bytes(bytes(cursor.key()[:8]), "big") - _HALF


def parked_labels(packed: "bytes | memoryview") -> dict[str, bool]:
    """The labels of an event that has not come yet."""
    return _decode_parked(packed)[1]
