"""The port of published scores: versions made complete, one of them live, read by key."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import pyarrow as pa

from groundplan.scores.scored import Live, Scored
from groundplan.scores.version import Version

PART: Final = pa.schema(
    [
        pa.field("key", pa.int64(), nullable=False),  # or string, as Version.key says
        pa.field("score", pa.float64(), nullable=False),
        pa.field("decision", pa.uint8(), nullable=False),
        pa.field("reasons", pa.list_(pa.int16()), nullable=False),
        pa.field("segment", pa.string()),
        pa.field("inputs", pa.uint64(), nullable=False),
    ]
)
"""The columns of a part file.

`decision` is a position in `Version.decisions`; `reasons` are +n or -n for the nth of
`Version.codes`, counted from 1, the strongest first; `segment` is the value by which cold keys
are averaged, null without one; `inputs` is a fingerprint of the row's features, for delta runs.
A key stands in one part, once.
"""

Progress = Callable[[int, int], None]


@runtime_checkable
class Verifiable(Protocol):
    """A store that can tell whether a version is still as it was written."""

    def verify(self, name: str) -> None:
        """Read a version from end to end and compare its checksum.

        Raises:
            InputError: there is no such version.
            EngineError: a byte of it changed.
        """


@runtime_checkable
class Examining(Protocol):
    """A handle that leaves a damaged version for the last whole one that it read."""

    def examine(self) -> str | None:
        """Read the version that answers to its end; what is wrong with it, where it was left."""


class ScoreStore(Protocol):
    """Holds complete versions, of which readers see one.

    Readers in other processes and on other hosts follow the pointer by themselves, soon; the
    handle that moved it, at once. A call that reads, reads one version: never a mix. What an
    adapter has to keep is checked by `groundplan.checks.scores`.
    """

    def load(
        self, version: Version, parts: Sequence[Path], progress: Progress | None = None
    ) -> None:
        """Make a version complete and durable, not yet live; what a cut left of it is replaced.

        Args:
            version: its record.
            parts: Parquet files with the columns of `PART`, `version.rows` rows in all.
            progress: told the rows loaded and wanted.

        Raises:
            InputError: a part cannot be read or does not fit the record, rows are missing, or a
                key stands twice.
            EngineError: the store did not do its work; nothing is visible.
        """

    def point(self, name: str) -> None:
        """Make a complete version live, in one step for all readers, who see it at once.

        Raises:
            InputError: there is no such complete version.
            EngineError: the store did not do its work; the live version stays.
        """

    def sync(self) -> None:
        """See to it that a loss of power does not take the pointer back.

        Raises:
            EngineError: the store did not do its work; what is live stays live.
        """

    def live(self) -> Version | None:
        """The live version as the store has it now; None before the first."""

    def pointed(self) -> str | None:
        """The name of the live version, also where its record cannot be read; None before one.

        Raises:
            EngineError: the store cannot be read.
        """

    def versions(self) -> tuple[Version, ...]:
        """The complete versions, the oldest first."""

    def drop(self, name: str) -> None:
        """Forget a version; one that a cut left incomplete too. Readers that are in it finish.

        Raises:
            InputError: it is the live one.
        """

    def current(self) -> Live:
        """The live version as this reader follows it.

        Raises:
            EngineError: there is none yet, or the store cannot be read.
        """

    def get(self, key: int | str) -> Scored | None:
        """The answer for a key; None where the live version has none.

        A key of another type than the version's has none: the text "7" is not the integer 7.

        Raises:
            EngineError: there is no live version, or the store cannot be read.
        """

    def get_many(self, keys: Sequence[int | str]) -> list[Scored | None]:
        """The answers for many keys, all of one version, in their order."""

    def close(self) -> None:
        """Let go of files and connections."""
