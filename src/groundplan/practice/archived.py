"""The published answers as their version's archive has them: keys to ask for, answers to expect."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.errors import BuildError
from groundplan.patterns.batch.archive import Archive
from groundplan.scores.version import Version

Key = int | str

_COLUMNS: Final = ["key", "score", "decision", "reasons"]


@dataclass(frozen=True)
class Expected:
    """An answer as its version has it.

    Args:
        score: the probability.
        decision: its name.
        reasons: codes, and whether each raised the score; the strongest first.
    """

    score: float
    decision: str
    reasons: tuple[tuple[str, bool], ...]


class Archived:
    """A version in the archive of a project.

    Args:
        archive: of the project.
        name: of the version.

    Raises:
        BuildError: the archive does not have it.
    """

    def __init__(self, archive: Archive, name: str) -> None:
        if not archive.has(name):
            raise BuildError(
                f"{archive.folder} does not have the version {name}, which is live: what is "
                "served can't be held against it; publish one with `groundplan score`"
            )
        self._archive = archive
        self.version: Version = archive.read(name)
        self._parts = archive.parts(name)

    def drawn(self, count: int, generator: np.random.Generator) -> list[Key]:
        """Keys drawn uniformly from all rows, with replacement."""
        rows = [pq.ParquetFile(part).metadata.num_rows for part in self._parts]
        ends = np.cumsum(rows)
        wanted = generator.integers(0, ends[-1], count)
        found: list[Key] = [""] * count
        owners = np.searchsorted(ends, wanted, side="right")
        for at, part in enumerate(self._parts):
            places = np.flatnonzero(owners == at)
            if len(places):
                keys = pq.read_table(part, columns=["key"]).column("key").combine_chunks()
                taken = keys.take(pa.array(wanted[places] - (ends[at] - rows[at])))
                for place, key in zip(places.tolist(), taken.to_pylist(), strict=True):
                    found[place] = key
        return found

    def cold(self, count: int, generator: np.random.Generator) -> list[Key]:
        """Keys of the version's type that it does not have."""
        drawn = generator.integers(2**40, 2**62, count).tolist()
        keys: list[Key] = (
            drawn if self.version.key == "int" else [f"cold-{number:x}" for number in drawn]
        )
        known = self.expected(keys)
        return [key for key in keys if key not in known]

    def expected(self, keys: Iterable[Key]) -> dict[Key, Expected]:
        """The answers for those of the keys that the version has."""
        found = {}
        wanted = pa.array(sorted(set(keys)), _type(self.version))
        for part in self._parts:
            table = pq.read_table(part, columns=_COLUMNS)
            for row in table.filter(pc.is_in(table.column("key"), wanted)).to_pylist():
                decision = self.version.decisions[row["decision"]]
                found[row["key"]] = Expected(row["score"], decision, self._named(row["reasons"]))
        return found

    def _named(self, reasons: Sequence[int]) -> tuple[tuple[str, bool], ...]:
        return tuple((self.version.codes[abs(n) - 1].code, n > 0) for n in reasons)

    def damaged(self) -> list[str]:
        """The part files that are not what the version's record says, or are missing."""
        return self._archive.damaged(self.version)


def _type(version: Version) -> pa.DataType:
    return pa.int64() if version.key == "int" else pa.string()
