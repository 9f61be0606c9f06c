"""A feed stores each record of a stream once, whatever fails when."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import SECOND, START, naive_row, orders, rfc3339, same, shop
from groundplan.errors import EngineError
from groundplan.features import EmbeddedStore, Event, Label, Schema
from groundplan.features.folder import FolderStream
from groundplan.features.store import Appended
from groundplan.features.stream import Record
from groundplan.serving import dead_letters
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.feed import CURRENT, LOOK, Feed
from groundplan.serving.lease import Lease

INPUTS = shop()
POISON = (b"{", b"[]", b'{"order": "o1"}', b'"\xff"', b'{"order": "x", "returned": 3}')


class Flaky(EmbeddedStore):
    """A real store that fails when it is told to: before it stores a batch, or after."""

    faults: Iterator[str] = iter(())

    def append(
        self, rows: Sequence[Event | Label], offsets: Mapping[str, int] | None = None
    ) -> Appended:
        fault = next(self.faults, "none")
        if fault == "before":
            raise EngineError("it was cut off before")
        done = super().append(rows, offsets)
        if fault == "after":
            raise EngineError("it was cut off after")
        return done


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_events_count_once_whatever_fails(data: st.DataObject) -> None:
    """Repeated, late and bad records, faults before and after storing, readers that die.

    In the end every event counts once, with the labels that came last, and everything that could
    not be taken stands among the dead letters once.
    """
    sent, kept, poison = data.draw(deliveries())
    faults = data.draw(st.lists(st.sampled_from(["none", "before", "after"]), max_size=30))
    batch = data.draw(st.integers(1, 9))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / "orders.ndjson"
        file.write_bytes(b"".join(line + b"\n" for line in sent))
        with closing(Flaky(folder / "state", INPUTS)) as store:
            store.faults = iter(faults)
            feed = feeding(folder, store, batch)
            while True:
                try:
                    feed.catch_up()
                    break
                except EngineError:
                    if data.draw(st.booleans()):
                        feed = feeding(folder, store, batch)
            assert store.offsets() == {str(file.resolve()): file.stat().st_size}
            assert_counted(store, kept)
        letters = dead_letters.read(feed.letters.file)
        starts = [sum(len(line) + 1 for line in sent[:at]) for at in range(len(sent))]
        assert sorted(letter.offset for letter in letters) == [starts[at] for at in poison]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_two_feeds_of_one_state_get_in_each_others_way_harmlessly(data: st.DataObject) -> None:
    """A reader that believes itself alone finds the state elsewhere, and goes on from there."""
    sent, kept, _ = data.draw(deliveries())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "orders.ndjson").write_bytes(b"".join(line + b"\n" for line in sent))
        with closing(EmbeddedStore(folder / "state", INPUTS)) as store:
            feeds = [feeding(folder, store, batch) for batch in (2, 5)]
            for at in data.draw(st.lists(st.integers(0, 1), max_size=40)):
                feeds[at].step()
            feeds[0].catch_up()
            assert_counted(store, kept)


def test_a_feed_reads_from_where_another_moved_the_state(tmp_path: Path) -> None:
    """It notices before it stores anything, and takes back nothing that came later."""
    event = Event("o1", START, ("ann", 1, 100, 1.0, False, 1), (False, False))
    lines = [wire(event), labelled("o1", True), labelled("o1", False), b" "]
    (tmp_path / "orders.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    with closing(EmbeddedStore(tmp_path / "state", INPUTS)) as store:
        slow, fast = feeding(tmp_path, store, 1), feeding(tmp_path, store, 1)
        slow.step()
        for _ in range(3):
            fast.step()
        for _ in range(2):
            slow.step()
        assert slow.done.again == 1
        assert_counted(store, [event])


def test_one_bad_row_keeps_nothing_back(tmp_path: Path) -> None:
    """An identifier that belongs to another event goes to the letters, its batch into the state."""
    events = [
        Event(f"o{n}", START + n, ("ann", 1, n, 1.0, False, 1), (False,) * 2) for n in range(9)
    ]
    other = msgspec.structs.replace(events[3], values=("bob", 1, 5, 1.0, False, 1))
    lines = [wire(event) for event in [*events, other]]
    (tmp_path / "orders.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    with closing(EmbeddedStore(tmp_path / "state", INPUTS)) as store:
        feed = feeding(tmp_path, store, 100)
        feed.catch_up()
        assert_counted(store, events)
    assert (feed.done.records, feed.done.added, feed.done.poison) == (10, 9, 1)
    (letter,) = dead_letters.read(feed.letters.file)
    assert json.loads(letter.body)["buyer"] == "bob"
    assert "belongs to another event" in letter.reason
    assert letter.source == "orders"


def test_staleness_is_the_time_since_the_state_had_everything(tmp_path: Path) -> None:
    """All of time before it has caught up, nothing while it keeps up, then as long as it lags."""
    file = tmp_path / "orders.ndjson"
    events = [
        Event(f"o{n}", START + n, ("ann", 1, n, 1.0, False, 1), (False,) * 2) for n in range(9)
    ]
    file.write_bytes(b"".join(wire(event) + b"\n" for event in events))
    now = START + SECOND
    with closing(EmbeddedStore(tmp_path / "state", INPUTS)) as store:
        feed = feeding(tmp_path, store, 4, clock=lambda: now)
        assert feed.staleness_us(now) == now
        feed.step()
        feed.step()
        assert feed.staleness_us(now) == now  # 8 of 9 are stored
        feed.step()
        feed.step()
        assert feed.staleness_us(now) == 0
        caught_up = now
        file.write_bytes(
            file.read_bytes() + wire(msgspec.structs.replace(events[0], id="new")) + b"\n"
        )
        now += CURRENT + 1
        assert feed.staleness_us(now) == now - caught_up  # nobody looked since
        store.append([], {str(file.resolve()): 0})  # a state that is behind all of it
        feed.step()
        assert feed.staleness_us(now) == now - caught_up
        for _ in range(5):
            feed.step()
        now += LOOK
        feed.step()
        feed.step()
        assert feed.staleness_us(now) == 0


def test_a_thread_goes_on_after_a_failure(tmp_path: Path) -> None:
    """It says what is wrong, tries again, and has everything in the end."""
    events = [
        Event(f"o{n}", START + n, ("ann", 1, n, 1.0, False, 1), (False,) * 2) for n in range(9)
    ]
    (tmp_path / "orders.ndjson").write_bytes(b"".join(wire(event) + b"\n" for event in events))
    with closing(Flaky(tmp_path / "state", INPUTS)) as store:
        store.faults = iter(["before", "after", "before"])
        feed = feeding(tmp_path, store, 2)
        faults = set()
        feed.start()
        while feed.staleness_us(feed._clock()):
            faults.add(feed.fault)
        feed.close()
        assert {"it was cut off before", "it was cut off after"} & faults
        assert feed.fault == ""
        assert_counted(store, events)


def test_records_are_told_before_they_are_stored(tmp_path: Path) -> None:
    """What the state has was told, so a log that listens lacks nothing; poison is not told."""
    events = [
        Event(f"o{n}", START + n, ("ann", 1, n, 1.0, False, 1), (False,) * 2) for n in range(9)
    ]
    lines = [wire(event) for event in events] + [b"{"]
    (tmp_path / "orders.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    told: list[bytes | None] = []
    with closing(Flaky(tmp_path / "state", INPUTS)) as store:
        store.faults = iter(["none", "before"])

        def taken(records: Sequence[Record]) -> None:
            told.extend(record.body for record in records)

        feed = feeding(tmp_path, store, 4, taken=taken)
        with pytest.raises(EngineError):
            feed.catch_up()
        assert told == lines[:8]
        assert store.stats().events == 4
        feed.catch_up()
        assert set(told) == set(lines[:9])


def test_only_the_holder_of_the_lease_reads(tmp_path: Path) -> None:
    """The others know how far the state is all the same; when the holder goes, one takes over."""
    events = [
        Event(f"o{n}", START + n, ("ann", 1, n, 1.0, False, 1), (False,) * 2) for n in range(4)
    ]
    (tmp_path / "orders.ndjson").write_bytes(b"".join(wire(event) + b"\n" for event in events))
    leases = [Lease(tmp_path / "lock"), Lease(tmp_path / "lock")]
    with closing(EmbeddedStore(tmp_path / "state", INPUTS)) as store:
        one, two = (feeding(tmp_path, store, 2, mine=lease.take) for lease in leases)
        assert one.step() == 2
        assert two.step() == 0
        assert two.staleness_us(two._clock())
        leases[0].close()
        assert two.step() == 2
        assert one.step() == 0
        assert one.staleness_us(one._clock()) == 0
        leases[1].close()


def test_a_letter_is_bounded_and_so_is_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long body is cut and says so; a full file becomes the previous one."""
    monkeypatch.setattr(dead_letters, "BODY", 10)
    monkeypatch.setattr(dead_letters, "SIZE", 400)
    letters = DeadLetters(tmp_path / "letters.ndjson")
    for offset in range(6):
        letters.keep(Record("t/0", offset, offset + 1, "orders", b"x" * 40), "why", START)
    found = dead_letters.read(letters.file)
    assert found[-1].body == "x" * 10
    assert found[-1].cut
    assert found[-1].offset == 5
    assert letters.file.stat().st_size <= 400
    assert (tmp_path / "letters.previous.ndjson").stat().st_size <= 400


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[bytes], list[Event], list[int]]:
    """Lines as a stream may deliver them, the events that they come to, and where poison stands.

    Events come at most 3.9 s after others that are newer, repeated now and then, each with labels
    before or after it, and among them poison and identifiers that belong to another event.
    """
    events = [msgspec.structs.replace(e, labels=(False, False)) for e in draw(orders(1, 25))]
    jitter = st.integers(0, 3_900_000)
    arrivals: list[tuple[int, bytes, str]] = []
    kept = {}
    for event in events:
        first = event.time + draw(jitter)
        arrivals.append((first, wire(event), "event"))
        kept[event.id] = event
        for _ in range(draw(st.integers(0, 2))):
            arrivals.append((first + draw(jitter), wire(event), "event"))
        if draw(st.integers(0, 4)) == 0:
            other = msgspec.structs.replace(event, values=(*event.values[:5], 99))
            arrivals.append((first + 1 + draw(jitter), wire(other), "poison"))
    for event in draw(st.lists(st.sampled_from(events), max_size=8)):
        at = event.time + draw(st.integers(-2 * SECOND, 8 * SECOND))
        arrivals.append((at, labelled(event.id, draw(st.booleans())), "label"))
    for line in draw(st.lists(st.sampled_from(POISON), max_size=4)):
        arrivals.append((START + draw(st.integers(0, 30 * SECOND)), line, "poison"))
    arrivals.sort(key=lambda arrival: arrival[0])
    for _, line, kind in arrivals:
        if kind == "label":
            found = json.loads(line)
            event = kept[found["order"]]
            kept[event.id] = msgspec.structs.replace(event, labels=(found["returned"], False))
    poison = [at for at, (_, _, kind) in enumerate(arrivals) if kind == "poison"]
    return [line for _, line, _ in arrivals], list(kept.values()), poison


