"""Whose features may have changed since the last run, by comparing what both runs read.

A feature is a function of the row's own fields and of the events that count in its windows; some
depend on the moment itself. So a key is a candidate unless it is shown that its row is the same
to the bit, and that the events of its entities count in the same windows as they did: an event
that was added, changed, deleted or came late, and one that moved over an edge of a window, make
candidates of all keys that read their entity. What cannot be shown makes a candidate of everybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlglot import exp

from groundplan.engines import places
from groundplan.features import FeatureSet
from groundplan.features.finishing import applied
from groundplan.features.sql import TIME
from groundplan.features.windows import EVER, Window
from groundplan.models.scorer import Bools, Floats
from groundplan.patterns.batch.runs.engine import KEY, SEGMENT, files
from groundplan.patterns.batch.runs.kept import Kept, rows

STEADY: Final = frozenset(
    {"count", "sum", "mean", "min", "max", "std", "last", "first", "distinct", "share", "lookup"}
)
"""Window functions whose value depends on which events count, and not on how long ago they were."""

LARGE: Final = 0.5
"""The share of candidates above which telling them apart saves nothing."""


@dataclass(frozen=True)
class Prior:
    """What the last run read and computed for the keys of a partition.

    Args:
        kept: its snapshot.
        number: of the partition.
        matrix: its features, float64[n, F].
        now: the moment as of which this run computes, us.
    """

    kept: Kept
    number: int
    matrix: Floats
    now: int


@dataclass(frozen=True)
class Found:
    """Which rows of a partition are candidates.

    Args:
        candidates: bool[n], in the order of the snapshot.
        there: where the others stand in the last run's partition, int64[n].
        everyone: why the features of all rows are to be computed; empty where they are not.
    """

    candidates: Bools
    there: npt.NDArray[np.int64]
    everyone: str = ""


def find(
    inputs: FeatureSet,
    prior: Prior,
    main: Path,
    others: Mapping[str, Path],
    memory: int | None = None,
    threads: int | None = None,
) -> Found:
    """The rows of a partition whose features may be others than those of the last run.

    Args:
        inputs: the features.
        prior: the last run, of the same build and the same partitions.
        main: the population's snapshot.
        others: the snapshots of the other sources, by name.
        memory: bytes that DuckDB may use before it spills to disk.
        threads: that it uses at once.
    """
    then, now = prior.kept.run.as_of, prior.now
    main_before, others_before = files(prior.kept.folder, inputs, prior.number)
    why = _unprovable(inputs, then, now)
    pairs = [(main_before, main), *((others_before[name], others[name]) for name in others)]
    if not all(_alike(*pair) for pair in pairs):
        why = "the columns that the features read have changed"
    elif len(prior.matrix) != pq.read_metadata(main_before).num_rows:
        why = "the features of the last run are incomplete"
    if why:
        nowhere = np.full(pq.read_metadata(main).num_rows, -1)
        return Found(nowhere < 0, nowhere, why)
    there = rows(_read(main, KEY), _read(main_before, KEY))
    changed = there < 0
    aligned = bool((there == np.arange(len(there))).all())
    for name in _fields(inputs, main):
        before = _read(main_before, name)
        if not aligned or len(before) != len(there):
            before = before.take(pa.array(np.maximum(there, 0))) if len(before) else before
        if len(before):
            changed |= _differs(before, _read(main, name))
    with places.connected(memory, threads) as connection:
        for windows, at in _histories(inputs):
            source = inputs.sources[at]
            moved = _moved((others_before[source.name], then), (others[source.name], now), windows)
            entities = connection.sql(moved).to_arrow_table().column(0).combine_chunks()
            if len(entities):
                changed |= np.asarray(pc.is_in(_read(main, windows[0].on), value_set=entities))
    share = float(changed.mean()) if len(changed) else 0.0
    why = f"more than {LARGE:.0%} of the keys could have changed" if share > LARGE else ""
    return Found(changed, there, why)


def _unprovable(inputs: FeatureSet, then: int, now: int) -> str:
    """Why nobody's features can be shown to be what they were; empty where they can."""
    for name in applied(inputs):
        return f"{name} calls a function, and what that reads may have changed"
    if then == now:
        return ""
    for name, expression in zip(inputs.names, inputs.expressions, strict=True):
        if any(column.name == TIME for column in expression.sql().find_all(exp.Column)):
            return f"{name} depends on the moment of the run"
    return ""


