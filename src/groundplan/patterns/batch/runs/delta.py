"""Delta runs: rows whose inputs did not change keep the answers of the last version."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.errors import BuildError
from groundplan.models.scorer import Bools, Floats
from groundplan.patterns.batch.runs.counts import Counts
from groundplan.rollout.builds import Build
from groundplan.scores.version import Version

if TYPE_CHECKING:
    from groundplan.patterns.batch.runs.scoring import Answers, Loaded

_READ = ("key", "score", "decision", "reasons", "inputs")


class Before:
    """The last version's rows of one partition.

    Args:
        rows: with the columns key, score, decision, reasons and inputs.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._keys = rows.column("key").combine_chunks()
        self._scores = rows.column("score").to_numpy()
        self._decided = rows.column("decision").to_numpy()
        self._reasons = rows.column("reasons").combine_chunks()
        self._inputs = rows.column("inputs").to_numpy()

    @classmethod
    def of(cls, file: Path) -> Self:
        """Those of a file that `prepare` wrote."""
        return cls(pq.read_table(file, columns=list(_READ)))

    def changed(self, keys: pa.Array, inputs: npt.NDArray[np.uint64]) -> Bools:
        """Which rows were there with other inputs."""
        known, same = self._found(keys, inputs)[1:]
        return known & ~same

    def answers(
        self,
        loaded: "Loaded",
        keys: pa.Array,
        matrix: Floats,
        inputs: npt.NDArray[np.uint64],
        candidates: Bools,
        compare: bool,
    ) -> "tuple[Answers, Counts]":
        """The answers about rows: those taken over, and new ones for the others.

        Args:
            loaded: the build that made the last version.
            keys: of the rows.
            matrix: their features, float64[n, F].
            inputs: the fingerprints of these.
            candidates: rows whose features may be others than the last version's, bool[n].
            compare: whether to score all rows and count those that would have come out otherwise.
        """
        there, known, same = self._found(keys, inputs)
        fresh = loaded.answers(matrix[~same])
        taken = there[same]
        answers = _merged(
            same,
            type(fresh)(self._scores[taken], self._decided[taken], self._reasons.take(taken)),
            fresh,
        )
        unequal = 0
        if compare:
            missed = known & ~same & ~candidates
            unequal = int((_unequal(answers, loaded.answers(matrix)) | missed).sum())
        found = Counts(
            rows=len(keys),
            unchanged=int(same.sum()),
            changed=int((known & ~same).sum()),
            new=int((~known).sum()),
            candidates=int(candidates.sum()),
            unequal=unequal,
            compared=compare,
        )
        return answers, found

    def _found(
        self, keys: pa.Array, inputs: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.int64], Bools, Bools]:
        """Where each key stands, whether it does, and whether its inputs are the same."""
        found = pc.index_in(keys, value_set=self._keys)
        known = np.asarray(found.is_valid())
        there = found.fill_null(0).to_numpy().astype(np.int64)
        same = known.copy()
        same[known] = self._inputs[there[known]] == inputs[known]
        return there, known, same


def check(version: Version | None, build: Build, loaded: "Loaded") -> Version:
    """The version that a delta run takes answers over from.

    Raises:
        BuildError: there is none, or another build or other reasons made it.
    """
    if version is None:
        raise BuildError(
            "--delta takes over what did not change since the last version, and none is live: "
            "run `groundplan score` without it first"
        )
    if version.build != build.manifest.build:
        raise BuildError(
            f"--delta takes over answers of the same model: version {version.name} was scored by "
            f"build {version.build}, and {build.manifest.build} scores now; run `groundplan score` "
            "without --delta once"
        )
    if version.decisions != loaded.cuts.names or version.codes != loaded.codes:
        raise BuildError(
            f"--delta takes over decisions and reasons, and system.py defines others than those of "
            f"version {version.name}: run `groundplan score` without --delta once"
        )
    return version


def _merged(same: Bools, taken: "Answers", fresh: "Answers") -> "Answers":
    """Both in the order of the rows."""
    scores = np.empty(len(same))
    scores[same], scores[~same] = taken.scores, fresh.scores
    decided = np.empty(len(same), dtype=np.uint8)
    decided[same], decided[~same] = taken.decided, fresh.decided
    order = np.empty(len(same), dtype=np.int64)
    order[same] = np.arange(len(taken.scores))
    order[~same] = np.arange(len(fresh.scores)) + len(taken.scores)
    reasons: Any = pa.concat_arrays([_plain(taken.reasons), _plain(fresh.reasons)]).take(order)
    return type(fresh)(scores, decided, reasons)


def _plain(reasons: Any) -> Any:
    return reasons.cast(pa.list_(pa.int16()))


def _unequal(one: "Answers", other: "Answers") -> Bools:
    """Rows that differ in a bit of their score, their decision or their reasons."""
    differs = one.scores.view(np.uint64) != other.scores.view(np.uint64)
    differs |= one.decided != other.decided
    said = [_plain(each.reasons).to_pylist() for each in (one, other)]
    differs |= np.fromiter((a != b for a, b in zip(*said, strict=True)), np.bool_, len(differs))
    return np.asarray(differs, dtype=np.bool_)
