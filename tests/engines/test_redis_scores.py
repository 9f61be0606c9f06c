"""Published scores in Redis, on a real server: swapped, cut, killed, shared, and misconfigured."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servers
from groundplan.checks.scores import CHECKS, Check
from groundplan.checks.scores.handle import answers, load, parted, publish
from groundplan.checks.scores.population import Row, agrees, rows, version, write
from groundplan.engines.redis import RedisScores
from groundplan.errors import EngineError, InputError

MANY = rows([f"C-{n:06d}" for n in range(20_000)])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Valkey]:
    with servers.valkey(tmp_path_factory.mktemp("v"), appendfsync="everysec") as server:
        yield server


@pytest.fixture
def valkey(shared: servers.Valkey) -> servers.Valkey:
    """A server without keys."""
    with shared.client() as client:
        client.flushall()
        client.script_flush()
    return shared


def opened(server: servers.Valkey, look_us: int = 1_000) -> RedisScores:
    return RedisScores(server.unix_url, system="churn", look_us=look_us, timeout=5)


def keys(server: servers.Valkey) -> set[str]:
    """The names of all keys, the strings of scores by the attempt that wrote them."""
    with server.client() as client:
        found = [key.decode().partition(":")[2].partition(":")[2] for key in client.scan_iter()]
    return {name.rpartition(":")[0] if name.startswith("d:") else name for name in found}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_conformance(check: Check, valkey: servers.Valkey) -> None:
    """What every store of published scores must pass; the pointer is looked at often."""
    check(lambda: opened(valkey))


POPULATIONS = st.one_of(
    st.sets(st.integers(-(2**63), 2**63 - 1), max_size=200),
    st.sets(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), max_size=200),
)


@settings(max_examples=25, deadline=None)
@given(POPULATIONS, st.integers(0, 99), st.data())
def test_any_population_answers_as_a_dict_would(
    shared: servers.Valkey, named: set[int] | set[str], seed: int, data: st.DataObject
) -> None:
    """Random keys of either type, in random order: each its answer, and none for others."""
    made: Sequence[Row] = rows(data.draw(st.permutations(sorted(named))), seed)
    kind: Literal["int", "str"] = "str" if any(isinstance(key, str) for key in named) else "int"
    with opened(shared) as store:
        store.clear()
        publish(store, "v1", made, kind)
        answers(store, "v1", made)
        twin = {row.key: row for row in made}
        asked = [*range(-3, 3), "", "a", "0"]
        for key, found in zip(asked, store.get_many(asked), strict=True):
            assert (found is None) == (key not in twin), key


@pytest.mark.parametrize(
    "named",
    [["", "a", "aa", "b", "ab", "ÿ", "\x00", "\x7f", "a\x00"], [0, 1, 11, 111, -1, -11, 2**63 - 1]],
    ids=["texts", "integers"],
)
def test_keys_that_are_parts_of_others_lie_in_one_string(
    valkey: servers.Valkey, named: list[int | str]
) -> None:
    """A key is found where it stands whole, and not where another begins, ends or repeats it."""
    made = rows(named, 3)
    missing: list[int | str] = [
        "ba",
        "aaa",
        "\x00a",
        10,
        1111,
        -(2**63),
        2**63,
        True,
        "1",
        "\ud800",
    ]
    with opened(valkey) as store, valkey.client() as client:
        publish(store, "v1", made, "str" if isinstance(named[0], str) else "int")
        assert len(list(client.scan_iter(match="*:d:1:*"))) == 1
        answers(store, "v1", made)
        asked = [key for pair in zip(named, missing, strict=False) for key in pair]
        for row, found, none in zip(
            made, store.get_many(asked)[::2], store.get_many(asked)[1::2], strict=False
        ):
            assert agrees(found, row, "v1")
            assert none is None
        assert store.get_many(missing) == [None] * len(missing)
        assert [store.get(key) for key in missing] == [None] * len(missing)


def test_a_row_of_too_many_reasons_is_refused(valkey: servers.Valkey) -> None:
    """255 reasons of a score are kept, in their order; one more is refused and nothing is left."""
    most = Row(7, 0.5, 1, (1, -2, 3) * 85)
    with opened(valkey) as store:
        publish(store, "v1", [most, Row(8, 0.25, 0)])
        answers(store, "v1", [most, Row(8, 0.25, 0)])
        with pytest.raises(InputError, match="a row of 256 reasons, and a score has 255 at most"):
            load(store, "v2", [most._replace(reasons=(1,) * 256)])
    assert keys(valkey) == {"live", "tickets", "records", "attempts", "d:1"}


def test_a_version_in_another_form_is_refused_until_it_is_loaded_anew(
    valkey: servers.Valkey,
) -> None:
    """What an older release loaded is not misread: readers and publishers are told so."""
    prefix = "groundplan:{scores-churn}:"
    with opened(valkey) as store, opened(valkey) as reader, valkey.client() as client:
        publish(store, "v1", MANY[:50], "str")
        for key in client.scan_iter(match="*:d:1:*"):
            client.delete(key)
            client.hset(key, "C-000001", b"12345678\0")
        client.hset(prefix + "tickets", "v1", "1:4:v1")
        client.set(prefix + "live", "1:4:v1")
        with pytest.raises(EngineError, match="v1 was loaded by another release"):
            reader.get("C-000001")
        with pytest.raises(InputError, match=r"v1 was loaded into .* by another release"):
            store.point("v1")
        publish(store, "v2", MANY[:50], "str")
        answers(reader, "v2", MANY[:50])
        store.drop("v1")
    assert keys(valkey) == {"live", "tickets", "records", "attempts", "d:2"}


def test_a_version_of_many_scores_takes_several_passes(
    valkey: servers.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are sorted some at a time are all there, once; a key that stands twice is seen."""
    monkeypatch.setattr("groundplan.engines.redis.loading._PASS", 3_000)
    monkeypatch.setattr("groundplan.engines.redis.scores._MANY", 999)
    with opened(valkey) as store:
        publish(store, "v1", MANY, "str")
        answers(store, "v1", MANY[::7])
        twice = [*MANY[1:], MANY[-1]]
        with pytest.raises(InputError, match=r"the key 'C-019999' stands 2 times"):
            load(store, "v2", twice, "str")


