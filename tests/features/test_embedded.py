"""The embedded store: the rule's values, whatever the order, the labels and the restarts."""

import heapq
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import SECOND, START, arrow, fraud, naive_row, orders, same, shop
from groundplan.errors import EngineError, InputError
from groundplan.features import EmbeddedStore, Event, FeatureSet, Source, features, offline
from groundplan.features.mapped import Mapped

TESTS = Path(__file__).resolve().parents[1]


@settings(max_examples=30, deadline=None)
@given(orders(least=1), st.data())
def test_values_in_order_equal_the_offline_values(events: list[Event], data: st.DataObject) -> None:
    """Joined in order of time, with restarts, an event gets what the offline table gives it.

    Labels arrive at the very moment at which the source says that they become known.
    """
    inputs = shop()
    events = sorted(events, key=lambda event: event.time)
    rows = offline.matrix(offline.table(inputs, arrow(inputs, events)), inputs.names)
    waiting: list[tuple[int, int | str, str]] = []
    restarts = data.draw(st.sets(st.integers(0, len(events) - 1), max_size=2))
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder), inputs)
        for at, event in enumerate(events):
            while waiting and waiting[0][0] <= event.time:
                _, identifier, name = heapq.heappop(waiting)
                store.label(identifier, name, True)
            if at in restarts:
                store.close()
                store = EmbeddedStore(Path(folder), inputs)
            bare = Event(event.id, event.time, event.values, (False, False))
            assert same(store.peek(bare), rows[at])
            assert same(store.join(bare), rows[at])
            assert same(store.join(bare), rows[at])  # a retry counts once
            for (name, delay), known in zip(
                inputs.source.labels.items(), event.labels, strict=True
            ):
                if known:
                    heapq.heappush(waiting, (event.time + delay, event.id, name))
        store.close()


@settings(max_examples=80, deadline=None)
@given(orders(least=1), st.data())
def test_values_out_of_order_equal_the_naive_twin(events: list[Event], data: st.DataObject) -> None:
    """In any order of arrival an event gets the rule over what has arrived, or a clear refusal.

    Refused is what lies further behind its entity's newest event than the lateness; a label may
    come at any time, be taken back, or name an event that was never there.
    """
    inputs = shop()
    events = sorted(events, key=lambda e: e.time + data.draw(st.integers(0, 6)) * SECOND)
    arrived: dict[int | str, Event] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedStore(Path(folder), inputs) as store,
    ):
        for event in events:
            if too_late(inputs, event, arrived.values()):
                with pytest.raises(InputError) as refused:
                    store.join(event)
                assert refused.value.field == "at"
                continue
            expected = naive_row(inputs, event, arrived.values())
            assert same(store.peek(event), expected)
            assert same(store.join(event), expected)
            arrived[event.id] = event
            name, value = data.draw(
                st.tuples(st.sampled_from(["returned", "disputed"]), st.booleans())
            )
            target = data.draw(st.sampled_from([*arrived, "nobody"]))
            remembered = store.label(target, name, value)
            if target in arrived:
                old = arrived[target]
                labels = (value, old.labels[1]) if name == "returned" else (old.labels[0], value)
                arrived[target] = Event(old.id, old.time, old.values, labels)
                newest = max(other.time for other in arrived.values())
                assert remembered or old.time <= newest - inputs.longest - 4 * SECOND
            else:
                assert not remembered


def too_late(inputs: FeatureSet, event: Event, history: Iterable[Event]) -> bool:
    others = list(history)
    behind = [
        other.time - event.time
        for key in (0, 1)
        for other in others
        if other.values[key] == event.values[key]
    ]
    return max(behind, default=0) > 4 * SECOND


@settings(max_examples=20, deadline=None)
@given(orders(least=1), st.integers(0, 40), st.integers(0, 40))
def test_history_and_live_events_give_the_same_state(
    events: list[Event], cut: int, again: int
) -> None:
    """Ingested, appended or joined, twice or once: later events get the same values.

    A history may overlap what is there already; what is known is passed over.
    """
    inputs = shop()
    events = sorted(events, key=lambda event: event.time)
    last = events[-1]
    with tempfile.TemporaryDirectory() as folder:
        ways = [Path(folder, name) for name in ("history", "live", "both")]
        with EmbeddedStore(ways[0], inputs) as store:
            done = store.ingest(arrow(inputs, events))
            assert done.added + done.expired == len(events)
            assert store.ingest(arrow(inputs, events)).added == 0
            first = store.peek(later(last))
        with EmbeddedStore(ways[1], inputs) as store:
            assert store.append(events) == len(events)
            reach = inputs.longest + inputs.source.lateness
            remembered = [event for event in events[again:] if event.time > last.time - reach]
            assert store.append(remembered) == 0
            second = store.peek(later(last))
        with EmbeddedStore(ways[2], inputs) as store:
            store.append(events[cut:])
            store.ingest(arrow(inputs, events[: cut + again]))
            for event in events[: cut + again]:
                store.label(event.id, "returned", event.labels[0])
            third = store.peek(later(last))
    expected = naive_row(inputs, later(last), events)
    assert same(first, expected)
    assert same(second, expected)
    assert same(third, expected)


