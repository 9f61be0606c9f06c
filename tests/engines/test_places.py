"""Places: whatever a place is, the rows come in the declared types, or an error says which not."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engines import places
from groundplan.engines.coerced import read
from groundplan.engines.places import extensions
from groundplan.errors import EngineError, InputError
from groundplan.features import Source, decimal

CUSTOMERS = Source(
    "customers",
    time="seen",
    id="customer",
    id_type=str,
    fields={"tenure": int, "monthly": float | None, "paid": decimal(2), "active": bool},
)

ROWS = {
    "customer": ["007", "b", "ü"],
    "seen": ["2026-01-01T00:00:00Z", "2026-01-01 02:00:00+02", "2026-01-01"],
    "tenure": ["1", " 2 ", "-3"],
    "monthly": ["1.5", "", "  "],
    "paid": ["1", "2.25", "0.1"],
    "active": ["true", "0", "1"],
}


def _csv(folder: Path, rows: dict[str, list[str]], name: str = "rows.csv") -> Path:
    lines = [",".join(rows), *(",".join(each) for each in zip(*rows.values(), strict=True))]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_file_is_read_by_its_declaration(tmp_path: Path) -> None:
    """Zeros in front stay, blanks are missing, an offset counts: nothing is guessed."""
    found = read(_csv(tmp_path, ROWS), CUSTOMERS)
    assert found.column("customer").to_pylist() == ["007", "b", "ü"]
    midnight = 1_767_225_600_000_000
    assert found.column("seen").cast(pa.int64()).to_pylist() == [midnight] * 3
    assert found.column("tenure").to_pylist() == [1, 2, -3]
    assert found.column("monthly").to_pylist() == [1.5, None, None]
    assert found.column("paid").to_pylist() == [1.0, 2.25, 0.1]
    assert found.column("active").to_pylist() == [True, False, True]


def test_every_kind_of_place_gives_the_same_rows(tmp_path: Path) -> None:
    """A file, a folder, a pattern, a table of a database and an Arrow table are one to a run."""
    table = read(_csv(tmp_path, ROWS), CUSTOMERS)
    folder = tmp_path / "parts" / "of[it]"
    folder.mkdir(parents=True)
    pq.write_table(table.slice(0, 2), folder / "a.parquet")
    pq.write_table(table.slice(2), folder / "b.parquet")
    pq.write_table(table, tmp_path / "it's.parquet")
    with duckdb.connect(str(tmp_path / "file.db")) as connection:
        connection.register("given", table)
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.t AS FROM given")
    for place in (
        table,
        tmp_path / "it's.parquet",
        folder,
        str(tmp_path / "parts" / "*" / "*.parquet"),
        f"duckdb://{tmp_path}/file.db?table=s.t",
    ):
        assert read(place, CUSTOMERS).equals(table), place


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("tenure", "1.5", "tenure is an integer"),
        ("tenure", "99999999999999999999", "an integer of 64 bits"),
        ("tenure", "", "every row has one"),
        ("customer", "  ", "every row has one"),
        ("monthly", "cheap", "monthly is a number"),
        ("active", "2", "true or false"),
        ("seen", "yesterday", "seen is a time"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, column: str, value: str, said: str) -> None:
    """The error names the column, the value, its row and the rule."""
    rows = {name: list(values) for name, values in ROWS.items()}
    rows[column][1] = value
    with pytest.raises(InputError, match=said) as caught:
        read(_csv(tmp_path, rows), CUSTOMERS)
    assert caught.value.field == column
    assert "1 of 3 rows" in caught.value.message
    assert "row 2 is the first" in caught.value.message
    assert (repr(value) if value.strip() else "no value") in caught.value.message


def test_a_type_that_can_never_fit_is_refused_before_any_row_is_read() -> None:
    """A column of lists is no number, whatever stands in it."""
    table = pa.table({"tenure": [[1]]})
    with pytest.raises(InputError, match=r"tenure as int: convert the column"):
        read(table, CUSTOMERS, ["tenure"])


def test_nan_of_a_table_without_nulls_is_a_missing_value() -> None:
    """Tables of pandas have a missing integer as NaN among floats."""
    source = Source("s", time="t", id="i", fields={"a": int | None, "b": int})
    rows = pa.table({"a": [1.0, float("nan")], "b": [2.0, 3.0]})
    assert read(rows, source, ["a", "b"]).to_pydict() == {"a": [1, None], "b": [2, 3]}
    with pytest.raises(InputError, match="every row has one"):
        read(rows.rename_columns(["b", "a"]), source, ["b"])


def test_a_column_of_nothing_but_none_is_missing_in_every_row(tmp_path: Path) -> None:
    """It has no type of its own, so that it fits whatever is declared as optional, and no more."""
    kinds: dict[str, Any] = {"a": int, "b": float, "c": bool, "d": str, "e": decimal(2)}
    fields = {name: kind | None for name, kind in kinds.items()} | {"f": int}
    source = Source("s", time="t", id="i", fields=fields, labels={"y": "1d"})
    table = pa.table({name: [None, None] for name in (*fields, "y")})
    pq.write_table(table, tmp_path / "none.parquet")
    for place in (table, tmp_path / "none.parquet"):
        found = read(place, source, [*kinds, "y"])
        assert found.to_pydict() == table.drop_columns(["f"]).to_pydict()
        assert [str(each.type) for each in found.schema] == [
            *("int64", "double", "bool", "string", "double", "bool")
        ]
        with pytest.raises(InputError, match="2 of 2 rows have a wrong f, such as no value"):
            read(place, source, ["f"])


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.text("0123456789+-.e ", max_size=6),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_integers_of_texts_are_those_of_python(values: list[str]) -> None:
    """A text is an integer where Python reads digits with a sign that fit 64 bits, else refused."""
    source = Source("s", time="t", id="i", fields={"a": int})

    def twin(text: str) -> int | None:
        plain = text.strip(" ")
        digits = plain[1:] if plain[:1] in ("+", "-") else plain
        if not digits.isdigit() or not -(2**63) <= int(plain) < 2**63:
            return None
        return int(plain)

    wanted = [twin(value) for value in values]
    rows = pa.table({"a": pa.array([value.strip(" ") or None for value in values])})
    if None in wanted:
        with pytest.raises(InputError):
            read(rows, source, ["a"])
    else:
        assert read(rows, source, ["a"]).column("a").to_pylist() == wanted


@pytest.mark.parametrize(
    ("place", "extension"),
    [
        ("postgres://u:secret@127.0.0.1/d?table=t", "postgres"),
        ("s3://bucket/rows.parquet", "httpfs"),
        ("iceberg:/tmp/table", "iceberg"),
    ],
)
def test_a_missing_extension_is_said_and_never_downloaded(place: str, extension: str) -> None:
    """The error names the commands that bring it, and no password."""
    with places.connected() as connection:
        if extensions.extended(connection, extension):
            pytest.skip(f"{extension} is here")
        with pytest.raises(EngineError, match=f"INSTALL {extension}") as caught:
            places.opened(connection, place)
    assert "pip install" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("postgres://u:pw@h/d?table=t", "postgres://u:***@h/d?table=t"),
        ("postgres://u:p@w@h/d?table=t", "postgres://u:***@h/d?table=t"),
        ("postgres://u@h/d?password=pw&table=t", "postgres://u@h/d?password=***&table=t"),
        ("postgres://u:p/w@h/d?table=t", "postgres://u:***@h/d?table=t"),
        ("postgres://u:p?w#@h/d?table=t", "postgres://u:***@h/d?table=t"),
        ("jdbc:postgresql://h/d?user=u&password=pw&table=t", "jdbc:postgresql://h/d?table=t"),
        ("s3://b/a.parquet?s3_secret_access_key=pw", "s3://b/a.parquet?s3_secret_access_key=***"),
        ("https://h/a.parquet?X-Amz-Signature=pw", "https://h/a.parquet?X-Amz-Signature=***"),
        ("folder/of?/it@home*.parquet", "folder/of?/it@home*.parquet"),
        ("postgres://h:5432/d?table=t", "postgres://h:5432/d?table=t"),
    ],
)
def test_a_place_is_shown_without_what_is_secret(place: str, said: str) -> None:
    """Passwords, keys and signatures stand nowhere that people or records see."""
    assert places.shown(place) == said


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere.parquet", "is not there"),
        ("none/*.csv", "cannot be read"),
        ("ftp://host/rows.parquet", "nothing here reads ftp"),
        ("duckdb:///nowhere.db?table=t", "is not there"),
        ("duckdb:///nowhere.db", "add .table=NAME"),
    ],
)
def test_what_is_no_place_is_refused(tmp_path: Path, place: str, said: str) -> None:
    """A place that is not there, or that nothing reads, is an error with a next step."""
    with places.connected() as connection, pytest.raises(InputError, match=said):
        places.opened(connection, places.absolute(place, tmp_path))


def test_a_file_that_does_not_say_what_it_is_is_refused(tmp_path: Path) -> None:
    """The ending says how a file is read."""
    (tmp_path / "rows.xls").write_text("a")
    with places.connected() as connection, pytest.raises(InputError, match="may end with"):
        places.opened(connection, tmp_path / "rows.xls")


@pytest.mark.parametrize(
    "name",
    ["out.parquet", "out.csv", "out.csv.gz", "out.csv.zst", "out.tsv", "duckdb://out.db?table=t"],
)
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    """A sink replaces what was there, and gives the same rows as a place."""
    place = places.absolute(name, tmp_path)
    assert isinstance(place, str)
    source = Source("s", time="t", id="i", fields={"a": int, "b": str | None})
    for query in ("SELECT 0 AS a, 'x' AS b", "SELECT 1 AS a, 'y' AS b UNION ALL SELECT 2, NULL"):
        with places.connected() as connection:
            rows = places.write(connection, query, place)
    assert rows == 2
    assert read(place, source, ["a", "b"]).to_pydict() == {"a": [1, 2], "b": ["y", None]}


def test_a_sink_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """Whole or not at all."""
    place = tmp_path / "out.parquet"
    with places.connected() as connection:
        places.write(connection, "SELECT 1 AS a", place)
        with pytest.raises(EngineError, match="cannot be written"):
            places.write(connection, "SELECT error('no' || range) FROM range(3)", place)
        with pytest.raises(InputError, match=r"\.parquet or \.csv"):
            places.write(connection, "SELECT 1", tmp_path / "out.xls")
    assert pq.read_table(place).to_pydict() == {"a": [1]}
    assert [each.name for each in tmp_path.iterdir()] == ["out.parquet"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("k,x\nJosé,1\n".encode("latin-1"), "line 2 is not UTF-8: `iconv"),
        ("k,x\nJosé,1\n".encode("utf-16"), "line 1 is not UTF-8: `iconv -f UTF-16 -t UTF-8`"),
        (b"k,x\n" + b"1,2\n" * 30_000 + b"1,2,3\n", "line 30002: Expected Number of Columns: 2"),
    ],
    ids=["latin-1", "utf-16", "more fields"],
)
def test_a_csv_that_cannot_be_read_says_where(tmp_path: Path, content: bytes, says: str) -> None:
    """The line, what is wrong with it, and for another encoding what to do; which, a mark tells."""
    file = tmp_path / "rows.csv"
    file.write_bytes(content)
    connection = duckdb.connect()
    with pytest.raises(InputError, match=re.escape(f"rows.csv cannot be read: {says}")):
        places.count(connection, places.opened(connection, file, "rows"))


def test_no_line_of_a_csv_is_taken_for_a_preamble(tmp_path: Path) -> None:
    """Neither what stands before a row with more fields, nor what begins with a comment's mark."""
    file = tmp_path / "rows.csv"
    for text, rows in (("a,b\n1,2\n3,4,5,6\n", 2), ("a,b\n#1,2\n#3,4\n", 2)):
        file.write_text(text)
        connection = duckdb.connect()
        found = places.opened(connection, file, "rows")
        assert places.count(connection, found) == rows
        assert next(iter(found.columns)).startswith("a")
