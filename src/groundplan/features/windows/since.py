"""The time since the latest event in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql, double
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Since:
    """Seconds from the latest event that counts to the moment; missing over no events.

    Or what `empty` says. The microseconds between the two, divided by a million in float64.
    """

    name: ClassVar[str] = "since"
    reads: ClassVar[Reads] = "nothing"
    needs: ClassVar[frozenset[Need]] = frozenset({"times"})
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `seconds since the latest of logins of this customer in the last 7 days`."""
        return f"seconds since the latest of {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """From the largest time in the frame."""
        latest = frame.over(exp.Max(this=frame.moment))
        if frame.own is not None:
            counts = exp.not_(exp.Is(this=frame.own, expression=exp.null()))
            latest = exp.Case().when(counts, frame.now).else_(latest)
        seconds = exp.cast(exp.paren(frame.now - latest), "DOUBLE") / double(1e6)
        return exp.Coalesce(this=seconds, expressions=[window.empty_sql])

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """From the last time."""
        if own is not None:
            return 0.0
        times = series.times(start, stop)
        return float(time - times[-1]) / 1e6 if len(times) else window.nothing

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The smallest age."""
        return min((time - at) / 1e6 for at, _ in seen) if seen else window.nothing
