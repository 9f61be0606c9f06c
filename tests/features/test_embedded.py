"""The embedded store: the rule's values, whatever the order, the labels and the restarts."""

import heapq
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import lmdb
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import SECOND, START, arrow, arrows, deals, fraud, market, orders, same, shop
from groundplan.errors import EngineError, InputError
from groundplan.features import (
    Appended,
    EmbeddedStore,
    Event,
    FeatureSet,
    Label,
    Source,
    Table,
    features,
    offline,
)
from store_twin import Twin, short_tails

TESTS = Path(__file__).resolve().parents[1]


def bare(event: Event) -> Event:
    """An event as it arrives, before any label is known."""
    return Event(event.id, event.time, event.values, (False,) * len(event.labels), event.source)


@settings(max_examples=10, deadline=None)
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
    with tempfile.TemporaryDirectory() as folder, short_tails():
        store = EmbeddedStore(Path(folder), inputs)
        for at, event in enumerate(events):
            while waiting and waiting[0][0] <= event.time:
                _, identifier, name = heapq.heappop(waiting)
                assert store.append([Label(identifier, name, True)]).labelled == 1
            if at in restarts:
                store.close()
                store = EmbeddedStore(Path(folder), inputs)
            assert same(store.peek(bare(event)), rows[at])
            assert same(store.join(bare(event)), rows[at])
            assert same(store.join(bare(event)), rows[at])  # a retry counts once
            for (name, delay), known in zip(
                inputs.source.labels.items(), event.labels, strict=True
            ):
                if known:
                    heapq.heappush(waiting, (event.time + delay, event.id, name))
        store.close()


@settings(max_examples=10, deadline=None)
@given(deals(least=1), st.data())
def test_several_sources_in_order_equal_the_offline_values(
    events: list[Event], data: st.DataObject
) -> None:
    """Sales joined between logins and new profiles get what the offline table gives them.

    Profiles and logins of a sale's own instant may come before or after it: they do not count.
    """
    inputs = market()
    events = data.draw(st.permutations(events))
    events = [bare(event) for event in sorted(events, key=lambda event: event.time)]
    tables = arrows(inputs, events)
    table = offline.table(inputs, tables.pop("sales"), others=tables)
    rows = offline.matrix(table, inputs.names)
    sales = [event for event in events if not event.source]
    expected = {event.id: row for event, row in zip(sales, rows, strict=True)}
    with (
        tempfile.TemporaryDirectory() as folder,
        short_tails(),
        EmbeddedStore(Path(folder), inputs) as store,
    ):
        for event in events:
            if event.source:
                assert store.append([event]) == Appended(added=1)
            else:
                assert same(store.peek(event), expected[event.id])
                assert same(store.join(event), expected[event.id])


@settings(max_examples=20, deadline=None)
@given(orders(least=1), st.data())
def test_values_out_of_order_equal_the_naive_twin(events: list[Event], data: st.DataObject) -> None:
    """In any order of arrival an event gets the rule over what has arrived, or a clear refusal.

    Refused is what lies further behind its entity's newest event than the lateness; a label may
    come at any time, also before its event, be taken back, or name an event that never comes.
    """
    inputs = shop()
    events = sorted(events, key=lambda e: e.time + data.draw(st.integers(0, 6)) * SECOND)
    twin = Twin(inputs)
    with (
        tempfile.TemporaryDirectory() as folder,
        short_tails(),
        EmbeddedStore(Path(folder), inputs) as store,
    ):
        for event in events:
            check_request(store, twin, event)
            name = data.draw(st.sampled_from(["returned", "disputed"]))
            target = data.draw(st.sampled_from([*(e.id for e in events), "nobody"]))
            label = Label(target, name, data.draw(st.booleans()))
            assert store.append([label]) == Appended(**{twin.append(label): 1})
        probe = later(max(events, key=lambda event: event.time))
        assert same(store.peek(probe), twin.row(probe))


@settings(max_examples=20, deadline=None)
@given(deals(least=1), st.data())
def test_several_sources_out_of_order_equal_the_naive_twin(
    events: list[Event], data: st.DataObject
) -> None:
    """Each source has its own clock: what is late is so beside the events of its entity."""
    inputs = market()
    events = sorted(events, key=lambda e: e.time + data.draw(st.integers(0, 7)) * SECOND)
    twin = Twin(inputs)
    with (
        tempfile.TemporaryDirectory() as folder,
        short_tails(),
        EmbeddedStore(Path(folder), inputs) as store,
    ):
        for event in events:
            if event.source:
                assert store.append([event]) == Appended(**{twin.append(event): 1})
            else:
                check_request(store, twin, event)


