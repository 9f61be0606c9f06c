"""Where the state of each source lies in the embedded store's file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from groundplan.features.feature_set import FeatureSet
from groundplan.features.mapped import Mapped
from groundplan.features.source import Source
from groundplan.features.state.growth import Growth
from groundplan.features.state.layout import Layout
from groundplan.features.state.record import Record, keyed

_LISTS: Final = 64
"""Into how many stretches of time the identifiers within a retention are listed."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """One history by entity.

    Args:
        place: its number within the room.
        key: gives the bytes of an entity's identifier.
        layout: what it keeps.
        growth: how it grows.
        tails: the table from an entity to its newest rows.
        bodies: the table from an entity to the rows before.
    """

    place: int
    key: Callable[[Any], bytes]
    layout: Layout
    growth: Growth
    tails: Any
    bodies: Any


@dataclass(frozen=True, eq=False)
class Room:
    """All that is kept of one source.

    Args:
        number: the source's position in the feature set.
        source: which.
        record: the bytes of its events.
        shelves: its histories.
        lateness: how far behind an entity's newest event another counts, us.
        retention: how long an event is remembered, us; None where events are not, since a
            history has the only copy and the newest counts for ever.
        ids: the table from an identifier to its event.
        lists: the table from a time to what is to be forgotten when no window reaches it.
        parked: the table from an identifier to labels that came before their event.
    """

    number: int
    source: Source
    record: Record
    shelves: tuple[Shelf, ...]
    lateness: int
    retention: int | None
    ids: Any
    lists: Any
    parked: Any

    @property
    def stretch(self) -> int:
        """How much time one list is about, us."""
        return max((self.retention or 0) // _LISTS, 1)


def rooms(inputs: FeatureSet, layouts: Sequence[Layout], file: Mapped) -> tuple[Room, ...]:
    """The tables of a feature set in a file; made where they are not there."""
    out = []
    for number, source in enumerate(inputs.sources):
        mine = [layout for layout in layouts if layout.source == number]
        shelves = tuple(
            Shelf(
                place,
                keyed(layout.text),
                layout,
                Growth(layout),
                file.table(f"tails {layout.number}"),
                file.table(f"bodies {layout.number}"),
            )
            for place, layout in enumerate(mine)
        )
        lateness = max(source.lateness, inputs.source.lateness)
        out.append(
            Room(
                number,
                source,
                Record(source, number),
                shelves,
                lateness,
                None if source.versioned else inputs.reach(number) + lateness,
                file.table(f"ids {number}"),
                file.table(f"lists {number}"),
                file.table(f"parked {number}"),
            )
        )
    return tuple(out)