def later(last: Event) -> Event:
    return Event("later", last.time + SECOND, last.values, (False, False))


def test_an_identifier_names_one_event(tmp_path: Path) -> None:
    """A known identifier with another time or other values is refused, and nothing changes."""
    inputs = fraud()
    event = Event(1, START, (1, 2, 100), (False,))
    with EmbeddedStore(tmp_path, inputs) as store:
        store.join(event)
        for other in (Event(1, START + 1, (1, 2, 100)), Event(1, START, (1, 2, 101))):
            for act in (store.join, store.peek, lambda e: store.append([e])):
                with pytest.raises(InputError, match="belongs to another event") as refused:
                    act(other)
                assert refused.value.field == "transaction_id"
        assert store.stats().events == 1


def test_a_body_of_events_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    """One late event among many leaves the store as it was."""
    inputs = fraud()
    good = [Event(n, START + n * SECOND, (1, 2, 100), (False,)) for n in range(5)]
    late = Event(9, START - 3601 * SECOND, (1, 2, 100), (False,))
    with EmbeddedStore(tmp_path, inputs) as store:
        with pytest.raises(InputError, match="1h is allowed"):
            store.append([*good, late])
        assert store.stats().events == 0
        assert store.append(good) == 5


def test_a_repeated_event_may_bring_its_label(tmp_path: Path) -> None:
    """A known event that comes again with a True label sets it; False takes nothing back."""
    inputs = shop()
    event = Event("o1", START, ("ann", 1, 100, 1.0, False, 1), (False, False))
    probe = Event("o2", START + 6 * SECOND, ("bob", 1, 100, 1.0, False, 1), (False, False))
    at = inputs.names.index("shop_mean_returned_10s_delay_5s")
    with EmbeddedStore(tmp_path, inputs) as store:
        store.join(event)
        assert store.peek(probe)[at] == 0.0
        assert store.append([Event("o1", START, event.values, (True, False))]) == 0
        assert store.peek(probe)[at] == 1.0
        store.append([event])
        assert store.peek(probe)[at] == 1.0
        assert store.label("o1", "returned", False)
        assert store.peek(probe)[at] == 0.0


def test_what_no_window_reaches_is_forgotten(tmp_path: Path) -> None:
    """Events, labels and idle entities leave when they are past the longest window and lateness."""
    inputs = shop()  # the longest window ends at 15 s, and the lateness is 4 s
    with EmbeddedStore(tmp_path, inputs) as store:
        for n in range(200):
            row = (f"buyer {n}", n, 100, 1.0, False, 1)
            store.join(Event(f"o{n}", START + n * SECOND, row, (False, False)))
        stats = store.stats()
        assert stats.newest == START + 199 * SECOND
        assert stats.events == 19
        assert stats.keys == {"buyer": 19, "shop": 19}
        assert not store.label("o100", "returned", True)
        assert store.label("o190", "returned", True)
        old = Event("x", START + 100 * SECOND, ("new", -5, 100, 1.0, False, 1), (False, False))
        with pytest.raises(InputError, match="past every window"):
            store.join(old)


def test_running_totals_stay_within_64_bits(tmp_path: Path) -> None:
    """The largest values in one direction for ever neither overflow nor lose a unit."""
    source = Source("payments", time="at", id="id", fields={"who": int, "cents": int})
    inputs = features(source.by("who").sum("cents", "10s"))
    size = 10**12
    with EmbeddedStore(tmp_path, inputs) as store:
        far = 4_700_000  # as many as bring a running total near 2^62
        table = pa.table(
            {
                "id": np.arange(20),
                "at": START + np.arange(20) * SECOND,
                "who": np.zeros(20, np.int64),
                "cents": np.full(20, size),
            }
        )
        store.ingest(table)
        store._file.write(lambda txn: _lift(txn, far * size))
        for n in range(20, 60):
            row = store.join(Event(n, START + n * SECOND, (0, size)))
            assert row.tolist() == [9.0 * size]


