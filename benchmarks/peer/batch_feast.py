"""Scores as a Feast feature view: a scored Parquet table, materialised and looked up.

    python batch_feast.py score|fill|look_up '{"people": ..., "model": ..., ...}'

`score` makes the table by LightGBM on a matrix, as one would by hand; `fill` registers it and runs
`materialize` into the online store that is asked for; `look_up` measures `get_online_features`.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pace import looked_up

BLOCK = 500_000
FEATURES = ["scores:score", "scores:decision"]
MOMENT = datetime(2026, 7, 1, tzinfo=UTC)


def score(given: dict[str, Any]) -> dict[str, Any]:
    """Write keys, scores and decisions of all rows; the floor of what scoring takes."""
    import lightgbm

    booster = lightgbm.Booster(model_file=given["model"])
    names, decisions = booster.feature_name(), pa.array(given["decisions"])
    spent = {"read": 0.0, "scores": 0.0, "write": 0.0}
    writer = None
    begun = time.perf_counter()
    for batch in pq.ParquetFile(given["people"]).iter_batches(BLOCK):
        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
        matrix = np.column_stack(columns)
        read = time.perf_counter()
        scores = booster.predict(matrix, num_threads=len(os.sched_getaffinity(0)))
        predicted = time.perf_counter()
        decided = np.searchsorted(np.array(given["above"]), scores, side="left")
        moments = pa.array([MOMENT] * len(scores), pa.timestamp("us", "UTC"))
        table = pa.table(
            {
                "person": batch.column("person"),
                "event_timestamp": moments,
                "score": scores,
                "decision": decisions.take(pa.array(decided)),
            }
        )
        writer = writer or pq.ParquetWriter(given["scored"], table.schema)
        writer.write_table(table)
        written = time.perf_counter()
        spent["read"] += read - begun
        spent["scores"] += predicted - read
        spent["write"] += written - predicted
        begun = written
    if writer:
        writer.close()
    return {"seconds": spent}


def fill(given: dict[str, Any]) -> dict[str, Any]:
    """Register the table and materialise it."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, String

    repository = Path(given["repository"])
    repository.mkdir()
    (repository / "feature_store.yaml").write_text(
        "project: scores\nregistry: registry.db\nprovider: local\noffline_store:\n  type: file\n"
        f"online_store: {json.dumps(given['online'])}\nentity_key_serialization_version: 3\n"
    )
    person = Entity(name="person", join_keys=["person"], value_type=ValueType.INT64)
    view = FeatureView(
        name="scores",
        entities=[person],
        ttl=timedelta(0),
        schema=[Field(name="score", dtype=Float64), Field(name="decision", dtype=String)],
        source=FileSource(path=given["scored"], timestamp_field="event_timestamp"),
    )
    begun = time.perf_counter()
    store = FeatureStore(str(repository))
    store.apply([person, view])
    applied = time.perf_counter()
    store.materialize(MOMENT - timedelta(days=1), MOMENT + timedelta(days=1))
    ended = time.perf_counter()
    return {"seconds": {"apply": applied - begun, "materialize": ended - applied}}


def look_up(given: dict[str, Any]) -> dict[str, Any]:
    """Measure the store, as an application asks it."""
    from feast import FeatureStore

    store = FeatureStore(given["repository"])

    def many(keys: Any) -> list[tuple[float, str]]:
        rows = [{"person": key} for key in keys]
        found = store.get_online_features(features=FEATURES, entity_rows=rows).to_dict()
        return list(zip(found["score"], found["decision"], strict=True))

    return looked_up(
        lambda key: many([key]), many, lambda pair: pair, Path(given["scored"]), given["for_s"]
    )


STEPS = {"score": score, "fill": fill, "look_up": look_up}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](json.loads(sys.argv[2]))))
