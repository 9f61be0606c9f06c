"""Served feature values against values recomputed offline at the same keys and times."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from numpy.typing import NDArray

from groundplan.features import FeatureSet, offline

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]

EXAMPLES: Final = 3
"""Differing rows that a report shows per feature."""

EXAMINED: Final = 500
"""Differing rows that are looked into for late arrivals; the rest count as they are."""


class Example(Struct, frozen=True):
    """A row whose values differ: its place in the table, what was served, what is right."""

    row: int
    served: float | None
    recomputed: float | None


class FeatureReport(Struct, frozen=True):
    """How one feature fared.

    Args:
        name: the feature.
        equal: rows with the same bits on both sides.
        mismatch: rows with two different numbers.
        missing: rows where nothing was served and there is a value.
        extra: rows where a value was served and there is none.
        late: rows that differ only by events that arrived after they were served.
        largest: the largest difference of two numbers.
        examples: the first differing rows.
    """

    name: str
    equal: int
    mismatch: int
    missing: int
    extra: int
    late: int
    largest: float
    examples: tuple[Example, ...]


class Report(Struct, frozen=True):
    """Served against recomputed, feature by feature, over so many rows."""

    rows: int
    features: tuple[FeatureReport, ...]

    @property
    def holds(self) -> bool:
        """Whether no row differs but by late arrival."""
        return all(not (f.mismatch or f.missing or f.extra) for f in self.features)


def compare(
    inputs: FeatureSet, events: pa.Table, arrival: Indices, rows: Indices, served: Floats
) -> tuple[Report, Bools]:
    """Recompute what was served, and count per feature where it differs.

    Args:
        inputs: the definitions.
        events: everything that happened, with the labels as they are known now.
        arrival: int64[n], the order in which the rows of `events` arrived.
        rows: int64[m], the rows of `events` that were served.
        served: float64[m, F], the values that they were served with.

    Returns:
        The report, and bool[m]: which rows differ by more than late arrival.
    """
    everything = offline.matrix(offline.table(inputs, events), inputs.names)
    truth = everything[rows]
    differs = ~_same(served, truth)
    late = np.zeros_like(differs)
    for place in np.flatnonzero(differs.any(axis=1))[:EXAMINED]:
        row = int(rows[place])
        known = _before(inputs, events, arrival, row)
        then = offline.matrix(offline.table(inputs, known), inputs.names)[-1]
        late[place] = differs[place] & _same(served[place], then)
    report = Report(
        rows=len(rows),
        features=tuple(
            _feature(name, rows, served[:, i], truth[:, i], differs[:, i], late[:, i])
            for i, name in enumerate(inputs.names)
        ),
    )
    return report, np.asarray((differs & ~late).any(axis=1))


def _same(left: Floats, right: Floats) -> Bools:
    same: Bools = (left == right) | (np.isnan(left) & np.isnan(right))
    return same


def _before(inputs: FeatureSet, events: pa.Table, arrival: Indices, row: int) -> pa.Table:
    """The row itself, last, after the rows of its entities that had arrived before it."""
    mine = pa.array(arrival < arrival[row])
    near = None
    for entity in inputs.entities:
        column = events.column(entity)
        same = pc.equal(column, column[row])
        near = same if near is None else pc.or_(near, same)
    kept = mine if near is None else pc.and_(mine, near)
    return pa.concat_tables([events.filter(kept), events.slice(row, 1)])


def _feature(
    name: str,
    rows: Indices,
    served: Floats,
    truth: Floats,
    differs: Bools,
    late: Bools,
) -> FeatureReport:
    wrong = differs & ~late
    missing = wrong & np.isnan(served)
    extra = wrong & np.isnan(truth)
    numbers = wrong & ~missing & ~extra
    gaps = np.abs(served[numbers] - truth[numbers])
    return FeatureReport(
        name=name,
        equal=int((~differs).sum()),
        mismatch=int(numbers.sum()),
        missing=int(missing.sum()),
        extra=int(extra.sum()),
        late=int(late.sum()),
        largest=float(gaps.max()) if len(gaps) else 0.0,
        examples=tuple(
            Example(int(rows[i]), _number(served[i]), _number(truth[i]))
            for i in np.flatnonzero(wrong)[:EXAMPLES]
        ),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
