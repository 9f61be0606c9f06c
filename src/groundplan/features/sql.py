"""The words of the compiled query: its columns, and numbers that are read back bit for bit."""

from typing import Final, TypeAlias

from sqlglot import exp

Sql: TypeAlias = exp.Expr

TIME: Final = "t"
"""The column of the event's time, in microseconds."""

POSITION: Final = "position"
"""The column that numbers the main source's events, in the order in which they are answered."""

IDENTIFIER: Final = "identifier"
"""The column of the main source's identifier."""

LARGEST: Final = 1.7976931348623157e308
"""The largest finite float64."""


def column(name: str) -> exp.Column:
    """A column, quoted, since its name may have capitals or spaces."""
    return exp.column(name, quoted=True)


def double(value: float) -> Sql:
    """An SQL literal of exactly this float64."""
    return exp.cast(exp.Literal.string(repr(float(value))), "DOUBLE")
