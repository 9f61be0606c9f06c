"""A window: the events of one entity in a stretch of time before a moment.

One rule, in integer microseconds: at time t, an event of age a = t - s counts in a window of
length w and delay d when d <= a < d + w and a > 0. Events of the very same instant never count
for each other; `current` adds the event itself, and only with delay 0. A filter and a missing
value leave an event out.
"""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal, Protocol, TypeAlias

from sqlglot import exp

from groundplan.errors import DefinitionError
from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.fields import Kind
from groundplan.features.sql import Sql, double
from groundplan.features.windows.measure import Measure
from groundplan.units import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, duration

EVER: Final = 10_000_000_000_000_000
"""The length in us of a window without an end, over three hundred years: past every time."""

_UNITS = (
    (DAY, "d", "day"),
    (HOUR, "h", "hour"),
    (MINUTE, "m", "minute"),
    (SECOND, "s", "second"),
    (MILLISECOND, "ms", "millisecond"),
    (MICROSECOND, "us", "microsecond"),
)

Need: TypeAlias = Literal["total", "squares", "values", "times"]
"""What a function reads of a series besides the count."""

Reads: TypeAlias = Literal["nothing", "number", "value", "condition"]
"""What a function is given of each event; a value may be a text."""


class Series(Protocol):
    """The events of one entity that count for one measure, in time order.

    Positions are those of the entity's events, all of them, those that do not count included.
    """

    def count(self, start: int, stop: int) -> int:
        """How many events count from position start up to, without, position stop."""
        ...

    def total(self, start: int, stop: int) -> int:
        """The exact sum of their scaled values."""
        ...

    def squares(self, start: int, stop: int) -> int:
        """The exact sum of the squares of their scaled values."""
        ...

    def values(self, start: int, stop: int) -> Sequence[int]:
        """The 64-bit codes of their values (`Kind.coded`)."""
        ...

    def times(self, start: int, stop: int) -> Sequence[int]:
        """Their times, us."""
        ...


class Frame(Protocol):
    """The columns of the compiled query from which one window is made.

    What a frame is asked for is computed in an earlier step of the query.
    """

    @property
    def count(self) -> Sql:
        """How many events count, the event itself included where it does; BIGINT."""
        ...

    @property
    def total(self) -> Sql:
        """The sum of their scaled values, the event's own included; BIGINT."""
        ...

    @property
    def squares(self) -> Sql:
        """The sum of the squares of the scaled values, the event's own included; a wide integer."""
        ...

    @property
    def value(self) -> Sql:
        """An event's own value for an aggregate: an integer, DOUBLE or text; NULL: not counted."""
        ...

    @property
    def tied(self) -> Sql:
        """The largest value among the events of the entity at an event's instant."""
        ...

    @property
    def moment(self) -> Sql:
        """An event's time, us, for an aggregate; NULL where it does not count."""
        ...

    @property
    def now(self) -> Sql:
        """The time for which the window is computed, us."""
        ...

    @property
    def own(self) -> Sql | None:
        """The event's own value, NULL where it does not count; None where `current` is not set."""
        ...

    def over(self, aggregate: Sql) -> Sql:
        """An aggregate over the events of the window, without the event itself."""
        ...

    def distinct(self, value: Sql) -> Sql:
        """The number of distinct values over the events of the window, with the event itself."""
        ...

    def number(self, value: Sql) -> Sql:
        """A value in the field's own unit, as DOUBLE."""
        ...

    def halves(self, squares: Sql, total: Sql, count: Sql) -> tuple[Sql, Sql]:
        """`count * squares - total^2` by 2^60: the quotient and the remainder, as DOUBLE."""
        ...