def _lift(txn: lmdb.Transaction, amount: int) -> None:
    """Raise every running total, as years of events would."""
    key = bytes([0x80]) + (1 << 63).to_bytes(8, "big")
    integers = np.frombuffer(bytes(txn.get(key, b"")), "<i8").copy()
    count = (len(integers) - 1) // 2
    integers[count:] += amount - integers[-1] - 10**12
    txn.put(key, integers.tobytes())


def test_other_definitions_are_refused(tmp_path: Path) -> None:
    """State is read only by the definitions that made it; the message says what to do."""
    with EmbeddedStore(tmp_path, fraud()) as store:
        store.join(Event(1, START, (1, 2, 100), (False,)))
    with pytest.raises(EngineError, match="ingest the history into a new folder"):
        EmbeddedStore(tmp_path, shop())
    with EmbeddedStore(tmp_path, fraud()) as store:
        assert store.stats().events == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be opened"):
        EmbeddedStore(tmp_path / "file", fraud())


def test_features_without_windows_need_no_history(tmp_path: Path) -> None:
    """Request fields alone join too, and an event still counts once."""
    source = Source("payments", time="at", id="id", fields={"cents": int})
    inputs = features(source.cents, source.time.hour())
    with EmbeddedStore(tmp_path, inputs) as store:
        assert store.join(Event(1, START + 3600 * SECOND, (7,))).tolist() == [7.0, 1.0]
        assert store.stats().keys == {}
    rows = offline.table(inputs, arrow(inputs, [Event(1, START + 3600 * SECOND, (7,))]))
    assert rows.to_pylist() == [{"id": 1, "cents": 7.0, "at_hour": 1.0}]


def test_the_file_grows_under_two_handles(tmp_path: Path) -> None:
    """A file that is full doubles, and another process that has it open goes on with it."""
    code = (
        "import sys; from pathlib import Path; from groundplan.features.mapped import Mapped\n"
        "file = Mapped(Path(sys.argv[1]), size=1 << 16)\n"
        "for line in sys.stdin:\n"
        "    n = int(line)\n"
        "    file.write(lambda txn: txn.put(b'%d' % n, bytes(5000)))\n"
        "    print(file.read(lambda txn: txn.stat()['entries']), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        mine = Mapped(tmp_path, size=1 << 16)
        for n in range(0, 100, 2):
            mine.write(lambda txn, n=n: txn.put(b"%d" % n, bytes(5000)))  # type: ignore[misc]  # a loop's lambda
            other.stdin.write(f"{n + 1}\n")
            other.stdin.flush()
            assert int(other.stdout.readline()) == n + 2
        other.stdin.close()
        mine.close()


WRITER = """
import sys
from pathlib import Path
from feature_cases import START, SECOND, fraud
from groundplan.features import EmbeddedStore, Event
folder, first, count, customer = Path(sys.argv[1]), *map(int, sys.argv[2:])
store = EmbeddedStore(folder, fraud())
for n in range(first, first + count):
    store.join(Event(n, START + n % 1000 * SECOND, (customer, n % 7, 100), (False,)))
    print(n, flush=True)
"""


def writer(folder: Path, first: int, count: int, customer: int) -> "subprocess.Popen[str]":
    arguments = [str(folder), str(first), str(count), str(customer)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed in the middle of its work, the store has every event whose join had returned."""
    acknowledged: list[int] = []
    for round_ in range(3):
        with writer(tmp_path, round_ * 100_000, 100_000, 1) as process:
            assert process.stdout is not None
            for _ in range(200 + 150 * round_):
                acknowledged.append(int(process.stdout.readline()))
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    with EmbeddedStore(tmp_path, fraud()) as store:
        assert all(
            store._file.read(lambda txn, n=n: txn.get(b"i" + (n + (1 << 63)).to_bytes(8, "big")))  # type: ignore[misc]  # a loop's lambda
            is not None
            for n in acknowledged
        )
        probe = Event(-1, START + 1000 * SECOND, (1, 1, 100), (False,))
        seen = store.peek(probe)[store._inputs.names.index("customer_nb_tx_30d")]
        assert len(acknowledged) + 1 <= seen <= len(acknowledged) + 1 + 3  # one in flight a kill


def test_two_processes_lose_nothing_of_one_entity(tmp_path: Path) -> None:
    """Concurrent joins of the same customer from two processes all count."""
    with writer(tmp_path, 0, 400, 1) as one, writer(tmp_path, 1000, 400, 1) as two:
        assert len(one.communicate()[0].split()) == 400
        assert len(two.communicate()[0].split()) == 400
    with EmbeddedStore(tmp_path, fraud()) as store:
        probe = Event(-1, START + 1000 * SECOND, (1, 1, 100), (False,))
        assert store.peek(probe)[store._inputs.names.index("customer_nb_tx_1d")] == 801.0
