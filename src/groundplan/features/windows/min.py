"""The smallest value of a field over the events in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.expressions import Sql
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Min:
    """The smallest value of a field, as it was; missing over no events, or what `empty` says."""

    name: ClassVar[str] = "min"
    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"values"})
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `smallest amount over transactions of this customer in the last 7 days`."""
        return f"smallest {window.read} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """An aggregate over the frame, and the event's own value beside it."""
        found = frame.over(exp.Min(this=frame.value))
        if frame.own is not None:
            own = exp.Coalesce(this=frame.own, expressions=[found.copy()])
            found = exp.Least(
                this=exp.Coalesce(this=found, expressions=[frame.own]), expressions=[own]
            )
        return exp.Coalesce(this=frame.number(found), expressions=[window.empty_sql])

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The smallest code, since codes sort as values do."""
        values = series.values(start, stop)
        if not len(values):
            return window.nothing if own is None else window.kind.decoded(own)
        found = min(values)
        return window.kind.decoded(found if own is None else min(found, own))

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The smallest of the list."""
        if not seen:
            return window.nothing
        return window.number(min(value for _, value in seen))
