"""Events and labels, checked and normalised: what passes between the wire and the state."""

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One event of a source.

    Args:
        id: int or str, as the source declares.
        time: us since 1970-01-01 UTC.
        values: in the order of the source's fields; a decimal as its scaled integer, None where
            an optional field is missing.
        labels: in the order of the source's labels; False while unknown.
        source: which of the feature set's sources, 0 for the main one.
    """

    id: int | str
    time: int
    values: tuple[Any, ...]
    labels: tuple[bool, ...] = ()
    source: int = 0


class Label(msgspec.Struct, frozen=True, gc=False):
    """What became known about an event that was recorded before, or will be."""

    id: int | str
    name: str
    value: bool
