"""What one transaction of the embedded store records, labels and forgets."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from groundplan.errors import InputError
from groundplan.features.event import Event, Label
from groundplan.features.forgetting import Lists, newest_time, parked_labels
from groundplan.features.shelf import Room, Shelf
from groundplan.features.state.growth import Bytes, Grown
from groundplan.units import show_duration

Outcome: TypeAlias = Literal["added", "known", "late", "labelled", "parked"]

_encode = msgspec.msgpack.Encoder().encode


class Change:
    """The work of one transaction: histories change in memory, and `flush` puts them.

    Args:
        txn: of the file.
        rooms: of the feature set.
        latest: for each source the newest time that is known of, us.
        tops: by source the last identifier in its table, as far as is known; kept up to date.
    """

    def __init__(
        self,
        txn: Any,
        rooms: Sequence[Room],
        latest: Sequence[int],
        tops: "dict[int, bytes] | None" = None,
    ) -> None:
        self.txn = txn
        self.latest = list(latest)
        self.lists = Lists(txn)
        self._rooms = rooms
        self._tops = {} if tops is None else tops
        self._certain: set[int] = set()  # the sources whose newest time was looked up
        self._tails: dict[tuple[Shelf, bytes], bytes] = {}
        self._bodies: dict[tuple[Shelf, bytes], Bytes] = {}

    def tail(self, shelf: Shelf, key: bytes) -> Bytes | None:
        """The newest rows of an entity; None where it has no history."""
        tail: Bytes | None = self._tails.get((shelf, key))
        return self.txn.get(key, db=shelf.tails) if tail is None else tail

    def body(self, shelf: Shelf, key: bytes) -> Bytes:
        """The rows of an entity that come before its tail."""
        body: Bytes | None = self._bodies.get((shelf, key))
        return self.txn.get(key, b"", db=shelf.bodies) if body is None else body

    def add(self, event: Event, tails: "Sequence[Bytes | None] | None" = None) -> Outcome:
        """Record an event, or learn its labels where it is known.

        Args:
            event: of any source.
            tails: the newest rows of its entities, where they were read already.

        Raises:
            InputError: its identifier belongs to another event.
        """
        room = self._rooms[event.source]
        values, time = event.values, event.time
        keys = [shelf.key(values[shelf.layout.position]) for shelf in room.shelves]
        if tails is None:
            tails = [self.tail(shelf, key) for shelf, key in zip(room.shelves, keys)]  # noqa: B905  (strict costs)
        if room.retention is None:
            return self._add_version(room, event, keys[0], tails[0])
        packed = room.record.pack(event)
        identifier = room.record.key(event.id)
        if time >= self.latest[event.source]:  # in order, as most are: no look at the file
            self.latest[event.source] = time
        elif self._behind(room, time, tails):
            return self._meet(room, event, identifier, packed)
        if not self._put_new(room, identifier, packed):
            return self._meet(room, event, identifier, packed)
        parked = self.txn.get(identifier, db=room.parked)
        if parked is not None:
            event = self._claim(room, event, identifier, parked)
        self.lists.add_event(room, time, identifier)
        for shelf, key, tail in zip(room.shelves, keys, tails):  # noqa: B905
            if tail is None:
                self.lists.add_entity(room, shelf, time, key)
            grown = shelf.growth.appended(tail or shelf.layout.first, event)
            if grown is not None:
                self._tails[shelf, key] = grown
            else:
                self._grow(shelf, key, tail or shelf.layout.first, shelf.layout.raw(event))
        return "added"

    def label(self, label: Label) -> Outcome:
        """Set a label of an event of the main source, or keep it until the event comes.

        Raises:
            InputError: the source has no such label.
        """
        room = self._rooms[0]
        if label.name not in room.source.labels:
            raise _no_label(room, label)
        identifier = room.record.key(label.id)
        found = self.txn.get(identifier, db=room.ids)
        if found is None:
            self._park(room, identifier, label)
            return "parked"
        self._relabel(room, room.record.event(label.id, found), {label.name: label.value})
        return "labelled"

    def past_reach(self, event: Event) -> int | None:
        """How far an event of the main source lies behind where windows reach, us, or None."""
        room = self._rooms[event.source]
        if room.retention is None or event.time >= self.latest[event.source]:
            return None
        distance = self._newest(room) - event.time
        return distance if distance >= room.retention else None

    def settle(self) -> None:
        """Put the histories that changed, so that no more of them wait than a cache holds."""
        put = self.txn.put
        for (shelf, key), tail in self._tails.items():
            put(key, tail, db=shelf.tails)
        for (shelf, key), body in self._bodies.items():
            if len(body):
                put(key, body, db=shelf.bodies)
            else:
                self.txn.delete(key, db=shelf.bodies)
        self._tails.clear()
        self._bodies.clear()

    def flush(self, forget: int) -> None:
        """Put all that changed, and forget up to so many identifiers that no window reaches."""
        self.settle()
        self.lists.flush()
        if forget:
            for room in self._rooms:
                if room.retention is not None:
                    self.lists.forget(room, self.latest[room.number] - room.retention, forget)
            self.lists.flush()

    def _behind(self, room: Room, time: int, tails: "Sequence[Bytes | None]") -> bool:
        """Whether an event comes too late to count."""
        assert room.retention is not None
        if time <= self._newest(room) - room.retention:
            return True
        return any(
            tail is not None and time < shelf.layout.newest(tail) - shelf.layout.lateness
            for shelf, tail in zip(room.shelves, tails, strict=True)
        )

    def _newest(self, room: Room) -> int:
        """The newest time of a source."""
        if room.number not in self._certain:
            self._certain.add(room.number)
            newest = newest_time(self.txn, room)
            if newest is not None and newest > self.latest[room.number]:
                self.latest[room.number] = newest
        return self.latest[room.number]

    def _put_new(self, room: Room, identifier: bytes, packed: bytes) -> bool:
        """Put an event's record where there is none."""
        if identifier > self._tops.get(room.number, b""):  # at the end, where pages fill up
            self._tops[room.number] = identifier
            if self.txn.put(identifier, packed, append=True, db=room.ids):
                return True
            cursor = self.txn.cursor(room.ids)  # another process was there
            self._tops[room.number] = bytes(cursor.key()) if cursor.last() else b""
        return bool(self.txn.put(identifier, packed, overwrite=False, db=room.ids))

    def _meet(self, room: Room, event: Event, identifier: bytes, packed: bytes) -> Outcome:
        """What becomes of an event that is too late or known."""
        found = self.txn.get(identifier, db=room.ids)
        if found is None:
            return "late"
        if not room.record.same(found, packed):
            raise _other(room, event)
        if room.record.labelled(packed):  # False may only mean not known yet
            names = room.source.labels
            known = room.record.event(event.id, found)
            changes = {n: True for n, value in zip(names, event.labels, strict=True) if value}
            self._relabel(room, known, changes)
        return "known"

    def _add_version(self, room: Room, event: Event, key: bytes, tail: "Bytes | None") -> Outcome:
        """Record a version of a profile, which its key and time identify."""
        shelf = room.shelves[0]
        layout = shelf.layout
        raw = layout.raw(event)
        if tail is None:
            self._grow(shelf, key, layout.first, raw)
            return "added"
        newest = layout.newest(tail)
        if event.time <= newest:
            found = shelf.growth.found(tail, self._body_of(shelf, key), event.time)
            if found is not None and found != raw:
                raise _other(room, event)
            if found is not None or event.time < newest - layout.lateness:
                return "late" if found is None else "known"
        self._grow(shelf, key, tail, raw)
        return "added"

    def _relabel(self, room: Room, known: Event, changes: dict[str, bool]) -> None:
        names = room.source.labels
        old = known.labels
        labels = tuple(changes.get(name, value) for name, value in zip(names, old, strict=True))
        if labels == old:
            return
        event = msgspec.structs.replace(known, labels=labels)
        self.txn.put(room.record.key(event.id), room.record.pack(event), db=room.ids)
        for shelf in room.shelves:
            before, after = shelf.layout.raw(known), shelf.layout.raw(event)
            key = shelf.key(event.values[shelf.layout.position])
            tail = self.tail(shelf, key) if before != after else None
            if tail is not None:
                body = self._body_of(shelf, key)
                self._keep(shelf, key, shelf.growth.changed(tail, body, before, after))

    def _grow(self, shelf: Shelf, key: bytes, tail: Bytes, raw: tuple[int, ...]) -> None:
        grown = shelf.growth.added(tail, self._body_of(shelf, key), raw)
        self._keep(shelf, key, grown)

    def _keep(self, shelf: Shelf, key: bytes, grown: Grown | None) -> None:
        if grown is not None:
            self._tails[shelf, key] = grown.tail
            if grown.body is not None:
                self._bodies[shelf, key] = grown.body

    def _body_of(self, shelf: Shelf, key: bytes) -> Callable[[], Bytes]:
        return lambda: self.body(shelf, key)

    def _park(self, room: Room, identifier: bytes, label: Label) -> None:
        """Keep a label until its event comes, or until an event of this moment is forgotten."""
        found = self.txn.get(identifier, db=room.parked)
        labels = {} if found is None else parked_labels(found)
        newest = self._newest(room)
        packed = _encode((newest, labels | {label.name: label.value}))
        self.txn.put(identifier, packed, db=room.parked)
        self.lists.add_parked(room, newest, identifier)

    def _claim(self, room: Room, event: Event, identifier: bytes, parked: Bytes) -> Event:
        """An event with the labels that came before it."""
        changes = parked_labels(parked)
        self.txn.delete(identifier, db=room.parked)
        names = room.source.labels
        old = event.labels or (False,) * len(names)
        labels = tuple(changes.get(name, value) for name, value in zip(names, old, strict=True))
        event = msgspec.structs.replace(event, labels=labels)
        self.txn.put(identifier, room.record.pack(event), db=room.ids)
        return event


