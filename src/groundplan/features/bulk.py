"""A history recorded in bulk: sorted, grouped by entity and put in the order of its keys."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from groundplan.features.change import Change
from groundplan.features.feature_set import FeatureSet
from groundplan.features.forgetting import EVENT, NEVER, newest_time, parked_labels, put_lists
from groundplan.features.mapped import Mapped
from groundplan.features.shelf import Room, Shelf
from groundplan.features.state.batch import Batch
from groundplan.features.state.record import key_order, keyed_all
from groundplan.features.state.rows import Ints
from groundplan.features.state.stretch import Stretch
from groundplan.features.store import Ingested

if TYPE_CHECKING:
    import pyarrow as pa

_FRESH: Final = 1 << 22
"""Events of a transaction where nobody waits: the more, the fewer visits to an entity.

So many take some 100 bytes each in memory.
"""

_LIVE: Final = 1 << 15
"""Events of a transaction where others may want to write between two: a tenth of a second."""

_BYTES: Final = 400
"""What an event adds to the file, generously, with its parts of the histories."""


class Bulk:
    """The recording of histories of one source.

    Args:
        inputs: the features.
        file: the store's.
        rooms: where the store keeps its sources.
        number: the source's position in the feature set.
    """

    def __init__(
        self, inputs: FeatureSet, file: Mapped, rooms: "tuple[Room, ...]", number: int
    ) -> None:
        self._inputs = inputs
        self._file = file
        self._rooms = rooms
        self._room = rooms[number]

    def ingest(
        self, history: "Path | pa.Table", progress: Callable[[int, int], Any] | None
    ) -> Ingested:
        """Record a history; each stretch of it is one transaction."""
        from groundplan.features.recorded import batches

        room = self._room
        newest = self._file.read(lambda txn: newest_time(txn, room))
        since = (newest or 0) - (room.retention or 0)
        with batches(self._inputs, history, since, room.number) as (total, parts):
            added = known = done = 0
            for batch in parts(_FRESH if newest is None else _LIVE):
                self._file.reserve(_BYTES * len(batch))
                new, old = self._file.write(partial(self._merge, batch))
                added, known, done = added + new, known + old, done + len(batch)
                if progress:
                    progress(done, total)
        return Ingested(added, known, total - added - known)

    def _merge(self, batch: Batch, txn: Any) -> tuple[int, int]:
        """Record a stretch of history; returns how many events were new and how many known."""
        room = self._room
        latest = [newest_time(txn, each) for each in self._rooms]
        change = Change(txn, self._rooms, [NEVER if time is None else time for time in latest])
        if room.retention is None:
            fresh, met = self._versions(txn, batch)
        else:
            fresh, met = self._events(txn, batch)
        for shelf in room.shelves if len(fresh) else ():
            self._record(txn, change, shelf, fresh)
        outcomes = [change.add(event) for event in met.events(room.number)]
        change.flush(len(batch))
        new = len(fresh) + outcomes.count("added")
        return new, len(batch) - new

    def _events(self, txn: Any, batch: Batch) -> tuple[Batch, Batch]:
        """The events that are new, whose records are put, and those that are known."""
        room = self._room
        batch = self._claimed(txn, batch)
        order = key_order(batch.ids, room.record.text)
        keys = room.record.keys(batch.ids[order])
        new = _first(batch.ids[order])
        cursor = txn.cursor(room.ids)
        top = bytes(cursor.key()) if cursor.last() else b""
        low = [key for key in keys if key <= top] if top else []  # those that may be there
        if low:
            known = {bytes(key) for key, _ in cursor.getmulti(low)}
            new &= np.array([key not in known for key in keys], dtype=np.bool_)
        records = room.record.packed(batch.taken(order[new]))
        put = [key for key, fresh in zip(keys, new.tolist(), strict=True) if fresh]
        append = bool(put) and put[0] > top
        cursor.putmulti(zip(put, records, strict=True), append=append)
        fresh = batch.taken(np.sort(order[new]))
        put_lists(txn, room, EVENT, fresh.time.tolist(), room.record.keys(fresh.ids))
        return fresh, batch.taken(np.sort(order[~new]))

    def _claimed(self, txn: Any, batch: Batch) -> Batch:
        """The events with the labels that came before them."""
        room = self._room
        if not txn.stat(room.parked)["entries"]:
            return batch
        names = list(room.source.labels)
        places = {key: at for at, key in enumerate(room.record.keys(batch.ids))}
        labels = [label.copy() for label in batch.labels]
        waiting = {bytes(key): parked_labels(value) for key, value in txn.cursor(room.parked)}
        for key, changes in waiting.items():
            if key in places:
                txn.delete(key, db=room.parked)
                for name, value in changes.items():
                    labels[names.index(name)][places[key]] = value
        return replace(batch, labels=labels)

    def _versions(self, txn: Any, batch: Batch) -> tuple[Batch, Batch]:
        """The versions of profiles that are new, and those of entities that have some already."""
        shelf = self._room.shelves[0]
        entities = batch.values[shelf.layout.position]
        keys = keyed_all(entities, shelf.layout.text)
        there = {bytes(key) for key, _ in txn.cursor(shelf.tails).getmulti(sorted(set(keys)))}
        met = np.array([key in there for key in keys], dtype=np.bool_)
        fresh = batch.taken(~met)
        _, numbers = np.unique(fresh.values[shelf.layout.position], return_inverse=True)
        order = np.lexsort((fresh.time, numbers))
        once = np.ones(len(fresh), dtype=np.bool_)
        for column in (numbers, fresh.time):
            once[1:] &= column[order][1:] == column[order][:-1]
        once[1:] = ~once[1:]
        return fresh.taken(np.sort(order[once])), batch.taken(met)

    def _record(self, txn: Any, change: Change, shelf: Shelf, batch: Batch) -> None:
        """Add events to the histories of their entities."""
        layout = shelf.layout
        entities, order, stops = _grouped(batch.values[layout.position], layout.text)
        stretch = Stretch(layout, shelf.growth, layout.raws(batch)[order], stops)
        keys = keyed_all(entities, layout.text)
        empty = not txn.stat(shelf.tails)["entries"]
        # All that is read is read before anything is put, since a put may move what was read.
        tails = [None if empty else txn.get(key, db=shelf.tails) for key in keys]
        new = [at for at, tail in enumerate(tails) if tail is None]
        grown = list(stretch.grown(tails, lambda at: change.body(shelf, keys[at])))
        pairs = ((key, each.tail) for key, each in zip(keys, grown, strict=True))
        txn.cursor(shelf.tails).putmulti(pairs, append=empty)
        if self._room.retention is not None:
            newest = stretch.newest
            put_lists(
                txn,
                self._room,
                1 + shelf.place,
                [newest[at] for at in new],
                [keys[at] for at in new],
            )
        for key, each in zip(keys, grown, strict=True):
            if each.body is not None and len(each.body):
                txn.put(key, each.body, db=shelf.bodies)
            elif each.body is not None:
                txn.delete(key, db=shelf.bodies)


def _first(ids: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of some sorted identifiers stand there for the first time."""
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = ids[1:] != ids[:-1]
    return first


def _grouped(entities: npt.NDArray[Any], text: bool) -> tuple[npt.NDArray[Any], Ints, list[int]]:
    """The distinct entities in order, the order of their events, and where each one's end."""
    if text:
        distinct, numbers = np.unique(entities, return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        return distinct, order, np.cumsum(np.bincount(numbers, minlength=len(distinct))).tolist()
    order = key_order(entities, text)
    ordered = entities[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else order
    return ordered[ends], order, (ends + 1).tolist()
