"""The embedded scores beyond the conformance suite: cuts, damage, processes, and awkward keys."""

import contextlib
import fcntl
import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundplan.checks.scores.handle import answers, follows, load, publish
from groundplan.checks.scores.population import Row, agrees, rows, version, write
from groundplan.errors import EngineError, InputError
from groundplan.scores.embedded import EmbeddedScores

OLD, NEW = rows(range(40)), rows(range(20, 60), 1)


def killed(folder: Path, operation: str) -> list[dict[str, Any]]:
    """What was found after a kill at each line of the operation."""
    script = Path(__file__).with_name("dying.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), operation], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert all(entry["right"] for entry in found)
    return found


def test_a_kill_at_any_line_of_a_load_is_not_seen(tmp_path: Path) -> None:
    """The version is complete or not there; what is left is gone after the next load."""
    found = killed(tmp_path, "load")
    assert len(found) > 150
    assert {entry["live"] for entry in found} == {"v1"}
    assert {tuple(entry["names"]) for entry in found} == {("v1",), ("v1", "v2")}
    assert any(entry["hidden"] for entry in found)
    assert found[-1] == {"live": "v1", "names": ["v1", "v2"], "right": True, "hidden": 0}


def test_a_kill_at_any_line_of_a_move_leaves_one_version_live(tmp_path: Path) -> None:
    """The old one or the new one is live, whole, wherever the kill comes."""
    found = killed(tmp_path, "point")
    assert len(found) > 30
    assert {entry["live"] for entry in found[:-1]} == {"v1", "v2"}
    assert all(entry["names"] == ["v1", "v2"] for entry in found)
    assert found[-1]["live"] == "v2"
    store = EmbeddedScores(tmp_path / "scores")
    load(store, "v3", OLD)
    assert not [path for path in (tmp_path / "scores").iterdir() if path.name.startswith(".")]


def test_a_kill_at_any_line_of_a_drop_leaves_the_live_version(tmp_path: Path) -> None:
    """The dropped one is there or gone, the live one answers."""
    found = killed(tmp_path, "drop")
    assert len(found) > 20
    assert {entry["live"] for entry in found} == {"v1"}
    assert found[-1]["names"] == ["v1"]


def test_what_another_loader_writes_is_left_alone(tmp_path: Path) -> None:
    """A hidden file goes when nobody writes it any more, and no sooner."""
    store = EmbeddedScores(tmp_path)
    hidden = tmp_path / ".v7.0011223344556677.part"
    with hidden.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        publish(store, "v1", OLD)
        assert hidden.exists()
    load(store, "v2", NEW)
    assert not hidden.exists()


def test_more_keys_than_a_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused, not numbered wrongly."""
    monkeypatch.setattr("groundplan.scores.writer.MOST", 39)
    with pytest.raises(InputError, match="a file holds 39 keys: publish 40 to a server"):
        load(EmbeddedScores(tmp_path), "v1", OLD)


KEYS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=300),
    st.lists(st.integers(-40, 40), unique=True),
    st.builds(
        lambda first, step, count: [first + step * n for n in range(count)],
        st.integers(-(10**12), 10**12),
        st.integers(1, 10**6),
        st.integers(0, 300),
    ),
    st.lists(st.text(max_size=40), unique=True, max_size=300),
    st.lists(st.text(min_size=80, max_size=300), unique=True, max_size=20),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(keys=KEYS, cold=KEYS, parts=st.integers(1, 4), seed=st.integers(0, 99))
def test_it_answers_as_a_dict_would(
    keys: list[int | str], cold: list[int | str], parts: int, seed: int
) -> None:
    """Whatever the keys, an answer is what a `dict` of the rows has; its naive twin."""
    kind = "str" if keys and isinstance(keys[0], str) else "int"
    made = rows(keys, seed)
    twin = {row.key: row for row in made}
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedScores(Path(folder) / "scores")
        paths = write(Path(folder) / "parts", made, kind, parts)  # type: ignore[arg-type]  # one of both
        store.load(version("v1", made, kind), paths)  # type: ignore[arg-type]  # one of both
        store.point("v1")
        asked = keys + cold
        for key, found in zip(asked, store.get_many(asked), strict=True):
            row = twin.get(key)
            assert found == store.get(key)
            assert found is None if row is None else agrees(found, row, "v1")
        store.verify("v1")
        store.close()


@pytest.mark.parametrize("key", ["%", "%c", "%d", "%s", b"%", b"%c", None, 1.5, (), (1,), [1]])
def test_what_is_no_key_was_not_scored(key: Any, tmp_path: Path) -> None:
    """A key of another type has no answer, also where the type has a remainder of its own."""
    store = EmbeddedScores(tmp_path)
    for kind, made in (("int", OLD), ("str", rows([str(n) for n in range(40)]))):
        publish(store, kind, made, kind)  # type: ignore[arg-type]  # one of both
        assert store.get(key) is None
        assert store.get_many([key]) == [None]


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 257, 1_000])
def test_texts_of_any_length_are_keys(length: int, tmp_path: Path) -> None:
    """Texts around the longest that a record holds as it is are found, and their neighbours not."""
    store = EmbeddedScores(tmp_path)
    long = ["a" * length, "b" * length, "\u00e9" * length] if length else [""]
    made = rows([*long, *(f"{n}" for n in range(50))])
    publish(store, "v1", made, "str")
    answers(store, "v1", made)
    for key in long:
        others = {key + "a", key[:-1], key[:-1] + "c", key + "\0"} - set(long)
        assert not any(map(store.get, others))


def test_keys_that_fall_into_one_bucket_are_spread(tmp_path: Path) -> None:
    """Keys that share a remainder do not make lookups long: another number of buckets is taken."""
    from groundplan.scores.lookup import open_lookup

    store = EmbeddedScores(tmp_path)
    made = rows([1_009 * n for n in range(1_009)])  # 1,009 is a prime, and the first that is tried
    publish(store, "v1", made)
    answers(store, "v1", made)
    assert all(store.get(1_009 * n + 1) is None for n in range(1_009))
    assert open_lookup(tmp_path / "v1.scores").layout.buckets != 1_009


def test_keys_that_cannot_be_spread_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every number of buckets gathers the keys, lookups are right all the same."""
    monkeypatch.setattr("groundplan.scores.writer.TRIES", 1)
    store = EmbeddedScores(tmp_path)
    made = rows([211 * n for n in range(211)])
    publish(store, "v1", made)
    answers(store, "v1", made)
    assert all(
        store.get(211 * n + 1) is None and store.get(-211 * n - 211) is None for n in range(211)
    )


def test_texts_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two texts of one hash are two keys, and a text that stands twice is found among them."""
    for room in ("writer", "lookup"):
        monkeypatch.setattr(f"groundplan.scores.{room}.xxh3_64_intdigest", len)
    store = EmbeddedScores(tmp_path)
    long = [letter * 300 for letter in "abc"]
    made = rows([f"{n:03d}" for n in range(300)] + ["", "a", "ab", *long])
    publish(store, "v1", made, "str")
    answers(store, "v1", made)
    assert all(store.get(key) is None for key in ("300", "b", "abcd", "00", "d" * 300))
    with pytest.raises(InputError, match="'007' stands twice"):
        load(store, "v2", [*made, Row("007", 0.5)], "str")


def test_more_combinations_than_are_kept_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept ready of decisions and reasons is bounded, and answers are right."""
    monkeypatch.setattr("groundplan.scores.lookup.TOLD", 8)
    store = EmbeddedScores(tmp_path)
    made = rows(range(500))
    publish(store, "v1", made)
    for _ in range(2):
        answers(store, "v1", made)
    lookup = store._lookup
    assert len(lookup._told) <= 8  # type: ignore[union-attr]  # a version is live


def damaged(folder: Path, change: Any) -> Path:
    """The file of v1, changed, as a disk would: in place."""
    path = folder / "v1.scores"
    path.write_bytes(bytes(change(bytearray(path.read_bytes()))))
    return path


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_file_that_is_cut_short_is_not_served(kept: float, tmp_path: Path) -> None:
    """It is no complete version, cannot be live, and the error names it and what to do."""
    store = EmbeddedScores(tmp_path)
    publish(store, "v1", OLD)
    load(store, "v2", NEW)
    path = damaged(tmp_path, lambda data: data[: int(kept * len(data))])
    late = EmbeddedScores(tmp_path)
    with pytest.raises(EngineError, match=r"live is damaged.*groundplan rollback"):
        late.get(0)
    with pytest.raises(EngineError, match="live is damaged"):
        late.live()
    with pytest.raises(EngineError, match=f"{path.name} is damaged"):
        late.point("v1")
    assert [record.name for record in late.versions()] == ["v2"]
    late.point("v2")
    answers(late, "v2", NEW)


def test_any_byte_that_changes_is_found(tmp_path: Path) -> None:
    """In the head and the record when it is opened; elsewhere when asked, and nothing crashes."""
    store = EmbeddedScores(tmp_path)
    load(store, "v1", OLD)
    whole = (tmp_path / "v1.scores").read_bytes()
    for at in range(0, len(whole), 7):
        changed = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        (tmp_path / "v1.scores").write_bytes(changed)
        late = EmbeddedScores(tmp_path)
        with pytest.raises(EngineError, match="damaged"):
            late.verify("v1")
        if late.versions():
            late.point("v1")
            for row in OLD:
                with contextlib.suppress(EngineError):
                    late.get(row.key)
        late.close()


def test_a_reader_stays_where_it_is_when_it_cannot_follow(tmp_path: Path) -> None:
    """A live version that is damaged or gone is not followed; `fault` says so until one is."""
    writer = EmbeddedScores(tmp_path)
    reader = EmbeddedScores(tmp_path, look_us=0)
    publish(writer, "v1", OLD)
    load(writer, "v2", NEW)
    answers(reader, "v1", OLD)
    writer.point("v2")
    whole = (tmp_path / "v2.scores").read_bytes()
    (tmp_path / "v2.scores").unlink()
    answers(reader, "v1", OLD)
    assert reader.fault is not None
    assert "v2.scores, which is not there" in reader.fault
    with pytest.raises(EngineError, match="which is not there"):
        EmbeddedScores(tmp_path).get(1)
    with pytest.raises(EngineError, match="which is not there"):
        writer.live()
    (tmp_path / "v2.scores").write_bytes(whole[:-1])
    answers(reader, "v1", OLD)
    assert reader.fault is not None
    assert "is damaged" in reader.fault
    (tmp_path / "v2.scores").write_bytes(whole)
    follows(reader, "v2")
    answers(reader, "v2", NEW)
    assert reader.fault is None


def test_a_file_of_another_format_says_so(tmp_path: Path) -> None:
    """A file that another version of the program wrote is not called damaged."""
    import msgspec
    from xxhash import xxh3_64_intdigest

    from groundplan.scores.layout import HEAD, MAGIC

    load(EmbeddedScores(tmp_path), "v1", OLD)

    def later(data: bytearray) -> bytes:
        _, at, size, _ = HEAD.unpack(data[: HEAD.size])
        meta = msgspec.json.encode(msgspec.json.decode(data[at : at + size]) | {"format": 9})
        head = HEAD.pack(MAGIC, at, len(meta), xxh3_64_intdigest(meta))
        return head + bytes(data[HEAD.size : at]) + meta

    damaged(tmp_path, later)
    with pytest.raises(EngineError, match="has format 9 and this program reads 2"):
        EmbeddedScores(tmp_path).verify("v1")


def test_a_look_is_due_only_so_often(tmp_path: Path) -> None:
    """A handle asks for the link at most every `look_us`, and at once after its own move."""
    one, other = (EmbeddedScores(tmp_path, look_us=60_000_000) for _ in range(2))
    publish(one, "v1", OLD)
    load(one, "v2", NEW)
    answers(one, "v1", OLD)
    answers(other, "v1", OLD)
    one.point("v2")
    answers(one, "v2", NEW)
    answers(other, "v1", OLD)


def test_moves_within_a_tick_of_the_clock_are_followed(tmp_path: Path) -> None:
    """However fast the link moves to and fro, a reader that looks reads what is live."""
    writer, reader = EmbeddedScores(tmp_path), EmbeddedScores(tmp_path, look_us=0)
    for name, made in (("v1", OLD), ("v2", NEW)):
        publish(writer, name, made)
    for turn in range(300):
        name = ("v1", "v2")[turn % 2]
        writer.point(name)
        if turn % 3 == 0:  # and one that looks only now and then
            assert reader.current().version.name == name


@pytest.mark.parametrize("large", [0, 1 << 40])
def test_files_that_were_left_are_let_go(
    large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of fifty versions that a reader was in, it soon has one mapped, and as many files open."""
    monkeypatch.setattr("groundplan.scores.embedded._LARGE", large)
    reader = EmbeddedScores(tmp_path, look_us=0)
    writer = EmbeddedScores(tmp_path)
    for name, made in (("v1", OLD), ("v2", NEW)):
        load(writer, name, made)
    descriptors = len(os.listdir("/proc/self/fd"))
    for turn in range(50):
        writer.point(("v1", "v2")[turn % 2])
        reader.current()
    ends = time.monotonic() + 10
    while (mapped := Path("/proc/self/maps").read_text().count(str(tmp_path))) > 1:
        assert time.monotonic() < ends, f"{mapped} files are mapped"
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
    answers(reader, "v2", NEW)


def test_a_version_that_was_promised_gets_old(tmp_path: Path) -> None:
    """An answer says its age, and that it is older than was promised."""
    for promised, stale in ((1, True), (None, False), (10**18, False)):
        store = EmbeddedScores(tmp_path, promised)
        publish(store, "v1", OLD)
        found = store.get(0)
        assert found is not None
        assert found.stale is stale
        assert found.age > 0
        assert store.current().promised == promised


def test_a_closed_handle_says_so(tmp_path: Path) -> None:
    """Reading after the close fails with the reason, also after the next look was due."""
    store = EmbeddedScores(tmp_path, look_us=0)
    publish(store, "v1", OLD)
    store.close()
    for _ in range(2):
        with pytest.raises(EngineError, match="were closed"):
            store.get(0)


def test_a_full_disk_leaves_the_live_version(tmp_path: Path) -> None:
    """A load for which there is no room fails with the reason, and leaves nothing."""
    store = EmbeddedScores(tmp_path / "scores")
    publish(store, "v1", OLD)
    big = rows(range(20_000))
    paths = write(tmp_path / "parts", big)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(EngineError, match=r"v2\.scores cannot be written: File too large"):
            store.load(version("v2", big), paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in store.folder.iterdir()) == ["live", "v1.scores"]
    answers(store, "v1", OLD)


def read_on(store: EmbeddedScores, made: dict[str, Sequence[Row]], stop: mmap.mmap) -> int:
    """Read until told to stop; how many reads were wrong."""
    wrong = 0
    while not stop[0]:
        for key in range(20, 40):
            found = store.get(key)
            place = {"v1": key, "v2": key - 20}
            wrong += found is None or not agrees(
                found, made[found.version][place[found.version]], found.version
            )
            many = store.get_many(range(20, 40))
            wrong += None in many or len({answer.version for answer in many if answer}) != 1
    return wrong


def test_processes_read_while_the_link_moves(tmp_path: Path) -> None:
    """Forked while threads read, by a handle made before, each process follows and fails never."""
    store = EmbeddedScores(tmp_path, look_us=0)
    made: dict[str, Sequence[Row]] = {"v1": OLD, "v2": NEW}
    for name, mine in made.items():
        publish(store, name, mine)
    stop = mmap.mmap(-1, 1)  # shared with the processes that are forked
    wrong: list[int] = []
    threads = [
        threading.Thread(target=lambda: wrong.append(read_on(store, made, stop))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(5):
        if (child := os.fork()) == 0:
            failed = read_on(store, made, stop)
            follows(store, "v1")
            os._exit(min(failed, 100))
        children.append(child)
    mover = EmbeddedScores(tmp_path)
    for turn in range(21):
        mover.point(("v1", "v2")[turn % 2])
        time.sleep(0.01)
    stop[0] = 1
    for thread in threads:
        thread.join()
    assert wrong == [0, 0]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 5


def test_a_version_is_pointed_at_without_a_walk_through_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many segments it has, the move is one of a link; its checksum is looked at."""
    store = EmbeddedScores(tmp_path)
    for name in ("v1", "v2"):
        store.load(version(name, OLD), write(tmp_path / name, OLD))

    def walked(*_: object, **__: object) -> None:
        raise AssertionError("the record was decoded")

    with monkeypatch.context() as patch:
        patch.setattr(msgspec.json, "decode", walked)
        store.point("v1")
    file = tmp_path / "v2.scores"
    data = bytearray(file.read_bytes())
    data[-2] ^= 1
    file.unlink()
    file.write_bytes(data)
    with pytest.raises(EngineError, match="the checksum of its record"):
        store.point("v2")
    assert store.current().version.name == "v1"


def test_who_examines_goes_back_to_the_last_whole_file(tmp_path: Path) -> None:
    """Though its name be gone; a damaged file is not followed again, and the next one is."""
    store = EmbeddedScores(tmp_path, look_us=0)
    publish(store, "v1", OLD)
    reader = EmbeddedScores(tmp_path, look_us=0)
    assert reader.current().version.name == "v1"
    assert reader.examine() is None
    for name in ("v1", "v2"):  # the live file itself is replaced, then one that is new
        if name == "v2":
            load(store, name, NEW)
        file = tmp_path / f"{name}.scores"
        data = bytearray(file.read_bytes())
        data[64:200] = bytes(136)
        file.unlink()
        file.write_bytes(data)
        store.point(name)
        reader.current()
        assert "checksum" in str(reader.examine())
        for _ in range(2):
            assert all(agrees(reader.get(row.key), row, "v1") for row in OLD)
            assert "checksum" in str(reader.fault)
            assert reader.examine() is None
    publish(store, "v3", NEW)
    assert reader.current().version.name == "v3"
    assert (reader.examine(), reader.fault) == (None, None)