def check_request(store: EmbeddedStore, twin: Twin, event: Event) -> None:
    """A request gets the twin's values, or is refused where the twin says so."""
    if twin.refused(event):
        for ask in (store.peek, store.join):
            if ask == store.peek and not twin.late(event):
                continue
            with pytest.raises(InputError) as refused:
                ask(event)
            assert refused.value.field == "at"
        return
    expected = twin.row(event)
    assert same(store.peek(event), expected)
    assert same(store.join(event), expected)
    assert twin.append(event) == "added"


@settings(max_examples=20, deadline=None)
@given(
    st.one_of(orders(least=1).map(lambda e: (shop, e)), deals(least=1).map(lambda e: (market, e))),
    st.data(),
)
def test_batches_equal_the_naive_twin(case: tuple[type, list[Event]], data: st.DataObject) -> None:
    """Appended in batches of any size, in any order, twice or once, with labels between them.

    The counts say what became of each, and a later request gets the rule's values.
    """
    make, events = case
    inputs: FeatureSet = make()
    names = [*inputs.source.labels]
    rows: list[Event | Label] = []
    for event in data.draw(st.permutations(events)) if data.draw(st.booleans()) else events:
        rows += [event] * data.draw(st.sampled_from([1, 1, 1, 2]))
        if data.draw(st.booleans()):
            target = data.draw(st.sampled_from([e.id for e in events if not e.source]))
            rows.append(Label(target, data.draw(st.sampled_from(names)), data.draw(st.booleans())))
    size = data.draw(st.integers(1, 30))
    twin = Twin(inputs)
    with (
        tempfile.TemporaryDirectory() as folder,
        short_tails(),
        EmbeddedStore(Path(folder), inputs) as store,
    ):
        for at in range(0, len(rows), size):
            batch = [row for row in rows[at : at + size] if certain(twin, row)]
            offset = {"sales/0": at + size}
            counts = Counter(twin.append(row) for row in batch)
            assert store.append(batch, offset) == Appended(**counts)
            assert store.offsets() == offset
        last = max((e for e in events if not e.source), key=lambda event: event.time)
        probe = later(last)
        if not twin.refused(probe):
            assert same(store.peek(probe), twin.row(probe))


def certain(twin: Twin, row: Event | Label) -> bool:
    """Whether what a store may forget, sooner or later, makes no difference to a row's count."""
    if isinstance(row, Label):
        known = [event for event in twin.events if (event.source, event.id) == (0, row.id)]
        return all(map(twin.remembered, known)) and bool(known)
    known = [event for event in twin.events if (event.source, event.id) == (row.source, row.id)]
    return all(map(twin.remembered, known))


