"""An extreme of a field over the events in a window: what the smallest and the largest share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Extreme:
    """A value of a field, as it was; missing over no events, or what `empty` says.

    Args:
        name: the method's name on an entity.
        word: what it is called: `largest`.
        aggregate: its SQL over a frame.
        choice: its SQL of two values.
        pick: of several values, the one.
    """

    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"values"})
    may_be_empty: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        word: str,
        aggregate: type[exp.AggFunc],
        choice: type[exp.Func],
        pick: Callable[[Iterable[Any]], Any],
    ) -> None:
        self.name = name
        self._word = word
        self._aggregate, self._choice, self._pick = aggregate, choice, pick

    def describe(self, window: Window) -> str:
        """Such as `largest amount over transactions of this customer in the last 7 days`."""
        return f"{self._word} {window.read} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """An aggregate over the frame, and the event's own value beside it."""
        found = frame.over(self._aggregate(this=frame.value))
        if frame.own is not None:
            own = exp.Coalesce(this=frame.own, expressions=[found.copy()])
            found = self._choice(
                this=exp.Coalesce(this=found, expressions=[frame.own]), expressions=[own]
            )
        return exp.Coalesce(this=frame.number(found), expressions=[window.empty_sql])

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The extreme code, since codes sort as values do."""
        values = series.values(start, stop)
        if not len(values):
            return window.nothing if own is None else window.kind.decoded(own)
        found = self._pick(values)
        return window.kind.decoded(found if own is None else self._pick((found, own)))

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The extreme of the list."""
        if not seen:
            return window.nothing
        return window.number(self._pick(value for _, value in seen))
