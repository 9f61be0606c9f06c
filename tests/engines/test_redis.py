"""The store in Redis, on a real server: killed, restarted, stopped, shared, and misconfigured."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servers
from groundplan.checks.online_store.handle import equal
from groundplan.checks.online_store.orders import (
    REACH,
    SECOND,
    START,
    definition,
    events,
    later,
    order,
)
from groundplan.checks.online_store.rule import Rule
from groundplan.engines.redis import RedisStore
from groundplan.errors import EngineError, InputError
from groundplan.features import Event, Label, Source, features
from groundplan.features.table import Table


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Valkey]:
    with servers.valkey(tmp_path_factory.mktemp("v")) as server:
        yield server


@pytest.fixture
def valkey(shared: servers.Valkey) -> servers.Valkey:
    """A server without keys."""
    with shared.client() as client:
        client.flushall()
        client.script_flush()
    return shared


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 4), st.data())
def test_any_order_gives_the_values_of_the_rule(
    shared: servers.Valkey, seed: int, jitter: int, data: st.DataObject
) -> None:
    """Random events in any order within the lateness, and labels before and after: the rule."""
    made = sorted(
        events(seed, 40),
        key=lambda event: event.time + data.draw(st.integers(0, jitter)) * SECOND,
    )
    rule = Rule(definition())
    with shared.client() as client:
        client.flushall()
    with RedisStore(shared.unix_url, definition()) as store:
        for event in made:
            if event.source:
                store.append([event])
                rule.record(event)
                continue
            bare = Event(event.id, event.time, event.values, (False, False))
            labels = [
                Label(event.id, name, True)
                for name, known in zip(("returned", "disputed"), event.labels, strict=True)
                if known
            ]
            before = data.draw(st.booleans())
            if before and labels:
                assert store.append(labels).parked == len(labels)
            equal(store.join(bare), rule.row(bare), f"join of {bare}")
            if not before and labels:
                assert store.append(labels).labelled == len(labels)
            rule.record(bare, *labels)


WRITER = """
import sys
from groundplan.checks.online_store.orders import START, definition, order
from groundplan.engines.redis import RedisStore
from groundplan.errors import EngineError
url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = RedisStore(url, definition())
for n in range(first, first + count):
    event = order(n, START + n)
    while True:
        try:
            if n % 3:
                store.join(event)
            else:
                store.append([event], {f"orders/{first}": n + 1})
            break
        except EngineError:
            pass
    print(n, flush=True)
"""


def writer(url: str, first: int, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first), str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_server_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed under the load of two processes, again and again, and started on its data.

    What was acknowledged is there, counts once, and with the offsets that were written with it;
    the writers send again what failed, and at the end the values are those of the rule.
    """
    count = 600
    with (
        servers.valkey(tmp_path / "v") as server,
        writer(server.url, 0, count) as one,
        writer(server.url, 10_000, count) as other,
    ):
        acknowledged: set[int] = set()

        def collect(process: "subprocess.Popen[str]") -> None:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged.add(int(line))

        threads = [threading.Thread(target=collect, args=(p,)) for p in (one, other)]
        for thread in threads:
            thread.start()
        for goal in (200, 500, 900):
            while len(acknowledged) < goal:
                assert one.poll() is None or other.poll() is None, "the writers have ended"
                time.sleep(0.002)
            server.kill()
            had = set(acknowledged)
            server.start()
            with RedisStore(server.url, definition()) as store:
                rows = [order(n, START + n) for n in sorted(had)]
                assert store.append(rows).known == len(had)
        for thread in threads:
            thread.join()
        assert one.wait() == other.wait() == 0
        made = [order(n, START + n) for first in (0, 10_000) for n in range(first, first + count)]
        with RedisStore(server.url, definition()) as store:
            probe = order(-1, START + SECOND)
            equal(store.peek(probe), Rule(definition(), made).row(probe), "after three kills")
            assert store.stats().events == 2 * count
            assert store.offsets() == {"orders/0": count - 2, "orders/10000": 10_000 + count}


def test_a_killed_writer_leaves_no_half(valkey: servers.Valkey) -> None:
    """A process killed in the middle of its work has recorded each event whole or not at all."""
    with writer(valkey.url, 0, 100_000) as process:
        assert process.stdout is not None
        done = [int(process.stdout.readline()) for _ in range(150)]
        process.send_signal(signal.SIGKILL)
        done += [int(line) for line in process.stdout if line.endswith("\n")]
    with RedisStore(valkey.url, definition()) as store:
        there = store.stats().events
        assert len(done) <= there <= len(done) + 1
        probe = order(-1, START + SECOND)
        rule = Rule(definition(), [order(n, START + n) for n in range(there)])
        equal(store.peek(probe), rule.row(probe), "after a killed writer")


