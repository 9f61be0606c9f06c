"""What the features of an answer were by what had arrived when it was given.

Each answer that is looked into gets a copy of the events of its entities that had arrived, under
entities of its own; one offline statement then computes all of them together. It is the same
compiled SQL as that of training, over the same definitions with other keys.
"""

import copy
from collections.abc import Iterator
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from groundplan.features import FeatureSet, Source, offline
from groundplan.features.expressions import Expression
from groundplan.features.fields import Kind
from groundplan.features.moment import TimePart
from groundplan.features.values import FieldValue
from groundplan.features.windows import EVER, Measure, Window
from groundplan.monitoring.arrivals import Arrivals
from groundplan.monitoring.lateness import forgotten
from groundplan.monitoring.logged import Floats, Indices

COPIES: Final = 1_000_000
"""Events that one statement computes over at most, unless one answer alone needs more."""

_OWN: Final = "groundplan_own_"
"""What the name of an added key begins with: the number of the answer, or one that is nobody's."""

_VERSION: Final = "groundplan_version"
"""The added key of a profile table, which tells the copies of its versions apart."""


def known_then(
    inputs: FeatureSet,
    past: Arrivals,
    rows: Indices,
    arrival: Indices,
    forgetting: Indices | None = None,
) -> Floats:
    """The features of answers by what had arrived before them.

    Args:
        inputs: the definitions.
        past: everything that happened.
        rows: int64[m], the places of their events.
        arrival: int64[m], what came before this place in the log was there.
        forgetting: int64[m], what could be forgotten at this place in the log was; nothing was
            where it is not given.

    Returns:
        float64[m, F], NaN where missing.
    """
    out = np.empty((len(rows), len(inputs)))
    if not len(rows):
        return out
    twin = _own_entities(inputs)
    with duckdb.connect(config={"threads": 2}) as connection:
        _register(connection, inputs, past)
        for start, stop in _portions(connection, inputs, past, rows, arrival, forgetting):
            tables = [_copied(connection, inputs, number) for number in range(len(inputs.sources))]
            own = tables[0].column("groundplan_answer").combine_chunks()
            others = {
                source.name: table
                for source, table in zip(inputs.sources[1:], tables[1:], strict=True)
            }
            main = tables[0].drop_columns(["groundplan_answer"])
            found = offline.table(twin, main, others=others)
            # The answers' own events are the last rows, in their order.
            count = stop - start
            assert own.slice(len(own) - count).to_pylist() == list(range(count))
            last = found.slice(len(found) - count)
            out[start:stop] = offline.matrix(last, inputs.names)
    return out


def _own_entities(inputs: FeatureSet) -> FeatureSet:
    """The same features, read by the added keys instead of the entities' own."""
    twins: dict[int, Source] = {}
    for number, source in enumerate(inputs.sources):
        twin = copy.copy(source)
        twin.fields = source.fields | dict.fromkeys(_keys(inputs, number), Kind("int"))
        if source.versioned:
            twin.fields[_VERSION] = Kind("int")
            twin.key = _VERSION  # type: ignore[attr-defined]  # profile tables have one
        twins[id(source)] = twin

    def change(node: Expression) -> Expression | None:
        if isinstance(node, FieldValue):
            return twins[id(node.source)].own(node.field)
        if isinstance(node, TimePart):
            return TimePart(twins[id(node.source)], node.part)
        if isinstance(node, Window):
            return _window(node)
        return None

    def _window(node: Window) -> Window:
        source, parts = twins[id(node.source)], node.measure
        of = None if parts.of is None else parts.of.rebuilt(change)
        where = None if parts.where is None else parts.where.rebuilt(change)
        return Window(
            node.function,
            source,
            _own(inputs, node),
            f"{_OWN}{node.on}",
            Measure(source, of, where, parts.gaps),
            node.length,
            node.delay,
            node.current,
            node.empty,
        )

    pairs = zip(inputs.names, inputs.expressions, strict=True)
    return FeatureSet([(n, e.rebuilt(change)) for n, e in pairs], twins[id(inputs.source)])


def _register(connection: duckdb.DuckDBPyConnection, inputs: FeatureSet, past: Arrivals) -> None:
    for number, table in enumerate(past.tables):
        time = table.column(inputs.sources[number].time.column)
        at = time.cast(pa.timestamp("us")).cast(pa.int64())
        more = {
            "groundplan_row": pa.array(np.arange(len(table))),
            "groundplan_at": at,
            "groundplan_arrival": pa.array(past.arrival[number]),
            "groundplan_beyond": pa.array(past.beyond[number]),
        }
        columns = dict(zip(table.column_names, table.columns, strict=True)) | more
        if number == 0:
            columns |= {name: pa.array(values) for name, values in past.first_labels.items()}
        connection.register(f"events_{number}", pa.table(columns))
    told = past.told.append_column("place", pa.array(np.arange(len(past.told))))
    connection.register("told", told)


