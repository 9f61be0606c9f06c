"""Many events of one source as arrays, and what measures read of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from groundplan.features.event import Event
from groundplan.features.expressions import Expression
from groundplan.features.fields import Kind
from groundplan.features.source import Source
from groundplan.features.values import FieldValue, LabelValue
from groundplan.features.windows.measure import MISSING, Measure

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]

_KEPT_BITS: Final = (1 << 63) - 1


@dataclass(frozen=True)
class Batch:
    """Events of one source, in order of time.

    Args:
        source: whose.
        ids: int64, or objects where identifiers are texts.
        time: us.
        values: an array per field: int64, float64, bool, or texts as objects; a missing value
            is 0 or None.
        missing: where a field's values are missing; None where none is.
        labels: an array per label.
    """

    source: Source
    ids: npt.NDArray[Any]
    time: Ints
    values: Sequence[npt.NDArray[Any]]
    missing: Sequence[Bools | None]
    labels: Sequence[Bools]

    def __len__(self) -> int:
        return len(self.time)

    def taken(self, where: "Ints | Bools") -> "Batch":
        """The events at some positions."""
        return Batch(
            self.source,
            self.ids[where],
            self.time[where],
            [value[where] for value in self.values],
            [None if absent is None else absent[where] for absent in self.missing],
            [label[where] for label in self.labels],
        )

    def events(self, number: int) -> list[Event]:
        """The events one by one, as events of the source with this number."""
        columns = [
            value.tolist() if absent is None else _with_gaps(value, absent)
            for value, absent in zip(self.values, self.missing, strict=True)
        ]
        count = len(self)
        values = zip(*columns, strict=True) if columns else [()] * count
        labels = zip(*(x.tolist() for x in self.labels), strict=True) if self.labels else None
        return [
            Event(id, time, tuple(value), tuple(label), number)
            for id, time, value, label in zip(
                self.ids.tolist(), self.time.tolist(), values, labels or [()] * count, strict=True
            )
        ]


@dataclass(frozen=True)
class Read:
    """What a measure reads of many events.

    Args:
        measure: which.
        value: of each event; any where it does not count.
        counts: which events count; None where all do.
        gaps: which count without a value; None where none does.
    """

    measure: Measure
    value: npt.NDArray[Any]
    counts: Bools | None
    gaps: Bools | None

    @property
    def scaled(self) -> Ints:
        """`Measure.scaled` of each event; 0 where it does not count."""
        value = self.value
        if self.measure.kind.name == "float":
            value = np.floor(value * float(self.measure.kind.scale) + 0.5)
        numbers = value.astype(np.int64)
        return numbers if self.counts is None else np.where(self.counts, numbers, 0)

    @property
    def coded(self) -> Ints:
        """`Measure.coded` of each event; 0 where it does not count."""
        codes = _codes(self.measure.kind, self.value)
        if self.gaps is not None:
            codes = np.where(self.gaps, MISSING, codes)
        return codes if self.counts is None else np.where(self.counts, codes, 0)


def read(measure: Measure, batch: Batch) -> Read:
    """The same as `Measure.value` event by event."""
    counts = None if measure.where is None else _truths(measure.where, batch) == 1.0
    of = measure.of
    if of is None:
        return Read(measure, np.ones(len(batch), dtype=np.int64), counts, None)
    if isinstance(of, LabelValue):
        label = batch.labels[list(batch.source.labels).index(of.field)]
        return Read(measure, label, counts, None)
    if not isinstance(of, FieldValue):
        truths = _truths(of, batch)
        known = ~np.isnan(truths)
        return Read(measure, truths == 1.0, known if counts is None else counts & known, None)
    value, absent = batch.values[of.position], batch.missing[of.position]
    if absent is None or measure.gaps:
        return Read(measure, value, counts, absent)
    return Read(measure, value, ~absent if counts is None else counts & ~absent, None)


def _codes(kind: Kind, value: npt.NDArray[Any]) -> Ints:
    if kind.name == "float":
        bits = (value + 0.0).view(np.int64)
        return np.where(bits >= 0, bits, bits ^ _KEPT_BITS)
    if kind.name == "str":
        texts = value.tolist()
        known = {text: kind.coded(text) for text in set(texts) if text is not None}
        return np.array([known.get(text, 0) for text in texts], dtype=np.int64)
    return value.astype(np.int64)


def _truths(condition: Expression, batch: Batch) -> npt.NDArray[np.float64]:
    """1.0 where a condition is true, 0.0 where it is false, NaN where it is missing.

    By the code that reads one event.
    """
    values = [
        _readable(value, absent) for value, absent in zip(batch.values, batch.missing, strict=True)
    ]
    with np.errstate(all="ignore"):
        found = condition.evaluator({})(batch.time, [*values, *batch.labels], ())
    return np.broadcast_to(np.asarray(found, dtype=np.float64), len(batch))


def _readable(value: npt.NDArray[Any], absent: Bools | None) -> npt.NDArray[Any]:
    """As expressions read a column: NaN or None where a value is missing."""
    if absent is None or value.dtype == object:
        return value
    return np.where(absent, np.nan, value.astype(np.float64))


def _with_gaps(value: npt.NDArray[Any], absent: Bools) -> list[Any]:
    gaps = zip(value.tolist(), absent.tolist(), strict=True)
    return [None if gone else each for each, gone in gaps]
