"""Compiles a feature set into one SQL statement.

The main source's events become the rows of one stream, to which each step adds columns. For
each history of another source there is a stream of its own: that source's events, and the main
source's as requests for the windows over them, which the last step joins by position.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from groundplan.features.apply import Apply
from groundplan.features.category import Category
from groundplan.features.dialects import DUCKDB, Dialect
from groundplan.features.expressions import Expression
from groundplan.features.finishing import argument, arguments
from groundplan.features.frames import Stream
from groundplan.features.sql import IDENTIFIER, POSITION, TIME, Sql, column
from groundplan.features.values import FieldValue
from groundplan.features.windows import Window

if TYPE_CHECKING:
    from groundplan.features.feature_set import FeatureSet


def compile_query(
    inputs: "FeatureSet",
    events: Sequence[exp.Select],
    keep: Iterable[str] = (),
    dialect: Dialect = DUCKDB,
) -> exp.Select:
    """The statement that computes the features of every event, in the order of `position`.

    A feature with an `apply` has its arguments as columns instead; `finishing.finished` makes
    the feature of them.

    Args:
        inputs: what to compute.
        events: for each of `inputs.sources`, a query with the columns `t` and `v_FIELD`, as
            `columns.normalised` makes it; the first also has `position`, `identifier` and the
            kept columns as `k_NAME`.
        keep: names of the columns to hand through.
        dialect: the engine's.
    """
    keep = list(keep)
    through: list[Sql] = [exp.column(IDENTIFIER), exp.column(POSITION), exp.column(TIME)]
    through += [column(f"k_{name}") for name in keep]
    through += [column(f"v_{field}") for field in read_fields(inputs)]
    keys = {window.key: f"v_{window.key}" for window in inputs.windows_of(0)}
    main = Stream(inputs.windows_of(0), keys, False, dialect)
    steps: list[tuple[str, exp.Query]] = [("events", events[0])]
    last = "events"
    if main.values:
        steps += main.steps("", _rows("events", through, main.measured), through)
        last = steps[-1][0]
    others = []
    for number, (at, key, on) in enumerate(_others(inputs), 1):
        windows = [w for w in inputs.windows_of(at, key) if w.on == on]
        steps += _joined(f"{number} ", windows, events[at], dialect)
        others.append(steps[-1][0])
    query = _selected(inputs, keep).from_(exp.to_identifier(last, quoted=True), copy=False)
    for name in others:
        there = exp.column(POSITION, table=exp.to_identifier(name, quoted=True))
        here = exp.column(POSITION, table=exp.to_identifier(last, quoted=True))
        picked = exp.to_identifier(name, quoted=True)
        query = query.join(exp.Table(this=picked), on=here.eq(there), copy=False)
    for category in inputs.categories:
        query = query.join(_codes(category), on=_equal(category), join_type="left", copy=False)
    position = exp.column(POSITION, table=exp.to_identifier(last, quoted=True))
    query = query.order_by(position, copy=False)
    for name, step in steps:
        query = query.with_(exp.to_identifier(name, quoted=True), as_=step, copy=False)
    return query


def read_fields(inputs: "FeatureSet") -> tuple[str, ...]:
    """The fields that the features read of the event itself, the entities' keys among them."""
    own = (
        node.field
        for expression in inputs.expressions
        for node in expression.nodes()
        if isinstance(node, FieldValue)
    )
    return tuple(dict.fromkeys([*inputs.keys(0), *own]))


def source_fields(inputs: "FeatureSet", source: int) -> tuple[str, ...]:
    """The fields and labels of a source that the statement reads as `v_FIELD`."""
    own = read_fields(inputs) if source == 0 else inputs.keys(source)
    measured = (
        field for measure, _ in inputs.measures(source).values() for field in measure.fields
    )
    return tuple(dict.fromkeys([*own, *measured]))


def _others(inputs: "FeatureSet") -> list[tuple[int, str, str]]:
    """(position of the source, its key, the main source's field) of the other histories."""
    found = ((inputs.position(w.source), w.key, w.on) for w in inputs.windows)
    return [each for each in dict.fromkeys(found) if each[0]]


def _rows(table: str, through: list[Sql], measured: dict[str, Sql]) -> exp.Select:
    values = [value.as_(name, quoted=True) for name, value in measured.items()]
    return exp.select(*(each.copy() for each in through), *values, copy=False).from_(table)


def _joined(
    prefix: str, windows: list[Window], events: exp.Select, dialect: Dialect
) -> list[tuple[str, exp.Query]]:
    """The steps that compute windows over another source's events; the last has the requests."""
    key, on = windows[0].key, windows[0].on
    stream = Stream(windows, {key: "key"}, True, dialect)
    names = [POSITION, "key", TIME]
    nobody = exp.cast(exp.null(), "BIGINT").as_(POSITION)
    past = [nobody, column(f"v_{key}").as_("key"), exp.column(TIME)]
    past += [value.as_(name, quoted=True) for name, value in stream.measured.items()]
    now = [exp.column(POSITION), column(f"v_{on}").as_("key"), exp.column(TIME)]
    now += [exp.null().as_(name, quoted=True) for name in stream.measured]
    there = f"{prefix}events"
    rows: exp.Query = exp.union(
        exp.select(*past).from_(exp.to_identifier(there, quoted=True)),
        exp.select(*now).from_("events"),
        distinct=False,
    )
    steps: list[tuple[str, exp.Query]] = [(there, events)]
    steps += stream.steps(prefix, rows, [exp.column(name) for name in names])
    valued = exp.to_identifier(steps[-1][0], quoted=True)
    asked = exp.select(exp.column(POSITION), *(column(window.id) for window in windows))
    asked = asked.from_(valued).where(exp.column(POSITION).is_(exp.null()).not_())
    return [*steps, (f"{prefix}asked", asked)]


def _selected(inputs: "FeatureSet", keep: list[str]) -> exp.Select:
    columns = [column(IDENTIFIER).as_(inputs.source.id, quoted=True)]
    columns += [column(f"k_{name}").as_(name, quoted=True) for name in keep]
    for name, expression in zip(inputs.names, inputs.expressions, strict=True):
        if any(isinstance(node, Apply) for node in expression.nodes()):
            below = arguments(expression)
            columns += [
                part.sql().as_(argument(name, at), quoted=True) for at, part in enumerate(below)
            ]
        else:
            columns.append(expression.sql().as_(name, quoted=True))
    return exp.select(*columns, copy=False)


def _codes(category: Category) -> Sql:
    """The table of a category's codes."""
    rows = [
        exp.Tuple(expressions=[exp.convert(value), exp.cast(exp.convert(code), "DOUBLE")])
        for code, value in enumerate(category.known)
    ] or [exp.Tuple(expressions=[exp.null(), exp.cast(exp.null(), "DOUBLE")])]
    named = exp.TableAlias(
        this=exp.to_identifier(category.table, quoted=True),
        columns=[exp.to_identifier("value"), exp.to_identifier("code")],
    )
    return exp.Values(expressions=rows, alias=named)


def _equal(category: Category) -> Sql:
    value = exp.column("value", table=exp.to_identifier(category.table, quoted=True))
    of: Expression = category.of
    if isinstance(of, FieldValue):
        return column(f"v_{of.field}").eq(value)
    return of.sql().eq(value if category.kind == "str" else exp.cast(value, "DOUBLE"))
