"""Rows made again, one by one, from the raw snapshot: what the fast way has to equal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from groundplan.features import FeatureSet, offline
from groundplan.models import Floats
from groundplan.patterns.batch.runs.engine import KEY, SEGMENT
from groundplan.patterns.batch.runs.scoring import Loaded, fingerprints

Recompute: TypeAlias = Callable[[Sequence[Any]], Mapping[Any, Mapping[str, Any]]]
"""From keys to their rows, by key: `score`, `decision`, `reasons`, `inputs`, `segment`."""


@dataclass(frozen=True)
class Recomputing:
    """Makes rows of a run again.

    Features come from one statement over the rows of the keys alone, whatever partition they were
    in; scores from the model's own code, a row at a time; reasons from its explainer likewise.

    Args:
        folder: of the run, with its snapshot in `in/`.
        inputs: the features, with their categories.
        loaded: the build; of it the model itself, not the fast twin that scored.
    """

    folder: Path
    inputs: FeatureSet
    loaded: Loaded

    def __call__(self, keys: Sequence[Any]) -> dict[Any, dict[str, Any]]:
        """The rows of the keys that the snapshot has."""
        main, others = self._raw(keys)
        if not main.num_rows:
            return {}
        found = offline.table(self.inputs, main, keep=(KEY, SEGMENT), others=others)
        x = offline.matrix(found, self.inputs.names)
        names = found.column(KEY).to_pylist()
        segments = found.column(SEGMENT).to_pylist()
        return {
            key: {**self._scored(row), "segment": segment}
            for key, segment, row in zip(names, segments, x, strict=True)
        }

    def _scored(self, row: Floats) -> dict[str, Any]:
        score, decision, reasons = self.loaded.alone(row)
        return {
            "score": score,
            "decision": decision,
            "reasons": reasons,
            "inputs": int(fingerprints(row[np.newaxis])[0]),
        }

    def _raw(self, keys: Sequence[Any]) -> tuple[pa.Table, dict[str, pa.Table]]:
        """The snapshot's rows about some keys, and the events that their features read."""
        source, *others = self.inputs.sources
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            main = _rows(database, self.folder, source.name, {KEY: keys})
            events = {}
            for at, other in enumerate(others, start=1):
                named: dict[str, set[Any]] = {}
                for window in self.inputs.windows_of(at):
                    values = main.column(window.on).to_pylist()
                    named.setdefault(window.key, set()).update(values)
                events[other.name] = _rows(database, self.folder, other.name, named)
        return main, events


def _rows(
    database: duckdb.DuckDBPyConnection,
    folder: Path,
    source: str,
    named: Mapping[str, Iterable[Any]],
) -> pa.Table:
    """The rows of a source whose fields have some of the values."""
    files = [str(file) for file in sorted((folder / "in" / source).glob("part-*.parquet"))]
    given = [[value for value in values if value is not None] for values in named.values()]
    conditions = " OR ".join(
        f"{exp.to_identifier(field, quoted=True).sql('duckdb')} IN (SELECT unnest(?))"
        for field, values in zip(named, given, strict=True)
        if values
    )
    query = f"SELECT * FROM read_parquet(?) WHERE {conditions or 'false'}"
    return database.sql(query, params=[files, *filter(None, given)]).to_arrow_table()
