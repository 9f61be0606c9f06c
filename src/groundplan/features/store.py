"""The port of the online store: what serving needs to read and write features live."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event

if TYPE_CHECKING:
    import pyarrow as pa


class Stats(msgspec.Struct, frozen=True):
    """What a store holds.

    Args:
        keys: entities with a history, by key field.
        events: identifiers that are remembered.
        size: bytes.
        newest: us since 1970 of the newest event; None in an empty store.
    """

    keys: dict[str, int]
    events: int
    size: int
    newest: int | None


class Ingested(msgspec.Struct, frozen=True):
    """What became of a history's events: `added + known + expired` is how many there were."""

    added: int
    known: int
    expired: int


class OnlineStore(Protocol):
    """The histories of the entities of one feature set."""

    def join(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, which then is history for the next; durable on return.

        An event whose identifier is known counts once: it gives its features and changes nothing.

        Raises:
            InputError: it is older than the lateness allows, or its identifier belongs to
                another event.
        """
        ...

    def peek(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, without recording it."""
        ...

    def append(self, events: Sequence[Event]) -> int:
        """Record live events, all or none; returns how many were new."""
        ...

    def label(self, id: int | str, name: str, value: bool) -> bool:
        """Set a label of a recorded event; False where no such event is remembered."""
        ...

    def ingest(
        self, history: "Path | pa.Table", progress: Callable[[int, int], Any] | None = None
    ) -> Ingested:
        """Record a history in bulk; `progress(done, total)` counts its events."""
        ...

    def sync(self) -> None:
        """Force what was recorded onto the disk."""
        ...

    def stats(self) -> Stats:
        """What it holds."""
        ...

    def close(self) -> None:
        """Sync and let go."""
        ...
