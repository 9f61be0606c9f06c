"""Everything that happened to a system, and when it came: its history and its prediction log.

An event counts once, by its identifier, from where it was first recorded; a label from where it
was told, or from where its event came. What a history has was there before the log began.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.features import FeatureSet, Source, Table, offline
from groundplan.monitoring.bodies import Bodies
from groundplan.monitoring.lateness import lateness
from groundplan.monitoring.logged import Bools, Floats, Indices, Logged, logged

Histories: TypeAlias = Mapping[str, Sequence[Path | pa.Table]]
"""By the source's name: Parquet files or tables of what the state was filled from."""


@dataclass(frozen=True)
class Served:
    """The answers of a log, in the order in which they were given.

    Args:
        row: int64[m], the place of their events in the main source's table.
        at: int64[m], us since 1970, when they were given.
        arrival: int64[m], their places in the log, from 1.
        first: int64[m], the first place in the log that may have come after their features were
            read: what several processes did within the time of one answer has no known order.
        values: float64[m, F], the features, NaN where missing.
        degraded: bool[m], whether a fallback gave the features.
        answer: score, decision and build.
        repeated: answers to events that had been answered before.
        foreign: answers that builds with other definitions gave, and that are not here.
    """

    row: Indices
    at: Indices
    arrival: Indices
    first: Indices
    values: Floats
    degraded: Bools
    answer: pa.Table
    repeated: int = 0
    foreign: int = 0


@dataclass(frozen=True)
class Arrivals:
    """What happened, and when it came.

    Args:
        tables: by position of the source, its events; labels of the main one as known at last.
        arrival: for each, int64[n]: the place in the log at which a row came, 0 in a history.
        beyond: for each, bool[n]: whether it came too late to count in any window.
        late: events of the log that came after a newer one of an entity, and count.
        first_labels: by label, bool[n]: what the main source's events came with.
        told: labels that were told of events, in the order of the log: columns row, arrival, and
            one for each label, null where nothing was said of it.
        served: the answers.
        log_at: int64[rows of the log], us since 1970, when each came.
    """

    tables: tuple[pa.Table, ...]
    arrival: tuple[Indices, ...]
    beyond: tuple[Bools, ...]
    late: int
    first_labels: Mapping[str, Bools]
    told: pa.Table
    served: Served
    log_at: Indices


def arrivals(
    inputs: FeatureSet, histories: Histories, folder: Path, mine: Sequence[str]
) -> Arrivals:
    """Read a log and what the state was filled from.

    Args:
        inputs: the definitions.
        histories: what the state was filled from.
        folder: the prediction log's.
        mine: the builds whose features these definitions are.

    Raises:
        InputError: a history lacks a column.
        EngineError: a row of the log cannot be read.
    """
    found = logged(inputs, folder, mine)
    pairs = []
    for number, source in enumerate(inputs.sources):
        which = np.flatnonzero(found.source == number)
        parsed = Bodies(source, found.event.take(pa.array(which)))
        pairs.append(_Source(inputs, number, histories.get(source.name, ()), parsed, which, found))
    main = pairs[0]
    beyond, late = lateness(inputs, [pair.table for pair in pairs], [pair.past for pair in pairs])
    return Arrivals(
        tables=tuple(pair.table for pair in pairs),
        arrival=tuple(pair.arrival for pair in pairs),
        beyond=beyond,
        late=late,
        first_labels=main.first_labels,
        told=main.told,
        served=_served(found, main),
        log_at=found.at,
    )