@settings(max_examples=8, deadline=None)
@given(
    st.one_of(
        orders(least=1).map(lambda events: (shop, events)),
        deals(least=1).map(lambda events: (market, events)),
    ),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_history_and_live_events_give_the_same_state(
    case: tuple[type, list[Event]], cut: int, again: int
) -> None:
    """Ingested, appended or joined, twice or once: later events get the same values.

    A history may overlap what is there already; what is known is passed over.
    """
    make, events = case
    inputs: FeatureSet = make()
    events = sorted(events, key=lambda event: event.time)
    last = [event for event in events if not event.source][-1]
    probe = later(msgspec.structs.replace(last, time=events[-1].time))
    twin = Twin(inputs)
    for event in events:
        twin.append(event)
    with tempfile.TemporaryDirectory() as folder, short_tails():
        ways = [Path(folder, name) for name in ("history", "live", "both")]
        with EmbeddedStore(ways[0], inputs) as store:
            assert ingest(store, inputs, events) == len(events)
            assert store.append([event for event in events if twin.remembered(event)]).added == 0
            first = store.peek(probe)
        with EmbeddedStore(ways[1], inputs) as store:
            assert store.append(events).added == len(events)
            remembered = [event for event in events[again:] if twin.remembered(event)]
            assert store.append(remembered) == Appended(known=len(remembered))
            second = store.peek(probe)
        with EmbeddedStore(ways[2], inputs) as store:
            store.append(events[cut:])
            ingest(store, inputs, events[: cut + again])
            store.append(events[cut:])
            third = store.peek(probe)
    assert same(first, twin.row(probe))
    assert same(second, twin.row(probe))
    assert same(third, twin.row(probe))


def ingest(store: EmbeddedStore, inputs: FeatureSet, events: Sequence[Event]) -> int:
    """Ingest events of all sources, twice; returns how many counted the first time."""
    counted = 0
    for number, source in enumerate(inputs.sources):
        mine = [event for event in events if event.source == number]
        table = arrow(inputs, mine, number)
        done = store.ingest(table, source=number)
        assert done.added + done.known + done.expired == len(mine), source.name
        assert store.ingest(table, source=number).added == 0
        counted += done.added + done.known + done.expired
    return counted


def later(last: Event) -> Event:
    """A request a second after an event."""
    identifier = -1 if isinstance(last.id, int) else "later"
    return Event(identifier, last.time + SECOND, last.values, (False,) * len(last.labels))


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


def test_a_batch_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    """One event that contradicts another leaves the store, and the offsets, as they were."""
    inputs = fraud()
    good = [Event(n, START + n * SECOND, (1, 2, 100), (False,)) for n in range(5)]
    wrong = Event(3, START + 3 * SECOND, (1, 2, 101), (False,))
    with EmbeddedStore(tmp_path, inputs) as store:
        with pytest.raises(InputError, match="belongs to another event"):
            store.append([*good, wrong], {"transactions/0": 6})
        assert store.stats().events == 0
        assert store.offsets() == {}
        assert store.append(good, {"transactions/0": 5, "transactions/1": 7}).added == 5
        store.append([], {"transactions/0": 6})
        assert store.offsets() == {"transactions/0": 6, "transactions/1": 7}


def test_what_is_too_late_is_counted_or_refused(tmp_path: Path) -> None:
    """A batch goes on past a late event and counts it; a request that is late gets an error."""
    inputs = fraud()
    good = [Event(n, START + n * SECOND, (1, 2, 100), (False,)) for n in range(5)]
    late = Event(9, START - 3601 * SECOND, (1, 3, 100), (False,))
    with EmbeddedStore(tmp_path, inputs) as store:
        assert store.append([*good, late]) == Appended(added=5, late=1)
        for ask in (store.join, store.peek):
            with pytest.raises(InputError, match="customer_id 1, and 1h is allowed"):
                ask(late)
        assert store.stats().events == 5
        assert store.stats().keys == {"customer_id": 1, "terminal_id": 1}


def test_a_repeated_event_may_bring_its_label(tmp_path: Path) -> None:
    """A known event that comes again with a True label sets it; False takes nothing back."""
    inputs = shop()
    event = Event("o1", START, ("ann", 1, 100, 1.0, False, 1), (False, False))
    probe = Event("o2", START + 6 * SECOND, ("bob", 1, 100, 1.0, False, 1), (False, False))
    at = inputs.names.index("shop_mean_returned_10s_delay_5s")
    with EmbeddedStore(tmp_path, inputs) as store:
        store.join(event)
        assert store.peek(probe)[at] == 0.0
        store.append([Event("o1", START, event.values, (True, False))])
        assert store.peek(probe)[at] == 1.0
        store.append([event])
        assert store.peek(probe)[at] == 1.0
        store.append([Label("o1", "returned", False)])
        assert store.peek(probe)[at] == 0.0


@pytest.mark.parametrize("way", ["join", "append", "ingest"])
def test_a_label_may_come_before_its_event(tmp_path: Path, way: str) -> None:
    """It waits, and is there when the event comes by whatever way; the last one said counts."""
    inputs = shop()
    event = Event("o1", START, ("ann", 1, 100, 1.0, False, 1), (False, False))
    probe = Event("o2", START + 6 * SECOND, ("bob", 1, 100, 1.0, False, 1), (False, False))
    at = inputs.names.index("shop_mean_returned_10s_delay_5s")
    early = [Label("o1", "returned", False), Label("o1", "returned", True)]
    with EmbeddedStore(tmp_path, inputs) as store:
        assert store.append([*early, Label("o3", "disputed", True)]) == Appended(parked=3)
        if way == "join":
            store.join(event)
        elif way == "append":
            store.append([event])
        else:
            store.ingest(arrow(inputs, [event]))
        assert store.peek(probe)[at] == 1.0
        assert store.append([event]).known == 1


def test_what_no_window_reaches_is_forgotten(tmp_path: Path) -> None:
    """Events, labels and idle entities leave when they are past the longest window and lateness."""
    inputs = shop()  # the longest window ends at 30 s, and the lateness is 4 s
    with EmbeddedStore(tmp_path, inputs) as store:
        store.append([Label("never", "returned", True)])
        for n in range(400):
            row = (f"buyer {n}", n, 100, 1.0, False, 1)
            store.join(Event(f"o{n}", START + n * SECOND, row, (False, False)))
        stats = store.stats()
        assert stats.newest == START + 399 * SECOND
        assert 34 <= stats.events <= 34 + 8
        assert stats.keys["buyer"] == stats.keys["shop"] == stats.events
        assert store.append([Label("o100", "returned", True)]).parked == 1
        assert store.append([Label("o390", "returned", True)]).labelled == 1
        store.append(
            [Event("never", START + 399 * SECOND, ("x", 1, 0, 0.0, False, 0), (False, False))]
        )
        probe = Event("p", START + 405 * SECOND, ("y", 1, 0, 0.0, False, 0), (False, False))
        at = inputs.names.index("shop_mean_returned_10s_delay_5s")
        assert store.peek(probe)[at] == 0.0  # its label, of hundreds of seconds ago, was dropped
        old = Event("x", START + 100 * SECOND, ("new", -5, 100, 1.0, False, 1), (False, False))
        with pytest.raises(InputError, match="past every window"):
            store.join(old)


def test_the_state_does_not_grow_over_a_long_run(tmp_path: Path) -> None:
    """With as many entities and events a second at the end as at the start, so many bytes."""
    source = Source(
        "payments", time="at", id="id", fields={"who": int, "cents": int}, lateness="5s"
    )
    who = source.by("who")
    inputs = features(who.sum("cents", "1m"), who.count("10s"))
    sizes = []
    with EmbeddedStore(tmp_path, inputs) as store:
        for part in range(24):
            store.append(
                [
                    # Some come back for ever, one is busy, and each part has its own newcomers.
                    Event(n, START + n * SECOND // 50, (who, 5))
                    for n in range(part * 1_000, part * 1_000 + 1_000)
                    for who in [(0, n % 50, n)[n % 3]]
                ]
            )
            assert store.stats().size <= store._file.size
            sizes.append(store._file.size)
        assert store.stats().events < 65 * 50 + 2_100
        assert max(sizes[12:]) <= 1.2 * max(sizes[6:12])


def test_a_profile_is_kept_however_old(tmp_path: Path) -> None:
    """The newest version before any request counts for ever; those before it are dropped."""
    people = Table("people", key="who", time="since", fields={"limit": int}, lateness="10s")
    sales = Source("sales", time="at", id="id", fields={"who": int}, lateness="5s")
    inputs = features(people.limit, sales.by("who").count("5s"))
    with EmbeddedStore(tmp_path, inputs) as store:
        versions = [
            Event(people.identifier(1, START + n * SECOND), START + n * SECOND, (1, n), (), 1)
            for n in range(300)
        ]
        assert store.append(versions).added == 300
        assert store.append(versions[290:]).known == 10
        contradiction = Event(versions[299].id, versions[299].time, (1, 7), (), 1)
        with pytest.raises(InputError, match="belongs to another event"):
            store.append([contradiction])
        assert store.append([versions[5]]) == Appended(late=1)
        for seconds in (289.5, 295.5, 301.5, 10**7):
            time = START + int(seconds * SECOND)
            row = store.join(Event(int(seconds), time, (1,)))
            assert row.tolist() == [min(int(seconds), 299), 0.0]
        shelf = store._rooms[1].shelves[0]
        tail = store._file.read(lambda txn: bytes(txn.get(shelf.key(1), db=shelf.tails)))
        assert len(tail) // shelf.layout.size < 60


def test_running_totals_stay_within_64_bits(tmp_path: Path) -> None:
    """The largest values in one direction for ever neither overflow nor lose a unit."""
    source = Source("payments", time="at", id="id", fields={"who": int, "cents": int})
    inputs = features(source.by("who").sum("cents", "10s"))
    size = 10**12
    with EmbeddedStore(tmp_path, inputs) as store:
        table = pa.table(
            {
                "id": np.arange(20),
                "at": START + np.arange(20) * SECOND,
                "who": np.zeros(20, np.int64),
                "cents": np.full(20, size),
            }
        )
        store.ingest(table)
        store._file.write(lambda txn: _lift(store, txn))
        for n in range(20, 60):
            row = store.join(Event(n, START + n * SECOND, (0, size)))
            assert row.tolist() == [9.0 * size]
        late = store.join(Event(100, START + 58 * SECOND, (0, size)))
        assert late.tolist() == [9.0 * size]


def _lift(store: EmbeddedStore, txn: lmdb.Transaction) -> None:
    """Raise every running total to the end of 64 bits, as years of events would."""
    shelf = store._rooms[0].shelves[0]
    rows = np.frombuffer(bytes(txn.get(shelf.key(0), b"", db=shelf.tails)), "<i8").copy()
    rows[1::2] += 2**63 - 10 * 10**12 - rows[-1]
    txn.put(shelf.key(0), rows.tobytes(), db=shelf.tails)


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
