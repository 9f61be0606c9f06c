"""The port of what computes a batch run: it takes a snapshot, then scores partition by partition.

The embedded engine (`embedded.py`: DuckDB and Arrow in this process) is the specification. Others
answer to a URL of `[engines] batch`, and give the same scores, decisions, reasons and
fingerprints to the bit.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from groundplan.engines.partitions import Taken, part_name
from groundplan.features import FeatureSet, Source

if TYPE_CHECKING:
    import pyarrow as pa

    from groundplan.models.scorer import Bools
    from groundplan.patterns.batch.runs.candidates import Prior

Progress: TypeAlias = Callable[[int, int], None]
"""Told how much is done, and of how much."""

Place: TypeAlias = "str | Path | pa.Table"
"""Where rows are: a file, folder, pattern or URL (see `engines.places`), or an Arrow table."""

KEY: Final = "@key"
"""The column of a population's snapshot that says whom a row is about; int64 or string."""

SEGMENT: Final = "@segment"
"""The column of a population's snapshot by which cold keys are averaged; string, null without."""


class Partition(Protocol):
    """Scores the rows of one partition; made anew for each, in the thread or worker that does."""

    @property
    def keep(self) -> tuple[str, ...]:
        """The columns of the snapshot to hand through the statement: `KEY` and `SEGMENT`."""

    @property
    def prior(self) -> "Prior | None":
        """Of a delta run, what the last one had of the partition, where it is known."""

    @property
    def compare(self) -> bool:
        """Whether the features of all rows are wanted, to be held against those."""

    def part(self, rows: "pa.RecordBatch", candidates: "Bools | None" = None) -> "pa.RecordBatch":
        """A batch of the rows of a part file (`scores.store.PART`).

        Args:
            rows: the identifier, `keep` and the features as float64, as `features.offline` gives
                them (after `features.finishing.finished`), in the order of the snapshot.
            candidates: of a delta run, rows whose features may be others than in the last one,
                bool[n]; None for all, where the engine does not tell them apart.
        """

    def metadata(self, everyone: str = "") -> dict[bytes, bytes]:
        """What goes into the footer of the part file, once all rows have been through.

        Args:
            everyone: of a delta run, why the features of all rows were computed.
        """


class Scoring(Protocol):
    """Makes what scores a partition from what a build keeps on disk.

    A frozen record of paths and names, so that it travels to workers as it is; what it needs is
    loaded in the worker and kept there.
    """

    def partition(self, number: int) -> Partition:
        """What scores the rows of one partition."""


class Engine(Protocol):
    """Computes runs; keys are in the partitions that `engines.partitions` says."""

    @property
    def name(self) -> str:
        """What the run says computed it, such as `duckdb`."""

    def count(self, place: Place) -> int:
        """How many rows a place has, so that the number of partitions can be chosen.

        Raises:
            InputError: there is no such place.
        """

    def population(
        self,
        source: Source,
        place: Place,
        folder: Path,
        *,
        columns: Sequence[str],
        key: str,
        segment: str | None,
        as_of: int,
        partitions: int,
        progress: Progress,
    ) -> Taken:
        """Take a snapshot of the rows to score, as `folder/part-00000.parquet` and so on.

        A file has the source's identifier and time, `columns`, `KEY` and `SEGMENT`, of the types
        that the source declares (int BIGINT, float and decimal DOUBLE, bool BOOLEAN, str
        VARCHAR, time TIMESTAMP in us). Every row's time is `as_of`: a run asks what holds then.
        Rows are numbered from 0, whatever the place calls them, where the key is a field. The
        files are all there or the folder is not.

        Args:
            source: the main source, which declares the columns.
            place: where the rows are.
            folder: to make.
            columns: fields that the features read.
            key: the field, or the identifier, that says whom a row is about.
            segment: a field, or None.
            as_of: us since 1970; a place with the time column may hold none that is later.
            partitions: how many files.
            progress: told the rows taken, and of how many.

        Raises:
            InputError: a column is missing, a value is not of its declared type, a time is later
                than `as_of`, a key is null or stands twice; with examples.
        """

    def history(
        self,
        source: Source,
        place: Place,
        folder: Path,
        *,
        columns: Sequence[str],
        by: str | None,
        since: int | None,
        as_of: int,
        partitions: int,
        progress: Progress,
    ) -> Taken:
        """Take a snapshot of the events of another source that the features read.

        Args:
            source: a source of events, or a profile table.
            place: where they are.
            folder: to make, with files as `population` makes them.
            columns: all that the features read: identifier, time, keys and fields.
            by: the field that names the same key as the population's, by which the events go
                into the partitions of their keys; None for one file, which every partition reads.
            since: us; older events count nowhere and are left out; None for all.
            as_of: us; events at it or later are left out.
            partitions: how many files, where `by` is given.
            progress: told the rows taken, and of how many.
        """

    def compute(
        self,
        inputs: FeatureSet,
        folder: Path,
        scoring: Scoring,
        pending: Sequence[int],
        progress: Progress,
    ) -> None:
        """Compute partitions of a run into `folder/out/part-00000.parquet` and so on.

        A partition's features are those of `features.offline` over `in/MAIN/part-N.parquet` and,
        for each other source, `in/NAME/part-N.parquet`, or `in/NAME/part-00000.parquet` where
        that is its only file. A part file appears complete (written hidden, synced, renamed), its
        rows in the order of the snapshot, its footer with `Partition.metadata`.

        Args:
            inputs: the features, with their categories.
            folder: of the run.
            scoring: from features to the rows of a part.
            pending: the partitions to compute; others are not touched.
            progress: told the rows scored of the pending partitions, and of how many.

        Raises:
            InputError: a row breaks a rule of its source.
            EngineError: a part cannot be written.
        """

    def close(self) -> None:
        """Let go of what it holds."""


def files(folder: Path, inputs: FeatureSet, number: int) -> tuple[Path, Mapping[str, Path]]:
    """The snapshot that a partition reads: the population's file, and the others' by source.

    Args:
        folder: of the run.
        inputs: the features.
        number: of the partition.
    """
    main, *others = inputs.sources
    there = {}
    for source in others:
        slices = sorted((folder / "in" / source.name).glob("part-*.parquet"))
        there[source.name] = slices[0] if len(slices) == 1 else slices[number]
    return folder / "in" / main.name / part_name(number), there