def test_a_dropped_version_leaves_nothing(valkey: servers.Valkey) -> None:
    """Of versions that were dropped, replaced or refused, the server keeps no byte."""
    with opened(valkey) as store:
        publish(store, "v1", MANY, "str")
        publish(store, "v2", MANY[:5_000], "str")
        publish(store, "v2", MANY[:5_001], "str")
        with pytest.raises(InputError):
            load(store, "v3", [*MANY, MANY[0]], "str")
        store.drop("v1")
        answers(store, "v2", MANY[:5_001:9])
    assert keys(valkey) == {"live", "tickets", "records", "attempts", "d:3"}
    with valkey.client() as client:
        held = sum(
            int.from_bytes(client.getrange(key, 0, 3), "little")
            for key in client.scan_iter(match="*:d:3:*")
        )
    assert held == 5_001


def test_a_score_takes_less_than_half_of_a_key_of_its_own(valkey: servers.Valkey) -> None:
    """What the server says that scores take, with their keys and reasons: under 45 bytes each."""
    with opened(valkey) as store, valkey.client() as client:
        publish(store, "v1", MANY, "str")
        sizes = [client.memory_usage(key, samples=0) for key in client.scan_iter(match="*:d:1:*")]
        client.set("groundplan:{scores-churn}:1:C-000001", b"x" * 17)
        alone = client.memory_usage("groundplan:{scores-churn}:1:C-000001")
        client.flushall()
    each = sum(sizes) / len(MANY)
    assert each < 45
    assert each < alone / 2


def test_a_killed_server_keeps_the_live_version(tmp_path: Path) -> None:
    """Killed in the middle of a load and started again, it has what was live, and nothing else."""
    with servers.valkey(tmp_path / "v", appendfsync="everysec") as server:
        with opened(server) as store:
            publish(store, "v1", MANY[:3_000], "str")

            def kill(done: int, total: int) -> None:
                if done > total / 2 and server.process:
                    server.kill()

            record = version("v2", MANY, "str")
            with parted(MANY, "str") as paths, pytest.raises(EngineError, match="store of scores"):
                store.load(record, paths, kill)
            with pytest.raises(EngineError, match="cannot be reached"):
                store.get("C-000001")
            server.start()
            assert [each.name for each in store.versions()] == ["v1"]
            answers(store, "v1", MANY[:3_000:7])
            publish(store, "v2", MANY, "str")
            answers(store, "v2", MANY[::17])
        assert keys(server) >= {"d:1", "d:3"}
        assert not keys(server) & {"d:2", "loading", "going"}


