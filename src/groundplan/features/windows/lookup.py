"""The value of a profile that was valid at a moment: the as-of lookup of a table."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.measure import MISSING
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Lookup:
    """The value of the latest version of a profile; missing before the first.

    A version that lacks the value hides the ones before it. Versions of one profile have
    different times, since key and time identify them. A text is its code online, a text in SQL.
    """

    name: ClassVar[str] = "lookup"
    reads: ClassVar[Reads] = "value"
    needs: ClassVar[frozenset[Need]] = frozenset({"values"})
    may_be_empty: ClassVar[bool] = False

    def describe(self, window: Window) -> str:
        """Such as `segment of this customer`."""
        return f"{window.read} of this {window.noun}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The last value, where the latest version has one."""
        value = frame.value
        found = frame.over(exp.IgnoreNulls(this=exp.LastValue(this=value)))
        if window.kind.optional:
            has = exp.not_(exp.Is(this=value.copy(), expression=exp.null()))
            filled = exp.Case().when(has, frame.moment)
            latest, known = (frame.over(exp.Max(this=time)) for time in (frame.moment, filled))
            found = exp.Case().when(latest.eq(known), found)
        return found if window.text else frame.number(found)

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The last code; a text's stays one."""
        values = series.values(start, stop)
        if not len(values) or values[-1] == MISSING:
            return window.nothing
        return values[-1] if window.text else window.kind.decoded(values[-1])

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The value with the largest time."""
        value = max(seen)[1] if seen else None
        if value is None:
            return window.nothing
        return window.kind.coded(value) if window.text else window.number(value)
