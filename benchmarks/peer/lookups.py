"""Feast's online features: plain values of two entities, by the keys of a request.

    python lookups.py fill REPOSITORY
    python lookups.py measure REPOSITORY ASKED.parquet

`fill` writes the newest values of every entity into the online store that the repository names;
`measure` prints the microseconds of each answer.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from feast import FeatureStore


def fill(repository: Path) -> None:
    store = FeatureStore(repo_path=str(repository))
    written = {}
    for view in store.list_feature_views():
        rows = pd.read_parquet(repository / "data" / f"{view.name}.parquet")
        newest = rows.drop_duplicates(view.entity_columns[0].name, keep="last")
        store.write_to_online_store(view.name, df=newest)
        written[view.name] = len(newest)
    print(json.dumps(written))


def measure(repository: Path, asked: Path) -> None:
    store = FeatureStore(repo_path=str(repository))
    references = [
        f"{view.name}:{field.name}"
        for view in store.list_feature_views()
        for field in view.features
    ]
    rows = pd.read_parquet(asked).to_dict("records")
    missing = 0
    took: list[float] = []
    warm = len(rows) // 10
    cpu = 0.0
    for number, row in enumerate(rows):
        if number == warm:
            took.clear()
            cpu = time.process_time()
        begun = time.perf_counter_ns()
        found = store.get_online_features(features=references, entity_rows=[row]).to_dict()
        took.append((time.perf_counter_ns() - begun) / 1e3)
        missing += any(values[0] is None for values in found.values())
    cpu = (time.process_time() - cpu) / len(took) * 1e6
    print(json.dumps({"us": took, "cpu": cpu, "missing": missing / len(rows)}))


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]))
    else:
        measure(Path(sys.argv[2]), Path(sys.argv[3]))
