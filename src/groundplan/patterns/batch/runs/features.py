"""The features of a partition: computed, or the last run's where nothing can have changed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from groundplan.engines import places
from groundplan.features import FeatureSet, offline
from groundplan.features.columns import needed
from groundplan.features.finishing import finished
from groundplan.features.history import opened_together
from groundplan.models.scorer import Floats
from groundplan.patterns.batch.runs.candidates import Found, Prior

BATCH: Final = 1 << 17
"""Rows that are handed on at a time."""


class Snapshot:
    """The rows of one partition, from which features are computed.

    Args:
        inputs: the features.
        main: the population's snapshot.
        others: the snapshots of the other sources, by name.
        keep: columns of the population to hand through.
        memory: bytes that DuckDB may use before it spills to disk.
        threads: that it uses at once.
    """

    def __init__(
        self,
        inputs: FeatureSet,
        main: Path,
        others: Mapping[str, Path],
        keep: tuple[str, ...],
        memory: int,
        threads: int,
    ) -> None:
        self._inputs, self._main, self._others = inputs, main, others
        self._keep, self._memory, self._threads = keep, memory, threads

    def computed(self) -> Iterator[pa.RecordBatch]:
        """The features of all rows; at least one batch, which may be empty."""
        yield from self._computed([self._main, *offline.listed(self._inputs, self._others)])

    def merged(self, prior: Prior, found: Found) -> Iterator[pa.RecordBatch]:
        """The features of the candidates, computed, among those that the others had."""
        fresh = _Queue(self._computed(self._about(found)), self._inputs.names)
        done = 0
        with pq.ParquetFile(self._main) as rows:
            for batch in rows.iter_batches(BATCH, columns=list(self._keep)):
                here = slice(done, done + len(batch))
                done += len(batch)
                may = found.candidates[here]
                matrix = np.empty((len(batch), len(self._inputs.names)))
                matrix[~may] = prior.matrix[found.there[here][~may]]
                matrix[may] = fresh.next(int(may.sum()))
                kept = [batch.column(name) for name in self._keep]
                columns = kept + [pa.array(column) for column in matrix.T]
                yield pa.RecordBatch.from_arrays(columns, [*self._keep, *self._inputs.names])
        if not done:
            yield from self.computed()

    def _computed(self, sources: "list[Path | pa.Table]") -> Iterator[pa.RecordBatch]:
        with opened_together(sources, self._memory) as histories:
            connection = histories[0].connection
            connection.execute(f"SET threads = {self._threads}")
            query = offline.statement(self._inputs, histories, self._keep)
            reader = connection.sql(query).to_arrow_reader(BATCH)
            schema, empty = reader.schema, True
            for batch in reader:
                empty = False
                yield finished(self._inputs, batch)
            if empty:
                yield finished(self._inputs, pa.RecordBatch.from_pylist([], schema))

    def _about(self, found: Found) -> "list[Path | pa.Table]":
        """The rows of the candidates, and the events that their features read.

        Raises:
            InputError: an event breaks a rule, whoever it is about.
        """
        self._check()
        main = pq.read_table(self._main).filter(pa.array(found.candidates))
        events: list[Path | pa.Table] = [main]
        with places.connected(self._memory, self._threads) as connection:
            for at, source in enumerate(self._inputs.sources[1:], 1):
                pairs = dict.fromkeys((w.key, w.on) for w in self._inputs.windows_of(at))
                where = []
                for number, (key, on) in enumerate(pairs):
                    asked = f"asked_{at}_{number}"
                    connection.register(asked, pa.table({"entity": main.column(on)}))
                    named = exp.to_identifier(key, quoted=True).sql("duckdb")
                    where.append(f"{named} IN (FROM {asked})")
                place = str(self._others[source.name]).replace("'", "''")
                query = f"SELECT * FROM read_parquet('{place}') WHERE {' OR '.join(where)}"
                events.append(connection.sql(query).to_arrow_table())
        return events

    def _check(self) -> None:
        """Refuse events that a full run would refuse; of the population, candidates are checked.

        Rows that are the same as they were have passed.
        """
        if not self._others:
            return
        sources = offline.listed(self._inputs, self._others)
        with opened_together(sources, self._memory) as histories:
            histories[0].connection.execute(f"SET threads = {self._threads}")
            for at, history in enumerate(histories, 1):
                history.columns(self._inputs, needed(self._inputs, at), source=at)


class _Queue:
    """Rows that are taken as they are needed from batches as they come."""

    def __init__(self, batches: Iterator[pa.RecordBatch], names: tuple[str, ...]) -> None:
        self._batches, self._names = batches, names
        self._left: Floats = np.empty((0, len(names)))

    def next(self, count: int) -> Floats:
        """As many rows as asked for, float64[count, F]; null is NaN."""
        found = [self._left]
        held = len(self._left)
        while held < count:
            batch = next(self._batches)
            found.append(offline.matrix(pa.Table.from_batches([batch]), self._names))
            held += len(batch)
        rows = np.concatenate(found) if len(found) > 1 else found[0]
        self._left = rows[count:]
        return rows[:count]
