"""The embedded online store: LMDB in a folder, shared by the processes of one machine.

What a method has recorded when it returns survives the end of the process, also by `kill -9`:
it is in the operating system's page cache, and a transaction that was cut off leaves no trace.
A loss of power can lose what came after the last `sync()` and, where the file system writes
pages out of order, can leave a file that must be built anew from history by `ingest`.
"""

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.errors import EngineError, InputError
from groundplan.features.bulk import by_entity
from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.mapped import Mapped
from groundplan.features.state import Layout, Past, inserted, newest_of, relabelled
from groundplan.features.store import Ingested, Stats
from groundplan.units import show_duration

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_META: Final = b"m"
_EVENT: Final = b"i"  # + identifier -> the event
_ORDER: Final = b"t"  # + time + identifier -> nothing: the events from old to new
_AFTER_ORDER: Final = b"u"
_PAST: Final = 0x80  # + number of the key, then the entity -> its history
_CHUNK: Final = 250_000
_BYTES: Final = 512  # an event's record and its part of two histories, written anew, generously

_Entity: TypeAlias = tuple[bytes, Layout, Past, list[int]]
"""The key in the store, its layout, the history, and what the event would add to each column."""

_time = struct.Struct(">Q").pack
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


class EmbeddedStore:
    """An online store in a folder of this machine.

    Every write is one transaction, and of all processes one writes at a time.

    Args:
        path: the folder; made where it is not there.
        inputs: the features whose windows it keeps.

    Raises:
        EngineError: the folder holds the state of other definitions, or cannot be used.
    """

    def __init__(self, path: Path, inputs: FeatureSet) -> None:
        self._inputs = inputs
        self._source = inputs.source
        self._layouts = tuple(Layout(inputs, key) for key in inputs.entities)
        self._retention = inputs.longest + inputs.source.lateness
        self._slots = len(inputs.windows)
        self._file = Mapped(path)
        self._check_layout(path)
        self._recorded = 0
        self._latest = (
            self._file.read(lambda txn: _newest(txn.cursor())) or 0
        )  # the newest time that this process has seen

    def join(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, which then is history for the next; durable on return.

        An event whose identifier is known counts once: it gives its features and changes nothing.

        Raises:
            InputError: it is older than the lateness allows, or its identifier belongs to
                another event.
        """

        def work(txn: Any) -> list[float]:
            known = self._known(txn, event)
            values, pasts = self._read(txn, event)
            if known is None:
                self._record(txn, event, pasts)
            return values

        return self._inputs.row(event, self._file.write(work))

    def peek(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, without recording it; raises what `join` raises."""

        def work(txn: Any) -> list[float]:
            self._known(txn, event)
            return self._read(txn, event)[0]

        return self._inputs.row(event, self._file.read(work))

    def append(self, events: Sequence[Event]) -> int:
        """Record live events, all or none; returns how many were new.

        A known event that comes again with a label that is True sets the label.

        Raises:
            InputError: one is older than the lateness allows, or its identifier belongs to
                another event; none is recorded.
        """

        def work(txn: Any) -> int:
            new = 0
            for event in events:
                known = self._known(txn, event)
                if known is None:
                    self._record(txn, event, self._pasts(txn, event))
                    new += 1
                else:
                    self._learn(txn, known, event.labels)
            return new

        return self._file.write(work)

    def label(self, id: int | str, name: str, value: bool) -> bool:
        """Set a label of a recorded event; False where no such event is remembered.

        An event is remembered while it can count: for the longest window plus the lateness.
        """
        at = list(self._source.labels).index(name)

        def work(txn: Any) -> bool:
            found = txn.get(_EVENT + _key(id))
            if found is None:
                return False
            known = _decode(found)
            labels = (*known.labels[:at], bool(value), *known.labels[at + 1 :])
            self._relabel(txn, known, labels)
            return True

        return self._file.write(work)

    def ingest(
        self, history: "Path | pa.Table", progress: Callable[[int, int], Any] | None = None
    ) -> Ingested:
        """Record a history in bulk, in any order of arrival, and what it says of known events.

        It goes on where it was cut off: events that are known are passed over.

        Args:
            history: a Parquet file or an Arrow table with all columns of the source.
            progress: called with the events that are done and their number.

        Raises:
            InputError: a column is missing, or a value breaks a rule.
        """
        from groundplan.features.recorded import recorded

        newest = self._file.read(lambda txn: _newest(txn.cursor())) or 0
        with recorded(self._inputs, history, newest - self._retention) as (total, chunks):
            added = known = done = 0
            for chunk in chunks(_CHUNK):
                self._file.reserve(_BYTES * len(chunk))
                new, old = self._file.write(partial(self._merge, chunk))
                added, known, done = added + new, known + old, done + len(chunk)
                if progress:
                    progress(done, total)
        return Ingested(added, known, total - added - known)

    def sync(self) -> None:
        """Force what was recorded onto the disk; takes the time of the disk."""
        self._file.sync()

    def stats(self) -> Stats:
        """The number of keys and events, the bytes in use, the newest time."""
        prefixes = {layout.key: bytes([_PAST + n]) for n, layout in enumerate(self._layouts)}

        def work(txn: Any) -> Stats:
            keys = {key: _count(txn, prefix) for key, prefix in prefixes.items()}
            return Stats(keys, _count(txn, _EVENT), self._file.size, _newest(txn.cursor()))

        return self._file.read(work)

    def close(self) -> None:
        """Sync and let go of the folder."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _known(self, txn: Any, event: Event) -> Event | None:
        """The event as it was recorded before, or None."""
        found = txn.get(_EVENT + _key(event.id))
        if found is None:
            return None
        known = _decode(found)
        if known.time != event.time or known.values != event.values:
            raise InputError(
                self._source.id,
                f"{self._source.id} {event.id!r} belongs to another event, with other values: an "
                "identifier names one event, so send a new one, or the event as it was",
            )
        return known

    def _pasts(self, txn: Any, event: Event) -> list[_Entity]:
        """What the store has of each entity of the event, after the check for lateness."""
        found = []
        for number, layout in enumerate(self._layouts):
            key = bytes([_PAST + number]) + _key(event.values[layout.position])
            past = Past(txn.get(key, b""), len(layout.columns))
            if event.time < past.newest - layout.lateness:
                raise self._late(event, f"{layout.key} {event.values[layout.position]!r}", past)
            found.append((key, layout, past, layout.scaled(event)))
        return found

    def _read(self, txn: Any, event: Event) -> tuple[list[float], list[_Entity]]:
        values = [0.0] * self._slots
        pasts = self._pasts(txn, event)
        for _, layout, past, own in pasts:
            layout.read(past, event.time, own, values)
        return values, pasts

    def _record(self, txn: Any, event: Event, pasts: list[_Entity]) -> None:
        cursor = txn.cursor()
        self._check_reach(cursor, event)
        # All bytes are made before the first is put: a put may move what a past looks at.
        new = [
            (key, inserted(past, event.time, own, layout.retention))
            for key, layout, past, own in pasts
        ]
        for key, packed in new:
            txn.put(key, packed)
        identifier = _key(event.id)
        txn.put(_EVENT + identifier, _encode(event))
        txn.put(_ORDER + _time(event.time) + identifier, b"")
        self._expire(txn, cursor, event.time - self._retention)

    def _check_reach(self, cursor: Any, event: Event) -> None:
        """Refuse an event that no window of the newest moment reaches."""
        if event.time >= self._latest:  # in order, as most are: no look at the store
            self._latest = event.time
            return
        newest = _newest(cursor) or 0
        if event.time <= newest - self._retention:
            raise InputError(
                self._source.time.column,
                f"{self._source.time.column} lies {show_duration(newest - event.time)} before the "
                "newest event, past every window: leave it out, or correct its time",
            )

    def _expire(self, txn: Any, cursor: Any, cutoff: int) -> None:
        """Forget events that no window reaches, and entities without any other.

        Every eighth event forgets up to sixteen, so that the number of those that wait never
        grows beyond a few, and the others do not pay for the search.
        """
        self._recorded += 1
        if self._recorded % 8:
            return
        there = cursor.set_range(_ORDER)
        for _ in range(16):
            order = bytes(cursor.key()) if there else b""
            if order[:1] != _ORDER or int.from_bytes(order[1:9], "big") > cutoff:
                return
            there = cursor.delete()  # and go on to the next
            event = _decode(txn.pop(_EVENT + order[9:]))
            for number, layout in enumerate(self._layouts):
                key = bytes([_PAST + number]) + _key(event.values[layout.position])
                packed = txn.get(key)
                if packed is not None and newest_of(packed, len(layout.columns)) <= cutoff:
                    txn.delete(key)

    def _learn(self, txn: Any, known: Event, labels: tuple[bool, ...]) -> None:
        """Set the labels that are True; False may only mean not known yet."""
        if any(labels):
            pairs = zip(known.labels, labels, strict=True)
            self._relabel(txn, known, tuple(old or new for old, new in pairs))

    def _relabel(self, txn: Any, known: Event, labels: tuple[bool, ...]) -> None:
        if labels == known.labels:
            return
        event = msgspec.structs.replace(known, labels=labels)
        for number, layout in enumerate(self._layouts):
            key = bytes([_PAST + number]) + _key(event.values[layout.position])
            values = zip(layout.scaled(event), layout.scaled(known), strict=True)
            for column, (new, old) in enumerate(values):
                past = Past(txn.get(key, b""), len(layout.columns))
                packed = relabelled(past, event.time, column, new - old) if new != old else None
                if packed is not None:
                    txn.put(key, packed)
        txn.put(_EVENT + _key(event.id), _encode(event))

    def _merge(self, chunk: Sequence[Event], txn: Any) -> tuple[int, int]:
        """Record a chunk of history; returns how many events were new and how many known."""
        new: Sequence[Event] = chunk
        if _newest(txn.cursor()) is not None:
            known = [self._known(txn, event) for event in chunk]
            new = [event for event, old in zip(chunk, known, strict=True) if old is None]
            for event, old in zip(chunk, known, strict=True):
                if old is not None:
                    self._learn(txn, old, event.labels)
        for number, layout in enumerate(self._layouts):
            for entity, group in by_entity(layout, new):
                key = bytes([_PAST + number]) + _key(entity)
                past = Past(txn.get(key, b""), len(layout.columns))
                txn.put(key, group.added_to(past, layout.retention))
        cursor = txn.cursor()
        keys = [_key(event.id) for event in new]
        orders = (_ORDER + _time(e.time) + key for e, key in zip(new, keys, strict=True))
        cursor.putmulti((order, b"") for order in orders)
        cursor.putmulti((_EVENT + key, _encode(e)) for e, key in zip(new, keys, strict=True))
        return len(new), len(chunk) - len(new)

    def _late(self, event: Event, entity: str, past: Past) -> InputError:
        column = self._source.time.column
        return InputError(
            column,
            f"{column} lies {show_duration(past.newest - event.time)} before the newest event of "
            f"{entity}, and {show_duration(self._source.lateness)} is allowed: send events sooner, "
            f"or give Source({self._source.name!r}) a longer lateness",
        )

    def _check_layout(self, path: Path) -> None:
        """Refuse to read the bytes of other definitions."""
        mine = json.dumps(
            {
                "source": self._source.definition(),
                "keys": [layout.definition() for layout in self._layouts],
            },
            sort_keys=True,
        ).encode()
        found = self._file.write(lambda txn: bytes(txn.get(_META, b"")))
        if found and found != mine:
            self._file.close()
            raise EngineError(
                f"{path} holds the state of other feature definitions: ingest the history into a "
                "new folder, or go back to the definitions that it was made with"
            )
        if not found:
            self._file.write(lambda txn: txn.put(_META, mine))


def _key(value: int | str) -> bytes:
    """Bytes that sort as the values do."""
    if isinstance(value, int):
        return _time(value + (1 << 63))
    return value.encode()


def _newest(cursor: Any) -> int | None:
    """The time of the newest event."""
    there = cursor.set_range(_AFTER_ORDER)
    if not (cursor.prev() if there else cursor.last()):
        return None
    key = bytes(cursor.key())
    return int.from_bytes(key[1:9], "big") if key[:1] == _ORDER else None


def _count(txn: Any, prefix: bytes) -> int:
    cursor = txn.cursor()
    if not cursor.set_range(prefix):
        return 0
    return sum(1 for _ in _within(cursor, prefix))


def _within(cursor: Any, prefix: bytes) -> Iterator[bytes]:
    for key in cursor.iternext(keys=True, values=False):
        if bytes(key[:1]) != prefix:
            return
        yield key
