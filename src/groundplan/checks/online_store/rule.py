"""The rule for windows, applied to every event one by one: slow, and plainly right."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet
from groundplan.features.windows import Window


class Rule:
    """All events that were recorded, and the features by the rule.

    Args:
        inputs: the features.
        events: what is recorded at first.
    """

    def __init__(self, inputs: FeatureSet, events: Iterable[Event] = ()) -> None:
        self.inputs = inputs
        self.events: dict[tuple[int, int | str], Event] = {}
        self.record(*events)

    def record(self, *rows: Event | Label) -> None:
        """Record events, and labels of events that are there; an identifier counts once."""
        for row in rows:
            if isinstance(row, Event):
                self.events.setdefault((row.source, row.id), row)
            else:
                self._label(row)

    def _label(self, label: Label) -> None:
        event = self.events[0, label.id]
        names = list(self.inputs.sources[0].labels)
        labels = list(event.labels or [False] * len(names))
        labels[names.index(label.name)] = label.value
        self.events[0, label.id] = msgspec.structs.replace(event, labels=tuple(labels))

    def row(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event of the main source."""
        windows = [self._window(window, event) for window in self.inputs.windows]
        return self.inputs.row(event, windows)

    def _window(self, window: Window, event: Event) -> float:
        sources = list(self.inputs.sources)
        main, source = sources[0], next(n for n, s in enumerate(sources) if s is window.source)
        entity = event.values[list(main.fields).index(window.on)]
        key = list(window.source.fields).index(window.key)
        seen: list[tuple[int, Any]] = []
        for other in self.events.values():
            age = event.time - other.time
            mine = other.source == source and other.values[key] == entity
            if mine and age > 0 and window.delay <= age < window.delay + window.length:
                seen += self._counted(window, other)
        if window.current:
            seen += self._counted(window, event)
        return window.function.naive(window, seen, event.time)

    def _counted(self, window: Window, event: Event) -> list[tuple[int, Any]]:
        """(time, value) of an event, or nothing where it does not count."""
        value = window.measure.value(event)
        return [] if value is None and not window.measure.gaps else [(event.time, value)]


def same(x: float, y: float) -> bool:
    """Whether two values are equal bit for bit; missing ones are."""
    return x == y or (math.isnan(x) and math.isnan(y))
