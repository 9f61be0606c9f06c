"""The prediction log keeps what it acknowledged, and reads back only whole rows."""

import math
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.serving.log import (
    Log,
    Lookup,
    Prediction,
    Retention,
    Row,
    Stored,
    Taken,
    find,
    read,
    segments,
    table,
)
from groundplan.serving.log import journal as journals
from groundplan.serving.log.archive import archive
from groundplan.serving.log.journal import Head, Journal
from groundplan.serving.log.row import packed

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_bodies = st.dictionaries(st.text(), _json, max_size=3).map(msgspec.json.encode)


def taken(number: int, event: bytes = b"{}") -> Taken:
    return Taken(number, event)


def prediction(at: int, *features: float, id: int | str = 7) -> Prediction:
    return Prediction(at, b"{}", features, 0.25, "approve", "b1", {"score": 3}, [], id)


def _rows(ids: st.SearchStrategy[int | str]) -> st.SearchStrategy[list[Row]]:
    number = st.floats(allow_nan=False) | st.just(math.nan)
    answered = st.builds(
        Prediction,
        at=st.just(0),
        event=_bodies,
        features=st.tuples(number, number),
        score=st.floats(0, 1),
        decision=st.sampled_from(["approve", "decline"]),
        build=st.sampled_from(["b1", "b2"]),
        timings=st.dictionaries(st.sampled_from(["score", "log"]), st.integers(0, 2**40)),
        degraded=st.lists(st.text(), max_size=2),
        id=ids,
    )
    read = st.builds(
        Lookup,
        at=st.just(0),
        version=st.sampled_from(["v1", "v2"]),
        build=st.sampled_from(["b1", "b2"]),
        score=st.floats(0, 1),
        decision=st.sampled_from(["leave", "offer"]),
        fallback=st.sampled_from(["", "overall average"]),
        timings=st.dictionaries(st.sampled_from(["lookup", "log"]), st.integers(0, 2**40)),
        degraded=st.lists(st.text(), max_size=2),
        event=_bodies | st.just(b""),
        id=ids,
    )
    took = st.builds(
        Taken,
        at=st.just(0),
        event=_bodies,
        source=st.integers(0, 3),
        build=st.sampled_from(["", "b1"]),
        pending=st.booleans(),
    )
    rows = st.lists(answered | read | took | st.just(Stored(0)), max_size=12)
    return rows.map(lambda r: [msgspec.structs.replace(row, at=n) for n, row in enumerate(r)])


def _body(row: Row) -> bytes:
    assert not isinstance(row, Stored)
    return row.event


def _bits(row: Row) -> bytes:
    """Equal where rows are, NaN included."""
    return packed(row)


@settings(max_examples=60, deadline=None)
@given(st.one_of(_rows(st.integers(-(2**63), 2**63 - 1)), _rows(st.text())), st.booleans())
def test_what_is_appended_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], closed: bool
) -> None:
    """Rows come back in order and bit for bit, from a running log as from a closed one."""
    folder = tmp_path_factory.mktemp("log")
    log = Log(folder, ("a", "b"), size=1 << 14)
    for row in rows:
        log.append(row)
    if closed:
        log.close()
    try:
        assert [_bits(row) for row in read(folder)] == [_bits(row) for row in rows]
    finally:
        log.close()


def test_a_closed_log_is_columns(tmp_path: Path) -> None:
    """At rest a log is Parquet that any engine reads: a column per feature, null where missing."""
    log = Log(tmp_path, ("amount", "count"))
    log.append(prediction(1_000_000, 1.5, math.nan))
    log.append(taken(4_000_000, b'{"a": 1}'))
    log.close()
    (file,) = tmp_path.iterdir()
    query = f"""SELECT epoch_us("at"), kind, id, event, "feature.amount", "feature.count", score,
        decision, build, timings['score'] FROM '{file}'"""
    assert duckdb.connect().execute(query).fetchall() == [
        (1_000_000, "prediction", "7", "{}", 1.5, None, 0.25, "approve", "b1", 3),
        (4_000_000, "event", None, '{"a": 1}', None, None, None, None, "", None),
    ]