LOADER = """
import sys
from pathlib import Path
from groundplan.checks.scores.population import rows, version
from groundplan.engines.redis import RedisScores
store = RedisScores(sys.argv[1], system="churn", timeout=5)
made = rows([f"C-{n:06d}" for n in range(20_000)])
def said(done, total):
    print(done, flush=True)
store.load(version("v2", made, "str"), sorted(Path(sys.argv[2]).iterdir()), said)
"""


@pytest.mark.parametrize("after", [256, 19_900])
def test_a_killed_loader_leaves_nothing_that_is_seen(
    valkey: servers.Valkey, tmp_path: Path, after: int
) -> None:
    """Killed anywhere, its version is not there; loaded again it is whole, the rest is freed."""
    write(tmp_path / "parts", MANY, "str")
    with opened(valkey) as store:
        publish(store, "v1", MANY[:100], "str")
        words = [sys.executable, "-c", LOADER, valkey.unix_url, str(tmp_path / "parts")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as loader:
            assert loader.stdout is not None
            for line in loader.stdout:
                if int(line) >= after:
                    break
            os.kill(loader.pid, signal.SIGKILL)
        assert "d:2" in keys(valkey)
        assert [each.name for each in store.versions()] == ["v1"]
        answers(store, "v1", MANY[:100])
        store.load(version("v2", MANY, "str"), sorted((tmp_path / "parts").iterdir()))
        store.point("v2")
        answers(store, "v2", MANY[::23])
    assert keys(valkey) == {"live", "tickets", "records", "attempts", "d:1", "d:3"}


def test_the_later_of_two_loads_of_a_version_wins(valkey: servers.Valkey) -> None:
    """Another that begins while one is on its way takes over; the first one fails, and is freed."""
    later = MANY[:400]
    with opened(valkey) as first, opened(valkey) as second:

        def begin(done: int, total: int) -> None:
            if not second.versions():
                publish(second, "v1", later, "str")

        with parted(MANY, "str") as paths, pytest.raises(EngineError, match="another took over"):
            first.load(version("v1", MANY, "str"), paths, begin)
        answers(first, "v1", later)
    assert keys(valkey) == {"live", "tickets", "records", "attempts", "d:2"}


def test_scores_that_went_missing_are_seen_before_the_version_is_complete(
    valkey: servers.Valkey,
) -> None:
    """A server that lost some of what it had said was written, as by eviction, is found out."""
    with opened(valkey) as store, valkey.client() as client:

        def lose(done: int, total: int) -> None:
            if done == total:
                client.delete(next(client.scan_iter(match="*:d:1:*")))

        with parted(MANY, "str") as paths, pytest.raises(EngineError, match="of the 20,000 scores"):
            store.load(version("v1", MANY, "str"), paths, lose)
        assert store.versions() == ()
    assert keys(valkey) == {"attempts"}


READER = """
import sys
from groundplan.checks.scores.population import agrees, rows
from groundplan.engines.redis import RedisScores
store = RedisScores(sys.argv[1], system="churn", timeout=5, look_us=int(sys.argv[2]))
names = [f"v{n:02d}" for n in range(20)]
made = {name: {row.key: row for row in rows(range(300), n)} for n, name in enumerate(names)}
reads = wrong = 0
seen = set()
print("ready", flush=True)
while "v19" not in seen:
    key = reads * 7 % 300
    found = store.get(key)
    wrong += found is None or not agrees(found, made[found.version][key], found.version)
    many = store.get_many([key, -1, 5, 299])
    versions = {each.version for each in many if each}
    wrong += len(versions) != 1 or many[1] is not None or None in (many[0], many[2], many[3])
    seen |= versions
    reads += 2
print(reads, wrong, len(seen))
"""


@pytest.mark.parametrize("look_us", [0, 50_000])
def test_readers_in_other_processes_follow_without_a_mix(
    valkey: servers.Valkey, look_us: int
) -> None:
    """While versions come and go, no read fails, is of two versions, or is of one that is gone."""
    made = [rows(range(300), n) for n in range(20)]
    with opened(valkey) as store:
        publish(store, "v00", made[0])
        words = [sys.executable, "-c", READER, valkey.unix_url, str(look_us)]
        readers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for n in range(1, 20):
            publish(store, f"v{n:02d}", made[n])
            store.drop(f"v{n - 1:02d}")
            time.sleep(0.01)
        for reader in readers:
            said, _ = reader.communicate(timeout=60)
            reads, wrong, seen = map(int, said.split())
            assert wrong == 0, f"{wrong} of {reads} reads"
            assert seen > 2


def test_a_reader_that_slept_reads_what_is_live_now(valkey: servers.Valkey) -> None:
    """The first answer after a rest is of the live version, though the old one is still there."""
    with opened(valkey) as writer, opened(valkey, 20_000) as reader:
        publish(writer, "v1", MANY[:50], "str")
        assert agrees(reader.get("C-000007"), MANY[7], "v1")
        load(writer, "v2", MANY[:50], "str")
        writer.point("v2")
        time.sleep(0.03)
        assert agrees(reader.get("C-000007"), MANY[7], "v2")
        writer.point("v1")
        time.sleep(0.03)
        found = reader.get_many(["C-000007", "none"])
        assert agrees(found[0], MANY[7], "v1")
        assert found[1] is None


def test_one_publisher_at_a_time(valkey: servers.Valkey) -> None:
    """A second one waits, and is told who holds the lock; it is free when the first has ended."""
    with opened(valkey) as one, opened(valkey) as other:
        refused = pytest.raises(EngineError, match=f"process {os.getpid()} on")
        with one.lock(), refused, other.lock(wait=0.1):
            raise AssertionError
        begun, order = threading.Event(), list[str]()

        def second() -> None:
            begun.set()
            with other.lock(wait=30):
                order.append("second")

        with one.lock():
            thread = threading.Thread(target=second)
            thread.start()
            begun.wait()
            time.sleep(0.1)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]
    assert "lock" not in keys(valkey)


