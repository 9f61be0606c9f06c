"""The rows of the log: what was asked and answered, and what was taken into the history."""

from typing import Final

import msgspec
from msgspec import Struct


class Prediction(Struct, frozen=True, tag="prediction", array_like=True, gc=False):
    """An answered request.

    Args:
        at: when it was answered, µs since 1970, UTC.
        event: the request as it was sent, one JSON object.
        features: feature values in the order of the build's definitions; NaN where missing.
        score: the probability.
        decision: the tier.
        build: the build that answered.
        timings: µs per stage.
        degraded: what was replaced, and why, each beginning with the stage and a colon.
        id: the event's identifier.
    """

    at: int
    event: bytes
    features: tuple[float, ...]
    score: float
    decision: str
    build: str
    timings: dict[str, int]
    degraded: list[str]
    id: int | str | None = None


class Lookup(Struct, frozen=True, tag="lookup", array_like=True, gc=False):
    """A published answer that was read.

    Args:
        at: when it was answered, µs since 1970, UTC.
        version: the published version.
        build: the build that scored it.
        score: the probability.
        decision: what follows from it.
        fallback: what stood in where the key was not scored; empty where it was.
        timings: µs per stage.
        degraded: what was replaced, or is old, each beginning with what it is and a colon.
        event: the fields that came with the key, one JSON object; empty where none did.
        id: the key.
    """

    at: int
    version: str
    build: str
    score: float
    decision: str
    fallback: str
    timings: dict[str, int]
    degraded: list[str]
    event: bytes
    id: int | str


class Taken(Struct, frozen=True, tag="event", array_like=True, gc=False):
    """An event that was taken into the history without being scored, or a label.

    Args:
        at: when it was taken, µs since 1970, UTC.
        event: the event or label as it was sent, one JSON object.
        source: which of the feature set's sources, 0 for the main one.
        build: the build that served when it came; empty where it is not known.
        pending: whether it goes into the state only now: it is there from the next `Stored` of
            this process on. Where none follows, the process ended, and it comes again.
    """

    at: int
    event: bytes
    source: int = 0
    build: str = ""
    pending: bool = False


class Stored(Struct, frozen=True, tag="stored", array_like=True, gc=False):
    """All that this process had taken is in the state from here on.

    Args:
        at: when it was, µs since 1970, UTC.
    """

    at: int


Answered = Prediction | Lookup
Row = Answered | Taken | Stored


def lines(body: bytes) -> list[bytes]:
    """The JSON objects of a body: one, or one a line. Each is a row of its own."""
    found = [line for line in body.splitlines() if line.strip()]
    if found and found[0].strip() == b"{":  # one object over several lines
        return [body]
    return found


packed: Final = msgspec.msgpack.Encoder().encode
"""The bytes of a row in a journal."""

unpacked: Final = msgspec.msgpack.Decoder(Row).decode
"""A row from its bytes."""
