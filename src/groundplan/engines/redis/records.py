"""How events become the bytes that a server keeps, and how these become the values of windows.

An entity's history is a string of records of one width, in order of time: a digest of the
identifier, by which a label finds its record again, the time, and what the history's windows add.
An identifier's record is a letter for each label, 1 or 0, and the event.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b, sha256
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from groundplan.errors import InputError
from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.state import Layout, Reader
from groundplan.features.state.reading import no_older
from groundplan.features.state.rows import accumulated
from groundplan.units import DAY, SECOND, show_duration

Entity: TypeAlias = tuple[int, bytes]
"""The number of a history, and an entity that has one."""

_GRACE: Final = DAY
"""How long past its reach state is kept by the server's clock, us: a stream may stand still."""

_BUCKETS: Final = 4  # into which the reach of a source is cut, to forget identifiers by

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, tuple[Any, ...]]).decode


class Records:
    """The bytes of one feature set's events.

    Args:
        inputs: the features.
    """

    def __init__(self, inputs: FeatureSet) -> None:
        self.inputs = inputs
        self.sources = inputs.sources
        self.layouts = tuple(Layout(inputs, n) for n in range(len(inputs.histories)))
        self._reader = Reader(inputs)
        self._pack = [struct.Struct(f"<8s{lay.raw_width}q").pack for lay in self.layouts]
        self._written = [
            [(n, layout) for n, layout in enumerate(self.layouts) if layout.source == source]
            for source in range(len(self.sources))
        ]
        self._labels = list(self.sources[0].labels)
        self._reaches = [self._reach(source) for source in range(len(self.sources))]
        self.no_labels = b"-" * len(self._labels)

    def reach(self, source: int) -> int:
        """The age beside the source's newest event past which an event counts nowhere, us."""
        versions = any(layout.retention is None for _, layout in self._written[source])
        return 1 << 62 if versions else self._reaches[source]

    def bucket(self, source: int) -> int:
        """The stretch of time whose identifiers are forgotten together, us."""
        return -(-self._reaches[source] // _BUCKETS)

    def tables(self) -> str:
        """The tables of numbers in front of the script."""
        histories = (
            f"[{n}] = {{width = {8 * (layout.raw_width + 1)}, reach = {layout.retention or 0}, "
            f"lateness = {layout.lateness}, keep = {int(layout.retention is None)}, "
            f"ttl = {_seconds(layout.retention + _GRACE) if layout.retention else 0}}}"
            for n, layout in enumerate(self.layouts)
        )
        sources = (
            f"[{n}] = {{reach = {reach}, bucket = {self.bucket(n)}, "
            f"ttl = {_seconds(reach + _GRACE)}}}"
            for n, reach in enumerate(self._reaches)
        )
        return (
            f"local HISTORIES = {{{', '.join(histories)}}}\n"
            f"local SOURCES = {{{', '.join(sources)}}}\n"
        )

    def fingerprint(self) -> str:
        """Equal where the bytes of all events are equal; 16 hexadecimal digits."""
        definition = {
            "sources": [source.definition() for source in self.sources],
            "histories": [layout.definition() for layout in self.layouts],
            "form": 1,
        }
        return sha256(msgspec.json.encode(definition, order="deterministic")).hexdigest()[:16]

    def keys(self, count: Callable[[int], int]) -> dict[str, int]:
        """What a count gives for each history, under the name of its key."""
        return {
            layout.key if layout.source == 0 else f"{layout.source_name}.{layout.key}": count(n)
            for n, layout in enumerate(self.layouts)
        }

    def label_position(self, name: str) -> int:
        """Where a label of the main source stands.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self._labels:
            raise InputError(
                name,
                f"{name!r} is no label of {self.sources[0].name}: it has "
                f"{', '.join(self._labels) or 'none'}",
            )
        return self._labels.index(name)

    def identifier(self, value: int | str) -> bytes:
        """An identifier or an entity, as it stands in a key."""
        return str(value).encode()

    def remembered(self, event: Event) -> bytes:
        """The record of an identifier."""
        return letters(event.labels, len(self.sources[event.source].labels)) + _encode(
            (event.time, event.values)
        )

    def event(self, record: bytes, source: int, identifier: int | str) -> Event:
        """The event that a record was made of."""
        count = len(self.sources[source].labels)
        time, values = _decode(record[count:])
        return Event(identifier, time, values, tuple(c == ord("1") for c in record[:count]), source)

    def labelled(self, event: Event, parked: bytes | None) -> Event:
        """The event with the labels that came before it."""
        if not parked:
            return event
        own = event.labels or (False,) * len(parked)
        pairs = zip(own, parked, strict=True)
        labels = tuple(old if new == ord("-") else new == ord("1") for old, new in pairs)
        return msgspec.structs.replace(event, labels=labels)

    def entities(self, event: Event) -> list[Entity]:
        """Whose histories an event becomes part of."""
        return [
            (n, self.identifier(event.values[layout.position]))
            for n, layout in self._written[event.source]
            if event.values[layout.position] is not None
        ]

    def writes(self, event: Event) -> Iterator[tuple[int, bytes, bytes]]:
        """(history, entity, record) for each of them."""
        digest = blake2b(self.identifier(event.id), digest_size=8).digest()
        for n, layout in self._written[event.source]:
            entity = event.values[layout.position]
            if entity is not None:
                yield n, self.identifier(entity), self._pack[n](digest, *layout.raw(event))

    def reads(self, event: Event) -> list[Entity]:
        """Whose histories an event of the main source asks for."""
        return [
            (lookup.history, self.identifier(event.values[lookup.on]))
            for lookup in self._reader.lookups
            if event.values[lookup.on] is not None
        ]

    def windows(self, event: Event, histories: Sequence[bytes]) -> list[float]:
        """The values of the windows from what `reads` asked for."""
        found = iter(histories)
        rows = [
            self._reader.empty(at)
            if event.values[lookup.on] is None
            else self._rows(lookup.history, next(found))
            for at, lookup in enumerate(self._reader.lookups)
        ]
        return self._reader.windows(event, rows, no_older)

    def other(self, event: Event) -> InputError:
        """The error for an identifier that belongs to another event."""
        name = self.sources[event.source].id
        return InputError(
            name,
            f"{name} {event.id!r} belongs to another event, with other values: an "
            "identifier names one event, so send a new one, or the event as it was",
        )

    def late(self, event: Event, entity: int, newest: int) -> InputError:
        """The error for an event that lies too far behind an entity that it reads."""
        lookup = [k for k in self._reader.lookups if event.values[k.on] is not None][entity]
        layout, source = self.layouts[lookup.history], self.sources[0]
        return InputError(
            source.time.column,
            f"{source.time.column} lies {show_duration(newest - event.time)} before the newest "
            f"event of {layout.key} {event.values[lookup.on]!r}, and "
            f"{show_duration(layout.lateness)} is allowed: send events sooner, or give "
            f"Source({source.name!r}) a longer lateness",
        )

    def past(self, event: Event, newest: int) -> InputError:
        """The error for an event that no window of the newest moment reaches."""
        column = self.sources[0].time.column
        return InputError(
            column,
            f"{column} lies {show_duration(newest - event.time)} before the newest event, past "
            "every window: leave it out, or correct its time",
        )

    def _rows(self, history: int, records: bytes) -> bytes:
        layout = self.layouts[history]
        table = np.frombuffer(records, dtype="<i8").reshape(-1, layout.raw_width + 1)
        return accumulated(layout, table[:, 1:], layout.unpack(layout.first)).tobytes()

    def _reach(self, source: int) -> int:
        reaches = [layout.retention or 0 for _, layout in self._written[source]]
        return max(*reaches, self.sources[source].lateness, SECOND, 0)


def letters(labels: Sequence[bool], count: int) -> bytes:
    """A letter for each label; all are False where none are given."""
    return b"".join(b"1" if label else b"0" for label in labels) or b"0" * count


def same_event(known: Event, event: Event) -> bool:
    """Whether a known event came again; its labels may have changed."""
    return known.time == event.time and known.values == event.values


def _seconds(us: int) -> int:
    return -(-us // SECOND)
