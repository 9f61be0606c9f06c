"""What engines say differently: the few choices of the compiled query that sqlglot leaves to us."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.std import HALF


@dataclass(frozen=True)
class Dialect:
    """An engine's way to say a thing.

    Args:
        name: sqlglot's name of its SQL.
        packed: whether a frame's count rides on its sum, in 128-bit integers.
        wide: the type of exact integers up to 2^125.
        microseconds: a TIMESTAMP as BIGINT us since 1970-01-01 UTC.
        timestamp: BIGINT us as a TIMESTAMP.
        distinct: the number of distinct values of a window frame: from the value and a function
            that puts an aggregate over the frame.
    """

    name: str
    packed: bool
    wide: str
    microseconds: Callable[[Sql], Sql]
    timestamp: Callable[[Sql], Sql]
    distinct: Callable[[Sql, Callable[[Sql], Sql]], Sql]

    def halves(self, number: Sql) -> tuple[Sql, Sql]:
        """A wide integer by 2^60: the quotient and the remainder, as DOUBLE."""
        whole = exp.Literal.number(1 << HALF)
        high = exp.paren(exp.IntDiv(this=exp.paren(number), expression=whole))
        rest = exp.paren(number.copy()) - exp.cast(high.copy(), self.wide) * whole.copy()
        return (
            exp.cast(exp.cast(high, "BIGINT"), "DOUBLE"),
            exp.cast(exp.cast(exp.paren(rest), "BIGINT"), "DOUBLE"),
        )


DUCKDB: Final = Dialect(
    name="duckdb",
    packed=True,
    wide="INT128",
    microseconds=lambda node: exp.func("EPOCH_US", node),
    timestamp=lambda node: exp.func("MAKE_TIMESTAMP", node),
    distinct=lambda value, over: over(exp.Count(this=exp.Distinct(expressions=[value]))),
)

SPARK: Final = Dialect(
    name="spark",
    packed=False,
    wide="DECIMAL(38, 0)",
    microseconds=lambda node: exp.Anonymous(this="UNIX_MICROS", expressions=[node]),
    timestamp=lambda node: exp.Anonymous(this="TIMESTAMP_MICROS", expressions=[node]),
    distinct=lambda value, over: exp.Anonymous(
        this="SIZE", expressions=[over(exp.Anonymous(this="COLLECT_SET", expressions=[value]))]
    ),
)

DIALECTS: Final = {dialect.name: dialect for dialect in (DUCKDB, SPARK)}
