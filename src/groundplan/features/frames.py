"""The window frames of the compiled query: what windows ask for, each thing computed once.

The windows of one history share frames. For each distinct edge e (a window's delay, or delay plus
length) one frame holds the events of age under e, from `e - 1` microseconds before to the current
row; counts and sums of a window are the difference of two of them. DuckDB searches a frame's
bounds anew for every aggregate, and that search is most of the time: so such a frame has one
searched bound, and its count rides on its first sum, as `SUM(value + 2^62)`, in 128-bit integers,
from which both come back exactly while the sums stay within 2^61. What has no difference, such
as a minimum, has a frame of its own with both bounds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlglot import exp

from groundplan.features.dialects import Dialect
from groundplan.features.fields import FLOAT_PLACES, Kind
from groundplan.features.sql import POSITION, TIME, Sql, column, double
from groundplan.features.windows import EVER, Measure, Window
from groundplan.features.windows.window import short

SUM_LIMIT: Final = 1 << 61
_OFFSET_BITS: Final = 62


@dataclass
class _Edge:
    """What is summed up to one age: by measure, whether its total and squares are asked for."""

    counted: dict[str, Measure] = field(default_factory=dict)
    totals: dict[str, Measure] = field(default_factory=dict)
    squares: dict[str, Measure] = field(default_factory=dict)


class Stream:
    """Rows over which windows run: events, and the requests for which windows are computed.

    Args:
        windows: over the events of one source.
        keys: the column that partitions the rows, by the windows' key.
        mixed: whether some rows are requests that are no events of the source; those have NULL
            for every measure, and the others NULL for the position.
        dialect: the engine's.
    """

    def __init__(
        self, windows: Iterable[Window], keys: dict[str, str], mixed: bool, dialect: Dialect
    ) -> None:
        self.dialect = dialect
        self.mixed = mixed
        self.keys = keys
        self.measured: dict[str, Sql] = {}
        """By column: what a measure is of each event, over its `v_FIELD` columns."""
        self._tied: dict[str, Sql] = {}
        self._framed: dict[str, Sql] = {}
        self._named: dict[str, Sql] = {}
        self._edges: dict[tuple[str, int], _Edge] = {}
        self._windowed: dict[str, Sql] = {}
        self.values: dict[str, Sql] = {
            window.id: window.function.sql(window, WindowFrame(self, window)) for window in windows
        }
        """By window: its value, over the columns of the last step."""
        self._unpacked: dict[str, Sql] = {}
        for (key, edge), asked in self._edges.items():
            self._sum(key, edge, asked)

    def steps(self, name: str, rows: exp.Query, through: list[Sql]) -> list[tuple[str, exp.Query]]:
        """The steps that add the windows to some rows, as (name, query); the last has them all.

        Args:
            name: what their names begin with.
            rows: has the columns of `through` and of `measured`.
            through: the columns that are handed through.
        """
        made: list[tuple[str, exp.Query]] = [(f"{name}rows", rows)]

        def add(step: str, query: exp.Query) -> None:
            made.append((f"{name}{step}", query))

        if self._tied:
            add("tied", _more(made[-1][0], ["*"], self._tied))
        framed = _more(made[-1][0], [*through, *map(column, self.measured)], self._framed)
        for window in self._named.values():
            framed = framed.window(window, copy=False)  # a copy for each would take most time
        add("framed", framed)
        if self._unpacked:
            add("counted", _more(made[-1][0], ["*"], self._unpacked))
        if self._windowed:
            add("windowed", _more(made[-1][0], ["*"], self._windowed))
        add("valued", _more(made[-1][0], ["*"], self.values))
        return made

    def always(self, measure: Measure) -> bool:
        """Whether every row counts for a measure."""
        return measure.always and not self.mixed

    def scaled(self, measure: Measure) -> Sql:
        """The column of the integers that totals add; NULL where an event does not count."""
        name = f"scaled {measure.id}"
        if name not in self.measured:
            self.measured[name] = filtered(measure, _scaled(measure))
        return column(name)

    def value(self, measure: Measure) -> Sql:
        """The column of the values: integers, DOUBLE or text; NULL where one does not count."""
        if measure.kind.name not in ("float", "str"):
            return self.scaled(measure)
        name = f"value {measure.id}"
        if name not in self.measured:
            self.measured[name] = filtered(measure, _value(measure))
        return column(name)

    def tied(self, key: str, measure: Measure) -> Sql:
        """The column of the largest value at an event's instant."""
        name = f"tied {measure.id} of {key}"
        spec = exp.WindowSpec(kind="RANGE", start="CURRENT ROW", end="CURRENT ROW")
        self._tied[name] = exp.Window(
            this=exp.Max(this=self.value(measure)),
            partition_by=[column(self.keys[key])],
            order=_by_time(),
            spec=spec,
        )
        return column(name)

    def between(self, window: Window, aggregate: Sql, also: Sql | None = None) -> Sql:
        """An aggregate over the events of a window, the event itself left out.

        Args:
            window: which.
            aggregate: of columns of the rows.
            also: a column in which the events must be equal to the current row.
        """
        equal = f" equal in {also.name}" if also is not None else ""
        length = "ever" if window.length == EVER else short(window.oldest)
        named = f"{window.key} from {length} to {short(window.youngest)}{equal}"
        if named not in self._named:
            bound = {"start": exp.Literal.number(window.oldest - 1), "start_side": "PRECEDING"}
            if window.length == EVER:
                bound = {"start": "UNBOUNDED", "start_side": "PRECEDING"}
            end = {"end": exp.Literal.number(window.youngest), "end_side": "PRECEDING"}
            by = [column(self.keys[window.key]), *([also.copy()] if also is not None else [])]
            self._named[named] = exp.Window(
                this=exp.to_identifier(named, quoted=True),
                partition_by=by,
                order=_by_time(),
                spec=exp.WindowSpec(kind="RANGE", **bound, **end),
            )
        over = exp.Window(this=aggregate, alias=exp.to_identifier(named, quoted=True))
        name = f"{aggregate.sql()} over {named}"
        self._framed.setdefault(name, over)
        return column(name)

    def difference(self, window: Window, what: str) -> Sql:
        """The column of a count, total or sum of squares of a window, the event's own included."""
        measure = window.measure
        always = self.always(measure)
        of = "" if what == "count" and always else f" {measure.id}"
        current = " current" if window.current else ""
        name = f"{window.key} from {short(window.oldest)} to {short(window.youngest)}"
        name = f"{name}{current} {what}{of}"
        if name in self._windowed:
            return column(name)
        for edge in (window.oldest, window.youngest):
            asked = self._edges.setdefault((window.key, edge), _Edge())
            by_measure = {"count": asked.counted, "total": asked.totals, "squares": asked.squares}
            by_measure[what][measure.id] = measure
        old, young = (
            _name(window.key, edge, f"{what}{of}") for edge in (window.oldest, window.youngest)
        )
        found: Sql = column(old) - column(young)
        if window.current:
            found = found + self._own(measure, what)
        self._windowed[name] = found
        return column(name)

    def _own(self, measure: Measure, what: str) -> Sql:
        """What the event itself adds to a count, total or sum of squares."""
        own, always = self.scaled(measure), self.always(measure)
        if what == "count":
            one: Sql = exp.Literal.number(1)
            return one if always else exp.Case().when(_known(own), one).else_(_zero())
        added: Sql = own if always else exp.Coalesce(this=own, expressions=[_zero()])
        if what == "total":
            return added
        return exp.cast(added, self.dialect.wide) * added.copy()

    def _sum(self, key: str, edge: int, asked: _Edge) -> None:
        """The frame of an edge, with all that is asked of it."""
        named = f"{key} under {short(edge)}"
        self._named[named] = exp.Window(
            this=exp.to_identifier(named, quoted=True),
            partition_by=[column(self.keys[key])],
            order=_by_time(),
            spec=_up_to(edge),
        )

        def over(aggregate: Sql) -> Sql:
            return exp.Window(this=aggregate, alias=exp.to_identifier(named, quoted=True))

        def add(what: str, aggregate: Sql, type_: str) -> None:
            """A sum is NULL only where no row counts."""
            raw = _name(key, edge, f"raw {what}")
            self._framed[raw] = over(aggregate)
            some = exp.Coalesce(this=column(raw), expressions=[_zero()])
            self._unpacked[_name(key, edge, what)] = exp.cast(some, type_)

        counted = {"" if self.always(m) else f" {m.id}": m for m in asked.counted.values()}
        for measure in asked.totals.values():
            of = "" if self.always(measure) else f" {measure.id}"
            if self.dialect.packed and of in counted:
                self._pack(key, edge, measure, of, over)
                del counted[of]
            else:
                add(f"total {measure.id}", exp.Sum(this=self.scaled(measure)), "BIGINT")
        for of, measure in counted.items():
            add(f"count{of}", exp.Count(this=self.scaled(measure) if of else exp.Star()), "BIGINT")
        for measure in asked.squares.values():
            square = exp.cast(self.scaled(measure), self.dialect.wide) * self.scaled(measure)
            add(f"squares {measure.id}", exp.Sum(this=square), self.dialect.wide)

    def _pack(
        self, key: str, edge: int, measure: Measure, of: str, over: Callable[[Sql], Sql]
    ) -> None:
        """A total that carries its count in the upper bits."""
        raw = _name(key, edge, f"packed {measure.id}")
        self._framed[raw] = over(exp.Sum(this=self.scaled(measure) + (1 << _OFFSET_BITS)))
        packed: Sql = column(raw)
        if of:
            packed = exp.Coalesce(this=packed, expressions=[_zero()])
        half = exp.Literal.number(1 << (_OFFSET_BITS - 1))
        count = exp.BitwiseRightShift(
            this=exp.paren(packed + half), expression=exp.Literal.number(_OFFSET_BITS)
        )
        rest = packed.copy() - exp.paren(
            exp.cast(count.copy(), self.dialect.wide) * exp.Literal.number(1 << _OFFSET_BITS)
        )
        self._unpacked[_name(key, edge, f"count{of}")] = exp.cast(count, "BIGINT")
        self._unpacked[_name(key, edge, f"total {measure.id}")] = exp.cast(rest, "BIGINT")


