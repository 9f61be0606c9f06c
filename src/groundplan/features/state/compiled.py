"""Straight-line Python functions made from definitions: one event recorded, one request read.

They are what one would write by hand for one feature set. A general loop over measures and
windows costs more than the work in it, so the loop runs once, when a store is opened.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Any, Final, Protocol

from groundplan.features.state.kept import Bytes, Kept
from groundplan.features.values import FieldValue, LabelValue
from groundplan.features.windows import Window
from groundplan.features.windows.measure import Measure

if TYPE_CHECKING:
    from groundplan.features.event import Event
    from groundplan.features.state.layout import Column, Layout
    from groundplan.features.state.reading import Lookup

FORMS: Final[Mapping[str, str]] = {
    "count": "float({n})",
    "sum": "{total} / {scale}",
    "mean": "{total} / {n} / {scale} if {n} else {nothing}",
    "share": "{total} / {n} / {scale} if {n} else {nothing}",
}
"""`Function.online` of the commonest functions, written out; the others are called.

`total` is a float64 and, like the count `n`, has the event's own part in it.
"""


_LOW: Final = (1 << 64) - 1


def raw_code(layout: "Layout") -> "Callable[[Event], tuple[int, ...]]":
    """What an event adds to a history: its raw record."""
    code = Code("event")
    code.line("values, labels = event.values, event.labels")
    parts = ["event.time"]
    for column in layout.columns:
        if column.counts is not None:
            parts += _guarded(code, column)
        else:
            parts += [_scaled(code, column.measure)] if column.value is not None else []
            parts += [_coded(code, column.measure)] if column.coded is not None else []
    code.line(f"return ({', '.join(parts)},)")
    raw: Callable[[Event], tuple[int, ...]] = code.made()
    return raw


def _guarded(code: "Code", column: "Column") -> list[str]:
    """The parts of a measure for which not every event counts."""
    measure = column.measure
    seen = code.local(f"{code.held(measure.value)}(event)")
    counts = code.local(f"{seen} is not None")
    parts = [counts]
    if column.value is not None:
        kind = code.held(measure.kind.scaled)
        parts.append(f"{kind}({seen}) if {counts} else 0")
    if column.coded is not None:
        kind = code.held(measure.kind.coded)
        parts.append(f"{kind}({seen}) if {counts} else 0")
    return parts


def after_code(layout: "Layout") -> "Callable[[tuple[int, ...], tuple[int, ...]], bytes]":
    """The bytes of the row that follows a row when a raw record is added."""
    code = Code("last, raw")
    parts = ["raw[0]"]
    for column in layout.columns:
        if column.count is not None:
            parts.append(f"last[{column.count}] + raw[{column.counts}]")
        if column.total is not None:
            parts.append(f"last[{column.total}] + raw[{column.value}]")
        if column.squares is not None:
            low, high = f"last[{column.squares}]", f"last[{column.squares + 1}]"
            whole = code.local(
                f"({high} << 64) + ({low} & {_LOW}) + raw[{column.value}] * raw[{column.value}]"
            )
            parts += [f"({whole} & {_LOW}) - (({whole} >> 63 & 1) << 64)", f"{whole} >> 64"]
        if column.code is not None:
            parts.append(f"raw[{column.coded}]")
    code.line(f"return {code.held(layout.pack)}({', '.join(parts)})")
    after: Callable[[tuple[int, ...], tuple[int, ...]], bytes] = code.made()
    return after


def between_code(
    layout: "Layout",
) -> "Callable[[tuple[int, ...], tuple[int, ...]], tuple[int, ...]]":
    """The raw record that makes a row of the row before it: what `after` undoes."""
    code = Code("last, row")
    parts = ["row[0]"]
    for column in layout.columns:
        if column.count is not None:
            parts.append(f"row[{column.count}] - last[{column.count}]")
        if column.total is not None:
            parts.append(f"row[{column.total}] - last[{column.total}]")
        if column.code is not None:
            parts.append(f"row[{column.code}]")
    code.line(f"return ({', '.join(parts)},)")
    between: Callable[[tuple[int, ...], tuple[int, ...]], tuple[int, ...]] = code.made()
    return between


def appended_code(layout: "Layout", most: int) -> "Callable[[Bytes, Event], bytes | None]":
    """The rows of an entity with an event after all others; None where it is no such case.

    It is `raw` and `after` in one, for the case that nearly all events are. The other cases are
    an event that is late, a tail that is full (`most` rows), and every eighth row, at which
    somebody has to look whether old rows can be forgotten.
    """
    code = Code("tail, event")
    code.line(f"place = len(tail) - {layout.size}")
    looked = [size for rows in range(1, most) if (rows + 1) % 8 == 0 for size in [rows - 1]]
    dues = frozenset(rows * layout.size for rows in looked)
    code.line(f"if place in {code.held(dues)} or place >= {(most - 1) * layout.size}: return None")
    code.line(f"last = {code.held(layout.unpack)}(tail, place)")
    code.line("time = event.time")
    code.line("if time < last[0]: return None")
    simple = [c for c in layout.columns if c.counts is None and c.squares is None]
    if len(simple) < len(layout.columns):
        row = f"{code.held(layout.after)}(last, {code.held(layout.raw)}(event))"
    else:
        code.line("values, labels = event.values, event.labels")
        parts = ["time"]
        for column in layout.columns:
            if column.total is not None:
                parts.append(f"last[{column.total}] + {_scaled(code, column.measure)}")
            if column.code is not None:
                parts.append(_coded(code, column.measure))
        row = f"{code.held(layout.pack)}({', '.join(parts)})"
    code.line(f"try: return {code.held(b''.join)}((tail, {row}))")
    code.line("except error: return None")
    made: Callable[[Bytes, Event], bytes | None] = code.made()
    return made


class Code:
    """The text of one function, and what it refers to."""

    def __init__(self, arguments: str) -> None:
        self._lines = [f"def made({arguments}):"]
        self._held: dict[str, Any] = {}
        self._known: dict[tuple[int, str], str] = {}
        self._names: dict[str, str] = {}

    def line(self, text: str) -> None:
        """One more line."""
        self._lines.append(f"    {text}")

    def held(self, value: Any) -> str:
        """A name by which the function knows a value."""
        known = (id(getattr(value, "__self__", value)), getattr(value, "__name__", ""))
        if known not in self._known:  # a method is a new object each time that it is asked for
            self._known[known] = f"held_{len(self._held)}"
            self._held[self._known[known]] = value
        return self._known[known]

    def local(self, expression: str) -> str:
        """A name for the value of an expression, which is computed once."""
        if expression not in self._names:
            self._names[expression] = f"local_{len(self._names)}"
            self.line(f"{self._names[expression]} = {expression}")
        return self._names[expression]

    def made(self) -> Any:
        """The function."""
        space = {**self._held, "bisect_right": bisect_right, "nan": nan, "error": struct.error}
        exec("\n".join(self._lines), space)
        return space["made"]


def _scaled(code: Code, measure: Measure) -> str:
    """What totals add for an event that counts."""
    if measure.kind.name != "float" and (plain := _plain(measure)):
        return plain
    return f"{code.held(measure.scaled)}(event)"


def _coded(code: Code, measure: Measure) -> str:
    """The code of an event that counts."""
    plain = _plain(measure)
    if plain and measure.kind.name not in ("float", "str") and not measure.gaps:
        return plain
    return f"{code.held(measure.coded)}(event)"


def _plain(measure: Measure) -> str | None:
    """Where the value of an event lies, if it is there as it is."""
    if isinstance(measure.of, LabelValue):
        at = list(measure.source.labels).index(measure.of.field)
        return f"(labels[{at}] if labels else 0)"
    if isinstance(measure.of, FieldValue):
        return f"values[{measure.of.position}]"
    return None


def windows_code(
    windows: "Sequence[Window]",
    lookups: "Sequence[Lookup]",
    layouts: "Sequence[Layout]",
    refuse: bool = False,
) -> "Windows":
    """The values of windows, in their order, for an event.

    The function's arguments are the event, the rows of each lookup, and what gives the older rows
    of a lookup by its number, where the first ones do not reach back far enough. With
    `refuse` it raises `Behind` for an event that is too late.
    """
    code = Code("event, tails, bodies=None")
    code.line("time, values, labels = event.time, event.values, event.labels")
    values = [""] * len(windows)
    for number, lookup in enumerate(lookups):
        mine = [(slot, w) for slot, w in enumerate(windows) if lookup.serves(w)]
        reading = _Reading(code, number, layouts[lookup.history])
        if refuse:
            reading.refuse()
        reading.edges(sorted({edge for _, w in mine for edge in (w.youngest, w.oldest)}))
        for slot, window in mine:
            values[slot] = code.local(reading.value(window))
    code.line(f"return [{', '.join(values)}]")
    made: Windows = code.made()
    return made


class Windows(Protocol):
    """The values of a feature set's windows for an event."""

    def __call__(
        self,
        event: "Event",
        tails: "Sequence[Bytes]",
        bodies: "Callable[[int], Bytes] | None" = None,
    ) -> list[float]:
        """From the rows of each lookup, and what gives older ones by the lookup's number."""
        ...


