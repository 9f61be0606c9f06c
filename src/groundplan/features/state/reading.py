"""Reading the windows of a request from the rows of its entities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.state.compiled import windows_code
from groundplan.features.state.kept import Bytes
from groundplan.features.state.layout import Layout
from groundplan.features.windows import Window

if TYPE_CHECKING:
    from groundplan.features.source import Source


@dataclass(frozen=True)
class Lookup:
    """One history that a request reads.

    Args:
        source: whose events.
        key: the source's field that names the entity.
        field: the main source's field that names the same entity.
        history: the position in `inputs.histories`.
        on: the position of that field in the request's values.
    """

    source: "Source"
    key: str
    field: str
    history: int
    on: int

    def serves(self, window: Window) -> bool:
        """Whether a window is read from it."""
        return (window.source, window.key, window.on) == (self.source, self.key, self.field)


class Reader:
    """The windows of a feature set, read from rows; made once.

    Args:
        inputs: the features.
        layouts: of its histories; made where they are not given.
        refuse: whether `windows` raises `Behind` for an event that is too late.
    """

    def __init__(
        self,
        inputs: FeatureSet,
        layouts: Sequence[Layout] | None = None,
        refuse: bool = False,
    ) -> None:
        self.layouts = tuple(
            layouts or (Layout(inputs, number) for number in range(len(inputs.histories)))
        )
        self.lookups = _lookups(inputs)
        self.windows = windows_code(inputs.windows, self.lookups, self.layouts, refuse)
        """(event, the rows of each lookup, what gives older rows by number) -> window values."""

    def empty(self, lookup: int) -> bytes:
        """The rows of an entity without events."""
        return self.layouts[self.lookups[lookup].history].first


def _lookups(inputs: FeatureSet) -> tuple[Lookup, ...]:
    numbers = {history: number for number, history in enumerate(inputs.histories)}
    positions = {id(source): position for position, source in enumerate(inputs.sources)}
    fields = list(inputs.source.fields)
    found = {
        (w.source.name, w.key, w.on): Lookup(
            w.source, w.key, w.on, numbers[positions[id(w.source)], w.key], fields.index(w.on)
        )
        for w in inputs.windows
    }
    return tuple(found.values())


def no_older(number: int) -> Bytes:
    """The older rows of an entity whose rows are all there: there are none."""
    raise LookupError(f"lookup {number} has no older rows")


def unknown(inputs: FeatureSet) -> Callable[[Event], npt.NDArray[np.float64]]:
    """The features of an event whose entities have no history, without asking a store."""
    reader = Reader(inputs)
    tails = [reader.empty(number) for number in range(len(reader.lookups))]

    def row(event: Event) -> npt.NDArray[np.float64]:
        return inputs.row(event, reader.windows(event, tails, no_older))

    return row