def test_a_connection_that_was_cut_is_made_anew(tmp_path: Path) -> None:
    """While the server is away every call fails clearly; when it is back, the same store works."""
    with servers.valkey(tmp_path / "v") as server, RedisStore(server.url, definition()) as store:
        store.join(order(1, START))
        server.kill()
        for act in (
            lambda: store.join(order(2, START)),
            lambda: store.append([order(2, START)]),
            store.offsets,
            store.stats,
            store.sync,
        ):
            with pytest.raises(EngineError, match="cannot be reached: start it"):
                act()
        server.start()
        rule, event = Rule(definition(), [order(1, START)]), order(2, START + SECOND)
        equal(store.join(event), rule.row(event), "after a restart")


def test_a_server_that_hangs_costs_the_timeout(tmp_path: Path) -> None:
    """A stopped server is an error after the timeout, once; going on, it answers again."""
    with (
        servers.valkey(tmp_path / "v") as server,
        RedisStore(server.url, definition(), timeout=0.2) as store,
    ):
        store.join(order(1, START))
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(EngineError, match="did not answer in time"):
                store.join(order(2, START + 1))
        finally:
            server.process.send_signal(signal.SIGCONT)
        rule = Rule(definition(), [order(1, START), order(2, START + 1)])
        store.join(order(2, START + 1))
        event = order(3, START + SECOND)
        equal(store.join(event), rule.row(event), "after a pause of the server")


def test_no_message_shows_the_password(tmp_path: Path) -> None:
    """A wrong or missing password is an error that names the server and never the password."""
    with servers.valkey(tmp_path / "v", requirepass="s3cret") as server:
        good = server.url.replace("//", "//:s3cret@")
        bad = server.url.replace("//", "//user:wr0ng@")
        with RedisStore(good, definition()) as store:
            store.join(order(1, START))
        for url in (bad, server.url):
            with pytest.raises(EngineError, match=r"127\.0\.0\.1") as refused:
                RedisStore(url, definition())
            assert "wr0ng" not in str(refused.value)
    for url in (good, bad):
        with pytest.raises(EngineError, match="cannot be reached") as refused:
            RedisStore(url, definition())
        assert "s3cret" not in str(refused.value)
        assert "wr0ng" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://localhost", "redis://localhost:port", "localhost", ""])
def test_a_wrong_url_is_refused(url: str) -> None:
    """What is no address of a server is an error that says so."""
    with pytest.raises(EngineError, match="is no address of an online store"):
        RedisStore(url, definition())


def test_settings_that_lose_state_are_warned_of(tmp_path: Path, valkey: servers.Valkey) -> None:
    """Eviction and a missing or lazy append-only file are named; a sound server gives none."""
    with RedisStore(valkey.url, definition()) as store:
        assert store.warnings == []
    options = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru", "appendonly": "no"}
    with (
        servers.valkey(tmp_path / "v", **options) as server,
        RedisStore(server.url, definition()) as store,
    ):
        evicts, forgets = store.warnings
        assert "maxmemory-policy noeviction" in evicts
        assert "appendonly yes" in forgets
        store.sync()  # without a file there is nothing to wait for
        with server.client() as client:
            client.config_set("appendonly", "yes")
            client.config_set("appendfsync", "no")
        with RedisStore(server.url, definition()) as other:
            assert "appendfsync" in other.warnings[1]


def test_other_definitions_lie_beside(valkey: servers.Valkey) -> None:
    """The state of other definitions is not read, and not touched."""
    orders = definition().source
    other = features(orders.by("buyer").count("10s"))
    with RedisStore(valkey.url, definition()) as one, RedisStore(valkey.url, other) as two:
        one.append([order(1, START)], {"orders/0": 1})
        assert two.offsets() == {}
        assert two.peek(order(2, START + 1))[0] == 0.0
        two.append([order(1, START + 5)])
        assert one.stats().events == two.stats().events == 1