def test_a_publisher_that_was_taken_for_dead_cannot_point(valkey: servers.Valkey) -> None:
    """Where another has its lock meanwhile, moving the pointer is refused inside the server."""
    with opened(valkey) as one, opened(valkey) as other, valkey.client() as client:
        publish(one, "v1", MANY[:50], "str")
        load(one, "v2", MANY[:50], "str")
        with one.lock():
            client.delete("groundplan:{scores-churn}:lock")  # as its lapse does
            with other.lock():
                with pytest.raises(EngineError, match="another publishes now"):
                    one.point("v2")
                live = other.live()
                assert live is not None
                assert live.name == "v1"
        one.point("v2")
        answers(one, "v2", MANY[:50])


def test_systems_and_spaces_lie_apart(valkey: servers.Valkey) -> None:
    """Scores of another system, or of the same one set apart, are not seen and not cleared."""
    with (
        opened(valkey) as mine,
        RedisScores(valkey.unix_url, system="credit") as other,
        RedisScores(valkey.unix_url, system="churn", space="trial") as trial,
    ):
        publish(mine, "v1", MANY[:50], "str")
        assert other.live() is None
        assert trial.live() is None
        publish(trial, "v9", MANY[50:60], "str")
        trial.clear()
        assert trial.live() is None
        answers(mine, "v1", MANY[:50])


def test_settings_that_lose_scores_are_warned_of(tmp_path: Path) -> None:
    """Eviction of any key, and no file; a password is asked for by the right name."""
    options = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru", "appendonly": "no"}
    with servers.valkey(tmp_path / "v", requirepass="secret", **options) as server:
        url = server.url.replace("//", "//:secret@")
        with RedisScores(url, system="churn") as store:
            said = " ".join(store.warnings)
            publish(store, "v1", MANY[:50], "str")
            answers(store, "v1", MANY[:50])
        assert "maxmemory-policy noeviction" in said
        assert "appendonly yes" in said
        assert "secret" not in said
        with pytest.raises(EngineError, match=r"\[engines\] scores"):
            RedisScores(server.url, system="churn")
    with pytest.raises(EngineError, match="cannot be reached"):
        RedisScores(server.url, system="churn")
    with pytest.raises(EngineError, match="is no address of a store of scores"):
        RedisScores("redis://host:port", system="churn")
