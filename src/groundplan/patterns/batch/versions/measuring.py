"""What the part files of a version hold: one pass over millions of rows, in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from msgspec import Struct

from groundplan.errors import InputError
from groundplan.models.fairness import SMALL
from groundplan.monitoring.distribution import Sketch, log_odds, sketch, together
from groundplan.scores.store import PART

MEMORY: Final = 1_200_000_000
"""Bytes that DuckDB may use before it spills to disk."""

BARS: Final = 20
"""Bars of the histogram of scores."""

SEGMENTS: Final = 1_000
"""Segments with an average of their own at most: all of them are read by whoever opens a version,
in the middle of a request."""

_Drawn: TypeAlias = tuple[npt.NDArray[np.int64], Sketch]

_SCALE: Final = 1 << 60
"""Scores are added as whole multiples of 2^-60: the sum does not depend on the order."""


class Measured(Struct, frozen=True):
    """What was found in the parts of one version.

    Args:
        rows: how many.
        distinct: different keys.
        outside: scores that are no probability, NaN among them.
        unknown: decisions that are none of the version's.
        least: the lowest score, None without rows.
        greatest: the highest.
        mean: the exact mean, rounded once; None without rows or where one is no number.
        decisions: rows of each decision, by position.
        bare: those of them without a reason.
        most: reasons of the row that has most.
        codes: the greatest position of a reason, by magnitude.
        blank: rows with a reason that names no code.
        segments: rows and mean score of each segment of at least `SMALL` rows, of the `SEGMENTS`
            largest; the mean of a few would tell of each of them, and say little of the next one.
        others: how many segments there are besides.
        histogram: rows by equal parts of 0..1, `BARS` of them.
        scores: the distribution of the scores' log-odds.
    """

    rows: int
    distinct: int
    outside: int
    unknown: int
    least: float | None
    greatest: float | None
    mean: float | None
    decisions: tuple[int, ...]
    bare: tuple[int, ...]
    most: int
    codes: int
    blank: int
    segments: dict[str, tuple[int, float]]
    others: int
    histogram: tuple[int, ...]
    scores: Sketch


class Churn(Struct, frozen=True):
    """How the keys of two versions differ.

    Args:
        gone: keys of the one before that this one lacks.
        new: keys that only this one has.
    """

    gone: int
    new: int


Database: TypeAlias = duckdb.DuckDBPyConnection


@contextmanager
def database(spill: Path) -> Iterator[Database]:
    """What measures, within `MEMORY`.

    Args:
        spill: an existing folder, for what does not fit in memory.
    """
    with TemporaryDirectory(prefix=".spill-", dir=spill) as folder:
        settings: dict[str, Any] = {"memory_limit": f"{MEMORY}B", "temp_directory": folder}
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET preserve_insertion_order = false")
            yield connection


def measure(within: Database, parts: Sequence[Path], decisions: int) -> Measured:
    """Read the parts of a version once.

    Args:
        within: as `database` gives it.
        parts: the part files.
        decisions: how many decisions the version has.

    Raises:
        InputError: a file is no part file, or there is none.
    """
    for part in parts:
        _check(part)
    if not parts:
        raise InputError("parts", "the run has no parts: nothing was scored; score again")
    files = [str(part) for part in parts]
    within.execute(_GROUPS, [files])  # as many as rows, where each is a segment of its own
    try:
        groups = within.execute(_BY_DECISION).fetchall()
        segments = within.execute(_BY_SEGMENT).fetchall()
    finally:
        within.execute("DROP TABLE groups")
    distinct = _one(within.execute(f"SELECT count(DISTINCT key) {_READ}", [files]))
    return _measured(groups, segments, int(distinct), decisions, list(map(_drawn, parts)))


def churn(within: Database, parts: Sequence[Path], before: Sequence[Path]) -> Churn:
    """The keys that two versions do not share; keys of different types are compared as text."""
    files = [[str(part) for part in each] for each in (parts, before)]
    same = pq.read_schema(parts[0]).field("key").type == pq.read_schema(before[0]).field("key").type
    key = "key" if same else "CAST(key AS VARCHAR) AS key"
    query = (
        f"SELECT count(*) FROM (SELECT {key} {_READ}) ANTI JOIN (SELECT {key} {_READ}) USING (key)"
    )
    gone = _one(within.execute(query, files[::-1]))
    new = _one(within.execute(query, files))
    return Churn(int(gone), int(new))


def differing(within: Database, parts: Sequence[Path], before: Sequence[Path]) -> float | None:
    """The share of the keys of both versions whose inputs differ; None where they share none.

    Args:
        within: as `database` gives it.
        parts: the part files of a version.
        before: those of one of the same build: fingerprints of others say nothing.
    """
    if pq.read_schema(parts[0]).field("key").type != pq.read_schema(before[0]).field("key").type:
        return None
    query = (
        "SELECT count(*), count(*) FILTER (one.inputs <> other.inputs) "
        f"FROM (SELECT key, inputs {_READ}) one JOIN (SELECT key, inputs {_READ}) other USING (key)"
    )
    files = [[str(part) for part in each] for each in (parts, before)]
    both, changed = within.execute(query, files).fetchall()[0]
    return changed / both if both else None


def picked(within: Database, parts: Sequence[Path], count: int, where: str = "true") -> list[Any]:
    """Some keys, the same ones whenever they are asked for: those with the smallest MD5.

    Args:
        within: as `database` gives it.
        parts: the part files.
        count: how many.
        where: a condition in SQL on the rows.
    """
    query = f"SELECT key {_READ} WHERE {where} ORDER BY md5(CAST(key AS VARCHAR)) LIMIT {count}"
    return [key for (key,) in within.execute(query, [[str(p) for p in parts]]).fetchall()]


def rows(within: Database, parts: Sequence[Path], keys: Sequence[Any]) -> dict[Any, dict[str, Any]]:
    """The rows of some keys, by key."""
    query = f"SELECT * {_READ} WHERE key IN (SELECT unnest(?))"
    found = within.sql(query, params=[[str(part) for part in parts], list(keys)])
    return {row["key"]: row for row in found.to_arrow_table().to_pylist()}


_READ: Final = "FROM read_parquet(?)"

_GROUPS: Final = f"""
CREATE OR REPLACE TEMP TABLE groups AS
SELECT segment, decision, count(*) AS rows, min(score) AS least, max(score) AS greatest,
       count(*) FILTER (NOT (score >= 0 AND score <= 1) OR score IS NULL) AS outside,
       sum(CASE WHEN score >= 0 AND score <= 1
                THEN CAST(round(score * {_SCALE}) AS HUGEINT) ELSE 0 END) AS total,
       count(*) FILTER (len(reasons) = 0) AS bare, max(len(reasons)) AS most,
       max(greatest(list_max(reasons), -list_min(reasons))) AS code,
       count(*) FILTER (list_contains(reasons, 0)) AS blank
{_READ} GROUP BY segment, decision"""

_BY_DECISION: Final = """
SELECT decision, sum(rows), min(least), max(greatest), sum(outside), sum(total), sum(bare),
       max(most), max(code), sum(blank)
