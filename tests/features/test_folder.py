"""Files of JSON lines are a stream: every whole line once, in order, from any position."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.features import folder
from groundplan.features.folder import FolderStream
from groundplan.features.stream import Record

SOURCES = ["transactions", "logins"]

written = st.binary(max_size=12).map(lambda body: body.replace(b"\n", b"~"))


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["transactions", "logins", "transactions-2"]),
            st.lists(written, max_size=6),
            st.booleans(),  # whether the last line has its end already
            st.integers(1, 5),
            st.sampled_from(["read", "restart", "kill"]),
        ),
        max_size=8,
    )
)
def test_every_line_comes_once_however_often_the_reader_dies(
    steps: list[tuple[str, list[bytes], bool, int, str]],
) -> None:
    """Files grow in pieces while readers stop anywhere and go on from what was stored."""
    with tempfile.TemporaryDirectory() as place:
        stored: dict[str, int] = {}
        got: dict[str, list[bytes]] = {}
        written: dict[str, bytes] = {}
        stream = FolderStream(Path(place), SOURCES)
        stream.start(lambda: stored)

        def take(records: list[Record]) -> None:
            for record in records:
                got.setdefault(record.partition, []).extend([record.body] if record.body else [])
                stored[record.partition] = record.next

        for name, lines, ended, limit, then in steps:
            file = Path(place, f"{name}.ndjson")
            written[str(file.resolve())] = written.get(str(file.resolve()), b"") + (
                b"\n".join(lines) + (b"\n" if ended else b"")
            )
            file.write_bytes(written[str(file.resolve())])
            if then == "kill":
                stream.poll(limit, 0)  # read, but never stored
            else:
                take(stream.poll(limit, 0))
            if then != "read":
                stream = FolderStream(Path(place), SOURCES)
                stream.start(lambda: stored)
        while records := stream.poll(3, 0):
            take(records)
        for name, content in written.items():
            whole = content[: content.rfind(b"\n") + 1]
            assert got.get(name, []) == [
                line.strip() for line in whole.split(b"\n") if line.strip()
            ]
        assert stream.ends() == {
            name: content.rfind(b"\n") + 1 for name, content in written.items() if b"\n" in content
        }
        assert all(stored[name] == end for name, end in stream.ends().items())


def test_a_file_belongs_to_the_source_that_its_name_begins_with(tmp_path: Path) -> None:
    """`logins-2024.ndjson` has logins; any other name has events of the main source."""
    for name in ("logins.ndjson", "logins-2024.jsonl", "loginsx.ndjson", "day.ndjson", "a.txt"):
        (tmp_path / name).write_bytes(b"1\n")
    stream = FolderStream(tmp_path, SOURCES)
    stream.start(dict)
    found: dict[str, str] = {}
    while records := stream.poll(10, 0):
        found |= {Path(record.partition).name: record.source for record in records}
    assert found == {
        "logins.ndjson": "logins",
        "logins-2024.jsonl": "logins",
        "loginsx.ndjson": "transactions",
        "day.ndjson": "transactions",
    }


def test_sources_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long file of one source does not keep those of another waiting."""
    monkeypatch.setattr(folder, "_CHUNK", 64)
    (tmp_path / "transactions.ndjson").write_bytes(b"t\n" * 1_000)
    (tmp_path / "logins.ndjson").write_bytes(b"l\n" * 3)
    stream = FolderStream(tmp_path, SOURCES)
    stream.start(dict)
    assert {record.body for _ in range(3) for record in stream.poll(100, 0)} == {b"t", b"l"}


def test_a_last_line_without_an_end_counts_where_the_file_is_whole(tmp_path: Path) -> None:
    """While a file may grow, half a line waits; in a whole one it is a line."""
    file = tmp_path / "day.ndjson"
    file.write_bytes(b"1\n22")
    assert bodies(FolderStream(file, SOURCES)) == [b"1"]
    assert bodies(FolderStream(file, SOURCES, whole=True)) == [b"1", b"22"]


def test_a_line_that_is_too_long_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes in parts, and what follows it comes whole."""
    monkeypatch.setattr(folder, "_CHUNK", 16)
    monkeypatch.setattr(folder, "LONGEST", 32)
    file = tmp_path / "day.ndjson"
    file.write_bytes(b"x" * 100 + b"\nnext\n")
    found = bodies(FolderStream(file, SOURCES))
    assert b"".join(found[:-1]) == b"x" * 100
    assert found[-1] == b"next"


def test_a_file_that_became_shorter_is_read_anew(tmp_path: Path) -> None:
    """Another file took its name, and all of its lines come."""
    file = tmp_path / "day.ndjson"
    file.write_bytes(b"1\n2\n")
    stream = FolderStream(file, SOURCES)
    stream.start(lambda: {str(file.resolve()): 4})
    assert stream.poll(10, 0) == []
    file.write_bytes(b"3\n")
    assert [record.body for record in stream.poll(10, 0)] == [b"3"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(InputError, match="nowhere is not there"):
        FolderStream(tmp_path / "nowhere", SOURCES)


def bodies(stream: FolderStream) -> list[bytes]:
    stream.start(dict)
    found = []
    while records := stream.poll(10, 0):
        found += [record.body for record in records if record.body]
    return found
