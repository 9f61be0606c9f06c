"""Offline features on a real Spark: what DuckDB computes, bit for bit, and refused alike."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import feature_cases
from feature_cases import SECOND, START
from groundplan.checks.online_store.orders import definition, events, later, table
from groundplan.engines.spark import SparkOffline, master_of
from groundplan.errors import EngineError, InputError
from groundplan.features import FeatureSet, Source, apply, category, features, offline
from shared_data import fraud_transactions

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of Spark's client


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkOffline]:
    settings = {
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",  # to compile takes longer than the few rows
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    engine = SparkOffline("spark://local[2]", settings)
    yield engine
    engine.close()


def equal(found: pa.Table, right: pa.Table) -> None:
    """Equal names, types and values, bit for bit; a missing value is null on both."""
    assert found.column_names == right.column_names
    for name in right.column_names:
        mine, theirs = found.column(name).combine_chunks(), right.column(name).combine_chunks()
        assert mine.type == theirs.type, name
        assert mine.null_count == theirs.null_count, name
        assert mine.equals(theirs), name


def test_every_window_function_gives_the_values_of_duckdb(spark: SparkOffline) -> None:
    """Random events of several sources with ties, gaps and filters; all functions and profiles."""
    made = [event for seed in range(8) for event in later(events(seed, 150), seed)]
    parts = [table([e for e in made if e.source == s], s) for s in range(3)]
    others = {"logins": parts[1], "shops": parts[2]}
    found = spark.table(definition(), parts[0], keep="all", others=others)
    equal(found, offline.table(definition(), parts[0], keep="all", others=others))
    assert found.num_rows > 500


def test_the_published_transactions(spark: SparkOffline, tmp_path: Path) -> None:
    """Ten days of the published transactions, from a folder of files into one file."""
    rows = pq.read_table(fraud_transactions())
    rows = rows.rename_columns([name.lower() for name in rows.column_names])
    rows = rows.filter(
        pc.less(rows.column("tx_datetime"), pa.scalar(1_523_318_400_000, pa.timestamp("ms")))
    )
    folder = tmp_path / "transactions"
    folder.mkdir()
    for number in range(4):
        part = rows.slice(number * rows.num_rows // 4, rows.num_rows // 4)
        pq.write_table(part, folder / f"part-{number}.parquet")
    whole = pa.concat_tables([pq.read_table(file) for file in sorted(folder.iterdir())])
    count = spark.write(
        feature_cases.fraud(), folder, tmp_path / "features.parquet", ["tx_datetime"]
    )
    assert count == whole.num_rows > 50_000
    found = pq.read_table(tmp_path / "features.parquet")
    equal(found, offline.table(feature_cases.fraud(), whole, ["tx_datetime"]))
    assert {path.name for path in tmp_path.iterdir()} == {"transactions", "features.parquet"}


def visits() -> Source:
    return Source(
        "visits",
        time="at",
        id="visit",
        fields={"user": str, "pages": int, "spent": float | None},
        labels={"bought": "1s"},
    )


def steep(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.exp(-x) + np.sqrt(np.abs(x))


def fancy() -> FeatureSet:
    """Features with a Python function and a category."""
    mine = visits()
    user = mine.by("user")
    return features(
        mine.pages,
        user.count("10s"),
        curve=apply(steep, user.sum("pages", "10s"), name="curve"),
        bent=apply(steep, mine.spent, name="bent") + 1.0,
        who=category(mine.user, values=("ann", "bob")),
    )


def visited(count: int = 200, **columns: Any) -> pa.Table:
    rng = np.random.default_rng(3)
    given: dict[str, Any] = {
        "visit": np.arange(count),
        "at": pa.array(START + rng.integers(0, 50, count) * SECOND, pa.timestamp("us")),
        "user": pa.array([["ann", "bob", "cy"][at] for at in rng.integers(0, 3, count)]),
        "pages": rng.integers(0, 9, count),
        "spent": pa.array(rng.uniform(-3, 3, count), mask=rng.random(count) < 0.2),
        "bought": rng.random(count) < 0.3,
    }
    return pa.table(given | columns)


def test_python_functions_and_categories(spark: SparkOffline, tmp_path: Path) -> None:
    """A Python function runs on Spark's workers, and a category has the codes of DuckDB."""
    inputs, rows = fancy(), visited()
    right = offline.table(inputs, rows, ["user", "at"])
    equal(spark.table(inputs, rows, ["user", "at"]), right)
    pq.write_table(rows, tmp_path / "visits.parquet")
    out = tmp_path / "out.parquet"
    assert spark.write(inputs, tmp_path / "visits.parquet", out, ["user", "at"]) == 200
    equal(pq.read_table(out), right)