def test_tables_of_several_builds_are_one(tmp_path: Path) -> None:
    """Where builds had different features, a row's value of another build's feature is null."""
    for number, names in enumerate([("a", "b"), ("b", "c")]):
        log = Log(tmp_path, names)
        log.append(prediction(number, 1.0 + number, 2.0 + number))
        log.close()
    found = table(tmp_path, ["feature.a", "feature.b", "feature.c"]).to_pylist()
    assert [list(row.values()) for row in found] == [[1.0, 2.0, None], [None, 2.0, 3.0]]
    assert table(tmp_path / "nothing").num_rows == 0


def test_what_is_not_the_logs_is_left_alone(tmp_path: Path) -> None:
    """Notes of somebody else in its folder are neither read, nor archived, nor removed."""
    names = ("notes.parquet", "notes-1.journal", "a-b-c-d.parquet", ".DS_Store", ".x.journal")
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    log = Log(tmp_path, ("a",), retention=Retention(size=0))
    log.append(prediction(1, 1.0))
    assert [row.at for row in read(tmp_path)] == [1]
    log.close()
    assert find(tmp_path, "1") is None  # removed, since nothing may be kept
    assert table(tmp_path).num_rows == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)


def _journal(folder: Path, count: int) -> Path:
    """A journal as a killed process leaves it."""
    folder.mkdir(exist_ok=True)
    written = Journal(folder / "0000000000000001-1-aaaa-000001.journal", 1 << 16, Head())
    written.begin()
    for number in range(count):
        written.append(packed(taken(number)))
    written.finish()
    return written.path


