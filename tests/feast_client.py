"""Asks a Feast repository, in a process of its own: importing Feast turns this one's metrics over.

python tests/feast_client.py FOLDER: registers it, pushes, and answers `asked.parquet` and
`keys.parquet` in FOLDER with `joined.parquet` and `online.parquet`.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from groundplan.engines import feast


def main(folder: Path) -> None:
    from feast import FeatureStore

    feast.apply(folder)
    print(json.dumps(feast.push(folder)))
    store = FeatureStore(repo_path=str(folder))
    references = [
        f"{view.name}:{field.name}"
        for view in store.list_feature_views()
        for field in view.features
    ]
    asked = pd.read_parquet(folder / "asked.parquet")
    joined = store.get_historical_features(entity_df=asked, features=references).to_df()
    joined.to_parquet(folder / "joined.parquet")
    keys = pd.read_parquet(folder / "keys.parquet")
    mine = [name for name in references if name.startswith("customer:")]
    rows = keys.to_dict("records")
    store.get_online_features(features=mine, entity_rows=rows).to_df().to_parquet(
        folder / "online.parquet"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
