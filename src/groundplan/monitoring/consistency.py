"""Served feature values against values recomputed offline at the same keys and times."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from msgspec import Struct

from groundplan.errors import InputError
from groundplan.features import FeatureSet, offline
from groundplan.monitoring.arrivals import Arrivals, Histories, arrivals
from groundplan.monitoring.hindsight import known_then
from groundplan.monitoring.logged import Bools, Floats, Indices

EXAMPLES: Final = 3
"""Differing answers that a report shows per feature."""

EXAMINED: Final = 100_000
"""Differing answers that are looked into for late arrivals; the rest count as they are."""


class Example(Struct, frozen=True):
    """An answer whose value differs.

    Args:
        id: the event's identifier.
        at: when it was answered, µs since 1970.
        served: what was served; None is missing.
        recomputed: what is right.
    """

    id: int | str
    at: int
    served: float | None
    recomputed: float | None


class FeatureReport(Struct, frozen=True):
    """How one feature fared; `equal + mismatch + missing + extra + late` is the rows compared.

    Args:
        name: the feature.
        equal: answers with the same bits on both sides.
        mismatch: answers with two different numbers.
        missing: answers where nothing was served and there is a value.
        extra: answers where a value was served and there is none.
        late: answers that differ by what arrived after they were given, or too late to count.
        largest: the largest difference of two numbers among the mismatches.
        examples: the first answers that are wrong.
    """

    name: str
    equal: int
    mismatch: int
    missing: int
    extra: int
    late: int
    largest: float
    examples: tuple[Example, ...]

    @property
    def wrong(self) -> int:
        """Answers that nothing explains."""
        return self.mismatch + self.missing + self.extra


class Report(Struct, frozen=True):
    """Served against recomputed, feature by feature.

    Args:
        rows: answers that were compared.
        features: how each feature fared.
        degraded: answers whose features a fallback gave: they are not compared.
        repeated: answers to events that had been answered before.
        foreign: answers of builds with other definitions: they are not compared.
        events: events of all sources that were recomputed over.
        late_events: events that arrived after a newer one of an entity, and count.
        beyond: events that arrived too late to count in any window.
        unexamined: differing answers that were not looked into for late arrivals.
        first: when the first compared answer was given, µs since 1970; None without any.
        last: when the last was given.
    """

    rows: int
    features: tuple[FeatureReport, ...]
    degraded: int = 0
    repeated: int = 0
    foreign: int = 0
    events: int = 0
    late_events: int = 0
    beyond: int = 0
    unexamined: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def holds(self) -> bool:
        """Whether no answer differs but by late arrival."""
        return not any(feature.wrong for feature in self.features)


@dataclass(frozen=True)
class Compared:
    """A report, and the identifiers of the events that were answered with wrong values."""

    report: Report
    wrong: frozenset[int | str]


def compare(
    inputs: FeatureSet,
    histories: Histories,
    log: Path,
    mine: Sequence[str] = (),
    *,
    since: int = 0,
    last: int | None = None,
) -> Compared:
    """Recompute what a log's answers were given with, and count per feature where it differs.

    Args:
        inputs: the definitions.
        histories: what the state was filled from, by the source's name.
        log: the folder of the prediction log; servers may be writing to it.
        mine: the builds whose features these definitions are; answers of others are left out.
        since: µs since 1970; answers given before are not compared.
        last: how many answers are compared at most, the last ones.

    Raises:
        InputError: a history lacks a column or has a value that breaks a rule.
        EngineError: a row of the log cannot be read.
    """
    past = arrivals(inputs, histories, log, mine)
    served = past.served
    chosen = np.flatnonzero(served.at >= since)
    chosen = chosen[max(0, len(chosen) - last) :] if last is not None else chosen
    degraded = served.degraded[chosen]
    return _compared(inputs, past, chosen[~degraded], int(degraded.sum()))


def _compared(inputs: FeatureSet, past: Arrivals, chosen: Indices, degraded: int) -> Compared:
    served = past.served
    values, rows = served.values[chosen], served.row[chosen]
    truth = _truth(inputs, past, rows)
    differs = ~_same(values, truth)
    late, unexamined = _late(inputs, past, chosen, differs)
    wrong = differs & ~late
    identifiers = past.tables[0].column(inputs.source.id)
    at = served.at[chosen]

    def example(place: int, feature: int) -> Example:
        id = identifiers[int(rows[place])].as_py()
        pair = values[place, feature], truth[place, feature]
        return Example(id, int(at[place]), *map(_number, pair))

    features = []
    for number, name in enumerate(inputs.names):
        bad = np.flatnonzero(wrong[:, number])
        examples = tuple(example(int(place), number) for place in bad[:EXAMPLES])
        column = values[:, number], truth[:, number], differs[:, number], late[:, number]
        features.append(_feature(name, *column, examples))
    report = Report(
        rows=len(chosen),
        features=tuple(features),
        degraded=degraded,
        repeated=served.repeated,
        foreign=served.foreign,
        events=sum(len(table) for table in past.tables),
        late_events=past.late,
        beyond=sum(int(lost.sum()) for lost in past.beyond),
        unexamined=unexamined,
        first=int(at[0]) if len(at) else None,
        last=int(at[-1]) if len(at) else None,
    )
    bad_rows = pa.array(rows[wrong.any(axis=1)])
    return Compared(report, frozenset(identifiers.take(bad_rows).to_pylist()))


def _truth(inputs: FeatureSet, past: Arrivals, rows: Indices) -> Floats:
    """The features of some events over all that happened."""
    if not len(rows):
        return np.empty((0, len(inputs)))
    others = {s.name: t for s, t in zip(inputs.sources[1:], past.tables[1:], strict=True)}
    found = offline.table(inputs, past.tables[0], others=others)
    if len(found) != len(past.tables[0]):
        raise InputError(inputs.source.id, "the history repeats events: keep each of them once")
    return offline.matrix(found.take(pa.array(rows)), inputs.names)


def _late(inputs: FeatureSet, past: Arrivals, chosen: Indices, differs: Bools) -> tuple[Bools, int]:
    """Which differences are gone with what had arrived then, and how many are not looked into."""
    served = past.served
    late = np.zeros_like(differs)
    examined = np.flatnonzero(differs.any(axis=1))[:EXAMINED]
    unexamined = int(differs.any(axis=1).sum()) - len(examined)
    # Of several processes it is not known what one had recorded within the time of another's
    # answer: either order explains it. Nor is it known when what may be forgotten was: as the
    # history was loaded, by the answer, or not yet.
    loaded = np.ones_like(served.arrival)
    for before in (served.arrival, served.first):
        for forgetting in (None, loaded, before):
            left = examined[(differs[examined] & ~late[examined]).any(axis=1)]
            if before is served.first:
                left = left[before[chosen[left]] < served.arrival[chosen[left]]]
            picked = chosen[left]
            gone = None if forgetting is None else forgetting[picked]
            then = known_then(inputs, past, served.row[picked], before[picked], gone)
            late[left] |= differs[left] & _same(served.values[picked], then)
    return late, unexamined


def _same(left: Floats, right: Floats) -> Bools:
    same: Bools = (left == right) | (np.isnan(left) & np.isnan(right))
    return same


def _feature(
    name: str,
    served: Floats,
    truth: Floats,
    differs: Bools,
    late: Bools,
    examples: tuple[Example, ...],
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
        examples=examples,
    )


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
