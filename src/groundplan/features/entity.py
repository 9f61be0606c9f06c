"""Entities: the things whose histories windows are about."""

import difflib
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from groundplan.errors import DefinitionError
from groundplan.features.apply import Apply
from groundplan.features.category import Category
from groundplan.features.expressions import Expression
from groundplan.features.values import FieldValue
from groundplan.features.windows import FUNCTIONS, Function, Measure, Window
from groundplan.features.windows.window import stretch
from groundplan.units import show_duration

if TYPE_CHECKING:
    from groundplan.features.source import Source


class Entity:
    """The things that a key names; each window function is a method.

    `count(length)`, `since(length)`; `sum`, `mean`, `min`, `max`, `std`, `last`, `first` and
    `distinct`, each `(field, length)`; `share(condition, length)`. All take `delay="7d"`,
    `current=True` and `where=condition`, and those that have no value over no events take
    `empty=0.0`.

    Args:
        source: whose events.
        key: its field that names the entity.
        on: the field that names it in the events for which features are computed.
    """

    def __init__(self, source: "Source", key: str, on: str) -> None:
        self.source = source
        self.key = key
        self.on = on

    def __getattr__(self, name: str) -> Callable[..., Window]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in FUNCTIONS:
            raise DefinitionError(f"there is no window function {name!r}{nearest(name, FUNCTIONS)}")
        function = FUNCTIONS[name]
        if function.reads == "nothing":
            return partial(self._window, function, None)
        return partial(self._window, function)

    def __repr__(self) -> str:
        return f"{self.source.name}.by({self.key!r})"

    def _window(
        self,
        function: Function,
        of: "str | Expression | None",
        length: str,
        *,
        delay: str = "0s",
        current: bool = False,
        empty: float | None = None,
        where: Expression | None = None,
    ) -> Window:
        here = f"{self!r}.{function.name}({_written(of)}{length!r})"
        window = Window(
            function,
            self.source,
            self.key,
            self.on,
            Measure(
                self.source,
                self._read(function, of, here),
                None if where is None else self._condition(where, f"{here}, where"),
            ),
            stretch(length, here),
            stretch(delay, f"{here}, delay", least=0),
            bool(current),
            None if empty is None else _number(empty, f"{here}, empty"),
        )
        _check(window, here)
        return window

    def _read(
        self, function: Function, of: "str | Expression | None", here: str
    ) -> Expression | None:
        if of is None and function.reads == "nothing":
            return None
        if isinstance(of, str):
            try:
                of = self.source.own(of)
            except DefinitionError as error:
                raise DefinitionError(f"{here}: {error}") from None
        if function.reads == "condition":
            return self._condition(of, here)
        if not isinstance(of, FieldValue) or of.source is not self.source:
            raise DefinitionError(
                f"{here}: {_shown(of)} is not a field of {self.source.name}: name one, as in "
                f'{self!r}.{function.name}("{next(iter(self.source.fields))}", "7d")'
            )
        return self._field(function, of, here)

    def _field(self, function: Function, of: FieldValue, here: str) -> FieldValue:
        if of.text and function.reads != "value":
            raise DefinitionError(
                f"{here}: {of.field} is text, and a window here wants numbers: count its values "
                "with distinct, or compare it in where="
            )
        if of.field == self.key:
            raise DefinitionError(
                f"{here}: {of.field} is the key itself, which is the same for all these events: "
                "name another field"
            )
        return of

    def _condition(self, of: Any, here: str) -> Expression:
        """What is asked of each past event: over its own fields, labels and time, and a truth."""
        if not isinstance(of, Expression) or not of.condition:
            raise DefinitionError(
                f"{here}: {_shown(of)} is not a condition: write a comparison over the fields of "
                f"{self.source.name}"
            )
        for node in of.nodes():
            if isinstance(node, Window | Apply | Category):
                raise DefinitionError(
                    f"{here}: {node.describe()} cannot stand in a condition on past events, which "
                    "reads their own fields, labels and time: use it in a feature instead"
                )
            if node.source not in (None, self.source):
                raise DefinitionError(
                    f"{here}: {node.describe()} belongs to {node.source.name}, and the condition "
                    f"is asked of {self.source.name}: use its fields"
                )
        return of


def _check(window: Window, here: str) -> None:
    if window.current and window.delay:
        raise DefinitionError(
            f"{here}: current=True with a delay of {show_duration(window.delay)}: the event "
            "itself has age 0, so it can only be added to a window without delay"
        )
    for label in window.measure.labels:
        known_after = window.source.labels[label]
        if window.delay < known_after or window.current:
            raise DefinitionError(
                f"{here}: {label} is known only {show_duration(known_after)} after the event, "
                f"so a window over it with delay {show_duration(window.delay)} would leak the "
                f'future into training: write delay="{show_duration(known_after)}" or longer'
                f"{', without current=True' if window.current else ''}"
            )
    counted = window.current and window.measure.always
    if window.empty is not None and (counted or not window.function.may_be_empty):
        raise DefinitionError(
            f"{here}: empty={window.empty:g} is never used, since "
            f"{'the event itself counts' if counted else 'no events give 0'}: leave it out"
        )


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        raise DefinitionError(f"{where}: {value!r} is not a finite number")
    return float(value)


def _written(of: Any) -> str:
    return "" if of is None else f"{_shown(of)}, "


def _shown(value: Any) -> str:
    return value.describe() if isinstance(value, Expression) else repr(value)


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all."""
    listed = list(known)
    near = difflib.get_close_matches(word, listed, n=1, cutoff=0.5)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": it has {', '.join(listed)}" if listed else ""
