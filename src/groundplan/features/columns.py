"""From the columns of any file to the columns that the compiled query reads, and their checks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from groundplan.errors import InputError
from groundplan.features.dialects import DUCKDB, Dialect
from groundplan.features.fields import LIMIT, NAME_LIMIT, Kind
from groundplan.features.query import source_fields
from groundplan.features.source import Source
from groundplan.features.sql import IDENTIFIER, LARGEST, POSITION, TIME, Sql, column, double
from groundplan.features.table import Table

if TYPE_CHECKING:
    from groundplan.features.feature_set import FeatureSet

LAST_TIME: Final = 7_258_118_400_000_000
"""2200-01-01 in us: the end of the times that a source takes; they begin with 1970-01-01."""

_INTEGERS: Final = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}
_FLOATS: Final = frozenset({"FLOAT", "DOUBLE"})
_TIMES: Final = frozenset(
    {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
)
_EMPTY: Final = '"NULL"'
"""Of a column in which nobody has a value, as tables of Python's None have it."""
_SQL_TYPES: Final = {"int": "BIGINT", "float": "DOUBLE", "decimal": "DOUBLE"} | {
    "bool": "BOOLEAN",
    "str": "VARCHAR",
}


@dataclass(frozen=True)
class Column:
    """A column of the file: its name there and its DuckDB type."""

    name: str
    type: str

    @property
    def node(self) -> Sql:
        """The column in SQL."""
        return column(self.name)


@dataclass(frozen=True)
class Check:
    """A rule for the values of one column.

    Args:
        field: the source's name of the column.
        value: what a message quotes, as SQL.
        bad: the condition under which a row breaks the rule, as SQL.
        rule: the message after the value: the rule and the next step.
    """

    field: str
    value: Sql
    bad: Sql
    rule: str


def declared(source: Source) -> dict[str, Column]:
    """The columns of a table whose types are as the source declares them."""
    kinds: dict[str, str] = {field: kind.name for field, kind in source.fields.items()}
    kinds |= dict.fromkeys(source.labels, "bool")
    kinds |= {} if isinstance(source, Table) else {source.id: source.id_kind.name}
    found = {name: Column(name, _SQL_TYPES[kind]) for name, kind in kinds.items()}
    return found | {source.time.column: Column(source.time.column, "TIMESTAMP")}


def matched(source: Source, names: Iterable[str], present: Mapping[str, str]) -> dict[str, Column]:
    """The file's columns by the names that the source gives them; capitals do not count.

    Args:
        source: what the file's rows are events of.
        names: the columns to find: the source's, or any other in the file.
        present: the file's columns, name -> DuckDB type.

    Raises:
        InputError: a column is missing, or its type cannot hold what the source declares.
    """
    lower = {name.lower(): Column(name, type_) for name, type_ in present.items()}
    found = {}
    for name in names:
        if name.lower() not in lower:
            raise InputError(
                name,
                f"the column {name} of {source.name} is missing: the file has "
                f"{', '.join(present)}; add it, or change what Source({source.name!r}) names",
            )
        found[name] = lower[name.lower()]
        wanted = _wanted(source, name)
        empty = found[name].type == _EMPTY and name != source.time.column
        if wanted and not empty and not _holds(wanted, found[name].type):
            raise InputError(
                name,
                f"the column {found[name].name} is {found[name].type}, and {source.name} declares "
                f"{name} as {wanted}: convert the column or change the declaration",
            )
    return found


def needed(inputs: "FeatureSet", source: int = 0) -> tuple[str, ...]:
    """The names of the columns of a source that the features read, each once."""
    ours = inputs.sources[source]
    own = [*identifying(ours), ours.time.column, *source_fields(inputs, source)]
    return tuple(dict.fromkeys(own))


def identifying(source: Source) -> tuple[str, ...]:
    """The columns that identify an event: its identifier, or a version's key and time."""
    if isinstance(source, Table):
        return (source.key, source.time.column)
    return (source.id,)


