"""What a window reads of each event: a field, a truth or nothing, where a filter holds.

A measure has a value for the events that count, and none for the others: those that do not pass
the filter, and those whose field is missing. Windows with equal measures share what is kept.
"""

import json
from collections.abc import Callable
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

from groundplan.features.event import Event
from groundplan.features.expressions import Constant, Expression, Missing, Operation
from groundplan.features.fields import Kind
from groundplan.features.values import FieldValue, LabelValue

MISSING: Final = -(1 << 63)
"""The code of a missing value in a measure that counts events without one."""

_COUNTED: Final = Kind("int")


class Measure:
    """What a window reads of the events of a source.

    Args:
        source: whose events.
        of: a field, a label or a condition; None where the events are only counted.
        where: a condition that an event must fulfil to count; None where all do.
        gaps: whether an event whose value is missing counts, with the code `MISSING`.
    """

    def __init__(
        self, source: Any, of: Expression | None, where: Expression | None, gaps: bool = False
    ) -> None:
        self.source = source
        self.of = of
        self.where = where
        self.gaps = gaps
        self.field: str | None = of.field if isinstance(of, FieldValue) else None
        """The field or label that is read; None for a condition, and where there is none."""
        self.kind: Kind = _COUNTED if of is None else _kind(of)
        self.always: bool = where is None and (of is None or gaps or _certain(of))
        """Whether every event counts."""

    @cached_property
    def id(self) -> str:
        """A text that is equal for measures that read the same."""
        plain = self.where is None and (self.of is None or self.field is not None)
        name = self.field or ("events" if self.of is None else self.of.describe())
        if plain:
            return f"{name} with gaps" if self.gaps else name
        text = json.dumps(self.definition(), sort_keys=True)
        return f"{name} #{blake2b(text.encode(), digest_size=6).hexdigest()}"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that it reads, in the order of first use."""
        found = (
            leaf.field
            for part in (self.of, self.where)
            if part is not None
            for leaf in part.leaves()
            if isinstance(leaf, LabelValue)
        )
        return tuple(dict.fromkeys(found))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields and labels that it reads, in the order of first use."""
        found = (
            leaf.field
            for part in (self.of, self.where)
            if part is not None
            for leaf in part.leaves()
            if isinstance(leaf, FieldValue)
        )
        return tuple(dict.fromkeys(found))

    def definition(self) -> dict[str, Any]:
        """The definition as plain data."""
        return {
            "of": None if self.of is None else self.of.definition(),
            "where": None if self.where is None else self.where.definition(),
            "gaps": self.gaps,
        }

    def value(self, event: Event) -> Any:
        """What is read of an event, as `Event.values` holds it; None where it does not count.

        1 where events are only counted; a condition is True, False or None, which is missing.
        """
        return self._read(event)

    def scaled(self, event: Event) -> int | None:
        """The integer that totals add for an event; None where it does not count."""
        value = self._read(event)
        return None if value is None else self.kind.scaled(value)

    def coded(self, event: Event) -> int | None:
        """The 64-bit code of its value, which sorts as values do; None where it does not count."""
        value = self._read(event)
        if self.gaps and value is None:
            return MISSING
        return None if value is None else self.kind.coded(value)

    @cached_property
    def _read(self) -> Callable[[Event], Any]:
        of, passes = self._value_of, self._filter
        if passes is None:
            return of
        return lambda event: of(event) if passes(event) else None

    @property
    def _value_of(self) -> Callable[[Event], Any]:
        of = self.of
        if of is None:
            return lambda event: 1
        if isinstance(of, LabelValue):
            at = list(self.source.labels).index(of.field)
            return lambda event: bool(event.labels[at]) if event.labels else False
        if isinstance(of, FieldValue):
            position = of.position
            return lambda event: event.values[position]
        read = self._reader(of)
        truths = {1.0: True, 0.0: False}  # and NaN, which is none of them, is None
        return lambda event: truths.get(read(event))

    @property
    def _filter(self) -> Callable[[Event], bool] | None:
        if self.where is None:
            return None
        read = self._reader(self.where)
        return lambda event: read(event) == 1.0

    def _reader(self, condition: Expression) -> Callable[[Event], float]:
        read = condition.evaluator({})
        if not self.labels:
            return lambda event: read(event.time, event.values, ())
        unknown = (False,) * len(self.source.labels)
        return lambda event: read(event.time, (*event.values, *(event.labels or unknown)), ())

    def __repr__(self) -> str:
        return f"Measure({self.id!r})"


def _certain(of: Expression) -> bool:
    """Whether it has a value for every event.

    A missing field has none, and neither has arithmetic that leaves the finite numbers, such as
    1 / 0; sums and products of truths do not.
    """
    if isinstance(of, Missing):
        return True
    if isinstance(of, FieldValue):
        return not of.kind.optional
    if isinstance(of, Operation) and (of.symbol == "/" or not all(map(_small, of.parts))):
        return False
    return all(_certain(part) for part in of.parts)


def _small(part: Expression) -> bool:
    """Whether it is made of truths, zeros and ones, so that no sum or product of it is large."""
    if isinstance(part, Constant):
        return part.value in (0.0, 1.0)
    return part.condition or isinstance(part, Operation)


def _kind(of: Expression) -> Kind:
    return of.kind if isinstance(of, FieldValue) else Kind("bool")