def _alike(one: Path, other: Path) -> bool:
    return bool(pq.read_schema(one).equals(pq.read_schema(other)))


def _fields(inputs: FeatureSet, main: Path) -> list[str]:
    """The columns of the population that features read; not the row's number, nor the moment."""
    source = inputs.source
    rest = (KEY, SEGMENT, source.id, source.time.column)
    return [name for name in pq.read_schema(main).names if name not in rest]


def _read(file: Path, column: str) -> pa.Array:
    return pq.read_table(file, columns=[column]).column(0).combine_chunks()


def _differs(one: pa.Array, other: pa.Array) -> Bools:
    """Where two columns differ in a bit, or in having a value."""
    lacking = np.asarray(one.is_null()) != np.asarray(other.is_null())
    if pa.types.is_floating(one.type):
        bits = [
            each.fill_null(0.0).to_numpy(zero_copy_only=False).view(np.uint64)
            for each in (one, other)
        ]
        return np.asarray(lacking | (bits[0] != bits[1]))
    return np.asarray(lacking | np.asarray(pc.not_equal(one, other).fill_null(False)))


def _histories(inputs: FeatureSet) -> Iterator[tuple[Sequence[Window], int]]:
    """The windows that read the same entity's events, and the position of the source."""
    for at in range(1, len(inputs.sources)):
        for key, on in dict.fromkeys((w.key, w.on) for w in inputs.windows_of(at)):
            yield [w for w in inputs.windows_of(at, key) if w.on == on], at


def _moved(then: tuple[Path, int], now: tuple[Path, int], windows: Sequence[Window]) -> str:
    """The statement for the entities whose events do not count as they did.

    Each event that counts stands with all that is read of it and with the edges that it has
    passed; an entity is the same where both runs have the same of these, as often.
    """
    key = _named(windows[0].key)
    columns = _columns(pq.read_schema(now[0]), windows, now[1])
    both = " UNION ALL ".join(
        f"SELECT *, {sign} AS side FROM ({_counting(file, windows, at)})"
        for (file, at), sign in ((then, -1), (now, 1))
    )
    grouped = ", ".join(map(_named, columns))
    return (
        f"SELECT DISTINCT {key} FROM (SELECT {key} FROM ({both}) GROUP BY {grouped} "
        "HAVING sum(side) <> 0)"
    )


def _counting(file: Path, windows: Sequence[Window], at: int) -> str:
    """The statement for the events that count at a moment."""
    columns = _columns(pq.read_schema(file), windows, at)
    selected = ", ".join(f"{value} AS {_named(name)}" for name, value in columns.items())
    edges = _edges(windows)
    ended = all(window.length != EVER for window in windows)
    last = f' AND "@edges" < {len(edges)}' if ended else ""
    place = str(file).replace("'", "''")
    return (
        f"SELECT * FROM (SELECT {selected} FROM read_parquet('{place}')) WHERE \"@edges\" > 0{last}"
    )


def _columns(schema: pa.Schema, windows: Sequence[Window], at: int) -> dict[str, str]:
    """What an event is the same by, as SQL by name."""
    found = {name: _named(name) for name in schema.names}
    for field in schema:
        if pa.types.is_floating(field.type):  # 0.0 equals -0.0, and a filter may tell them apart
            found[f"@sign of {field.name}"] = f"signbit({_named(field.name)})"
    age = f"({at} - epoch_us({_named(windows[0].source.time.column)}))"
    passed = (f"CAST({age} >= {edge} AS INTEGER)" for edge in _edges(windows))
    found["@edges"] = " + ".join(passed)
    within = [
        f"{age} >= {w.youngest} AND {age} < {w.oldest}"
        for w in windows
        if w.function.name not in STEADY
    ]
    if within:
        found["@age"] = f"CASE WHEN {' OR '.join(within)} THEN {age} END"
    return found


def _edges(windows: Sequence[Window]) -> list[int]:
    """The ages at which an event enters or leaves a window, us."""
    young = {window.youngest for window in windows}
    return sorted(young | {window.oldest for window in windows if window.length != EVER})


def _named(column: str) -> str:
    return exp.to_identifier(column, quoted=True).sql("duckdb")