def wire(event: Event) -> bytes:
    """An order as JSON."""
    buyer, place, price, weight, express, items = event.values
    return json.dumps(
        {
            **{"order": event.id, "at": rfc3339(event.time), "buyer": buyer, "shop": place},
            **{"price": price / 100, "weight": weight, "express": express, "items": items},
        }
    ).encode()


def labelled(id: Any, value: bool) -> bytes:
    return json.dumps({"order": id, "returned": value}).encode()


def feeding(folder: Path, store: EmbeddedStore, batch: int, **options: Any) -> Feed:
    stream = FolderStream(folder / "orders.ndjson", ["orders"])
    letters = DeadLetters(folder / "letters.ndjson")
    return Feed(Schema(INPUTS), store, stream, letters, batch=batch, **options)


def assert_counted(store: EmbeddedStore, events: Sequence[Event]) -> None:
    """The state gives what the rule says, at several moments after the events."""
    newest = max(event.time for event in events)
    for age in (1, 2 * SECOND, 5 * SECOND):
        for buyer, place in (("ann", -1), ("bob", 2**62), ("ü", -1)):
            probe = Event("probe", newest + age, (buyer, place, 100, 1.5, True, 2), (False, False))
            expected = naive_row(INPUTS, probe, events)
            assert same(store.peek(probe), expected)
