"""The value of a field at the latest event in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Last:
    """The value of the latest event that counts, as it was.

    Where several share that instant it is the largest of theirs, so that it does not depend on
    the order of arrival. Missing over no events, or what `empty` says.
    """

    name: ClassVar[str] = "last"
    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"values", "times"})
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `latest amount among transactions of this customer in the last 7 days`."""
        return f"latest {window.read} among {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The last value of a frame in which events of one instant have the largest of theirs."""
        found = frame.over(exp.IgnoreNulls(this=exp.LastValue(this=frame.tied)))
        if frame.own is not None:
            found = exp.Coalesce(this=frame.own, expressions=[found])
        return exp.Coalesce(this=frame.number(found), expressions=[window.empty_sql])

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The last code, or the largest of those that share its time."""
        if own is not None:
            return window.kind.decoded(own)
        values, times = series.values(start, stop), series.times(start, stop)
        if not len(values):
            return window.nothing
        at = len(values) - 1
        latest, found = times[at], values[at]
        while at and times[at - 1] == latest:
            at -= 1
            found = max(found, values[at])
        return window.kind.decoded(found)

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The largest (time, value)."""
        return window.number(max(seen)[1]) if seen else window.nothing
