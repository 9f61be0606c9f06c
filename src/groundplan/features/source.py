"""Sources of events, and the entities whose histories their windows are about."""

import difflib
import keyword
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from groundplan.errors import DefinitionError
from groundplan.features.expressions import Expression, FieldValue
from groundplan.features.fields import Kind, kind
from groundplan.features.moment import TimePart
from groundplan.features.windows import FUNCTIONS, Function, Window
from groundplan.features.windows.window import stretch
from groundplan.units import show_duration


class Source:
    """A stream of events with a time, an identifier and typed fields.

    A field is reached as an attribute (`transactions.tx_amount`) or, where its name is taken,
    as an item (`transactions["name"]`).

    Args:
        name: a plural noun, such as `transactions`.
        time: the field with the moment of the event.
        id: the field that identifies an event: an event counts once.
        fields: what a prediction request carries besides: name -> int, float, bool, str or
            `decimal(places)`.
        labels: bools that become known later: name -> how much later, as a duration. A label
            that never arrives is False.
        lateness: how far behind the newest event of an entity another may arrive.
        id_type: int or str.

    Raises:
        DefinitionError: a name or a type breaks a rule; the message says which and what to do.
    """

    def __init__(
        self,
        name: str,
        *,
        time: str,
        id: str,
        fields: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        lateness: str = "1h",
        id_type: type[int] | type[str] = int,
    ) -> None:
        where = f"Source({name!r})"
        _check_names(where, [name], [time, id, *fields, *(labels or {})])
        self.name = name
        self.time = Time(self, time)
        self.id = id
        self.id_kind = kind(id_type, f"{where}, id_type")
        if self.id_kind.name not in ("int", "str"):
            raise DefinitionError(
                f"{where}: id_type is {id_type!r}, and an identifier is int or str"
            )
        self.fields = {field: kind(fields[field], f"{where}, {field}") for field in fields}
        self.labels = {
            label: stretch(delay, f"{where}, the delay of {label}", least=0)
            for label, delay in (labels or {}).items()
        }
        self.lateness = stretch(lateness, f"{where}, lateness", least=0)

    def by(self, key: str) -> "Entity":
        """The entities that a field names, each with its own history: `by("customer_id")`.

        Raises:
            DefinitionError: there is no such field, or it is not an int or a str.
        """
        where = f"{self.name}.by({key!r})"
        if key not in self.fields:
            raise DefinitionError(f"{where}: {self._unknown(key, self.fields)}")
        if self.fields[key].name not in ("int", "str"):
            raise DefinitionError(
                f"{where}: {key} is {self.fields[key]}, and a key is int or str: declare it so, or "
                "name the field that identifies the entity"
            )
        return Entity(self, key)

    def kind_of(self, field: str) -> Kind:
        """The type of a field or label.

        Raises:
            DefinitionError: there is neither.
        """
        if field in self.labels:
            return Kind("bool")
        if field not in self.fields:
            raise DefinitionError(self._unknown(field, [*self.fields, *self.labels]))
        return self.fields[field]

    def definition(self) -> dict[str, Any]:
        """The definition as plain data."""
        return {
            "name": self.name,
            "time": self.time.column,
            "id": self.id,
            "id_type": str(self.id_kind),
            "fields": {field: str(kind) for field, kind in self.fields.items()},
            "labels_us": self.labels,
            "lateness_us": self.lateness,
        }

    def __getitem__(self, field: str) -> Expression:
        if field in self.labels:
            raise DefinitionError(
                f"{self.name}.{field} is a label: it is not known when the event arrives. Use it "
                f'in a window, such as {self.name}.by(key).mean("{field}", "30d", '
                f'delay="{show_duration(self.labels[field])}")'
            )
        if field not in self.fields:
            raise DefinitionError(self._unknown(field, self.fields))
        return FieldValue(self, field, self.fields[field], list(self.fields).index(field))

    def __getattr__(self, field: str) -> Expression:
        if field.startswith("_"):  # what Python itself asks for, such as __deepcopy__
            raise AttributeError(field)
        return self[field]

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def _unknown(self, field: str, known: Iterable[str]) -> str:
        return f"{self.name} has no field {field!r}{_nearest(field, known)}"


