"""A window: the events of one entity in a stretch of time before a moment.

One rule, in integer microseconds: at time t, an event of age a = t - s counts in a window of
length w and delay d when d <= a < d + w and a > 0. Events of the very same instant never count
for each other; `current` adds the event itself, and only with delay 0.
"""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlglot import exp

from groundplan.errors import DefinitionError
from groundplan.features.expressions import Evaluator, Expression, Sql, double
from groundplan.features.fields import Kind
from groundplan.units import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, duration

_UNITS = (
    (DAY, "d", "day"),
    (HOUR, "h", "hour"),
    (MINUTE, "m", "minute"),
    (SECOND, "s", "second"),
    (MILLISECOND, "ms", "millisecond"),
    (MICROSECOND, "us", "microsecond"),
)


class Series(Protocol):
    """The events of one entity in time order, as far as one field is concerned."""

    def total(self, start: int, stop: int) -> int:
        """The sum of the scaled values from position start up to, without, position stop."""
        ...

    def values(self, start: int, stop: int) -> Sequence[int]:
        """The scaled values from position start up to, without, position stop."""
        ...


@dataclass(frozen=True)
class Frame:
    """The columns of the compiled query that hold one window's raw material.

    Args:
        count: how many events count, as BIGINT.
        total: the sum of their scaled values, as BIGINT; NULL where the function reads no field.
        own: the scaled value of the event itself where the window includes it, else None.
    """

    count: Sql
    total: Sql
    own: Sql | None


class Function(Protocol):
    """What a window function is: a name, words and three forms that give equal values."""

    @property
    def name(self) -> str:
        """The method's name on an entity: `count`."""
        ...

    @property
    def reads_field(self) -> bool:
        """Whether it reads a field of the events."""
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
        self, window: "Window", series: Series, start: int, stop: int, own: int | None
    ) -> float:
        """The value from the events at positions start up to stop, and the event's own value."""
        ...

    def naive(self, window: "Window", values: Sequence[int]) -> float:
        """The value from the list of the scaled values that count, the event's own included."""
        ...


class Window(Expression):
    """One function over one stretch of the events of one entity.

    Args:
        function: from the table of functions.
        source: whose events count.
        key: the field that names the entity.
        field: the field or label that the function reads, or None.
        kind: that field's type; `int` where there is none.
        length: us.
        delay: us; events younger than this do not count yet.
        current: whether the event itself counts.
        empty: the value over no events; None is missing.
    """

    def __init__(
        self,
        function: Function,
        source: Any,
        key: str,
        field: str | None,
        kind: Kind,
        length: int,
        delay: int,
        current: bool,
        empty: float | None,
    ) -> None:
        self.function = function
        self.source = source
        self.key = key
        self.field = field
        self.kind = kind
        self.length = length
        self.delay = delay
        self.current = current
        self.empty = empty
        self.youngest = max(delay, 1)
        self.oldest = delay + length
        self.scale = float(kind.scale)
        self.id = " ".join(self._words())

    @property
    def noun(self) -> str:
        """What the entity is called: its key without `_id`."""
        return self.key.removesuffix("_id").replace("_", " ")

    @property
    def events(self) -> str:
        """The events that count, in words."""
        start = f"{self.source.name.replace('_', ' ')} of this {self.noun}"
        if self.delay:
            return f"{start} in the {_spelled(self.length)} up to {_spelled(self.delay)} ago"
        included = ", this one included" if self.current else ""
        return f"{start} in the last {_spelled(self.length)}{included}"

    @property
    def empty_sql(self) -> Sql:
        """The value over no events, as SQL."""
        return exp.null() if self.empty is None else double(self.empty)

    def definition(self) -> dict[str, Any]:
        return {
            "window": self.function.name,
            "of": self.key,
            "field": self.field,
            "length_us": self.length,
            "delay_us": self.delay,
            "current": self.current,
            "empty": self.empty,
        }

    def describe(self) -> str:
        return self.function.describe(self)

    def _words(self) -> list[str]:
        words = [self.function.name, *([self.field] if self.field else []), "of", self.key]
        words += [short(self.length)]
        words += ["after", short(self.delay)] if self.delay else []
        words += ["current"] if self.current else []
        return words + ([f"empty {self.empty!r}"] if self.empty is not None else [])

    def name(self) -> str:
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