def test_repeated_rows_count_once(spark: SparkOffline) -> None:
    """Rows that repeat an event as it was, with a label or without, are one event on both."""
    mine = visits()
    inputs = features(
        mine.by("user").count("10s"), mine.by("user").mean("bought", "10s", delay="1s")
    )
    rows = visited(60)
    again = rows.slice(10, 20).set_column(5, "bought", pa.array([True] * 20))
    both = pa.concat_tables([rows, again, rows.slice(0, 5)])
    found = spark.table(inputs, both, ["bought"])
    assert found.num_rows == 60
    equal(found, offline.table(inputs, both, ["bought"]))


BAD: Sequence[tuple[str, dict[str, Any]]] = [
    ("no value", {"pages": pa.array([None, *range(19)], pa.int64())}),
    ("no value, text", {"user": pa.array([None, *"abcdefghijklmnopqrs"])}),
    ("no number", {"pages": pa.array(["1"] * 20)}),
    ("too long", {"user": pa.array(["a" * 121] + ["b"] * 19)}),
    ("infinite", {"spent": pa.array([np.inf] + [1.0] * 19)}),
    ("too early", {"at": pa.array([-1] * 20, pa.timestamp("us"))}),
    ("two events", {"visit": pa.array([7] * 20)}),
    ("too large", {"pages": pa.array([2**60] * 20)}),
]


@pytest.mark.parametrize("columns", [columns for _, columns in BAD], ids=[name for name, _ in BAD])
def test_bad_rows_are_refused_as_duckdb_refuses_them(
    spark: SparkOffline, columns: dict[str, Any]
) -> None:
    """The same rows are refused, with the same field; a value may be written otherwise."""
    mine = visits()
    inputs = features(mine.by("user").sum("pages", "10s"), mine.spent)
    with pytest.raises(InputError) as theirs:
        offline.table(inputs, visited(20, **columns))
    with pytest.raises(InputError) as ours:
        spark.table(inputs, visited(20, **columns))
    assert ours.value.field == theirs.value.field
    assert ours.value.message[:16] == theirs.value.message[:16]


def test_no_rows_give_no_rows(spark: SparkOffline, tmp_path: Path) -> None:
    """An empty file gives an empty file with the same columns."""
    pq.write_table(visited(1).slice(0, 0), tmp_path / "visits.parquet")
    out = tmp_path / "out.parquet"
    assert spark.write(fancy(), tmp_path / "visits.parquet", out) == 0
    right = offline.table(fancy(), tmp_path / "visits.parquet")
    assert pq.read_table(out).schema.names == right.schema.names


def test_what_is_no_file_is_an_input_error(spark: SparkOffline, tmp_path: Path) -> None:
    """A missing file, an empty folder and a file that is not Parquet are named."""
    (tmp_path / "text.parquet").write_text("visit,at")
    (tmp_path / "empty").mkdir()
    for name, match in (
        ("none", "is not there"),
        ("empty", "not there"),
        ("text", "not a Parquet"),
    ):
        path = tmp_path / (f"{name}.parquet" if name != "empty" else name)
        with pytest.raises(InputError, match=match):
            spark.table(fancy(), path)


def test_a_file_that_cannot_be_written_leaves_nothing(spark: SparkOffline, tmp_path: Path) -> None:
    """Where the end cannot be reached, neither the file nor a part of it is there."""
    pq.write_table(visited(20), tmp_path / "visits.parquet")
    (tmp_path / "out.parquet").mkdir()
    with pytest.raises(EngineError, match="cannot be written"):
        spark.write(fancy(), tmp_path / "visits.parquet", tmp_path / "out.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {"visits.parquet", "out.parquet"}


def test_an_address_names_local_cores_or_a_cluster() -> None:
    """`spark://local[2]` and `spark://host:7077` are addresses; what is neither is refused."""
    assert master_of("spark://local[2]") == "local[2]"
    assert master_of("spark://local") == "local"
    assert master_of("spark://one:7077,two:7077") == "spark://one:7077,two:7077"
    for url in ("local[2]", "spark://", "spark://host", "spark://local[x]", "yarn"):
        with pytest.raises(EngineError, match="is no address of Spark"):
            master_of(url)
