"""The embedded online store: LMDB in a folder, shared by the processes of one machine.

What a method has recorded when it returns survives the end of the process, also by `kill -9`:
it is in the operating system's page cache, and a transaction that was cut off leaves no trace.
A loss of power can lose what came after the last `sync()` and, where the file system writes
pages out of order, can leave a file that must be built anew from history by `ingest`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from groundplan.errors import EngineError
from groundplan.features.bulk import Bulk
from groundplan.features.change import Change, check_known, past_reach, too_late
from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet
from groundplan.features.forgetting import NEVER, newest_time
from groundplan.features.mapped import Mapped
from groundplan.features.shelf import rooms
from groundplan.features.state.compiled import Behind
from groundplan.features.state.growth import Bytes
from groundplan.features.state.layout import Layout
from groundplan.features.state.reading import Reader
from groundplan.features.store import Appended, Ingested, Stats

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_DEFINITION: Final = b"definition"
_EVERY: Final = 8
"""A join out of so many forgets for all of them, and the others do not wait for it."""

_WAITING: Final = 128
"""How many events of a batch change histories before these are put."""


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
        layouts = [Layout(inputs, number) for number in range(len(inputs.histories))]
        self._reader = Reader(inputs, layouts, refuse=True)
        self._file = Mapped(path)
        self._check_definition(path, layouts)
        self._rooms = rooms(inputs, layouts, self._file)
        self._offsets = self._file.table("offsets")
        shelves = {shelf.layout.number: shelf for room in self._rooms for shelf in room.shelves}
        self._lookups = [(shelves[lookup.history], lookup.on) for lookup in self._reader.lookups]
        # Of each history of the main source, the lookup that reads it for the same entity.
        self._own = [
            self._lookups.index((shelf, shelf.layout.position)) for shelf in self._rooms[0].shelves
        ]
        self._places = [(shelf.key, on, shelf.tails) for shelf, on in self._lookups]
        self._firsts = [shelf.layout.first for shelf, _ in self._lookups]
        self._latest = self._file.read(self._newest)
        self._tops: dict[int, bytes] = {}  # the last identifier of each source, as far as seen
        self._joined = 0
        # Twice what an event adds to the lists: itself, and every entity that it is the first of.
        self._forgotten = 2 * (1 + max(len(room.shelves) for room in self._rooms))

    def join(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, which then is history for the next; durable on return.

        An event whose identifier is known counts once: it gives its features and changes nothing.

        Raises:
            InputError: it is older than the lateness allows, or its identifier belongs to
                another event.
        """
        return self._inputs.row(event, self._file.write(partial(self._join, event)))

    def peek(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, without recording it; raises what `join` raises."""

        return self._inputs.row(event, self._file.read(partial(self._peek, event)))

    def append(
        self, rows: Sequence[Event | Label], offsets: Mapping[str, int] | None = None
    ) -> Appended:
        """Record live events and labels, in their order, and how far their stream was read.

        All or none, the offsets included. A known event that comes again with a label that is
        True sets the label.

        Args:
            rows: of any source of the feature set.
            offsets: by partition, such as `transactions/0`: the next one to read.

        Raises:
            InputError: an identifier belongs to another event; none is recorded.
        """

        def work(txn: Any) -> tuple[Appended, list[int]]:
            change = Change(txn, self._rooms, self._newest(txn), self._tops)
            counts = dict.fromkeys(("added", "known", "late", "labelled", "parked"), 0)
            for number, row in enumerate(rows, start=1):
                counts[change.label(row) if isinstance(row, Label) else change.add(row)] += 1
                if number % _WAITING == 0:
                    change.settle()
            change.flush(self._forgotten * len(rows) + _EVERY)
            for partition, offset in (offsets or {}).items():
                txn.put(partition.encode(), b"%d" % offset, db=self._offsets)
            return Appended(**counts), change.latest

        done, self._latest = self._file.write(work)
        return done

    def offsets(self) -> Mapping[str, int]:
        """By partition, the next offset to read, as the last `append` with offsets left it."""

        def work(txn: Any) -> dict[str, int]:
            cursor = txn.cursor(self._offsets)
            return {str(key, "utf-8"): int(bytes(value)) for key, value in cursor}

        return self._file.read(work)

    def ingest(
        self,
        history: "Path | pa.Table",
        progress: Callable[[int, int], Any] | None = None,
        source: int = 0,
    ) -> Ingested:
        """Record a history in bulk, in any order of arrival, and what it says of known events.

        It goes on where it was cut off: events that are known are passed over.

        Args:
            history: a Parquet file or an Arrow table with all columns of the source.
            progress: called with the events that are done and their number.
            source: the position of the source in the feature set.

        Raises:
            InputError: a column is missing, or a value breaks a rule.
        """
        bulk = Bulk(self._inputs, self._file, self._rooms, source)
        done = bulk.ingest(history, progress)
        self._latest = self._file.read(self._newest)
        return done

    def sync(self) -> None:
        """Force what was recorded onto the disk; takes the time of the disk."""
        self._file.sync()

    def stats(self) -> Stats:
        """The number of keys and events, the bytes that they take, the newest time.

        Keys are named by their field, those of another source as `logins.user`.
        """

        def work(txn: Any) -> Stats:
            keys = {
                (shelf.layout.key if not room.number else f"{room.source.name}.{shelf.layout.key}"):
                txn.stat(shelf.tails)["entries"]
                for room in self._rooms
                for shelf in room.shelves
            }  # fmt: skip
            events = sum(txn.stat(room.ids)["entries"] for room in self._rooms)
            newest = max(self._newest(txn))
            return Stats(keys, events, self._file.held(txn), None if newest == NEVER else newest)

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

    def _peek(self, event: Event, txn: Any) -> list[float]:
        check_known(txn, self._rooms[0], event)
        return self._read(txn, event)[0]

    def _join(self, event: Event, txn: Any) -> list[float]:
        values, tails = self._read(txn, event)
        change = Change(txn, self._rooms, self._latest, self._tops)
        distance = change.past_reach(event)
        if distance is not None:
            if check_known(txn, self._rooms[0], event):
                return values
            raise past_reach(self._rooms[0], distance)
        if change.add(event, [tails[number] for number in self._own]) == "added":
            self._joined += 1
            change.flush(0 if self._joined % _EVERY else self._forgotten * _EVERY)
            self._latest = change.latest
        return values

    def _read(self, txn: Any, event: Event) -> tuple[list[float], list[Bytes | None]]:
        """The windows of an event, and the newest rows of each lookup's entity."""
        entities = event.values
        get = txn.get
        tails = [get(key(entities[on]), db=table) for key, on, table in self._places]
        rows = [
            first if tail is None else tail
            for tail, first in zip(tails, self._firsts)  # noqa: B905
        ]

        def older(number: int) -> Bytes:
            shelf, on = self._lookups[number]
            body: Bytes = get(shelf.key(entities[on]), b"", db=shelf.bodies)
            return body

        try:
            return self._reader.windows(event, rows, older), tails
        except Behind as behind:
            shelf, on = self._lookups[behind.lookup]
            raise too_late(self._rooms[0], event, shelf, behind.distance, entities[on]) from None

    def _newest(self, txn: Any) -> list[int]:
        """The newest time of each source."""
        times = (newest_time(txn, room) for room in self._rooms)
        return [NEVER if time is None else time for time in times]

    def _check_definition(self, path: Path, layouts: Sequence[Layout]) -> None:
        """Refuse to read the bytes of other definitions."""
        mine = json.dumps(
            {
                "sources": [source.definition() for source in self._inputs.sources],
                "histories": [layout.definition() for layout in layouts],
            },
            sort_keys=True,
        ).encode()
        meta = self._file.table("meta")
        found = self._file.read(lambda txn: bytes(txn.get(_DEFINITION, b"", db=meta)))
        if found and found != mine:
            self._file.close()
            raise EngineError(
                f"{path} holds the state of other feature definitions: ingest the history into a "
                "new folder, or go back to the definitions that it was made with"
            )
        if not found:
            self._file.write(lambda txn: txn.put(_DEFINITION, mine, db=meta))
