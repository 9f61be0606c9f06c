"""From the features of a partition to the rows of its part: scores, decisions, reasons."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import replace

from groundplan.decision import decide
from groundplan.engines.partitions import part_name
from groundplan.models import Explainer, Words, kinds, load_explainer
from groundplan.models.bands import Cuts
from groundplan.models.codes import Coded
from groundplan.models.fast import Fast, fast
from groundplan.models.scorer import Bools, Floats
from groundplan.monitoring.distribution import FOOTER, Tally, packed
from groundplan.patterns.batch.definition import define
from groundplan.patterns.batch.live import cuts
from groundplan.patterns.batch.runs import counts
from groundplan.patterns.batch.runs.counts import Counts
from groundplan.patterns.batch.runs.engine import KEY, SEGMENT
from groundplan.patterns.batch.runs.kept import Kept
from groundplan.patterns.batch.runs.run import load
from groundplan.patterns.batch.runs.traces import Traces, Tracing
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.scores.store import PART
from groundplan.scores.version import Code

if TYPE_CHECKING:
    from groundplan.patterns.batch.runs.candidates import Prior
    from groundplan.patterns.batch.runs.delta import Before

Fingerprints = npt.NDArray[np.uint64]

_NAN: Final = np.array([np.nan]).view(np.uint64)[0]
_BLIND: Final = "this engine does not compare what was read"
_UNKNOWN: Final = "the inputs of the last version are not known here"
_SHIFT: Final = np.uint64(33)
_MIX: Final = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


@dataclass(frozen=True)
class Scoring:
    """Scores partitions of a run; paths and switches, so that it travels to workers as it is.

    Args:
        project: the project's folder or `.toml` file.
        build: the folder of the build.
        run: the folder of the run.
        delta: whether rows with the inputs of the last version take its answers over, from
            `before/` in the run's folder.
        compare: whether these are scored as well, and compared.
        kept: what the last version was computed from, where it is known.
        threads: that score at once in each partition.
    """

    project: Path
    build: Path
    run: Path
    delta: bool = False
    compare: bool = False
    kept: Kept | None = None
    threads: int = 1

    def partition(self, number: int) -> "Partition":
        """What scores the rows of one partition."""
        from groundplan.patterns.batch.runs.delta import Before

        loaded = _loaded(self.project, self.build, self.run, self.threads)
        tracing = Tracing(self.run, number)
        if not self.delta:
            return Partition(loaded, tracing)
        before = Before.of(self.run / "before" / part_name(number))
        prior = self._prior(number, len(loaded.names))
        traces = self._traces(number, loaded.names, prior)
        return Partition(loaded, tracing, before, self.compare, traces, prior)

    def _prior(self, number: int, features: int) -> "Prior | None":
        """What the last run had of these keys, where it had the same partitions."""
        from groundplan.patterns.batch.runs.candidates import Prior

        run = load(self.run)
        if self.kept is None or run is None or self.kept.run.partitions != run.partitions:
            return None
        return Prior(self.kept, number, self.kept.matrix(number, features), run.as_of)

    def _traces(self, number: int, names: tuple[str, ...], prior: "Prior | None") -> Traces | None:
        """The last version's features of these keys; of other partitions, for the first alone.

        Keys are dealt out by a digest, so that the first partition is a fair sample of them.
        """
        if self.kept is None or (prior is None and number):
            return None
        source = define(Project(self.project)).inputs.source.name
        numbers = range(self.kept.run.partitions) if prior is None else [number]
        return Traces(
            [self.kept.keys(source, at) for at in numbers],
            [self.kept.matrix(at, len(names)) for at in numbers],
            names,
        )


class Loaded:
    """What a build keeps, ready to score.

    Args:
        project: for the definitions, and the functions of a model that is one.
        build: what scores.
        threads: that score at once.
    """

    def __init__(self, project: Project, build: Build, threads: int = 1) -> None:
        definition = define(project)
        self.names: tuple[str, ...] = tuple(build.manifest.features["names"])
        self.cuts: Cuts = cuts(build)
        self.model = kinds.load(build.folder, project.find)
        self.fast: Fast = fast(self.model, threads=threads)
        self._folder = build.folder
        self._mine = threading.local()
        self.coded: Coded | None = None
        self.needs: Bools = np.zeros(len(self.cuts.names), dtype=np.bool_)
        if decide(project.answers).components["explainer"].choice != "none":
            self.coded = Coded(Words.load(build.folder), definition.reasons)
            self.needs = definition.reasons.needs(self.cuts.names)

    @property
    def codes(self) -> tuple[Code, ...]:
        """The reasons that answers may name, in the order of their numbers."""
        named = self.coded.codes if self.coded else ()
        return tuple(Code(each.code, each.description, each.features) for each in named)

    @property
    def explainer(self) -> Explainer:
        """One for each thread: it has room for one batch of rows."""
        if not hasattr(self._mine, "explainer"):
            self._mine.explainer = load_explainer(self._folder, self.model)
        found: Explainer = self._mine.explainer
        return found

    def alone(self, row: Floats) -> tuple[float, int, list[int]]:
        """The score, decision and reasons of one row, float64[F]: the bits of `answers` for it.

        By the model's own code, without what `answers` spends on a batch before its first row.
        """
        score = float(self.model.score(row))
        decided = int(self.cuts.decide(np.array([score]))[0])
        if self.coded is None or not self.needs[decided]:
            return score, decided, []
        added = self.explainer.row(row).contributions
        return score, decided, self.coded.choose(added[np.newaxis])[0].tolist()

    def answers(self, matrix: Floats) -> "Answers":
        """Scores, decisions and reasons of rows, float64[n, F]."""
        scores = self.fast.scores(matrix)
        decided = self.cuts.decide(scores)
        needed = self.needs[decided]
        if self.coded is None or not needed.any():
            return Answers(scores, decided, _no_reasons(len(scores)))
        added = self.explainer.rows(np.ascontiguousarray(matrix[needed]))
        values, offsets = self.coded.choose(added, needed)
        return Answers(scores, decided, pa.ListArray.from_arrays(offsets, values))


@dataclass(frozen=True)
class Answers:
    """The answers about rows.

    Args:
        scores: float64[n].
        decided: uint8[n], positions in the names of the cuts.
        reasons: list of int16, as `Version.codes` numbers them.
    """

    scores: Floats
    decided: npt.NDArray[np.uint8]
    reasons: Any


class Partition:
    """Scores the rows of one partition, batch by batch.

    Args:
        loaded: the build.
        tracing: keeps the features for the next delta.
        before: the last version's rows of the partition; None for a full run.
        compare: whether rows that are taken over are scored too.
        traces: the features that the last version had, as far as they are known.
        prior: what the last run had of the partition, where that can be compared with.
    """

    def __init__(
        self,
        loaded: Loaded,
        tracing: Tracing,
        before: "Before | None" = None,
        compare: bool = False,
        traces: Traces | None = None,
        prior: "Prior | None" = None,
    ) -> None:
        self.prior: Prior | None = prior
        """What the last run had of the partition, where it is known."""
        self.compare: bool = compare
        """Whether the features of all rows are wanted, to be held against those."""
        self._loaded, self._before = loaded, before
        self._traces, self._tracing = traces, tracing
        self._counts, self._tally, self._blind = Counts(), Tally(loaded.names), False

    @property
    def keep(self) -> tuple[str, ...]:
        """The columns of the snapshot to hand through."""
        return (KEY, SEGMENT)

    def part(self, rows: pa.RecordBatch, candidates: Bools | None = None) -> pa.RecordBatch:
        """A batch of the rows of a part file; see `engine.Partition`."""
        names = self._loaded.names
        matrix = _columns(rows, names).T
        inputs = fingerprints(matrix)
        keys = rows.column(KEY)
        if self._before is None:
            answers = self._loaded.answers(matrix)
            found = Counts(rows=len(rows))
        else:
            self._blind = candidates is None
            may = np.ones(len(rows), dtype=np.bool_) if candidates is None else candidates
            answers, found = self._before.answers(
                self._loaded, keys, matrix, inputs, may, self.compare
            )
            if self._traces is not None:
                changed = self._before.changed(keys, inputs)
                moved, traced = self._traces.moved(keys.filter(pa.array(changed)), matrix[changed])
                found = replace(found, moved=moved, traced=traced)
        self._counts = counts.added([self._counts, _described(found, answers)])
        self._tally.add(matrix)
        self._tracing.write(matrix)
        columns = [
            keys,
            pa.array(answers.scores),
            pa.array(answers.decided),
            answers.reasons,
            rows.column(SEGMENT),
            pa.array(inputs),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=part_schema(keys.type))

    def metadata(self, everyone: str = "") -> dict[bytes, bytes]:
        """The counts and the distributions of all rows that have been through."""
        self._tracing.close()
        found = self._counts
        if self._before is not None:
            blind = _BLIND if self._blind else ""
            everyone = everyone or (blind if self.prior else _UNKNOWN)
            found = replace(found, everyone={everyone: found.rows} if everyone else {})
        return {**counts.footer(found), FOOTER: packed(self._tally.sketches())}


def part_schema(key: pa.DataType) -> pa.Schema:
    """The columns of a part file whose keys are int64 or string."""
    place = PART.get_field_index("key")
    return PART.set(place, pa.field("key", key, nullable=False))


def fingerprints(matrix: Floats) -> Fingerprints:
    """A digest of each row of float64[n, F], uint64[n]; all NaN are alike.

    The bits of one feature after another go through the finaliser of MurmurHash3 (Appleby,
    public domain): each step is a bijection, so two rows that differ in one feature never share
    a digest, and others do with a chance of 2^-64.
    """
    found = np.zeros(len(matrix), dtype=np.uint64)
    room = np.empty_like(found)
    for column in matrix.T:
        bits = np.ascontiguousarray(column).view(np.uint64)
        missing = np.isnan(column)
        found ^= np.where(missing, _NAN, bits) if missing.any() else bits
        for factor in _MIX:
            np.right_shift(found, _SHIFT, out=room)
            found ^= room
            found *= factor
        np.right_shift(found, _SHIFT, out=room)
        found ^= room
        found += np.uint64(1)  # so that zeros in front count
    return found


def _columns(rows: pa.RecordBatch, names: tuple[str, ...]) -> Floats:
    """The features, float64[F, n]; null becomes NaN."""
    found = np.empty((len(names), len(rows)))
    for at, name in enumerate(names):
        found[at] = rows.column(name).cast("float64").to_numpy(zero_copy_only=False)
    return found


def _described(found: Counts, answers: Answers) -> Counts:
    """The counts with how often each decision and each strongest reason stands there."""
    decided = np.bincount(answers.decided)
    begins = answers.reasons.offsets.to_numpy()
    those = begins[:-1][np.diff(begins) > 0]
    first = np.bincount(np.abs(answers.reasons.values.to_numpy()[those].astype(np.int64)))
    return replace(
        found,
        decided={int(at): int(decided[at]) for at in np.flatnonzero(decided)},
        explained=len(those),
        first={int(at) - 1: int(first[at]) for at in np.flatnonzero(first)},
    )


def _no_reasons(rows: int) -> Any:
    nothing = pa.array([], type=pa.int16())
    return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, dtype=np.int32)), nothing)


@lru_cache(maxsize=2)
def _loaded(project: Path, build: Path, run: Path, threads: int) -> Loaded:
    """What a worker holds for all its partitions of one run; another run loads anew."""
    return Loaded(Project(project), Build(build), threads)
