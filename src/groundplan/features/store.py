"""The port of the online store: what serving needs to read and write features live."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event, Label

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


class Appended(msgspec.Struct, frozen=True):
    """What became of live events and labels.

    Args:
        added: new events.
        known: events that were there already: they count once.
        late: events beyond the stated lateness, which no window will count.
        labelled: labels of remembered events.
        parked: labels of events that have not come yet.
    """

    added: int = 0
    known: int = 0
    late: int = 0
    labelled: int = 0
    parked: int = 0


class Ingested(msgspec.Struct, frozen=True):
    """What became of a history's events: `added + known + expired` is how many there were."""

    added: int
    known: int
    expired: int


class OnlineStore(Protocol):
    """The histories of the entities of one feature set.

    Several processes may share one; concurrent updates of one key lose nothing.
    """

    def join(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, which then is history for the next.

        An event whose identifier is known counts once: it gives its features and changes nothing.

        Raises:
            InputError: it is older than the lateness allows, or its identifier belongs to
                another event.
            EngineError: the store cannot be reached; whether the event was recorded is unknown,
                and sending it again is safe.
        """
        ...

    def peek(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, without recording it; raises what `join` raises."""
        ...

    def append(
        self, rows: Sequence[Event | Label], offsets: Mapping[str, int] | None = None
    ) -> Appended:
        """Record live events and labels, in their order, and how far their stream was read.

        All or none, the offsets included. An event or label that comes twice counts once.

        Args:
            rows: of any source of the feature set.
            offsets: by partition, such as `transactions/0`: the next one to read.

        Raises:
            InputError: an identifier belongs to another event.
            EngineError: the store cannot be reached; sending all again is safe.
        """
        ...

    def offsets(self) -> Mapping[str, int]:
        """By partition, the next offset to read, as the last `append` with offsets left it."""
        ...

    def ingest(
        self,
        history: "Path | pa.Table",
        progress: Callable[[int, int], Any] | None = None,
        source: int = 0,
    ) -> Ingested:
        """Record a history in bulk; it goes on where it was cut off.

        Args:
            history: a Parquet file or an Arrow table with all columns of the source.
            progress: called with the events that are done and their number.
            source: the position of the source in the feature set.

        Raises:
            InputError: a column is missing, or a value breaks a rule.
        """
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
