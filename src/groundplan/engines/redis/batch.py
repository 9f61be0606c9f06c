"""What a list of events and labels changes, worked out from what the server says is there.

It is pure: the store looks, asks here for the changes, and applies them if all is still as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, TypeAlias

import msgspec

from groundplan.engines.redis.records import Entity, Records, same_event
from groundplan.features.event import Event, Label
from groundplan.features.store import Appended

Identity: TypeAlias = tuple[int, int | str]
"""The position of a source, and an identifier of it."""

_PAIRS: Final = 1_000  # identifiers in one HSET: Lua spreads so many over its stack safely


@dataclass
class Seen:
    """What is there.

    Args:
        events: the record of each identifier; None where it is unknown.
        parked: labels that came before their event.
        newest: the time of each entity's newest event, us; None where it has none.
        latest: the time of each source's newest event, us; -1 where it has none.
    """

    events: dict[Identity, bytes | None]
    parked: dict[Identity, bytes | None]
    newest: dict[Entity, int | None]
    latest: list[int]


@dataclass
class Batch:
    """The changes, and what became of the rows.

    Args:
        records: how events become bytes.
        seen: what is there.
    """

    records: Records
    seen: Seen
    known: dict[Identity, Event | None] = field(default_factory=dict)
    added: dict[Identity, Event] = field(default_factory=dict)
    changed: dict[Identity, Event] = field(default_factory=dict)
    parked: dict[int | str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for identity, record in self.seen.events.items():
            self.known[identity] = self.records.event(record, *identity) if record else None

    @property
    def outcome(self) -> Appended:
        """What became of the rows."""
        return Appended(**self.counts)

    def take(self, rows: Iterable[Event | Label], live: bool = True) -> None:
        """Take events and labels in their order.

        Args:
            rows: what came.
            live: whether the lateness bounds how old an event may be; in a history only the
                reach of the windows does.

        Raises:
            InputError: an identifier belongs to another event, or there is no such label.
        """
        for row in rows:
            if isinstance(row, Label):
                self._label(row)
            else:
                self._event(row, live)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _label(self, label: Label) -> None:
        at = self.records.label_position(label.name)
        event = self.known.get((0, label.id))
        if event is None:
            known = self.parked.get(label.id, self.seen.parked.get((0, label.id)))
            letters = bytearray(known or self.records.no_labels)
            letters[at] = ord("1" if label.value else "0")
            self.parked[label.id] = bytes(letters)
            self._count("parked")
            return
        labels = (*event.labels[:at], bool(label.value), *event.labels[at + 1 :])
        self._relabel((0, label.id), event, labels)
        self._count("labelled")

    def _event(self, event: Event, live: bool) -> None:
        identity = (event.source, event.id)
        known = self.known.get(identity)
        if known is not None:
            if not same_event(known, event):
                raise self.records.other(event)
            if any(event.labels):  # False may only mean not known yet
                pairs = zip(known.labels, event.labels, strict=True)
                self._relabel(identity, known, tuple(old or new for old, new in pairs))
            self._count("known")
            return
        if self._late(event, live):
            self._count("late")
            return
        letters = self.parked.pop(event.id, None) if event.source == 0 else None
        event = self.records.labelled(event, letters or self.seen.parked.get(identity))
        self.known[identity] = self.added[identity] = event
        latest = self.seen.latest
        latest[event.source] = max(latest[event.source], event.time)
        for entity in self.records.entities(event):
            self.seen.newest[entity] = max(self.seen.newest[entity] or 0, event.time)
        self._count("added")

    def _late(self, event: Event, live: bool) -> bool:
        if event.time <= self.seen.latest[event.source] - self.records.reach(event.source):
            return True
        lateness = self.records.sources[event.source].lateness
        entities = self.records.entities(event) if live else ()
        return any(event.time < (self.seen.newest[e] or 0) - lateness for e in entities)

    def _relabel(self, identity: Identity, known: Event, labels: tuple[bool, ...]) -> None:
        if labels == known.labels:
            return
        event = msgspec.structs.replace(known, labels=labels)
        self.known[identity] = event
        (self.added if identity in self.added else self.changed)[identity] = event

    def words(self, offsets: Mapping[str, int]) -> list[bytes | int | str]:
        """The arguments of the script's `apply`."""
        return [
            "apply",
            *self._expected(),
            *self._remembered(),
            *self._blocks(),
            *self._replaced(),
            *self._parked(),
            len(offsets),
            *(word for pair in offsets.items() for word in pair),
        ]

    def _expected(self) -> list[bytes | int | str]:
        """Every identifier that was looked at: another process may have changed it since."""
        words: list[bytes | int | str] = [len(self.seen.events)]
        for (source, identifier), record in self.seen.events.items():
            parked = self.seen.parked.get((source, identifier))
            words += [source, self.records.identifier(identifier), record or b"", parked or b""]
        return words

    def _remembered(self) -> list[bytes | int | str]:
        buckets: dict[tuple[int, int], list[Event]] = {}
        for event in (*self.added.values(), *self.changed.values()):
            bucket = event.time // self.records.bucket(event.source)
            buckets.setdefault((event.source, bucket), []).append(event)
        words: list[bytes | int | str] = []
        groups = 0
        for (source, _), events in sorted(buckets.items(), key=itemgetter(0)):
            for first in range(0, len(events), _PAIRS):
                part = events[first : first + _PAIRS]
                words += [source, max(event.time for event in part), 2 * len(part)]
                for event in part:
                    words += [self.records.identifier(event.id), self.records.remembered(event)]
                groups += 1
        return [groups, *words]

    def _blocks(self) -> list[bytes | int | str]:
        blocks: dict[Entity, list[tuple[int, bytes]]] = {}
        for event in self.added.values():
            for history, entity, record in self.records.writes(event):
                blocks.setdefault((history, entity), []).append((event.time, record))
        words: list[bytes | int | str] = [len(blocks)]
        for (history, entity), records in blocks.items():
            records.sort(key=itemgetter(0))
            words += [history, entity, b"".join(record for _, record in records)]
        return words

    def _replaced(self) -> list[bytes | int | str]:
        words: list[bytes | int | str] = []
        for event in self.changed.values():
            for write in self.records.writes(event):
                words += write
        return [len(words) // 3, *words]

    def _parked(self) -> list[bytes | int | str]:
        identifier = self.records.identifier
        words: list[bytes | int | str] = []
        for id, letters in self.parked.items():
            words += [identifier(id), letters]
        for identity in self.added:
            if self.seen.parked.get(identity):
                words += [identifier(identity[1]), b""]
        return [len(words) // 2, *words]


def wanted(records: Records, rows: Sequence[Event | Label]) -> tuple[list[Identity], list[Entity]]:
    """The identifiers and entities that must be looked at before the rows are taken."""
    identities: dict[Identity, None] = {}
    entities: dict[Entity, None] = {}
    for row in rows:
        source = row.source if isinstance(row, Event) else 0
        identities[source, row.id] = None
        if isinstance(row, Event):
            entities |= dict.fromkeys(records.entities(row))
    return list(identities), list(entities)
