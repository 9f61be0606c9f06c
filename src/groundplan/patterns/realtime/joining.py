"""The state side of a request: its features, and that no event is lost whatever the store does."""

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from groundplan.errors import EngineError, InputError
from groundplan.features import Appended, Event, FeatureSet, Label, OnlineStore, Schema
from groundplan.features.state import unknown
from groundplan.features.stream import Record
from groundplan.models import Floats
from groundplan.patterns.realtime.outbox import Outbox, Waiting
from groundplan.serving.breaker import Breaker
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.feed import Feed
from groundplan.serving.log import Log, Taken
from groundplan.units import show_duration

_logger: Final = logging.getLogger(__name__)

PARTITION: Final = "outbox"
"""What dead letters call the place from which they came here."""


@runtime_checkable
class Clearable(Protocol):
    """A store that can forget everything."""

    def clear(self) -> None:
        """Forget everything."""
        ...


class Joining:
    """Reads and writes the online state.

    What the store cannot take now waits in the outbox, and what it then refuses is among the dead
    letters: an event that was answered or accepted is in one of the three.

    Args:
        inputs: the features.
        store: the online state.
        outbox: keeps what the store could not take.
        letters: keeps what the store refuses when it comes from the outbox.
        log: told of every event that the state took.
        breaker: around a store on another machine.
        feed: where events come from besides requests.
        freshness: us; how old the state may be.
        passing: whether a store on a server forgets the state in the end.
    """

    def __init__(
        self,
        inputs: FeatureSet,
        store: OnlineStore,
        outbox: Outbox,
        letters: DeadLetters,
        log: Log,
        breaker: Breaker | None = None,
        feed: Feed | None = None,
        freshness: int = 0,
        *,
        passing: bool = False,
    ) -> None:
        self.store = store
        self.outbox = outbox
        self.breaker = breaker
        self.feed = feed
        self._schema = Schema(inputs)
        self._names = [source.name for source in inputs.sources]
        self._letters = letters
        self._log = log
        self._freshness = freshness
        self._passing = passing
        self.unknown = unknown(inputs)
        """The features of an event of entities without history."""

    def join(self, event: Event) -> Floats:
        """The features of an event, which then is history for the next.

        Raises:
            InputError: it is too late, or its identifier belongs to another event.
            EngineError: the store does not answer.
        """
        if self.breaker is None:
            return self.store.join(event)
        return self.breaker.call(self.store.join, event)

    def without_state(self, event: Event, body: bytes) -> Floats:
        """The features of an event of entities without history; it waits for the store."""
        self.outbox.put([Waiting(body)])
        return self.unknown(event)

    def stale_by(self) -> str:
        """How far the state is behind its stream, in words; empty while it is fresh enough."""
        if self.feed is None:
            return ""
        now = time.time_ns() // 1_000
        behind = self.feed.staleness_us(now)
        if behind <= self._freshness:
            return ""
        if behind == now:
            return "the stream has not been read to its end since the server started"
        return f"stale by {show_duration(behind)}"

    def take(self, rows: Sequence[Event | Label], bodies: Sequence[bytes], source: int) -> Appended:
        """Take events and labels into the state, or keep them until it takes them.

        Args:
            rows: decoded.
            bodies: as they were sent, one for each event or set of labels.
            source: the position of their source.

        Returns:
            What became of them; nothing but zeros where they wait.

        Raises:
            InputError: an identifier belongs to another event; none is taken.
        """
        try:
            if self.breaker is None:
                done = self.store.append(rows)
            else:
                done = self.breaker.call(self.store.append, rows)
        except EngineError as error:
            if not self.outbox.size:  # said once, not for each
                _logger.warning("events wait for the store: %s", error)
            self.outbox.put([Waiting(body, source) for body in bodies])
            return Appended()
        self._record(bodies, source)
        return done

    def drain(self) -> int:
        """Hand what waits to the store; returns how many bodies it took.

        Raises:
            EngineError: the store still does not answer; everything goes on waiting.
        """
        return self.outbox.drain(self._hand_on)

    def close(self) -> None:
        """Write the state to the disk; what waits is there."""
        if self.feed is not None:
            self.feed.close()
        if self._passing and isinstance(self.store, Clearable):
            self.store.clear()
        self.store.close()

    def _hand_on(self, waiting: list[Waiting]) -> None:
        try:
            self._append(waiting)
        except InputError:  # all or none: one by one, to find which
            for row in waiting:
                try:
                    self._append([row])
                except InputError as error:
                    now = time.time_ns() // 1_000
                    record = Record(PARTITION, now, now, self._names[row.source], row.body)
                    self._letters.keep(record, error.message, now)

    def _append(self, waiting: list[Waiting]) -> None:
        rows = [
            found
            for row in waiting
            for found in self._schema.decode_events(row.body, source=self._names[row.source])
        ]
        self.store.append(rows)
        for row in waiting:
            self._record([row.body], row.source)

    def _record(self, bodies: Sequence[bytes], source: int) -> None:
        now = time.time_ns() // 1_000
        for body in bodies:
            self._log.append(Taken(now, body, source))
