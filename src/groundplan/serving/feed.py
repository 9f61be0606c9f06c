"""From a stream into the online store: each event counts once, whatever crashes when.

The broker may hand out a record more than once; the state takes it once. A batch of records and
the offsets behind it are stored in one step, so that a feed that is killed anywhere goes on where
the state is. Before it stores a batch, a feed looks whether the state still stands where it left
it. Where another process has moved it, it reads again from there; known events are passed over.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from groundplan.errors import GroundplanError, InputError
from groundplan.features.event import Event, Label
from groundplan.features.schema import Schema
from groundplan.features.store import OnlineStore
from groundplan.features.stream import Offsets, Record, Stream
from groundplan.serving.dead_letters import DeadLetters
from groundplan.units import MILLISECOND

_logger: Final = logging.getLogger(__name__)

BATCH: Final = 128
"""Records stored in one step while a server answers; a few ms of its time."""

LOOK: Final = 250 * MILLISECOND
"""us between looks at where the stream ends."""

CURRENT: Final = 2 * LOOK
"""us by which a feed may be behind and still count as current: it looks no more often."""

_PAUSES: Final = (0.1, 5.0)  # s after a failure: the first and the longest
_TURN: Final = 0.1  # s to wait for records, or for the lease


Taken: TypeAlias = Callable[[Sequence[Record]], None]
"""Told of records before they are stored, so that the prediction log lacks none."""


class Fed(msgspec.Struct, frozen=True):
    """What a feed has done since it began.

    Args:
        records: read and stored, poison included.
        poison: records that are no event or label, or belong to another event's identifier.
        added, known, late, labelled, parked: as in `Appended`.
        again: how often it went back to where the state was.
    """

    records: int = 0
    poison: int = 0
    added: int = 0
    known: int = 0
    late: int = 0
    labelled: int = 0
    parked: int = 0
    again: int = 0


class Feed:
    """Stores the records of a stream, batch by batch.

    Memory is bounded by a batch: the next is asked for when the last is stored.

    Args:
        schema: decodes records.
        store: takes events, labels and offsets.
        stream: where records come from.
        letters: where those go that cannot be taken.
        batch: the most records stored in one step.
        taken: told of records before they are stored; after a crash, of some again.
        stored: called when the records that `taken` was told of are in the state.
        mine: whether this process is the one that reads; the others only watch.
        clock: us since 1970.
    """

    def __init__(
        self,
        schema: Schema,
        store: OnlineStore,
        stream: Stream,
        letters: DeadLetters,
        *,
        batch: int = BATCH,
        taken: Taken | None = None,
        stored: Callable[[], None] | None = None,
        mine: Callable[[], bool] = lambda: True,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.letters = letters
        self.done = Fed()
        self.fault = ""
        """Why the last round failed; empty when it did not."""
        self._schema = schema
        self._store = store
        self._stream = stream
        self._batch = batch
        self._taken = taken
        self._stored = stored
        self._mine = mine
        self._clock = clock
        self._reading = False
        self._state: dict[str, int] = {}  # the offsets as this feed last saw or left them
        self._complete = 0
        self._look_at = 0
        self._goal: tuple[int, Offsets] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Go on in a thread until `close`."""
        self._thread = threading.Thread(target=self.run, name="feed", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Go on until `close` or `stop`; after a failure, again and again with longer pauses."""
        pause = _PAUSES[0]
        while not self._stop.is_set():
            try:
                self.step()
                self.fault, pause = "", _PAUSES[0]
            except Exception as error:
                if not self.fault:  # said once, not at every try
                    _logger.warning(
                        "the feed stopped and tries again: %s",
                        error,
                        exc_info=not isinstance(error, GroundplanError),
                    )
                self.fault = str(error) or type(error).__name__
                self._reading = False
                self._stop.wait(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _PAUSES[1])

    def catch_up(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Read to where the stream ends now.

        Args:
            progress: called with how far it is and how far it goes, in offsets.

        Raises:
            EngineError: store or stream cannot be reached.
        """
        ends = self._stream.ends()
        begun = dict(self._store.offsets())
        total = sum(max(0, end - begun.get(name, 0)) for name, end in ends.items())
        while not self._stop.is_set():
            state = self._store.offsets()
            left = sum(max(0, end - state.get(name, 0)) for name, end in ends.items())
            if progress:
                progress(total - left, total)
            if not left:
                return
            self.step()

    def hand_over(self, since: Mapping[str, int]) -> None:
        """Begin where a history ends, in partitions of which the state has no offset yet.

        What both the history and the stream have counts once, so begin early rather than late.

        Args:
            since: us, by the name of the source: what was written from then on is needed.
                Partitions of other sources are read from their beginning.

        Raises:
            EngineError: store or stream cannot be reached.
        """
        found = self._stream.since(since)
        known = self._store.offsets()
        new = {name: offset for name, offset in found.items() if name not in known}
        if new:
            self._store.append([], new)

    def step(self) -> int:
        """One round; how many records were read.

        Raises:
            EngineError: store or stream cannot be reached; the next round begins anew.
        """
        self._look()
        if not self._mine():
            self._stop.wait(_TURN)
            return 0
        if not self._reading:
            self._stream.start(self._resume)
            self._reading = True
        try:
            records = self._stream.poll(self._batch, _TURN)
            if records:
                self._take(records)
        except BaseException:
            self._reading = False
            raise
        return len(records)

    def staleness_us(self, now: int) -> int:
        """How long ago the state had everything of the stream; 0 while it is current.

        `now` itself, all of time, until it has caught up for the first time.
        """
        behind = now - self._complete
        return behind if behind > CURRENT else 0

    def stop(self) -> None:
        """End `run` and `catch_up` after the batch that they are at."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and let go of the stream."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
        self._stream.close()

    def _resume(self) -> Mapping[str, int]:
        self._state = dict(self._store.offsets())
        return self._state

    def _look(self) -> None:
        """See, now and then, where the stream ends: when the state is there, it has all of it."""
        now = self._clock()
        if self._goal is None and now >= self._look_at:
            self._goal = (now, self._stream.ends())
            took = self._clock() - now
            self._look_at = now + max(LOOK, 10 * took)  # many partitions, seldom looks
        if self._goal is not None:
            at, ends = self._goal
            state = self._store.offsets()
            if all(state.get(name, 0) >= end for name, end in ends.items()):
                self._complete, self._goal = at, None

    def _take(self, records: Sequence[Record]) -> None:
        """Store a batch, unless the state stands elsewhere by now."""
        state = self._store.offsets()
        touched = {record.partition for record in records}
        if any(state.get(name) != self._state.get(name) for name in touched):
            self._add(again=1)
            self._stream.start(self._resume)
            return
        bodies = [record for record in records if record.body is not None]
        rows = self._decoded(bodies)
        sound = [record for record, found in zip(bodies, rows, strict=True) if found]
        if self._taken and sound:
            self._taken(sound)
        pairs = [(record, found) for record, found in zip(bodies, rows, strict=True) if found]
        self._append(pairs, {record.partition: record.next for record in records})
        if self._stored and sound:
            self._stored()
        self._add(records=len(bodies), poison=len(bodies) - len(sound))
        self._stream.stored(self._state)

    def _decoded(self, records: Sequence[Record]) -> list[list[Event | Label]]:
        """The rows of each record, none where it is poison."""
        now = self._clock()
        found = []
        for record in records:
            assert record.body is not None
            try:
                found.append(self._schema.decode_events(record.body, now, source=record.source))
            except InputError as error:
                self.letters.keep(record, str(error), now)
                found.append([])
        return found

    def _append(
        self, pairs: Sequence[tuple[Record, Sequence[Event | Label]]], offsets: Offsets
    ) -> None:
        """Store rows and offsets; a row that the store refuses goes to the letters alone."""
        try:
            done = self._store.append([row for _, rows in pairs for row in rows], offsets)
        except InputError as error:
            if len(pairs) == 1:
                self.letters.keep(pairs[0][0], str(error), self._clock())
                self._append([], offsets)
                self._add(poison=1)
                return
            # Halves, so that one refused row in a thousand costs some ten more steps.
            half = len(pairs) // 2
            self._append(pairs[:half], _behind(pairs[:half]))
            self._append(pairs[half:], offsets)
            return
        self._state |= offsets
        self._add(**msgspec.structs.asdict(done))

    def _add(self, **counts: int) -> None:
        new = {name: getattr(self.done, name) + count for name, count in counts.items()}
        self.done = msgspec.structs.replace(self.done, **new)


def _behind(pairs: Sequence[tuple[Record, Sequence[Event | Label]]]) -> Offsets:
    return {record.partition: record.next for record, _ in pairs}