class Behind(Exception):
    """A request is further behind an entity's newest event than the lateness allows.

    Args:
        lookup: the number of the lookup.
        distance: us.
    """

    def __init__(self, lookup: int, distance: int) -> None:
        super().__init__(lookup, distance)
        self.lookup = lookup
        self.distance = distance


class _Reading:
    """The lines that read one lookup: where the edges of its windows lie, then their values."""

    def __init__(self, code: Code, number: int, layout: "Layout") -> None:
        self._code = code
        self._number = number
        self._layout = layout
        code.line(f"tail_{number} = memoryview(tails[{number}])")
        code.line(f"ints_{number} = tail_{number}.cast('q')")
        code.line(f"times_{number} = ints_{number}[::{layout.width}]")
        code.line(f"body_{number} = None")

    def refuse(self) -> None:
        """Raise where the event is too late."""
        newest = f"times_{self._number}[-1]"
        self._code.line(f"if {newest} - time > {self._layout.lateness}:")
        self._code.line(f"    raise {self._code.held(Behind)}({self._number}, {newest} - time)")

    def edges(self, ages: Sequence[int]) -> None:
        """Find, from young to old, how many rows are at least so old, and the last of them."""
        code, number, layout = self._code, self._number, self._layout
        row, older = code.held(layout.unpack), code.held(layout.older)
        stop = f"len(times_{number})"
        for age in ages:
            place, last = self._place(age), self._last(age)
            code.line(f"before = time - {age}")
            code.line(f"{place} = {stop}")
            # In order of time, as most requests are, the young edge is at the end.
            code.line(f"if {place} > 0 and times_{number}[{place} - 1] > before:")
            code.line(f"    {place} = bisect_right(times_{number}, before, 0, {place})")
            code.line(f"if {place} > 0:")
            code.line(f"    {last} = {row}(tail_{number}, {place} * {layout.size} - {layout.size})")
            code.line("else:")
            code.line(f"    body_{number} = body_{number} or bodies({number})")
            code.line(f"    {place}, {last} = {older}(body_{number}, before)")
            stop = place

    def value(self, window: Window) -> str:
        """The value of one window."""
        column = self._layout.by_measure[window.measure.id]
        start, stop = self._place(window.oldest), self._place(window.youngest)
        old, young = self._last(window.oldest), self._last(window.youngest)
        form = FORMS.get(window.function.name)
        if form is None:
            return self._called(window, column, start, stop)
        if column.count is None:
            count = self._code.local(f"{stop} - {start}")
        else:
            count = self._code.local(f"{young}[{column.count}] - {old}[{column.count}]")
        total = f"{young}[{column.total}] - {old}[{column.total}]"
        if window.current:
            counts, own = self._own(window)
            count, total = self._code.local(f"{count} + {counts}"), f"{total} + {own}"
        return form.format(
            n=count,
            total=f"float({total})",
            scale=repr(window.scale),
            nothing=repr(window.nothing),
        )

    def _called(self, window: Window, column: "Column", start: str, stop: str) -> str:
        code, number = self._code, self._number
        kept = code.local(
            f"{code.held(Kept)}({code.held(self._layout)}, {code.held(column)}, "
            f"ints_{number}, bodies, {number})"
        )
        own = "None"
        if window.current:
            own = self._own_or_none(window)
        online, held = code.held(window.function.online), code.held(window)
        return f"{online}({held}, {kept}, {start}, {stop}, {own}, time)"

    def _own(self, window: Window) -> tuple[str, str]:
        """Whether the event itself counts, as a number, and what it adds to a total."""
        measure = window.measure
        if measure.always:
            return "1", _scaled(self._code, measure)
        seen = self._code.local(f"{self._code.held(measure.scaled)}(event)")
        return f"({seen} is not None)", f"({seen} or 0)"

    def _own_or_none(self, window: Window) -> str:
        measure = window.measure
        read = measure.coded if "values" in window.function.needs else measure.scaled
        return self._code.local(f"{self._code.held(read)}(event)")

    def _place(self, age: int) -> str:
        return f"place_{self._number}_{age}"

    def _last(self, age: int) -> str:
        return f"row_{self._number}_{age}"
