"""Compiles a feature set into one SQL statement.

The windows of one entity share frames. For each distinct edge e (a window's delay, or delay plus
length) one frame holds the events of age under e, from `e - 1` microseconds before to the current
row; a window is the difference of two of them. DuckDB searches a frame's bounds anew for every
aggregate, and that search is most of the time: so a frame has one searched bound, and its count
rides on its first sum, as `SUM(value + 2^62)`, in 128-bit integers, from which both come back
exactly while the sums stay within 2^61.
"""

from collections.abc import Iterable
from typing import Final

from sqlglot import exp

from groundplan.features.expressions import TIME, FieldValue, Sql
from groundplan.features.feature_set import FeatureSet
from groundplan.features.windows import Frame, Window
from groundplan.features.windows.window import short

POSITION: Final = "position"
IDENTIFIER: Final = "identifier"
SUM_LIMIT: Final = 1 << 61
_OFFSET_BITS: Final = 62


def compile_query(inputs: FeatureSet, events: exp.Select, keep: Iterable[str] = ()) -> exp.Select:
    """The statement that computes the features of every event, in the order of `position`.

    Args:
        inputs: what to compute.
        events: selects the columns `position`, `identifier`, `t`, `v_FIELD` and `s_FIELD` as
            `columns.normalised` makes them, and the kept columns as `k_NAME`.
        keep: names of the columns to hand through.
    """
    through = [exp.column(IDENTIFIER), exp.column(POSITION), exp.column(TIME)]
    through += [column(f"k_{name}") for name in keep]
    through += [column(f"v_{field}") for field in read_fields(inputs)]
    through += [column(f"s_{field}") for field in inputs.summed]
    edges = _edges(inputs)
    sums = exp.select(*through, *_sums(edges), copy=False).from_("events", copy=False)
    for key, edge in edges:
        sums = sums.window(_frame(key, edge), copy=False)  # a copy for each would take most time
    return (
        exp.select(
            column(IDENTIFIER).as_(inputs.source.id, quoted=True),
            *(column(f"k_{name}").as_(name, quoted=True) for name in keep),
            *(
                expression.sql().as_(name, quoted=True)
                for name, expression in zip(inputs.names, inputs.expressions, strict=True)
            ),
        )
        .from_("valued", copy=False)
        .order_by(exp.column(POSITION), copy=False)
        .with_("events", as_=events, copy=False)
        .with_("summed", as_=sums, copy=False)
        .with_("counted", as_=_added("summed", _counts_and_totals(edges)), copy=False)
        .with_("valued", as_=_added("counted", _values(inputs)), copy=False)
    )


def read_fields(inputs: FeatureSet) -> tuple[str, ...]:
    """The fields that the features read of the event itself, the entities' keys among them."""
    own = (
        leaf.field
        for expression in inputs.expressions
        for leaf in expression.leaves()
        if isinstance(leaf, FieldValue)
    )
    return tuple(dict.fromkeys([*inputs.entities, *own]))


def column(name: str) -> exp.Column:
    """A column, quoted, since its name may have capitals or spaces."""
    return exp.column(name, quoted=True)


def _added(table: str, columns: list[Sql]) -> exp.Select:
    """A table with more columns."""
    return exp.select("*", *columns, copy=False).from_(table, copy=False)


def _edges(inputs: FeatureSet) -> dict[tuple[str, int], list[str]]:
    """(key, edge in us) -> the fields that are summed up to there; none where only counts are."""
    edges: dict[tuple[str, int], list[str]] = {}
    for window in inputs.windows:
        for edge in (window.youngest, window.oldest):
            fields = edges.setdefault((window.key, edge), [])
            if window.field and window.field not in fields:
                fields.append(window.field)
    return edges


def _frame(key: str, edge: int) -> Sql:
    bound = {"start": exp.Literal.number(edge - 1), "start_side": "PRECEDING"}
    if edge == 1:  # the peers of the row, which need no search
        bound = {"start": "CURRENT ROW"}
    return exp.Window(
        this=exp.to_identifier(_name(key, edge), quoted=True),
        partition_by=[column(f"v_{key}")],
        order=exp.Order(expressions=[exp.Ordered(this=exp.column(TIME))]),
        spec=exp.WindowSpec(kind="RANGE", end="CURRENT ROW", **bound),
    )


def _sums(edges: dict[tuple[str, int], list[str]]) -> list[Sql]:
    found = []
    for (key, edge), fields in edges.items():
        over = exp.to_identifier(_name(key, edge), quoted=True)
        packed: Sql = exp.Count(this=exp.Star())
        if fields:
            packed = exp.Sum(this=column(f"s_{fields[0]}") + (1 << _OFFSET_BITS))
        found.append(exp.Window(this=packed, alias=over).as_(_name(key, edge), quoted=True))
        for field in fields[1:]:
            total = exp.Window(this=exp.Sum(this=column(f"s_{field}")), alias=over.copy())
            found.append(total.as_(_name(key, edge, field), quoted=True))
    return found


def _counts_and_totals(edges: dict[tuple[str, int], list[str]]) -> list[Sql]:
    found = []
    for (key, edge), fields in edges.items():
        packed = column(_name(key, edge))
        if not fields:
            found.append(packed.as_(_name(key, edge, "count"), quoted=True))
            continue
        half = exp.Literal.number(1 << (_OFFSET_BITS - 1))
        count = exp.BitwiseRightShift(
            this=exp.paren(packed + half), expression=exp.Literal.number(_OFFSET_BITS)
        )
        rest = packed.copy() - exp.paren(
            exp.cast(count.copy(), "INT128") * exp.Literal.number(1 << _OFFSET_BITS)
        )
        totals = {fields[0]: rest} | {f: column(_name(key, edge, f)) for f in fields[1:]}
        found.append(exp.cast(count, "BIGINT").as_(_name(key, edge, "count"), quoted=True))
        for field, total in totals.items():
            found.append(
                exp.cast(total, "BIGINT").as_(_name(key, edge, f"total {field}"), quoted=True)
            )
    return found


def _values(inputs: FeatureSet) -> list[Sql]:
    return [
        window.function.sql(window, _raw_material(window)).as_(window.id, quoted=True)
        for window in inputs.windows
    ]


def _raw_material(window: Window) -> Frame:
    def between(what: str) -> Sql:
        old, young = (_name(window.key, e, what) for e in (window.oldest, window.youngest))
        return exp.paren(column(old) - column(young))

    own: Sql | None = None
    if window.current:
        own = column(f"s_{window.field}") if window.field else exp.Literal.number(1)
    total = between(f"total {window.field}") if window.field else exp.null()
    return Frame(between("count"), total, own)


def _name(key: str, edge: int, what: str = "") -> str:
    return f"{key} under {short(edge)} {what}".rstrip()
