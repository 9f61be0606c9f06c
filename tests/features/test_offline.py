"""The offline table: equal to the naive twin, in the input's order, and clear about bad files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from feature_cases import START, arrow, fraud, naive_row, orders, same, shop
from groundplan.errors import EngineError, InputError
from groundplan.features import Event, Source, decimal, features, offline

ROWS = [
    Event(5, START + 10, (1, 2, 1250), (True,)),
    Event(3, START, (1, 2, 350), (False,)),
    Event(4, START + 700 * 3600 * 10**6, (1, 2, 100), (False,)),
]


@settings(max_examples=15, deadline=None)
@given(orders())
def test_every_value_equals_the_naive_twin(events: list[Event]) -> None:
    """Random orders with ties, in any order of rows, give the twin's values, bit for bit."""
    inputs = shop()
    found = offline.table(inputs, arrow(inputs, events))
    assert found.column("order").to_pylist() == [event.id for event in events]
    rows = offline.matrix(found, inputs.names)
    for event, row in zip(events, rows, strict=True):
        assert same(row, naive_row(inputs, event, events))


def test_a_file_gives_what_its_table_gives(tmp_path: Path) -> None:
    """Parquet to Parquet, Parquet to table and table to table are the same, in the same order."""
    inputs = fraud()
    table = arrow(inputs, ROWS)
    pq.write_table(table, tmp_path / "in.parquet")
    pq.write_table(table, tmp_path / "it's [1]*.parquet")
    shares: list[float] = []
    keep = ["tx_datetime", "tx_fraud"]
    written = offline.write(
        inputs, tmp_path / "in.parquet", tmp_path / "out.parquet", keep, shares.append
    )
    direct = offline.table(inputs, table, keep=keep)
    assert written == 3
    assert direct.equals(offline.table(inputs, tmp_path / "in.parquet", keep))
    assert direct.equals(offline.table(inputs, tmp_path / "it's [1]*.parquet", keep))
    assert direct.equals(pq.read_table(tmp_path / "out.parquet").cast(direct.schema))
    assert direct.column_names == ["transaction_id", *keep, *inputs.names]
    assert direct.column("transaction_id").to_pylist() == [5, 3, 4]
    assert direct.column("tx_fraud").to_pylist() == [True, False, False]
    assert shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in shares)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_capitals_types_and_units_of_columns_do_not_matter() -> None:
    """Any width of number, unit of time, 0/1 for bools and capitals give the same values."""
    inputs = fraud()
    plain = offline.table(inputs, arrow(inputs, ROWS))
    seconds = [datetime.fromtimestamp(e.time / 1e6, UTC) for e in ROWS]
    seconds = [moment.replace(microsecond=0) for moment in seconds]
    table = pa.table(
        {
            "TRANSACTION_ID": pa.array([e.id for e in ROWS], pa.uint16()),
            "TX_DATETIME": pa.array([e.time for e in ROWS], pa.int64()),
            "Customer_ID": pa.array([e.values[0] for e in ROWS], pa.int8()),
            "TERMINAL_ID": pa.array([e.values[1] for e in ROWS], pa.uint64()),
            "TX_AMOUNT": pa.array([12, 3, 1], pa.decimal128(10, 2)),
            "TX_FRAUD": pa.array([1, None, 0], pa.int8()),
            "NOTE": ["x", None, "z"],
        }
    )
    found = offline.table(inputs, table, keep="all")
    counts = [name for name in inputs.names if "nb_tx" in name]
    assert found.select(counts).equals(plain.select(counts))
    assert found.column("NOTE").to_pylist() == ["x", None, "z"]
    assert found.column("tx_fraud").to_pylist() == [True, False, False]
    assert found.column("tx_datetime").type == pa.timestamp("us")
    for unit, zone in (("s", None), ("ms", "Europe/Paris"), ("ns", None), ("us", "UTC")):
        stamps = pa.array(seconds, pa.timestamp(unit, zone))
        typed = table.set_column(1, "TX_DATETIME", stamps)
        whole = pa.array([int(moment.timestamp()) * 10**6 for moment in seconds], pa.int64())
        expected = offline.table(inputs, table.set_column(1, "TX_DATETIME", whole))
        assert offline.table(inputs, typed).equals(expected), unit


def test_a_column_of_nothing_but_none_is_missing_in_every_row() -> None:
    """It has no type of its own, and fits a field that may be missing; any other says who lacks."""
    source = Source("s", time="t", id="i", fields={"a": int, "b": float | None}, labels={"y": "1d"})
    inputs = features(source.a, source.b, of=source)
    rows = {"i": [1, 2], "t": [START, START + 1], "a": [1, 2], "b": [None, None], "y": [None, None]}
    found = offline.table(inputs, pa.table(rows), keep="all")
    assert found.column("b").to_pylist() == [None, None]
    assert found.column("y").to_pylist() == [False, False]
    with pytest.raises(InputError, match="a has no value"):
        offline.table(inputs, pa.table({**rows, "a": [None, None]}))


def broken(**columns: Any) -> pa.Table:
    table = arrow(fraud(), ROWS)
    for name, values in columns.items():
        at = table.column_names.index(name)
        table = table.remove_column(at) if values is None else table.set_column(at, name, values)
    return table