def check_known(txn: Any, room: Room, event: Event) -> bool:
    """Whether an event was recorded before.

    Raises:
        InputError: its identifier belongs to another event.
    """
    found = txn.get(room.record.key(event.id), db=room.ids)
    if found is None:
        return False
    if not room.record.same(found, room.record.pack(event)):
        raise _other(room, event)
    return True


def _no_label(room: Room, label: Label) -> InputError:
    return InputError(
        label.name,
        f"{label.name!r} is no label of {room.source.name}: it has "
        f"{', '.join(room.source.labels) or 'none'}",
    )


def _other(room: Room, event: Event) -> InputError:
    source = room.source
    return InputError(
        source.id,
        f"{source.id} {event.id!r} belongs to another event, with other values: an "
        "identifier names one event, so send a new one, or the event as it was",
    )


def too_late(room: Room, event: Event, shelf: Shelf, distance: int, entity: object) -> InputError:
    """The refusal of a request whose entity has moved on further than the lateness allows."""
    column = room.source.time.column
    events = "event" if shelf.layout.source == event.source else shelf.layout.source_name
    return InputError(
        column,
        f"{column} lies {show_duration(distance)} before the newest {events} of "
        f"{shelf.layout.key} {entity!r}, and {show_duration(shelf.layout.lateness)} is allowed: "
        f"send events sooner, or give Source({room.source.name!r}) a longer lateness",
    )


def past_reach(room: Room, distance: int) -> InputError:
    """The refusal of a request that no window of the newest moment reaches."""
    column = room.source.time.column
    return InputError(
        column,
        f"{column} lies {show_duration(distance)} before the newest event, past every window: "
        "leave it out, or correct its time",
    )