class WindowFrame:
    """What one window's function is given to write its SQL with.

    Args:
        stream: the rows.
        window: which.
    """

    def __init__(self, stream: Stream, window: Window) -> None:
        self._stream = stream
        self._window = window

    @property
    def count(self) -> Sql:
        """How many events count, the event itself included where it does."""
        return self._stream.difference(self._window, "count")

    @property
    def total(self) -> Sql:
        """The sum of their scaled values, the event's own included."""
        return self._stream.difference(self._window, "total")

    @property
    def squares(self) -> Sql:
        """The sum of the squares of the scaled values, the event's own included."""
        return self._stream.difference(self._window, "squares")

    @property
    def value(self) -> Sql:
        """An event's own value for an aggregate."""
        return self._stream.value(self._window.measure)

    @property
    def tied(self) -> Sql:
        """The largest value among the events at an event's instant."""
        return self._stream.tied(self._window.key, self._window.measure)

    @property
    def moment(self) -> Sql:
        """An event's time for an aggregate; NULL where it does not count."""
        time = exp.column(TIME)
        if self._stream.always(self._window.measure):
            return time
        if self._window.measure.gaps:
            event = exp.Is(this=exp.column(POSITION), expression=exp.null())
            return exp.Case().when(event, time) if self._stream.mixed else time
        return exp.Case().when(_known(self.value), time)

    @property
    def now(self) -> Sql:
        """The time for which the window is computed."""
        return exp.column(TIME)

    @property
    def own(self) -> Sql | None:
        """The event's own value, NULL where it does not count; None without `current`."""
        return self.value if self._window.current else None

    def over(self, aggregate: Sql) -> Sql:
        """An aggregate over the events of the window, without the event itself."""
        return self._stream.between(self._window, aggregate)

    def distinct(self, value: Sql) -> Sql:
        """The number of distinct values, the event's own included."""
        found = self._stream.dialect.distinct(value, self.over)
        if self.own is None:
            return found
        same = self._stream.between(self._window, exp.Count(this=value.copy()), also=value)
        new = exp.and_(_known(self.own), same.eq(0))
        added = exp.Case().when(new, exp.Literal.number(1)).else_(_zero())
        return exp.paren(found + added)

    def number(self, value: Sql) -> Sql:
        """A value in the field's own unit, as DOUBLE."""
        number = exp.cast(value, "DOUBLE")
        kind = self._window.kind
        return number / double(float(kind.scale)) if kind.name == "decimal" else number

    def halves(self, squares: Sql, total: Sql, count: Sql) -> tuple[Sql, Sql]:
        """`count * squares - total^2` by 2^60: the quotient and the remainder, as DOUBLE."""
        wide = self._stream.dialect.wide
        total = exp.cast(total, wide)
        spread = exp.cast(count, wide) * squares - total * total.copy()
        return self._stream.dialect.halves(spread)


