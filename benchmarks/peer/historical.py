"""Feast's historical features: values that were computed before, joined at the moments asked for.

    python historical.py REPOSITORY ASKED.parquet OUT.parquet

The clock runs from the reading of the questions to the table in memory, as for the others.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import FeatureStore


def main(repository: Path, asked: Path, out: Path) -> None:
    store = FeatureStore(repo_path=str(repository))
    references = [
        f"{view.name}:{field.name}"
        for view in store.list_feature_views()
        for field in view.features
    ]
    begun = time.perf_counter()
    rows = pd.read_parquet(asked)
    found = store.get_historical_features(entity_df=rows, features=references).to_arrow()
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    pq.write_table(found, out)
    print(json.dumps({"seconds": seconds, "megabytes": peak / 1024, "rows": found.num_rows}))


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