@pytest.mark.parametrize("torn", ["cut", "flipped", "zeroed"])
def test_a_torn_row_is_left_out_and_the_next_process_goes_on(tmp_path: Path, torn: str) -> None:
    """A row that was cut short, or that the disk lost, costs itself, not those before it."""
    file = _journal(tmp_path, 3)
    content = file.read_bytes()
    last = len(packed(taken(2)))
    if torn == "cut":
        file.write_bytes(content[:-1])
    elif torn == "flipped":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        file.write_bytes(content[:-last] + bytes(last))
    assert [row.at for row in read(tmp_path)] == [0, 1]
    again = Log(tmp_path)
    again.append(taken(5))
    again.close()
    assert [row.at for row in read(tmp_path)] == [0, 1, 5]
    assert not list(tmp_path.glob("[!.]*.journal"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_damaged_row_is_ever_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    """Whichever byte of a journal is damaged, what is read are its first rows, as written."""
    file = _journal(tmp_path_factory.mktemp("log"), 5)
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= change
    whole = [packed(taken(number)) for number in range(5)]
    found = list(journals.rows(bytes(content)))
    assert found == whole[: len(found)]


def _eventually(done: Callable[[], bool]) -> bool:
    for _ in range(600):
        if done():
            return True
        time.sleep(0.05)
    return False


def test_full_journals_become_parquet_while_the_log_goes_on(tmp_path: Path) -> None:
    """Files are rotated by size, in order; a running log archives them beside its writing."""
    log = Log(tmp_path, size=1 << 14)
    for number in range(4_000):
        log.append(taken(number))
    assert [row.at for row in read(tmp_path)] == list(range(4_000))
    assert _eventually(lambda: len(list(tmp_path.glob("[!.]*.journal"))) == 1)
    assert len(list(tmp_path.glob("*.parquet"))) > 2
    assert [row.at for row in read(tmp_path)] == list(range(4_000))
    log.close()
    assert [row.at for row in read(tmp_path)] == list(range(4_000))


def test_a_journal_that_grew_old_is_closed(tmp_path: Path) -> None:
    """A quiet system's rows are at rest after a stated age, not when a file is full."""
    log = Log(tmp_path, age=0.0)
    log.append(taken(1))
    assert _eventually(lambda: bool(list(tmp_path.glob("*.parquet"))))
    log.close()
    assert [row.at for row in read(tmp_path)] == [1]


def test_a_row_larger_than_a_journal_is_kept(tmp_path: Path) -> None:
    """Size is where files are closed, not a bound on a row."""
    log = Log(tmp_path, size=1 << 12)
    body = msgspec.json.encode("x" * 100_000)
    for number in range(3):
        log.append(taken(number, body))
    log.close()
    assert [(row.at, _body(row)) for row in read(tmp_path)] == [(n, body) for n in range(3)]


def test_threads_and_processes_share_a_folder(tmp_path: Path) -> None:
    """Rows of several writers are merged by time, and none is lost or torn by another."""
    logs = [Log(tmp_path, size=1 << 14) for _ in range(2)]

    def write(worker: int) -> None:
        for number in range(500):
            logs[worker % 2].append(taken(time.time_ns() // 1_000, b"[%d,%d]" % (worker, number)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    for log in logs:
        log.close()
    pairs = sorted(msgspec.json.decode(_body(row)) for row in read(tmp_path))
    assert pairs == [[worker, number] for worker in range(4) for number in range(500)]
    by_log = [
        [r.at for r in read(tmp_path) if msgspec.json.decode(_body(r))[0] == n] for n in (0, 1)
    ]
    assert all(times == sorted(times) for times in by_log)


def test_rows_of_two_writers_are_in_the_order_of_time(tmp_path: Path) -> None:
    """A reader sees one stream, whichever process wrote a row."""
    logs = [Log(tmp_path) for _ in range(2)]
    start = time.time_ns() // 1_000 + 10**6
    for number in range(20):
        logs[number % 2].append(taken(start + number))
    assert [row.at - start for row in read(tmp_path)] == list(range(20))
    for log in logs:
        log.close()
    assert [row.at - start for row in read(tmp_path)] == list(range(20))


@pytest.mark.parametrize("id", [77, "ü-77"])
def test_the_newest_answer_about_an_event_is_found(tmp_path: Path, id: int | str) -> None:
    """By the identifier as text, whichever process gave it, from Parquet as from journals."""
    logs = [Log(tmp_path) for _ in range(2)]
    assert find(tmp_path, str(id)) is None
    for at, log in ((1, logs[0]), (3, logs[1]), (2, logs[0])):
        log.append(prediction(at, 1.0 * at, id=id))
        log.append(prediction(at, 0.0, id="other" if isinstance(id, str) else 770))
        log.append(taken(9, b'{"id": 77}'))
    for log in logs:
        found = find(tmp_path, str(id))
        assert found is not None
        assert (found.at, found.id, found.features) == (3, id, (3.0,))
        log.close()
    assert find(tmp_path, str(id)) == found
    assert find(tmp_path, "7") is None


@pytest.mark.parametrize("id", [77, "ü-77"])
def test_the_newest_lookup_of_a_key_is_found(tmp_path: Path, id: int | str) -> None:
    """As a lookup and not as a prediction, from a journal as from Parquet."""
    log, other = Log(tmp_path), "770" if isinstance(id, str) else 770
    rows = [
        Lookup(at, "v1", "b1", 0.5, "leave", "", {"lookup": 2}, [], b"", id if at < 3 else other)
        for at in (1, 2, 3)
    ]
    for row in rows:
        log.append(row)
    for _ in range(2):
        assert find(tmp_path, str(id), Lookup) == rows[1]
        assert find(tmp_path, str(id)) is None
        log.close()


def test_a_file_from_before_lookups_is_read(tmp_path: Path) -> None:
    """Its columns lack what only lookups have; rows and tables come as they were."""
    for number in range(2):
        log = Log(tmp_path)
        log.append(prediction(number, 1.0))
        log.close()
    first, _ = sorted(tmp_path.iterdir())
    old = pq.read_table(first)
    pq.write_table(old.drop_columns(["version", "fallback"]), first)
    assert [row.at for row in read(tmp_path)] == [0, 1]
    assert table(tmp_path, ["version", "score"]).to_pylist() == [
        {"version": None, "score": 0.25},
        {"version": None, "score": 0.25},
    ]


def test_what_is_old_or_too_much_is_removed(tmp_path: Path) -> None:
    """Retention by size keeps the newest files; by age, none that was finished before."""
    for number in range(4):
        log = Log(tmp_path)
        log.append(taken(number))
        log.close()
    size = max(file.stat().st_size for file in tmp_path.iterdir())
    archive(tmp_path, Retention(size=2 * size))
    assert [row.at for row in read(tmp_path)] == [2, 3]
    archive(tmp_path, Retention(age=10**9))
    assert [row.at for row in read(tmp_path)] == [2, 3]
    archive(tmp_path, Retention(age=0))
    assert list(read(tmp_path)) == []


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    """After `close` an append is an error; closing again is none."""
    log = Log(tmp_path)
    log.close()
    log.close()
    with pytest.raises(OSError, match="closed"):
        log.append(taken(1))
    assert not list(tmp_path.iterdir())


_FULL = """
import resource, signal, sys
from pathlib import Path
from groundplan.serving.log import Log, Taken
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = Log(Path(sys.argv[1]), size=1 << 16)
log.append(Taken(1, b"{}"))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, 1 << 12))
count = 1
try:
    while True:
        log.append(Taken(count + 1, b"{}"))
        count += 1
except OSError as error:
    print(count, error)
"""


def test_a_disk_without_room_is_an_error_of_the_row(tmp_path: Path) -> None:
    """Where no more can be claimed, `append` raises; the process lives, and no row is lost."""
    assert resource.RLIMIT_FSIZE  # a limit on files stands in for a full disk
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count, _, message = done.stdout.partition(" ")
    assert "no room for the log" in message
    assert [row.at for row in read(tmp_path)] == list(range(1, int(count) + 1))


_WRITER = """
import sys
from pathlib import Path
from groundplan.serving.log import Log, Taken
log = Log(Path(sys.argv[1]), size=1 << 16)
for number in range(10**9):
    log.append(Taken(number, b"{}"))
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """After kill -9, every row whose append had returned is in the log, once."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(10_000):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else 9_999
    for _ in range(2):
        found = [row.at for row in read(tmp_path)]
        assert found == list(range(len(found)))
        assert len(found) >= acknowledged + 1
        Log(tmp_path).close()  # the next start archives what was left
    assert not list(tmp_path.glob("[!.]*.journal"))


_CUT = """
import fcntl, os, signal, sys
from pathlib import Path
left = int(sys.argv[2])
def cut(name):
    real = getattr(os, name)
    def step(*arguments, **options):
        global left
        for _ in range(2):  # just before, and just after
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            if _ == 0:
                result = real(*arguments, **options)
        return result
    setattr(os, name, step)
for name in ("open", "fsync", "replace", "unlink"):
    cut(name)
from groundplan.serving.log.archive import archive
from groundplan.serving.log import Retention
archive(Path(sys.argv[1]), Retention())
print("whole")
"""


def test_an_archiver_may_be_killed_at_any_step(tmp_path: Path) -> None:
    """Wherever the change from journal to Parquet is cut off, no row is lost or doubled."""
    outcomes = []
    for step in range(1, 60):
        folder = tmp_path / str(step)
        _journal(folder, 10)
        done = subprocess.run(
            [sys.executable, "-c", _CUT, str(folder), str(step)],
            capture_output=True,
            text=True,
            check=False,
        )
        left = sorted(file.name[:1].strip("0") + file.suffix for file in folder.iterdir())
        assert [row.at for row in read(folder)] == list(range(10)), step
        archive(folder, Retention())
        assert [row.at for row in read(folder)] == list(range(10)), step
        assert [file.suffix for file in folder.iterdir()] == [".parquet"], step
        outcomes.append(left)
        if done.stdout:
            break
    else:
        pytest.fail("the archiver never came to its end")
    states = [state for state, _ in groupby(outcomes)]
    assert len(states) >= 4  # a journal, a draft beside it, both, the Parquet file alone


def test_archivers_and_writers_leave_each_other_alone(tmp_path: Path) -> None:
    """Several archivers over the folder of a running log take no journal that is in use."""
    log = Log(tmp_path, size=1 << 13)
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            archive(tmp_path, Retention())

    with ThreadPoolExecutor(2) as pool:
        sweeps = [pool.submit(sweep) for _ in range(2)]
        try:
            for number in range(3_000):
                log.append(taken(number))
        finally:
            stop.set()
        for swept in sweeps:
            swept.result()
    log.close()
    assert [row.at for row in read(tmp_path)] == list(range(3_000))
    assert segments(tmp_path)


@pytest.mark.parametrize("size", [600, 1_500, 1 << 16])
def test_rows_that_come_together_are_read_as_if_one_by_one(size: int, tmp_path: Path) -> None:
    """Many rows at once are in the log in their order, also where a journal ends among them."""
    sent = [
        [Taken(at=10 * turn + n, event=b"{%d}" % n, build="b" * n) for n in range(turn)]
        for turn in range(12)
    ]
    for name in ("one", "many"):
        log = Log(tmp_path / name, size=size)
        for some in sent:
            if name == "many":
                log.extend(some)
            else:
                for row in some:
                    log.append(row)
        log.close()
        with pytest.raises(OSError, match="is closed"):
            log.extend([])
    assert list(read(tmp_path / "many")) == list(read(tmp_path / "one"))
    assert list(read(tmp_path / "many")) == [row for some in sent for row in some]