def normalised(
    inputs: "FeatureSet",
    table: Sql,
    columns: Mapping[str, Column],
    keep: Iterable[str] = (),
    position: Sql | None = None,
    source: int = 0,
    repeated: bool = False,
    dialect: Dialect = DUCKDB,
) -> exp.Select:
    """Selects what `compile_query` reads from a table.

    Args:
        inputs: what will be computed.
        table: a table or a table function.
        columns: the table's columns by the source's names.
        keep: columns to hand through; the time as TIMESTAMP, labels as BOOLEAN.
        position: numbers the rows in the table's order; counted where it is not given.
        source: whose events they are, as a position in `inputs.sources`.
        repeated: whether an event may stand there several times: the first row counts, with
            every label that one of them has.
        dialect: the engine's.
    """
    ours = inputs.sources[source]
    time = time_of(columns[ours.time.column], dialect)
    counted = exp.Window(this=exp.RowNumber())
    selected = [time.as_(TIME)]
    if source == 0:
        selected = [
            (position or counted).as_(POSITION),
            columns[ours.id].node.as_(IDENTIFIER),
            time.as_(TIME),
        ]
    for name in source_fields(inputs, source):
        found = columns[name]
        value = truth_of(found) if name in ours.labels else value_of(found, ours.kind_of(name))
        selected.append(value.as_(f"v_{name}", quoted=True))
    for name in keep:
        kept = handed_through(columns[name], ours, name, dialect)
        selected.append(kept.as_(f"k_{name}", quoted=True))
    if not repeated:
        return exp.select(*selected).from_(table)
    return _once(inputs, source, selected, table, columns, list(keep), position or counted)


def _once(
    inputs: "FeatureSet",
    source: int,
    selected: list[Sql],
    table: Sql,
    columns: Mapping[str, Column],
    keep: list[str],
    position: Sql,
) -> exp.Select:
    """One row for each event."""
    ours = inputs.sources[source]
    same = [columns[name].node for name in identifying(ours)]
    order = exp.Order(expressions=[exp.Ordered(this=exp.column("copy_of"))])
    inner = exp.select(
        *selected,
        position.copy().as_("copy_of"),
        *(node.as_(f"same_{at}") for at, node in enumerate(same)),
    ).from_(table)
    by: list[Sql] = [exp.column(f"same_{at}") for at in range(len(same))]
    number = exp.Window(this=exp.RowNumber(), partition_by=by, order=order)
    labels = {f"v_{name}" for name in source_fields(inputs, source) if name in ours.labels}
    labels |= {f"k_{name}" for name in keep if name in ours.labels}

    def one(name: str) -> Sql:
        if name not in labels:
            return column(name)
        known = exp.Window(
            this=exp.LogicalOr(this=column(name)), partition_by=[node.copy() for node in by]
        )
        return known.as_(name, quoted=True)

    names = [each.alias for each in selected]
    numbered = exp.select(*map(one, names), number.as_("copy")).from_(inner.subquery("copies"))
    return (
        exp.select(*map(column, names))
        .from_(numbered.subquery("numbered"))
        .where(exp.column("copy").eq(1))
    )


def time_of(found: Column, dialect: Dialect = DUCKDB) -> Sql:
    """The time in BIGINT us since 1970-01-01 UTC."""
    if found.type == "BIGINT":
        return found.node
    exact = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
    node = found.node if found.type in exact else exp.cast(found.node, "TIMESTAMP")
    return dialect.microseconds(node)


def truth_of(found: Column) -> Sql:
    """A label: false where it is absent."""
    return exp.func("COALESCE", exp.cast(found.node, "BOOLEAN"), exp.false())


def value_of(found: Column, kind: Kind) -> Sql:
    """The event's own value, as `Event.values` has it; NaN is missing where that may be."""
    if kind.name == "decimal":
        value = exp.cast(_nearest(found, kind), "BIGINT")
    else:
        value = exp.cast(found.node, _SQL_TYPES[kind.name])
    if kind.optional and found.type in _FLOATS:
        return exp.Case().when(exp.not_(exp.IsNan(this=found.node)), value)
    return value


