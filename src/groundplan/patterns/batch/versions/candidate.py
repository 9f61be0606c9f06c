"""A version that wants to be announced, and the live one that it is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundplan.monitoring.distribution import Sketch
from groundplan.patterns.batch.runs.run import Run
from groundplan.patterns.batch.versions.measuring import Database, Measured
from groundplan.patterns.batch.versions.recomputing import Recompute
from groundplan.scores.version import Version


@dataclass(frozen=True)
class Before:
    """The version that is live, as far as it can be compared with.

    Args:
        version: its record.
        parts: its part files; empty where this machine has none.
        sketches: how its features were distributed; empty where nobody knows.
        scores: how its scores were distributed.
    """

    version: Version
    parts: Sequence[Path]
    sketches: Mapping[str, Sketch]
    scores: Sketch | None


@dataclass(frozen=True)
class Candidate:
    """A version that wants to be announced.

    Args:
        run: what was run.
        parts: its part files.
        measured: what they hold.
        sketches: how its features are distributed.
        decisions: the names of the decisions.
        codes: how many reasons there are to name; 0 where none are given.
        sha256: of each part when it was measured, by file name.
        recompute: makes rows again from the raw snapshot, by key.
        rounding: how far a score may be from that of its row alone; 0 where it is the same to
            the bit.
        database: reads the parts.
        trained: how the features were distributed in the rows that trained the model; empty where
            the build does not say.
        categories: the values by code, of each feature that is a category.
        moments: features that read the time alone, the same for all rows of a run.
        audit: whether somebody may ask for the reasons of every row that needs them: that there
            are none is no answer then.
    """

    run: Run
    parts: Sequence[Path]
    measured: Measured
    sketches: Mapping[str, Sketch]
    decisions: tuple[str, ...]
    codes: int
    sha256: Mapping[str, str]
    recompute: Recompute
    rounding: float
    database: Database
    trained: Mapping[str, Sketch] = field(default_factory=dict)
    categories: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    moments: frozenset[str] = frozenset()
    audit: bool = False
