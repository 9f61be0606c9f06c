"""Rows to train models on: a small drawn set, and the published transactions."""

from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np

from groundplan.models.scorer import Bools, Floats, Indices
from shared_data import fraud_transactions


@dataclass(frozen=True)
class Rows:
    """Inputs, labels and names; the columns have missing values, whole numbers and ties."""

    x: Floats
    y: Bools
    names: tuple[str, ...]


@cache
def drawn_rows() -> Rows:
    """Three thousand rows, a seventh of them positive; the same at every call."""
    drawn = np.random.default_rng(7)
    x = drawn.normal(size=(3000, 6))
    x[:, 1] = drawn.integers(0, 5, 3000)
    x[:, 2] = 3.0
    x[drawn.random(x.shape) < 0.1] = np.nan
    risk = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) * (np.nan_to_num(x[:, 3]) > 0)
    return Rows(x, risk + drawn.normal(size=3000) > 2, tuple("abcdef"))


@dataclass(frozen=True)
class Published:
    """The published transactions: features in the published form, labels, times, customers."""

    x: Floats
    fraud: Bools
    time: Indices
    customer: Indices
    names: tuple[str, ...]


@cache
def published_rows() -> Published:
    """The published features, from plain SQL; skips where the data set is not there."""
    day = 86_400_000_000
    features = {
        "amount": "TX_AMOUNT",
        "weekend": "isodow(TX_DATETIME) >= 6",
        "night": "hour(TX_DATETIME) <= 6",
    }
    windows = []
    for length in (1, 7, 30):
        for who, key, delay in (("customer", "CUSTOMER_ID", 0), ("terminal", "TERMINAL_ID", 7)):
            end = f"{delay * day} PRECEDING" if delay else "CURRENT ROW"
            name = f"{who}_{length}"
            windows.append(
                f"{name} AS (PARTITION BY {key} ORDER BY epoch_us(TX_DATETIME) RANGE BETWEEN "
                f"{(length + delay) * day - 1} PRECEDING AND {end})"
            )
            features[f"{name}_count"] = f"count(*) OVER {name}"
            of = "TX_FRAUD::INTEGER" if delay else "TX_AMOUNT"
            features[f"{name}_mean"] = f"coalesce(avg({of}) OVER {name}, 0)"
    columns = ", ".join(f"({sql})::DOUBLE AS {name}" for name, sql in features.items())
    # Two months of history: more than the longest window and its delay before any split here.
    table = (
        duckdb.connect()
        .execute(
            "SELECT epoch_us(TX_DATETIME) AS time, CUSTOMER_ID AS customer, "
            f"TX_FRAUD::BOOLEAN AS fraud, {columns} FROM read_parquet('{fraud_transactions()}') "
            f"WHERE TX_DATETIME BETWEEN '2018-05-20' AND '2018-08-15' WINDOW {', '.join(windows)} "
            "ORDER BY TRANSACTION_ID"
        )
        .fetchnumpy()
    )
    return Published(
        x=np.column_stack([table[name] for name in features]),
        fraud=table["fraud"],
        time=table["time"],
        customer=table["customer"],
        names=tuple(features),
    )
