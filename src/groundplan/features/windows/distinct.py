"""The number of distinct values of a field over the events in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Distinct:
    """How many different values a field has, numbers or texts; 0 where there are no events.

    Online a text is its digest of 64 bits: among a million texts, the chance that any two share
    one is 3 in 10^8.
    """

    name: ClassVar[str] = "distinct"
    reads: ClassVar[Reads] = "value"
    needs: ClassVar[frozenset[Need]] = frozenset({"values"})
    may_be_empty: ClassVar[bool] = False

    def describe(self, window: Window) -> str:
        """Such as `different merchant among transactions of this customer in the last 7 days`."""
        return f"number of different {window.read} among {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The frame's number of distinct values, as DOUBLE."""
        return exp.cast(frame.distinct(frame.value), "DOUBLE")

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The size of a set of codes."""
        found = set(series.values(start, stop))
        if own is not None:
            found.add(own)
        return float(len(found))

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The values that do not come again later in the list."""
        values = [value for _, value in seen]
        return float(sum(value not in values[at + 1 :] for at, value in enumerate(values)))