def checks(
    inputs: "FeatureSet",
    columns: Mapping[str, Column],
    source: int = 0,
    dialect: Dialect = DUCKDB,
) -> Iterator[Check]:
    """The rules for the rows of a file, the same that hold on the wire.

    Args:
        inputs: the features; what they add up decides the magnitudes that are accepted.
        columns: the columns to check, as `matched` found them.
        source: whose events they are, as a position in `inputs.sources`.
        dialect: the engine's.
    """
    ours = inputs.sources[source]
    required = {name for name, kind in ours.fields.items() if not kind.optional}
    for name in columns:
        if name in required or name in (ours.id, ours.time.column):
            node = columns[name].node
            rule = f"{name} has no value: every event needs one; fill it in or leave the row out"
            yield Check(name, exp.null(), exp.Is(this=node, expression=exp.null()), rule)
    time = time_of(columns[ours.time.column], dialect)
    outside = exp.or_(time < 0, time.copy() >= LAST_TIME)
    rule = "is outside of 1970 to 2199: correct the time"
    yield Check(ours.time.column, columns[ours.time.column].node, outside, rule)
    if ours.id in columns:
        yield from _text_checks(ours.id, ours.id_kind, columns[ours.id], NAME_LIMIT)
        yield from _range_checks(ours.id, ours.id_kind, columns[ours.id])
    for field, found in columns.items():
        if field in ours.fields or field in ours.labels:
            yield from _field_checks(inputs, source, field, found)


def _field_checks(inputs: "FeatureSet", source: int, field: str, found: Column) -> Iterator[Check]:
    kind = inputs.sources[source].kind_of(field)
    if field in inputs.keys(source):
        yield from _text_checks(field, kind, found, NAME_LIMIT)
    yield from _range_checks(field, kind, found)
    if kind.name == "decimal" or (
        field in inputs.summed_of(source) and kind.name in ("int", "float")
    ):
        large: Sql = exp.func("ABS", _nearest(found, kind)) > double(float(LIMIT))
        if kind.optional and found.type in _FLOATS:
            large = exp.and_(large, exp.not_(exp.IsNan(this=found.node)))
        rule = (
            f"is above the largest magnitude that sums take, {LIMIT / kind.scale:g} for {kind}: "
            "use a coarser unit"
        )
        yield Check(field, found.node, large, rule)


def _range_checks(name: str, kind: Kind, found: Column) -> Iterator[Check]:
    if found.type in _FLOATS:
        size = exp.func("ABS", exp.cast(found.node, "DOUBLE"))
        infinite: Sql = exp.not_(exp.paren(size <= double(LARGEST)))
        if kind.optional:
            infinite = exp.and_(infinite, exp.not_(exp.IsNan(this=found.node)))
        yield Check(name, found.node, infinite, "is not a finite number: correct it")
    if kind.name == "bool" and found.type in _INTEGERS:
        other = exp.not_(found.node.isin(0, 1))
        yield Check(name, found.node, other, "is neither 0 nor 1: a bool is one of these")
    if kind.name == "int" and found.type in ("UBIGINT", "HUGEINT", "UHUGEINT"):
        wide = exp.cast(found.node, "INT128")
        outside = exp.or_(wide < -(2**63), wide.copy() >= 2**63)
        yield Check(name, found.node, outside, "does not fit 64 bits: use a smaller number")


def _text_checks(name: str, kind: Kind, found: Column, most: int) -> Iterator[Check]:
    if kind.name == "str":
        size = exp.Length(this=exp.cast(found.node, "VARCHAR"))
        wrong = exp.or_(size.eq(0), size.copy() > most)
        rule = f"must have 1 to {most} characters: shorten it, or leave the row out"
        yield Check(name, found.node, wrong, rule)


def _nearest(found: Column, kind: Kind) -> Sql:
    """In DOUBLE: `floor(x * scale + 0.5)`, as `fields.nearest` computes it."""
    product = exp.cast(found.node, "DOUBLE") * double(float(kind.scale))
    return exp.func("FLOOR", product + double(0.5))


def handed_through(found: Column, source: Source, name: str, dialect: Dialect = DUCKDB) -> Sql:
    """A column as it leaves: a label false where absent, the time as a timestamp."""
    if name in source.labels:
        return truth_of(found)
    if name == source.time.column:
        return dialect.timestamp(time_of(found, dialect))
    return found.node


def _wanted(source: Source, name: str) -> str | None:
    if name == source.time.column:
        return "a time"
    if name == source.id:
        return source.id_kind.name
    if name in source.fields or name in source.labels:
        return str(source.kind_of(name)).removesuffix(" | None")
    return None


def _holds(wanted: str, type_: str) -> bool:
    number = type_ in _INTEGERS or type_ in _FLOATS or type_.startswith("DECIMAL")
    return {
        "a time": type_ in _TIMES or type_ == "BIGINT",
        "int": type_ in _INTEGERS,
        "float": number,
        "bool": type_ == "BOOLEAN" or type_ in _INTEGERS,
        "str": type_ == "VARCHAR" or type_.startswith("ENUM"),
    }.get(wanted, number)
