"""The value of a field at the earliest event in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class First:
    """The value of the earliest event that counts, as it was.

    Where several share that instant it is the largest of theirs, so that it does not depend on
    the order of arrival. Missing over no events, or what `empty` says.
    """

    name: ClassVar[str] = "first"
    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"values", "times"})
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `earliest amount among transactions of this customer in the last 7 days`."""
        return f"earliest {window.read} among {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The first value of a frame in which events of one instant have the largest of theirs."""
        found = frame.over(exp.IgnoreNulls(this=exp.FirstValue(this=frame.tied)))
        if frame.own is not None:
            found = exp.Coalesce(this=found, expressions=[frame.own])
        return exp.Coalesce(this=frame.number(found), expressions=[window.empty_sql])

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The first code, or the largest of those that share its time."""
        values, times = series.values(start, stop), series.times(start, stop)
        if not len(values):
            return window.nothing if own is None else window.kind.decoded(own)
        at, found = 1, values[0]
        while at < len(values) and times[at] == times[0]:
            found = max(found, values[at])
            at += 1
        return window.kind.decoded(found)

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The largest value at the smallest time."""
        if not seen:
            return window.nothing
        earliest = min(seen)[0]
        return window.number(max(value for at, value in seen if at == earliest))
