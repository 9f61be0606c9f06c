"""The port of event streams: numbered records that can be read again from any offset."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec

Offsets: TypeAlias = Mapping[str, int]
"""By partition, the next offset to read."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a stream.

    Args:
        partition: where it stands, such as `transactions/0`.
        offset: its place there; a partition's records come in ascending order.
        next: the offset to go on from after it.
        source: the name of the source whose events these are.
        body: JSON: an event, a label, or several, one a line. None stands for no record at all:
            up to `next` there is nothing else to read.
    """

    partition: str
    offset: int
    next: int
    source: str
    body: bytes | None


class Stream(Protocol):
    """Events in partitions, each of them in order.

    Where reading stands is not kept here but beside the state that the events make, so that the
    two cannot disagree.
    """

    def start(self, resume: Callable[[], Offsets]) -> None:
        """Begin to read, or begin anew, from where the state stands.

        Args:
            resume: asked now, and again whenever partitions are handed to this reader. A
                partition that it does not name is read from its beginning.

        Raises:
            EngineError: the stream cannot be reached.
        """
        ...

    def poll(self, limit: int, timeout: float) -> list[Record]:
        """The next records, as soon as there is one; an empty list after the timeout.

        Args:
            limit: the most records.
            timeout: seconds.

        Raises:
            EngineError: the stream cannot be reached; `start` begins anew.
        """
        ...

    def ends(self) -> Offsets:
        """By partition, where its records end now; those that have none are left out.

        All partitions, also those that another process reads.

        Raises:
            EngineError: the stream cannot be reached.
        """
        ...

    def since(self, times: Mapping[str, int]) -> Offsets:
        """By partition, the first offset whose record was written at that moment or later.

        Args:
            times: us since 1970, by the name of the source; partitions of others are left out.

        Raises:
            EngineError: the stream cannot be reached.
        """
        ...

    def stored(self, offsets: Offsets) -> None:
        """Be told how far the state is, for those who watch the stream from outside."""
        ...

    def close(self) -> None:
        """Let go."""
        ...