@pytest.mark.parametrize(
    ("columns", "field", "words"),
    [
        ({"customer_id": None}, "customer_id", "customer_id of transactions is missing"),
        ({"customer_id": pa.array([1, None, 1])}, "customer_id", "no value"),
        ({"tx_datetime": pa.array([START, None, 5])}, "tx_datetime", "no value"),
        ({"tx_datetime": pa.array([START, -1, 5])}, "tx_datetime", "1970 to 2199"),
        (
            {"tx_datetime": pa.array(["a", "b", "c"])},
            "tx_datetime",
            "declares tx_datetime as a time",
        ),
        ({"customer_id": pa.array(["a", "b", "c"])}, "customer_id", "as int: convert"),
        ({"customer_id": pa.array([1.0, 2.0, 3.0])}, "customer_id", "as int: convert"),
        ({"customer_id": pa.array([1, 2, 2**63], pa.uint64())}, "customer_id", "64 bits"),
        ({"tx_amount": pa.array([1.0, float("nan"), 2.0])}, "tx_amount", "not a finite number"),
        ({"tx_amount": pa.array([1.0, 1e11, 2.0])}, "tx_amount", "largest magnitude"),
        ({"tx_fraud": pa.array([0, 1, 2])}, "tx_fraud", "neither 0 nor 1"),
        ({"transaction_id": pa.array([1, 1, 2])}, "transaction_id", "it names one event"),
    ],
)
def test_a_bad_column_is_refused_with_its_name(
    columns: dict[str, Any], field: str, words: str
) -> None:
    """A missing column, a wrong type, a null or an impossible value names field and rule."""
    with pytest.raises(InputError, match=words) as refused:
        offline.table(fraud(), broken(**columns))
    assert refused.value.field == field


def test_text_keys_must_have_one_to_120_characters() -> None:
    """An empty key and a very long one are refused, as on the wire."""
    inputs = shop()
    for key in ("", "x" * 121):
        row = Event("o1", START, (key, 1, 1, 1.0, True, 1), (False, False))
        with pytest.raises(InputError, match="1 to 120 characters") as refused:
            offline.table(inputs, arrow(inputs, [row]))
        assert refused.value.field == "buyer"


def test_sums_that_could_pass_the_exact_range_are_refused() -> None:
    """Values so large that as many events as there are could add up past 2^61 are refused."""
    source = Source("payments", time="at", id="id", fields={"who": int, "cents": int})
    inputs = features(source.by("who").sum("cents", "1d"))
    count = 2_400_000
    table = pa.table(
        {
            "id": np.arange(count),
            "at": np.full(count, START),
            "who": np.zeros(count, np.int64),
            "cents": np.full(count, 10**12),
        }
    )
    with pytest.raises(InputError, match="2\\^61") as refused:
        offline.table(inputs, table)
    assert refused.value.field == "cents"


def test_sums_at_the_edge_of_the_range_are_exact() -> None:
    """Counts and sums of the largest values, of both signs, come back exactly."""
    source = Source("payments", time="at", id="id", fields={"who": int, "cents": int, "n": int})
    who = source.by("who")
    inputs = features(
        who.sum("cents", "1d", current=True), who.count("1d"), who.sum("n", "2d", current=True)
    )
    count = 1000
    for size in (10**12, -(10**12)):
        table = pa.table(
            {
                "id": np.arange(count),
                "at": START + np.arange(count),
                "who": np.zeros(count, np.int64),
                "cents": np.full(count, size),
                "n": np.full(count, -size),
            }
        )
        rows = offline.matrix(offline.table(inputs, table), inputs.names)
        numbers = np.arange(1, count + 1)
        assert (rows[:, 0] == numbers * float(size)).all()
        assert (rows[:, 1] == numbers - 1).all()
        assert (rows[:, 2] == -rows[:, 0]).all()


def test_a_file_that_is_not_there_or_not_parquet_says_so(tmp_path: Path) -> None:
    """The message names the path, and nothing is left beside it."""
    with pytest.raises(InputError, match="is not there"):
        offline.table(fraud(), tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(InputError, match="not a Parquet file"):
        offline.table(fraud(), tmp_path / "text.parquet")
    pq.write_table(arrow(fraud(), ROWS), tmp_path / "in.parquet")
    with pytest.raises(EngineError, match="cannot be written"):
        offline.write(fraud(), tmp_path / "in.parquet", tmp_path / "no" / "out.parquet")


def test_the_statement_runs_as_it_is_printed() -> None:
    """`FeatureSet.sql` is one DuckDB statement over a table with the source's columns."""
    inputs = fraud()
    table = arrow(inputs, ROWS)
    with duckdb.connect() as connection:
        connection.register("transactions", table)
        found = connection.sql(inputs.sql("transactions")).to_arrow_table()
    assert found.equals(offline.table(inputs, table))


def test_missing_values_become_nan_in_a_matrix() -> None:
    """A mean over no events is null in the table and NaN in the matrix; 0.0 where `empty` says."""
    source = Source("visits", time="at", id="id", fields={"who": int, "spent": decimal(2)})
    who = source.by("who")
    inputs = features(a=who.mean("spent", "1d"), b=who.mean("spent", "1d", empty=0.0))
    table = pa.table({"id": [1], "at": pa.array([START]), "who": [1], "spent": [2.5]})
    found = offline.table(inputs, table)
    assert found.column("a").to_pylist() == [None]
    assert np.isnan(offline.matrix(found, ["a", "b"])).tolist() == [[True, False]]
    with pytest.raises(InputError, match="no column"):
        offline.matrix(found, ["c"])
