"""The event's own values in expressions: its fields, and the labels of past events."""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from groundplan.features.arithmetic import present
from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.fields import Kind
from groundplan.features.sql import Sql, double


class FieldValue(Expression):
    """The event's own value of one of its fields."""

    def __init__(self, source: Any, field: str, kind: Kind, position: int) -> None:
        self.source = source
        self.field = field
        self.kind = kind
        self.position = position
        self.text = kind.name == "str"
        self.condition = kind.name == "bool"

    def definition(self) -> dict[str, Any]:
        return {"field": self.field}

    def describe(self) -> str:
        return self.field

    def name(self) -> str:
        return self.field

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        position, scale = self.position, float(self.kind.scale)
        if self.text:
            return lambda time, values, windows: values[position]
        if self.kind.optional:
            divisor = scale if self.kind.name == "decimal" else 1.0
            return lambda time, values, windows: present(values[position]) / divisor
        if self.kind.name == "decimal":
            return lambda time, values, windows: values[position] / scale
        return lambda time, values, windows: values[position] * 1.0

    def sql(self) -> Sql:
        column = exp.column(f"v_{self.field}", quoted=True)
        if self.text:
            return column
        if self.kind.name == "decimal":
            return exp.cast(column, "DOUBLE") / double(float(self.kind.scale))
        return exp.cast(column, "DOUBLE")


class LabelValue(FieldValue):
    """A label of a past event, for filters and conditions of windows that wait for it."""

    def definition(self) -> dict[str, Any]:
        return {"label": self.field}