def test_every_key_lies_in_one_slot_and_expires(valkey: servers.Valkey) -> None:
    """So that a cluster takes it, and a store that nobody uses any more goes by itself.

    What does not expire is small: the offsets, the newest times and the list of buckets; and
    profiles, which hold until the next.
    """
    with RedisStore(valkey.url, definition()) as store:
        store.append([*events(1, 50), Label("unknown", "returned", True)], {"orders/0": 1})
    with valkey.client() as client:
        names: Any = client.keys()
        forever = {name for name in names if client.ttl(name) == -1}
        assert len({name[name.index(b"{") : name.index(b"}")] for name in names}) == 1
        kinds = {name.partition(b"}:")[2].partition(b":")[0] for name in forever}
        assert kinds <= {b"o", b"n", b"b0", b"b1", b"b2", b"h3"}
        assert {b"h0", b"h1", b"h2", b"i0", b"i1"} <= {
            name.partition(b"}:")[2].partition(b":")[0] for name in names
        }


def test_profiles_hold_for_ever_and_old_versions_go(valkey: servers.Valkey) -> None:
    """The latest version counts however old; those that no request can ask for are forgotten.

    A version that is valid from a time to come does not hide the one that holds now.
    """
    visits = Source("visits", time="at", id="visit", fields={"shop": int}, lateness="1m")
    shops = Table("shops", key="shop", time="since", fields={"staff": int}, lateness="30d")
    inputs = features(shops.staff, visits.by("shop").count("1h"))

    def version(hours: int) -> Event:
        at = START + hours * 3_600 * SECOND
        return Event(f"1@{at}", at, (1, hours), (), 1)

    def visit(number: int, hours: float) -> Event:
        return Event(number, START + int(hours * 3_600 * SECOND), (1,))

    with RedisStore(valkey.url, inputs) as store:
        store.append([version(n) for n in range(0, 400)])
        assert store.join(visit(1, 0.5))[0] == 0.0
        assert store.join(visit(2, 399.5))[0] == 399.0
        for n in range(400, 500):
            store.append([version(n)])
            store.append([version(n)])  # a repeat
            store.join(visit(n, n + 0.5))
        assert store.join(visit(3, 50_000))[0] == 499.0
        with valkey.client() as client:
            (history,) = (name for name in client.scan_iter() if b"h0:" in name)
            width = 8 * (store._records.layouts[0].raw_width + 1)
            assert client.strlen(history) // width < 30


def test_parts_of_a_batch_that_changed_meanwhile_are_looked_at_again(
    valkey: servers.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process comes between look and write, nothing of either is lost."""
    with (
        RedisStore(valkey.url, definition()) as store,
        RedisStore(valkey.url, definition()) as other,
    ):
        look = store._look
        theirs: Iterator[Event | Label] = iter([order(1, START), Label("o2", "disputed", True)])

        def looked(rows: Any) -> Any:
            seen = look(rows)
            other.append(list(islice(theirs, 1)))
            return seen

        monkeypatch.setattr(store, "_look", looked)
        became = store.append([order(1, START), order(2, START)])
        assert (became.added, became.known) == (1, 1)
        rule, probe = Rule(definition(), [order(1, START), order(2, START)]), order(9, START + 1)
        rule.record(Label("o2", "disputed", True))
        equal(store.peek(probe), rule.row(probe), "after two changes in between")


def test_the_unix_socket_and_sync(valkey: servers.Valkey) -> None:
    """It works over a unix socket too, and waits for the server's disk when asked."""
    with RedisStore(valkey.unix_url, definition()) as store:
        store.join(order(1, START))
        store.sync()
        with valkey.client() as client:
            assert client.info("persistence")["aof_enabled"] == 1
        assert store.stats().events == 1


def test_a_late_event_takes_its_place_in_a_long_history(valkey: servers.Valkey) -> None:
    """Inserted anywhere among many, and beside its own repeats of the instant."""
    made = [order(n, START + n * SECOND // 100) for n in range(0, 400)]
    late = [order(1_000 + n, START + n * SECOND // 100 - n % 2) for n in range(10, 390, 7)]
    with RedisStore(valkey.url, definition()) as store:
        store.append(made)
        for event in late[:20]:
            store.append([event])
        store.append(late[::-1])
        probe = order(-1, START + 4 * SECOND)
        equal(store.peek(probe), Rule(definition(), made + late).row(probe), "after late ones")


def test_what_is_past_the_reach_of_a_repeat_is_refused(valkey: servers.Valkey) -> None:
    """Once forgotten, an identifier's event is too old to come again: it cannot count twice."""
    with RedisStore(valkey.url, definition()) as store:
        first = order(1, START)
        store.join(first)
        (moved,) = later([first], 1)
        store.join(moved)
        assert moved.time - first.time > REACH
        assert store.append([first]).late == 1
        with pytest.raises(InputError):
            store.join(first)
