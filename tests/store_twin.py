"""The naive twin of an online store: a list of what has arrived, and the rule."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from feature_cases import naive_row
from groundplan.features import Event, FeatureSet, Label
from groundplan.features.state import growth


class Twin:
    """Remembers every event for ever and looks at all of them each time.

    Args:
        inputs: the features.
    """

    def __init__(self, inputs: FeatureSet) -> None:
        self._inputs = inputs
        self._arrived: dict[tuple[int, int | str], Event] = {}
        self._parked: dict[int | str, dict[str, bool]] = {}

    @property
    def events(self) -> list[Event]:
        """All that counted."""
        return list(self._arrived.values())

    def row(self, event: Event) -> list[float]:
        """The features of an event."""
        return naive_row(self._inputs, event, self.events)

    def append(self, row: Event | Label) -> str:
        """What becomes of one event or label."""
        if isinstance(row, Label):
            known = self._arrived.get((0, row.id))
            if known is None:
                self._parked.setdefault(row.id, {})[row.name] = row.value
                return "parked"
            self._set(known, {row.name: row.value})
            return "labelled"
        known = self._arrived.get((row.source, row.id))
        if known is not None:
            names = self._inputs.sources[row.source].labels
            self._set(known, {n: True for n, value in zip(names, row.labels, strict=True) if value})
            return "known"
        if self.late(row):
            return "late"
        self._arrived[row.source, row.id] = row
        if row.source == 0:
            self._set(row, self._parked.pop(row.id, {}))
        return "added"

    def late(self, event: Event) -> bool:
        """Whether an event comes too late to be recorded."""
        source = event.source
        keys = [key for number, key in self._inputs.histories if number == source]
        return self._forgotten(event) or any(self._behind(event, source, key, key) for key in keys)

    def refused(self, event: Event) -> bool:
        """Whether a request of the main source comes too late to be answered."""
        return self._forgotten(event) or any(
            self._behind(event, self._inputs.position(w.source), w.key, w.on)
            for w in self._inputs.windows
        )

    def remembered(self, event: Event) -> bool:
        """Whether a store still has to know an event that has arrived."""
        newest = max(other.time for other in self.events if other.source == event.source)
        return event.time > newest - self._retention(event.source)

    def _forgotten(self, event: Event) -> bool:
        if self._inputs.sources[event.source].versioned:
            return False
        mine = [other.time for other in self.events if other.source == event.source]
        return event.time <= max(mine, default=event.time) - self._retention(event.source)

    def _retention(self, source: int) -> int:
        return self._inputs.reach(source) + self._lateness(source)

    def _lateness(self, source: int) -> int:
        return max(self._inputs.sources[source].lateness, self._inputs.source.lateness)

    def _behind(self, event: Event, source: int, key: str, on: str) -> bool:
        """Whether an event lies too far behind the newest of an entity."""
        at = list(self._inputs.sources[source].fields).index(key)
        mine = list(self._inputs.sources[event.source].fields).index(on)
        newest = [
            other.time
            for other in self.events
            if other.source == source and other.values[at] == event.values[mine]
        ]
        return max(newest, default=event.time) - event.time > self._lateness(source)

    def _set(self, known: Event, changes: dict[str, bool]) -> None:
        names = self._inputs.sources[known.source].labels
        old = zip(names, known.labels, strict=True)
        labels = tuple(changes.get(name, value) for name, value in old)
        event = Event(known.id, known.time, known.values, labels, known.source)
        self._arrived[known.source, known.id] = event


@contextmanager
def short_tails() -> Iterator[None]:
    """Lets a tail have four rows, so that a few events fill bodies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "_FULL", 1)
        patch.setattr(growth, "_LEAST", 4)
        yield
