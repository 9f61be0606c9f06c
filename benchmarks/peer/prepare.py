"""Make the peer's folder: features by SQL, a LightGBM model, a materialised SQLite online store.

    python prepare.py TRANSACTIONS.parquet FOLDER

The model has the size of the one that it is compared with, 100 trees of 16 leaves, and it is
trained on the published week (25 to 31 July 2018).
"""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import lightgbm
from definitions import WINDOWS, customer, customer_view, terminal, terminal_view
from feast import FeatureStore

AS_OF = "2018-08-15"
CONFIG = """
project: fraud
registry: data/registry.db
provider: local
online_store:
  type: sqlite
  path: data/online.db
entity_key_serialization_version: 3
"""
WINDOWED = [
    field.name
    for view in (customer_view, terminal_view)
    for field in view.schema
    if not field.name.endswith("_id")
]
INPUTS = ["tx_amount", "tx_during_weekend", "tx_during_night", *WINDOWED]


def windowed() -> str:
    """SQL for the features of every transaction."""
    columns = []
    for days in WINDOWS:
        columns += [
            f"count(*) OVER c{days} AS customer_nb_tx_{days}d",
            f"avg(tx_amount) OVER c{days} AS customer_avg_amount_{days}d",
            f"count(*) OVER t{days} AS terminal_nb_tx_{days}d",
            f"coalesce(avg(tx_fraud::int) OVER t{days}, 0) AS terminal_risk_{days}d",
        ]
    frames = [
        f"c{days} AS (PARTITION BY customer_id ORDER BY tx_datetime "
        f"RANGE BETWEEN INTERVAL {days} DAY PRECEDING AND CURRENT ROW), "
        f"t{days} AS (PARTITION BY terminal_id ORDER BY tx_datetime "
        f"RANGE BETWEEN INTERVAL {days + 7} DAY PRECEDING AND INTERVAL 7 DAY PRECEDING)"
        for days in WINDOWS
    ]
    return f"SELECT *, {', '.join(columns)} FROM transactions WINDOW {', '.join(frames)}"


def main(transactions: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    (folder / "feature_store.yaml").write_text(CONFIG)

    database = duckdb.connect()
    database.execute(
        "CREATE TABLE transactions AS SELECT tx_datetime AS tx_datetime, "
        "customer_id AS customer_id, terminal_id AS terminal_id, tx_amount AS tx_amount, "
        f"tx_fraud AS tx_fraud FROM '{transactions}' "
        f"WHERE tx_datetime < TIMESTAMP '{AS_OF}'"
    )
    database.execute(f"CREATE TABLE featured AS {windowed()}")
    for key in ("customer", "terminal"):
        columns = ", ".join(name for name in WINDOWED if name.startswith(key))
        database.execute(
            f"COPY (SELECT {key}_id, tx_datetime AS event_timestamp, {columns} FROM featured "
            f"QUALIFY row_number() OVER (PARTITION BY {key}_id ORDER BY tx_datetime DESC) = 1) "
            f"TO '{folder / 'data' / key}.parquet'"
        )
    week = database.execute(
        "SELECT *, dayofweek(tx_datetime) IN (0, 6) AS tx_during_weekend, "
        "hour(tx_datetime) <= 6 AS tx_during_night FROM featured "
        "WHERE tx_datetime >= DATE '2018-07-25' AND tx_datetime < DATE '2018-08-01'"
    ).df()
    model = lightgbm.train(
        {"objective": "binary", "num_leaves": 16, "min_data_in_leaf": 100, "verbose": -1},
        lightgbm.Dataset(week[INPUTS].astype(float), week["tx_fraud"]),
        num_boost_round=100,
    )
    model.save_model(folder / "model.txt")

    store = FeatureStore(str(folder))
    store.apply([customer, terminal, customer_view, terminal_view])
    store.materialize(datetime(2018, 1, 1, tzinfo=UTC), datetime.fromisoformat(f"{AS_OF}T00:00Z"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