class Function(Protocol):
    """What a window function is: a name, words and three forms that give equal values."""

    @property
    def name(self) -> str:
        """The method's name on an entity: `count`."""
        ...

    @property
    def reads(self) -> Reads:
        """What it is given of each event."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What it reads of a series besides the count: a store keeps no more than that."""
        ...

    @property
    def may_be_empty(self) -> bool:
        """Whether it has no value of its own over no events, so that `empty` may say one."""
        ...

    def describe(self, window: "Window") -> str:
        """A plain-English name."""
        ...

    def sql(self, window: "Window", frame: Frame) -> Sql:
        """The value as DOUBLE."""
        ...

    def online(
        self, window: "Window", series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The value for a moment from what is kept.

        Args:
            window: which.
            series: the events that count for the window's measure.
            start: the position of the oldest event in the window.
            stop: the position after the youngest.
            own: the event's own value where it counts too: its code if the function needs
                values, else the scaled integer; None where it does not.
            time: the moment, us.
        """
        ...

    def naive(self, window: "Window", seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The value from (time, value) of the events that count, the event's own included."""
        ...


class Window(Expression):
    """One function over one stretch of the events of one entity.

    Args:
        function: from the table of functions.
        source: whose events count.
        key: the field of that source that names the entity.
        on: the field of the main source that names the same entity.
        measure: what is read of each event.
        length: us; `EVER` for no end.
        delay: us; events younger than this do not count yet.
        current: whether the event itself counts.
        empty: the value over no events; None is missing.
    """

    def __init__(
        self,
        function: Function,
        source: Any,
        key: str,
        on: str,
        measure: Measure,
        length: int,
        delay: int = 0,
        current: bool = False,
        empty: float | None = None,
    ) -> None:
        self.function = function
        self.source = source
        self.key = key
        self.on = on
        self.measure = measure
        self.length = length
        self.delay = delay
        self.current = current
        self.empty = empty
        self.youngest = max(delay, 1)
        self.oldest = delay + length
        self.scale = float(measure.kind.scale)
        self.text = self.coded = (
            function.reads == "value" and function.name == "lookup" and (measure.kind.name == "str")
        )
        self.id = " ".join(self._words())

    @property
    def kind(self) -> Kind:
        """The type of what is read; `int` where events are only counted."""
        return self.measure.kind

    @property
    def field(self) -> str | None:
        """The field or label that is read; None for a condition, and where there is none."""
        return self.measure.field

    @property
    def where(self) -> Expression | None:
        """The filter, or None."""
        return self.measure.where

    @property
    def read(self) -> str:
        """What is read of each event, in words."""
        return "" if self.measure.of is None else self.measure.of.describe()

    def number(self, value: Any) -> float:
        """A value of an event, as `Event.values` holds it, in the field's own unit; never -0.0."""
        return value / self.scale if self.kind.name == "decimal" else float(value) + 0.0

    @property
    def noun(self) -> str:
        """What the entity is called: its key without `_id`."""
        return self.on.removesuffix("_id").replace("_", " ")

    @property
    def events(self) -> str:
        """The events that count, in words."""
        start = f"{self.source.name.replace('_', ' ')} of this {self.noun}"
        if self.where is not None:
            start += f" with {self.where.describe()}"
        if self.delay:
            return f"{start} in the {_spelled(self.length)} up to {_spelled(self.delay)} ago"
        included = ", this one included" if self.current else ""
        return f"{start} in the last {_spelled(self.length)}{included}"

    @property
    def nothing(self) -> float:
        """The value over no events: NaN is missing."""
        return float("nan") if self.empty is None else self.empty

    @property
    def empty_sql(self) -> Sql:
        """The value over no events, as SQL."""
        return exp.null() if self.empty is None else double(self.empty)

    def definition(self) -> dict[str, Any]:
        return {
            "window": self.function.name,
            "source": self.source.name,
            "of": self.key,
            "on": self.on,
            "measure": self.measure.definition(),
            "length_us": self.length,
            "delay_us": self.delay,
            "current": self.current,
            "empty": self.empty,
        }

    def describe(self) -> str:
        return self.function.describe(self)

    def _words(self) -> list[str]:
        words = [self.function.name, *([self.field] if self.field else []), "of", self.key]
        words += ["in", self.source.name, short(self.length)]
        words += ["after", short(self.delay)] if self.delay else []
        words += ["current"] if self.current else []
        words += [f"empty {self.empty!r}"] if self.empty is not None else []
        words += [f"for {self.on}"] if self.on != self.key else []
        if self.where is None and (self.field or self.measure.of is None):
            return words
        text = json.dumps(self.measure.definition(), sort_keys=True)
        return [*words, f"#{blake2b(text.encode(), digest_size=6).hexdigest()}"]

    def name(self) -> str | None:
        if self.where is not None or (self.field is None and self.measure.of is not None):
            return None
        if self.length == EVER:
            return self.field
        words = [self.noun.replace(" ", "_"), self.function.name]
        words += [self.field] if self.field else []
        words += [short(self.length)]
        words += [f"delay_{short(self.delay)}"] if self.delay else []
        words += ["current"] if self.current else []
        return "_".join(words)

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        slot = slots[self.id]
        return lambda time, values, windows: windows[slot]

    def sql(self) -> Sql:
        """The column that the query's window step made for it."""
        return exp.column(self.id, quoted=True)


def stretch(text: Any, where: str, least: int = 1) -> int:
    """Microseconds of a window's length or delay, at least `least`.

    Raises:
        DefinitionError: it is no duration, or too short, or over a hundred years.
    """
    if not isinstance(text, str):
        raise DefinitionError(f'{where}: {text!r} is not a duration: write a text such as "7d"')
    try:
        length = duration(text)
    except ValueError as error:
        raise DefinitionError(f"{where}: {error}") from None
    if not least <= length <= 36_525 * DAY:
        raise DefinitionError(
            f"{where}: {text!r} is out of range: it must be "
            f"{'above 0' if least else 'at least 0'} and at most 36525d"
        )
    return length


def _unit(length: int) -> tuple[int, str, str]:
    scale, short, word = next(unit for unit in _UNITS if length % unit[0] == 0)
    return length // scale, short, word


def short(length: int) -> str:
    """The shortest exact form of a length: `7d`, `90m`."""
    number, unit, _ = _unit(length)
    return f"{number}{unit}"


def _spelled(length: int) -> str:
    number, _, word = _unit(length)
    return word if number == 1 else f"{number} {word}s"