class Time:
    """The moment of an event, of which features use parts, all in UTC."""

    def __init__(self, source: Source, column: str) -> None:
        self._source = source
        self.column = column

    def minute(self) -> Expression:
        """The minute of the hour, 0 to 59."""
        return TimePart(self._source, "minute")

    def hour(self) -> Expression:
        """The hour of the day, 0 to 23."""
        return TimePart(self._source, "hour")

    def weekday(self) -> Expression:
        """The day of the week, from 0 for Monday to 6 for Sunday."""
        return TimePart(self._source, "weekday")

    def day(self) -> Expression:
        """The day of the month, 1 to 31."""
        return TimePart(self._source, "day")

    def month(self) -> Expression:
        """The month of the year, 1 to 12."""
        return TimePart(self._source, "month")


class Entity:
    """The things that a key names; each window function is a method.

    `count(length)`, `sum(field, length)`, `mean(field, length)`; all take `delay="7d"` and
    `current=True`, and those that have no value over no events take `empty=0.0`.
    """

    def __init__(self, source: Source, key: str) -> None:
        self.source = source
        self.key = key

    def __getattr__(self, name: str) -> Callable[..., Window]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in FUNCTIONS:
            raise DefinitionError(
                f"there is no window function {name!r}{_nearest(name, FUNCTIONS)}"
            )
        function = FUNCTIONS[name]
        if function.reads_field:
            return partial(self._window, function)
        return partial(self._window, function, None)

    def __repr__(self) -> str:
        return f"{self.source.name}.by({self.key!r})"

    def _window(
        self,
        function: Function,
        field: str | None,
        length: str,
        *,
        delay: str = "0s",
        current: bool = False,
        empty: float | None = None,
    ) -> Window:
        where = f"{self!r}.{function.name}({f'{field!r}, ' if field else ''}{length!r})"
        window = Window(
            function,
            self.source,
            self.key,
            field,
            Kind("int") if field is None else self._field(field, where),
            stretch(length, where),
            stretch(delay, f"{where}, delay", least=0),
            bool(current),
            None if empty is None else _number(empty, f"{where}, empty"),
        )
        _check_window(window, where)
        return window

    def _field(self, field: str, where: str) -> Kind:
        try:
            found = self.source.kind_of(field)
        except DefinitionError as error:
            raise DefinitionError(f"{where}: {error}") from None
        if not found.numeric:
            raise DefinitionError(f"{where}: {field} is text, and a window here wants numbers")
        if field in (self.key,):
            raise DefinitionError(
                f"{where}: {field} is the key itself, which is the same for all these events: "
                "name another field"
            )
        return found


def _check_window(window: Window, where: str) -> None:
    if window.current and window.delay:
        raise DefinitionError(
            f"{where}: current=True with a delay of {show_duration(window.delay)}: the event "
            "itself has age 0, so it can only be added to a window without delay"
        )
    known_after = window.source.labels.get(window.field, 0)
    if window.delay < known_after or (window.field in window.source.labels and window.current):
        raise DefinitionError(
            f"{where}: {window.field} is known only {show_duration(known_after)} after the event, "
            f"so a window over it with delay {show_duration(window.delay)} would leak the future "
            f'into training: write delay="{show_duration(known_after)}" or longer'
            f"{', without current=True' if window.current else ''}"
        )
    if window.empty is not None and (window.current or not window.function.may_be_empty):
        raise DefinitionError(
            f"{where}: empty={window.empty:g} is never used, since "
            f"{'the event itself counts' if window.current else 'no events give 0'}: leave it out"
        )


def _check_names(where: str, plain: list[str], columns: list[str]) -> None:
    for name in [*plain, *columns]:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise DefinitionError(
                f"{where}: {name!r} is not a name: use letters, digits and underscores"
            )
    seen: dict[str, str] = {}
    for column in columns:
        if column.lower() in seen:
            raise DefinitionError(
                f"{where}: {seen[column.lower()]!r} and {column!r} are the same column, as "
                "capitals do not count: name each time, id, field and label once"
            )
        seen[column.lower()] = column


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        raise DefinitionError(f"{where}: {value!r} is not a finite number")
    return float(value)


def _nearest(word: str, known: Iterable[str]) -> str:
    listed = list(known)
    near = difflib.get_close_matches(word, listed, n=1, cutoff=0.5)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": it has {', '.join(listed)}" if listed else ""
