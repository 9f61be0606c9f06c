"""The parts of an event's time, in UTC, by integer arithmetic.

The same arithmetic runs on a Python integer, on a NumPy array and, through `SqlInteger`, as SQL.
Times begin with 1970, so that engines that round towards zero and engines that round down agree.
"""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.sql import TIME, Sql
from groundplan.units import DAY, HOUR, MINUTE


class TimePart(Expression):
    """A part of the event's time, in UTC, as a number."""

    ARITHMETIC: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "minute": lambda t: t // MINUTE % 60,
        "hour": lambda t: t // HOUR % 24,
        "weekday": lambda t: (t // DAY + 3) % 7,  # 1970-01-01 was a Thursday
        "day": lambda t: _civil(t // DAY)[1],
        "month": lambda t: _civil(t // DAY)[0],
    }
    WORDS: ClassVar[dict[str, str]] = {
        "minute": "minute of the hour",
        "hour": "hour of the day (UTC)",
        "weekday": "day of the week (Monday is 0)",
        "day": "day of the month",
        "month": "month of the year",
    }

    def __init__(self, source: Any, part: str) -> None:
        self.source = source
        self.part = part

    def definition(self) -> dict[str, Any]:
        return {"part": self.part}

    def describe(self) -> str:
        return self.WORDS[self.part]

    def name(self) -> str:
        return f"{self.source.time.column}_{self.part}"

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        part = self.ARITHMETIC[self.part]
        return lambda time, values, windows: part(time) * 1.0

    def sql(self) -> Sql:
        return exp.cast(self.ARITHMETIC[self.part](SqlInteger(exp.column(TIME))).node, "DOUBLE")


class SqlInteger:
    """An SQL integer that takes the same arithmetic as a Python one."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def __add__(self, other: "int | SqlInteger") -> "SqlInteger":
        return SqlInteger(exp.Paren(this=exp.Add(this=self.node, expression=_node(other))))

    __radd__ = __add__

    def __sub__(self, other: "int | SqlInteger") -> "SqlInteger":
        return SqlInteger(exp.Paren(this=exp.Sub(this=self.node, expression=_node(other))))

    def __mul__(self, other: "int | SqlInteger") -> "SqlInteger":
        return SqlInteger(exp.Paren(this=exp.Mul(this=self.node, expression=_node(other))))

    __rmul__ = __mul__

    def __floordiv__(self, other: "int | SqlInteger") -> "SqlInteger":
        return SqlInteger(exp.Paren(this=exp.IntDiv(this=self.node, expression=_node(other))))

    def __mod__(self, other: "int | SqlInteger") -> "SqlInteger":
        return SqlInteger(exp.Paren(this=exp.Mod(this=self.node, expression=_node(other))))


def _civil(days: Any) -> tuple[Any, Any]:
    """(month, day) of a count of days since 1970-01-01, by years that begin in March.

    In such a year the months' lengths follow 153 days in 5 months, and the leap day comes last.
    """
    shifted = days + 719_468  # days since 0000-03-01
    of_era = shifted % 146_097  # 400 years
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153  # 0 is March
    return (month + 2) % 12 + 1, of_year - (153 * month + 2) // 5 + 1


def _node(value: "int | SqlInteger") -> Sql:
    return value.node.copy() if isinstance(value, SqlInteger) else exp.Literal.number(value)