def _portions(
    connection: duckdb.DuckDBPyConnection,
    inputs: FeatureSet,
    past: Arrivals,
    rows: Indices,
    arrival: Indices,
    forgetting: Indices | None,
) -> Iterator[tuple[int, int]]:
    """Portions of the answers; for each, the tables `answers` and `matched_N` are made."""
    floors: dict[int, Indices] = {}
    if forgetting is not None:
        for number, table in enumerate(past.tables):
            known = table, past.arrival[number], past.beyond[number]
            floors[number] = forgotten(inputs, number, *known, forgetting)
    start, step = 0, min(len(rows), 4_096)
    while start < len(rows):
        stop = min(start + step, len(rows))
        asked = pa.table(
            {
                "groundplan_answer": pa.array(np.arange(stop - start)),
                "groundplan_row": pa.array(rows[start:stop]),
                "groundplan_before": pa.array(arrival[start:stop]),
            }
            | {f"groundplan_gone_{n}": pa.array(each[start:stop]) for n, each in floors.items()}
        )
        connection.register("asked", asked)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE answers AS SELECT asked.* EXCLUDE (groundplan_row), "
            "events_0.* FROM asked JOIN events_0 USING (groundplan_row)"
        )
        sources = range(len(inputs.sources))
        copies = [_match(connection, inputs, number, number in floors) for number in sources]
        if max(copies) > COPIES and step > 1:
            step = max(1, step // 4)
            continue
        yield start, stop
        start = stop


def _match(
    connection: duckdb.DuckDBPyConnection, inputs: FeatureSet, number: int, forgets: bool
) -> int:
    """Which events of a source each answer could see; returns how many pairs there are."""
    pairs = []
    for at, key in inputs.histories:
        if at != number:
            continue
        windows = inputs.windows_of(number, key)
        reach = max(window.oldest for window in windows)
        oldest = (
            ""
            if any(w.length == EVER for w in windows)
            else (f" AND e.groundplan_at > a.groundplan_at - {reach}")
        )
        if forgets:
            oldest += f" AND e.groundplan_at > a.groundplan_gone_{number}"
        for on in dict.fromkeys(window.on for window in windows):
            pairs.append(
                "SELECT a.groundplan_answer, a.groundplan_before, e.groundplan_row "
                f"FROM answers a JOIN events_{number} e ON e.{_quoted(key)} = a.{_quoted(on)} "
                "WHERE e.groundplan_at < a.groundplan_at AND NOT e.groundplan_beyond "
                f"AND e.groundplan_arrival < a.groundplan_before{oldest}"
            )
    nothing = (
        "SELECT 0::BIGINT AS groundplan_answer, 0::BIGINT AS groundplan_before, "
        "0::BIGINT AS groundplan_row WHERE false"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE matched_{number} AS {' UNION '.join(pairs or [nothing])}"
    )
    ((count,),) = connection.execute(f"SELECT count(*) FROM matched_{number}").fetchall()
    return int(count)


def _own(inputs: FeatureSet, window: Window) -> str:
    """The added key of a window's source. Two fields of an answer may name two of its entities."""
    main = window.source is inputs.source
    return f"{_OWN}{window.on}" if main else f"{_OWN}{window.key}_for_{window.on}"


def _keys(inputs: FeatureSet, number: int) -> dict[str, tuple[str, str]]:
    """The added keys of a source: by name, its own field and that of the answer."""
    windows = inputs.windows_of(number)
    found = {_own(inputs, window): (window.key, window.on) for window in windows}
    if number == 0:
        found |= {f"{_OWN}{field}": (field, field) for field in inputs.entities}
    return found


def _copied(connection: duckdb.DuckDBPyConnection, inputs: FeatureSet, number: int) -> pa.Table:
    """The copies of a source's events with their added keys, and identifiers of their own.

    An added key is the answer's number where an event is of the answer's entity, and a number
    that no answer has where it is of another: it came along for another key's sake.
    """
    source = inputs.sources[number]
    labels = ""
    if number == 0 and source.labels:
        connection.execute(_labels(source))
        labels = (
            " LEFT JOIN labelled l ON l.groundplan_answer = m.groundplan_answer "
            "AND l.groundplan_row = m.groundplan_row"
        )
    columns = [f"e.{_quoted(name)}" for name in [source.time.column, *source.fields]]
    columns += [
        f"coalesce(l.{_quoted(name)}, e.{_quoted(name)}) AS {_quoted(name)}"
        for name in source.labels
    ]
    columns += [
        f"CASE WHEN e.{_quoted(key)} = a.{_quoted(on)} THEN a.groundplan_answer "
        f"ELSE -1 - a.groundplan_answer END AS {_quoted(name)}"
        for name, (key, on) in _keys(inputs, number).items()
    ]
    found = connection.sql(
        f"SELECT -1::BIGINT AS groundplan_answer, {', '.join(columns)} "
        f"FROM matched_{number} m JOIN events_{number} e USING (groundplan_row) "
        f"JOIN answers a ON a.groundplan_answer = m.groundplan_answer{labels}"
    ).to_arrow_table()
    if number == 0:
        found = pa.concat_tables([found, _answers(connection, inputs, found.schema)])
    else:
        found = found.drop_columns(["groundplan_answer"])
    numbers = pa.array(np.arange(len(found)))
    if source.versioned:
        return found.append_column(_VERSION, numbers)
    text = source.id_kind.name == "str"
    return found.append_column(source.id, numbers.cast(pa.string()) if text else numbers)


def _answers(
    connection: duckdb.DuckDBPyConnection, inputs: FeatureSet, schema: pa.Schema
) -> pa.Table:
    """The answers' own events, in order."""
    own = [f"groundplan_answer AS {_quoted(name)}" for name in _keys(inputs, 0)]
    query = f"SELECT *{''.join(f', {key}' for key in own)} FROM answers ORDER BY groundplan_answer"
    return connection.sql(query).to_arrow_table().select(schema.names).cast(schema)


def _labels(source: Source) -> str:
    """Makes the table of labels that had been told by then, the last word on each."""
    latest = ", ".join(
        f"arg_max(t.{_quoted(name)}, t.place) FILTER (t.{_quoted(name)} IS NOT NULL) "
        f"AS {_quoted(name)}"
        for name in source.labels
    )
    return (
        "CREATE OR REPLACE TEMP TABLE labelled AS "
        f"SELECT m.groundplan_answer, m.groundplan_row, {latest} FROM matched_0 m "
        "JOIN told t ON t.row = m.groundplan_row AND t.arrival < m.groundplan_before "
        "GROUP BY ALL"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