class _Source:
    """One source's events: those of its history, then those that only the log has.

    Args:
        inputs: the definitions.
        number: the position of the source.
        histories: what the state was filled from.
        parsed: the log's rows of this source.
        which: their places in the log.
        found: the log.
    """

    def __init__(
        self,
        inputs: FeatureSet,
        number: int,
        histories: Sequence[Path | pa.Table],
        parsed: Bodies,
        which: Indices,
        found: Logged,
    ) -> None:
        self.source = source = inputs.sources[number]
        past = _history(inputs, source, histories)
        self.places = {key: row for row, key in enumerate(_identifiers(source, past))}
        self.which, self.parsed = which, parsed
        keys = self._keys()
        rows, arrival = self._new(keys, found, len(past))
        self.row_of = np.array([self.places.get(key, -1) for key in keys], np.int64)
        new = parsed.table(source, rows)
        self.table = pa.concat_tables([past, new.select(past.column_names).cast(past.schema)])
        self.arrival = np.concatenate([np.zeros(len(past), np.int64), arrival])
        self.past = len(past)
        self.first_labels = {
            name: self.table.column(name).to_numpy().astype(np.bool_) for name in source.labels
        }
        self.told = self._told(found.arrived[which])
        self._relabel()

    def _keys(self) -> list[Any]:
        source, columns = self.source, self.parsed.columns
        if not source.versioned:
            return columns[source.id]
        return list(_versions(source, self.parsed.table(source, range(self.parsed.size))))

    def _new(self, keys: list[Any], found: Logged, first: int) -> tuple[list[int], Indices]:
        """The rows that bring events that no history has, and where they came."""
        # What may not have been recorded came where it is known to have been, if it is.
        sure = self.parsed.event & found.sure[self.which]
        rows: list[int] = []
        for certain in (True, False):
            for row in np.flatnonzero(sure if certain else self.parsed.event & ~sure).tolist():
                if keys[row] not in self.places:
                    self.places[keys[row]] = -1
                    rows.append(row)
        arrived = found.arrived[self.which]
        rows.sort(key=lambda row: (int(arrived[row]), row))
        for place, row in enumerate(rows):
            self.places[keys[row]] = first + place
        return rows, arrived[np.array(rows, np.int64)]

    def _told(self, arrived: Indices) -> pa.Table:
        """What was told of events after they came, in the order of the log."""
        columns: dict[str, list[Any]] = {"row": [], "arrival": []}
        columns |= {name: [] for name in self.source.labels}
        labels = [self.parsed.columns[name] for name in self.source.labels]
        for at in np.flatnonzero(self.row_of >= 0) if labels else ():
            place = int(self.row_of[at])
            values = [column[at] for column in labels]
            if self.parsed.event[at]:  # of an event that comes again, False may mean not known
                values = [value or None for value in values]
            came = int(self.arrival[place])
            if any(value is not None for value in values) and arrived[at] != came:
                columns["row"].append(place)
                # One that was told before its event came counts from then.
                columns["arrival"].append(max(int(arrived[at]), came))
                for name, value in zip(self.source.labels, values, strict=True):
                    columns[name].append(value)
        types = dict.fromkeys(self.source.labels, pa.bool_())
        types |= {"row": pa.int64(), "arrival": pa.int64()}
        return pa.table({name: pa.array(columns[name], types[name]) for name in columns})

    def _relabel(self) -> None:
        """Give the table the labels as they are known at last."""
        rows = self.told.column("row").to_pylist()
        for name in self.source.labels:
            last = self.first_labels[name].copy()
            for row, value in zip(rows, self.told.column(name).to_pylist(), strict=True):
                if value is not None:
                    last[row] = value
            at = self.table.column_names.index(name)
            self.table = self.table.set_column(at, name, pa.array(last))


def _history(inputs: FeatureSet, source: Source, files: Sequence[Path | pa.Table]) -> pa.Table:
    """The events of what the state was filled from, under the source's names, each once."""
    empty = Bodies(source, pa.chunked_array([], pa.string())).table(source, [])
    found = []
    for file in files:
        table = pq.read_table(file) if isinstance(file, Path) else file
        lower = {name.lower(): name for name in table.column_names}
        if source is inputs.source:
            table = offline.events(inputs, table)
        else:
            table = table.select([lower[name.lower()] for name in empty.column_names])
            table = table.rename_columns(empty.column_names)
        found.append(table)
    if not found:
        return empty
    whole = pa.concat_tables(found, promote_options="permissive").select(empty.column_names)
    first: dict[Any, int] = {}
    for row, key in enumerate(_identifiers(source, whole)):
        first.setdefault(key, row)
    return whole.take(pa.array(first.values(), pa.int64())) if len(first) < len(whole) else whole


def _identifiers(source: Source, table: pa.Table) -> Iterator[Any]:
    if source.versioned:
        return _versions(source, table)
    return iter(table.column(source.id).to_pylist())


def _versions(source: Source, table: pa.Table) -> Iterator[Any]:
    """What identifies the versions of a profile table: key and time."""
    assert isinstance(source, Table)
    times = table.column(source.time.column).cast(pa.timestamp("us")).cast(pa.int64())
    return zip(table.column(source.key).to_pylist(), times.to_pylist(), strict=True)


def _served(found: Logged, main: _Source) -> Served:
    answered = np.flatnonzero(found.predicted[main.which] & main.parsed.event)
    which = main.which[answered]
    rows = main.row_of[answered]
    return Served(
        row=rows,
        at=found.at[which],
        arrival=1 + which,
        first=1 + np.searchsorted(found.at, found.at[which] - found.spent[which], side="left"),
        values=found.values[which],
        degraded=found.degraded[which],
        answer=found.answer.take(pa.array(which)),
        repeated=len(rows) - len(np.unique(rows)),
        foreign=found.foreign,
    )
