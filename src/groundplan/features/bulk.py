"""Many events at once, grouped by entity without a loop over them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event
from groundplan.features.state import Layout, Past, merged, packed


@dataclass(frozen=True)
class Group:
    """The events of one entity: a stretch of arrays in which entities lie one after the other.

    Args:
        times: us, in order within an entity.
        values: for each column, what each event adds.
        totals: for each column, the running totals before each event, one more at the end.
        first: where the entity begins.
        stop: where it ends.
    """

    times: npt.NDArray[np.int64]
    values: Sequence[npt.NDArray[np.int64]]
    totals: Sequence[npt.NDArray[np.int64]]
    first: int
    stop: int

    def added_to(self, past: Past, retention: int) -> bytes:
        """The bytes of a history with these events added."""
        if not past.count:
            return packed(self.times, self.totals, self.first, self.stop, retention)
        mine = slice(self.first, self.stop)
        return merged(past, self.times[mine], [v[mine] for v in self.values], retention)


def by_entity(layout: Layout, events: Sequence[Event]) -> Iterator[tuple[Any, Group]]:
    """(entity, its events) of events in order of time."""
    if not events:
        return
    entities = np.array(
        [event.values[layout.position] for event in events],
        dtype=object if layout.text else np.int64,
    )
    distinct, numbers = np.unique(entities, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    times = np.array([event.time for event in events], dtype=np.int64)[order]
    values = [column[order] for column in layout.scaled_columns(events)]
    totals = [np.concatenate([[0], np.cumsum(column)]) for column in values]
    stops = np.cumsum(np.bincount(numbers))
    for entity, first, stop in zip(
        distinct.tolist(), [0, *stops[:-1].tolist()], stops.tolist(), strict=True
    ):
        yield entity, Group(times, values, totals, first, stop)
