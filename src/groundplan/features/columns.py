"""From the columns of any file to the columns that the compiled query reads, and their checks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from groundplan.errors import InputError
from groundplan.features.expressions import TIME, Sql, double
from groundplan.features.feature_set import FeatureSet
from groundplan.features.fields import LIMIT, NAME_LIMIT, Kind
from groundplan.features.query import IDENTIFIER, POSITION, column, read_fields
from groundplan.features.source import Source

LAST_TIME: Final = 7_258_118_400_000_000
"""2200-01-01 in us: the end of the times that a source takes; they begin with 1970-01-01."""

_INTEGERS: Final = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}
_FLOATS: Final = frozenset({"FLOAT", "DOUBLE"})
_TIMES: Final = frozenset(
    {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
)
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
    kinds |= dict.fromkeys(source.labels, "bool") | {source.id: source.id_kind.name}
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
        if wanted and not _holds(wanted, found[name].type):
            raise InputError(
                name,
                f"the column {found[name].name} is {found[name].type}, and {source.name} declares "
                f"{name} as {wanted}: convert the column or change the declaration",
            )
    return found


def needed(inputs: FeatureSet) -> tuple[str, ...]:
    """The names of the columns that the features read, each once."""
    source = inputs.source
    own = [source.id, source.time.column, *read_fields(inputs), *inputs.summed]
    return tuple(dict.fromkeys(own))


def normalised(
    inputs: FeatureSet,
    table: Sql,
    columns: Mapping[str, Column],
    keep: Iterable[str] = (),
    position: Sql | None = None,
) -> exp.Select:
    """Selects what `compile_query` reads from a table.

    Args:
        inputs: what will be computed.
        table: a table or a table function.
        columns: the table's columns by the source's names.
        keep: columns to hand through; the time as TIMESTAMP, labels as BOOLEAN.
        position: numbers the rows in the table's order; counted where it is not given.
    """
    source = inputs.source
    counted = exp.Window(this=exp.RowNumber())
    selected = [
        (position or counted).as_(POSITION),
        columns[source.id].node.as_(IDENTIFIER),
        time_of(columns[source.time.column]).as_(TIME),
    ]
    for field in read_fields(inputs):
        value = value_of(columns[field], source.kind_of(field))
        selected.append(value.as_(f"v_{field}", quoted=True))
    for field in inputs.summed:
        total = scaled_of(columns[field], source, field)
        selected.append(total.as_(f"s_{field}", quoted=True))
    for name in keep:
        kept = handed_through(columns[name], source, name)
        selected.append(kept.as_(f"k_{name}", quoted=True))
    return exp.select(*selected).from_(table)


def time_of(found: Column) -> Sql:
    """The time in BIGINT us since 1970-01-01 UTC."""
    if found.type == "BIGINT":
        return found.node
    exact = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
    node = found.node if found.type in exact else exp.cast(found.node, "TIMESTAMP")
    return exp.func("EPOCH_US", node)


def value_of(found: Column, kind: Kind) -> Sql:
    """The event's own value, as `Event.values` has it."""
    if kind.name == "decimal":
        return exp.cast(_nearest(found, kind), "BIGINT")
    return exp.cast(found.node, _SQL_TYPES[kind.name])


def scaled_of(found: Column, source: Source, field: str) -> Sql:
    """The BIGINT that windows add."""
    kind = source.kind_of(field)
    if field in source.labels:
        known = exp.func("COALESCE", exp.cast(found.node, "BOOLEAN"), exp.false())
        return exp.cast(known, "BIGINT")
    if kind.name in ("decimal", "float"):
        return exp.cast(_nearest(found, kind), "BIGINT")
    if kind.name == "bool":
        return exp.cast(exp.cast(found.node, "BOOLEAN"), "BIGINT")
    return exp.cast(found.node, "BIGINT")


def checks(inputs: FeatureSet, columns: Mapping[str, Column]) -> Iterator[Check]:
    """The rules for the rows of a file, the same that hold on the wire.

    Args:
        inputs: the features; what they add up decides the magnitudes that are accepted.
        columns: the columns to check, as `matched` found them.
    """
    source = inputs.source
    for name in columns:
        if name in source.fields or name in (source.id, source.time.column):
            node = columns[name].node
            rule = f"{name} has no value: every event needs one; fill it in or leave the row out"
            yield Check(name, exp.null(), exp.Is(this=node, expression=exp.null()), rule)
    time = time_of(columns[source.time.column])
    outside = exp.or_(time < 0, time.copy() >= LAST_TIME)
    rule = "is outside of 1970 to 2199: correct the time"
    yield Check(source.time.column, columns[source.time.column].node, outside, rule)
    yield from _text_checks(source.id, source.id_kind, columns[source.id], NAME_LIMIT)
    yield from _range_checks(source.id, source.id_kind, columns[source.id])
    for field, found in columns.items():
        if field in source.fields or field in source.labels:
            yield from _field_checks(inputs, field, found)


def _field_checks(inputs: FeatureSet, field: str, found: Column) -> Iterator[Check]:
    kind = inputs.source.kind_of(field)
    if field in inputs.entities:
        yield from _text_checks(field, kind, found, NAME_LIMIT)
    yield from _range_checks(field, kind, found)
    if kind.name == "decimal" or (field in inputs.summed and kind.name in ("int", "float")):
        size = exp.func("ABS", _nearest(found, kind))
        rule = (
            f"is above the largest magnitude that sums take, {LIMIT / kind.scale:g} for {kind}: "
            "use a coarser unit"
        )
        yield Check(field, found.node, size > double(float(LIMIT)), rule)


def _range_checks(name: str, kind: Kind, found: Column) -> Iterator[Check]:
    if found.type in _FLOATS:
        infinite = exp.not_(exp.func("ISFINITE", found.node))
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


def handed_through(found: Column, source: Source, name: str) -> Sql:
    """A column as it leaves: a label false where absent, the time as a timestamp."""
    if name in source.labels:
        return exp.func("COALESCE", exp.cast(found.node, "BOOLEAN"), exp.false())
    if name == source.time.column:
        return exp.func("MAKE_TIMESTAMP", time_of(found))
    return found.node


def _wanted(source: Source, name: str) -> str | None:
    if name == source.time.column:
        return "a time"
    if name == source.id:
        return source.id_kind.name
    if name in source.fields or name in source.labels:
        return str(source.kind_of(name))
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