FROM groups GROUP BY decision"""

_BY_SEGMENT: Final = f"""
SELECT segment, sum(rows) AS rows, sum(total), count(*) OVER () AS segments
FROM groups WHERE segment IS NOT NULL GROUP BY segment
ORDER BY rows DESC, segment LIMIT {SEGMENTS}"""


def _measured(
    groups: list[tuple[Any, ...]],
    segments: list[tuple[Any, ...]],
    distinct: int,
    decisions: int,
    drawn: list[_Drawn],
) -> Measured:
    by_decision, bare = [0] * decisions, [0] * decisions
    unknown = 0
    for decision, count, *_, without, _most, _code, _blank in groups:
        if decision is None or decision >= decisions:
            unknown += count
        else:
            by_decision[decision] += count
            bare[decision] += without
    rows = sum(group[1] for group in groups)
    outside = sum(group[4] for group in groups)
    averaged = {
        segment: (count, _mean(total, count) or 0.0)
        for segment, count, total, _ in sorted(segments)
        if count >= SMALL
    }
    return Measured(
        rows=rows,
        distinct=distinct,
        outside=outside,
        unknown=unknown,
        least=min((group[2] for group in groups if group[2] is not None), default=None),
        greatest=max((group[3] for group in groups if group[3] is not None), default=None),
        mean=_mean(sum(group[5] for group in groups), rows) if not outside else None,
        decisions=tuple(by_decision),
        bare=tuple(bare),
        most=max((group[7] or 0 for group in groups), default=0),
        codes=max((group[8] or 0 for group in groups), default=0),
        blank=sum(group[9] for group in groups),
        segments=averaged,
        others=(segments[0][3] if segments else 0) - len(averaged),
        histogram=tuple(np.sum([bars for bars, _ in drawn], axis=0).tolist()),
        scores=together(scores for _, scores in drawn),
    )


def _mean(total: int, rows: int) -> float | None:
    return float(Fraction(total, rows * _SCALE)) if rows else None


def _drawn(part: Path) -> _Drawn:
    """The histogram and the distribution of the scores of a part."""
    bars = np.zeros(BARS, dtype=np.int64)
    found = []
    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(columns=["score"]):
            scores = np.asarray(batch.column(0).to_numpy(zero_copy_only=False), np.float64)
            known = scores[(scores >= 0) & (scores <= 1)]
            places = np.minimum(BARS - 1, known * BARS).astype(np.int64)
            bars += np.bincount(places, minlength=BARS)
            found.append(sketch(log_odds(scores)))
    return bars, together(found)


def _check(part: Path) -> None:
    """The columns that every reader counts on."""
    schema = pq.read_schema(part)
    for field in PART:
        allowed = ("int64", "string") if field.name == "key" else (str(field.type),)
        found = str(schema.field(field.name).type) if field.name in schema.names else "missing"
        if found.replace("large_", "").replace("element:", "item:") not in allowed:
            raise InputError(
                field.name,
                f"{part}: the column {field.name} is {found}, a part has {' or '.join(allowed)}: "
                "score again with --fresh",
            )


def _one(found: Database) -> Any:
    row = found.fetchone()
    return row[0] if row else 0