def filtered(measure: Measure, value: Sql) -> Sql:
    """A value where an event counts, NULL where not."""
    if measure.where is not None:
        value = exp.Case().when(exp.paren(measure.where.sql()).eq(double(1.0)), value)
    return value


def _value(measure: Measure) -> Sql:
    own = column(f"v_{measure.field}")
    return own + double(0.0) if measure.kind.name == "float" else own  # -0.0 becomes 0.0


def _scaled(measure: Measure) -> Sql:
    if measure.of is None:
        return exp.cast(exp.Literal.number(1), "BIGINT")
    if measure.field is None:
        return exp.cast(measure.of.sql(), "BIGINT")
    return scaled(column(f"v_{measure.field}"), measure.kind)


def scaled(value: Sql, kind: Kind) -> Sql:
    """The BIGINT that windows add, from a value as `Event.values` has it."""
    if kind.name == "float":
        millionths = exp.paren(value) * double(float(10**FLOAT_PLACES)) + double(0.5)
        return exp.cast(exp.func("FLOOR", millionths), "BIGINT")
    return value if kind.name in ("int", "decimal") else exp.cast(value, "BIGINT")


def _more(table: str, through: list[Sql] | list[str], columns: dict[str, Sql]) -> exp.Select:
    """A table with more columns."""
    added = (value.as_(name, quoted=True) for name, value in columns.items())
    return exp.select(*through, *added, copy=False).from_(
        exp.to_identifier(table, quoted=True), copy=False
    )


def _by_time() -> exp.Order:
    return exp.Order(expressions=[exp.Ordered(this=exp.column(TIME))])


def _up_to(edge: int) -> exp.WindowSpec:
    bound = {"start": exp.Literal.number(edge - 1), "start_side": "PRECEDING"}
    if edge == 1:  # the peers of the row, which need no search
        bound = {"start": "CURRENT ROW"}
    return exp.WindowSpec(kind="RANGE", end="CURRENT ROW", **bound)


def _zero() -> Sql:
    return exp.Literal.number(0)


def _known(value: Sql) -> Sql:
    return exp.not_(exp.Is(this=value, expression=exp.null()))


def _name(key: str, edge: int, what: str) -> str:
    return f"{key} under {short(edge)} {what}"
