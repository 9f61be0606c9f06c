"""The rows of a history against plain lists: growing, changing, forgetting, reading."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import arrow, deals, market, naive_row, orders, same, shop
from groundplan.errors import DefinitionError
from groundplan.features import Event, FeatureSet, Source, Table, features
from groundplan.features.recorded import batches, recorded
from groundplan.features.state import Layout, Reader, state_per_key, unknown
from groundplan.features.state.batch import Batch
from groundplan.features.state.compiled import FORMS, windows_code
from groundplan.features.state.growth import Bytes, Growth
from groundplan.features.state.record import Record, key_order, keyed, keyed_all
from groundplan.features.state.rows import raws_of, table
from groundplan.features.windows import FUNCTIONS
from store_twin import short_tails

HORIZON = 50


def kept_for(horizon: int) -> Layout:
    """A history of every kind of column, whose events count for so many us."""
    source = Source(
        "events",
        time="at",
        id="id",
        fields={"who": int, "size": int, "width": float, "gap": int | None},
        labels={"bad": "0s"},
        lateness="0s",
    )
    who, length = source.by("who"), f"{horizon}us"
    inputs = features(
        who.sum("size", length),
        who.std("size", length),
        who.last("width", length),
        who.mean("gap", length),
        who.sum("bad", length),
        few=who.count(length, where=source["size"] > 0),
    )
    return Layout(inputs, 0)


SIZE = st.one_of(st.integers(-3, 3), st.integers(-(10**12), 10**12))
EVENT = st.tuples(
    st.integers(0, 80), SIZE, st.sampled_from([-0.5, 0.0, 2.5]), st.none() | SIZE, st.booleans()
)
EVENTS = st.lists(EVENT, max_size=40)


def event(row: tuple[int, int, float, int | None, bool]) -> Event:
    return Event(0, row[0], (1, *row[1:4]), (row[4],))


class Entity:
    """One entity's history as a store would hold it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        with short_tails():
            self.growth = Growth(layout)
        self.tail: Bytes = layout.first
        self._body: Bytes = b""

    def body(self) -> Bytes:
        return self._body

    def add(self, event: Event) -> None:
        grown = self.growth.appended(self.tail, event)
        if grown is not None:
            self.tail = grown
            return
        changed = self.growth.added(self.tail, self.body, self.layout.raw(event))
        self.tail, body = changed.tail, changed.body
        self._body = self._body if body is None else body

    def change(self, old: Event, new: Event) -> bool:
        raws = self.layout.raw(old), self.layout.raw(new)
        changed = self.growth.changed(self.tail, self.body, *raws)
        if changed is not None:
            self.tail = changed.tail
            self._body = self._body if changed.body is None else changed.body
        return changed is not None

    def merge(self, events: Iterable[Event]) -> None:
        raws = np.array([self.layout.raw(event) for event in events], dtype=np.int64)
        grown = self.growth.merged(self.tail, self.body, raws)
        self.tail, self._body = grown.tail, grown.body or b""

    def listed(self) -> list[tuple[int, ...]]:
        """The raw records of all that still counts, sorted; and the shape is as it should be."""
        rows = table(self.layout, self.tail)
        assert 1 <= len(rows) <= self.growth.rows
        if len(self._body):
            assert rows[0].tolist() == table(self.layout, self._body)[-1].tolist()
            rows = np.concatenate([table(self.layout, self._body), rows[1:]])
        assert rows[0, 0] == -(2**63)
        assert (np.diff(rows[1:, 0]) >= 0).all()
        newest = self.layout.newest(self.tail)
        raws = raws_of(self.layout, rows).tolist()
        return sorted(tuple(raw) for raw in raws if raw[0] > newest - self.layout.horizon)


def counted(layout: Layout, events: list[Event]) -> list[tuple[int, ...]]:
    """The naive twin: the raw records of the events within the horizon, sorted."""
    newest = max((event.time for event in events), default=0)
    return sorted(layout.raw(e) for e in events if e.time > newest - layout.horizon)


@settings(deadline=None)
@given(EVENTS)
def test_events_take_their_place_in_time(
    rows: list[tuple[int, int, float, int | None, bool]],
) -> None:
    """One by one in any order, tail and body hold what a sorted list would, and its values."""
    layout = kept_for(HORIZON)
    entity = Entity(layout)
    seen: list[Event] = []
    for row in rows:
        newest = max((event.time for event in seen), default=row[0])
        if row[0] <= newest - HORIZON:
            continue  # too late for any window
        entity.add(event(row))
        seen.append(event(row))
        assert entity.listed() == counted(layout, seen)


@settings(deadline=None)
@given(EVENTS, st.lists(EVENT, min_size=1, max_size=40))
def test_many_at_once_are_as_one_by_one(
    first: list[tuple[int, int, float, int | None, bool]],
    second: list[tuple[int, int, float, int | None, bool]],
) -> None:
    """A merge gives the list that single additions give."""
    layout = kept_for(HORIZON)
    entity = Entity(layout)
    for row in sorted(first, key=lambda row: row[0]):
        entity.add(event(row))
    entity.merge(map(event, second))
    assert entity.listed() == counted(layout, [event(row) for row in [*first, *second]])


@settings(deadline=None)
@given(EVENTS, st.data())
def test_a_changed_event_is_as_if_it_had_come_so(
    rows: list[tuple[int, int, float, int | None, bool]], data: st.DataObject
) -> None:
    """A label that is set, wherever its event lies, changes that event and no other."""
    layout = kept_for(HORIZON)
    entity = Entity(layout)
    seen = [event(row) for row in sorted(rows, key=lambda row: row[0])]
    for each in seen:
        entity.add(each)
    for _ in range(5 if seen else 0):
        at = data.draw(st.integers(0, len(seen) - 1))
        old = seen[at]
        new = Event(old.id, old.time, old.values, (data.draw(st.booleans()),))
        if entity.change(old, new):
            seen[at] = new
        else:  # it is past the horizon and was forgotten
            assert old.time <= seen[-1].time - HORIZON
        assert entity.listed() == counted(layout, seen)


@given(st.integers(-(2**63) + 2**50, 2**63 - 2**50), st.lists(SIZE, min_size=1, max_size=12))
def test_running_totals_may_begin_anywhere(base: int, sizes: list[int]) -> None:
    """Only differences count, also where a total comes to the end of 64 bits and begins anew."""
    layout = kept_for(10**9)
    entity = Entity(layout)
    events = [event((n, size, 0.0, size, False)) for n, size in enumerate(sizes)]
    entity.add(events[0])
    lifted = table(layout, entity.tail).copy()
    places = [column.total for column in layout.columns if column.total is not None]
    lifted[:, places] += base - lifted[-1, places]
    entity.tail = lifted.tobytes()
    for each in events[1:]:
        entity.add(each)
    late = event((0, 1, 1.0, None, True))
    entity.add(late)
    assert entity.listed() == counted(layout, [*events, late])


@settings(deadline=None)
@given(st.one_of(orders(1).map(lambda e: (shop(), e)), deals(1).map(lambda e: (market(), e))))
def test_a_reader_needs_no_store(case: tuple[FeatureSet, list[Event]]) -> None:
    """From the raw records of each entity in any order, the rule's values: any store can use it."""
    inputs, events = case
    reader = Reader(inputs)
    request = max((e for e in events if not e.source), key=lambda event: event.time)
    tails = []
    for lookup in reader.lookups:
        layout = reader.layouts[lookup.history]
        entity = request.values[lookup.on]
        mine = [
            layout.raw(e)
            for e in events
            if e.source == layout.source and e.values[layout.position] == entity
        ]
        raws = np.array(mine, dtype=np.int64).reshape(-1, layout.raw_width)
        tails.append(layout.rows(raws))
    row = inputs.row(request, reader.windows(request, tails))
    assert same(row, naive_row(inputs, request, events))


@settings(max_examples=15, deadline=None)
@given(st.one_of(orders(1).map(lambda e: (shop(), e)), deals(1).map(lambda e: (market(), e))))
def test_what_is_written_out_equals_what_is_called(
    case: tuple[FeatureSet, list[Event]],
) -> None:
    """The forms of the commonest functions give what their own online form gives."""
    inputs, events = case
    assert set(FUNCTIONS) > set(FORMS)
    reader = Reader(inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groundplan.features.state.compiled.FORMS", {})
        called = windows_code(inputs.windows, reader.lookups, reader.layouts)
    histories = {
        (number, event.values[layout.position]): layout.rows(
            np.array(
                [
                    layout.raw(e)
                    for e in events
                    if e.source == layout.source
                    and e.values[layout.position] == event.values[layout.position]
                ]
            )
        )
        for number, layout in enumerate(reader.layouts)
        for event in events
        if event.source == layout.source
    }
    for event in events:
        if not event.source:
            tails = [
                histories.get((lookup.history, event.values[lookup.on]), reader.empty(at))
                for at, lookup in enumerate(reader.lookups)
            ]
            assert same(reader.windows(event, tails), called(event, tails))


@settings(max_examples=8, deadline=None)
@given(st.one_of(orders(1).map(lambda e: (shop(), e)), deals(1).map(lambda e: (market(), e))))
def test_many_events_add_what_each_adds(case: tuple[FeatureSet, list[Event]]) -> None:
    """Read as arrays, a history's events have the raw records, bytes and keys of single events."""
    inputs, events = case
    for number, source in enumerate(inputs.sources):
        mine = [event for event in events if event.source == number]
        record = Record(source, number)
        history = arrow(inputs, mine, number)
        with batches(inputs, history, 0, number) as (total, parts):
            found: list[Batch] = list(parts(7))
        with recorded(inputs, history, 0, number) as (_, chunks):
            expected = [event for chunk in chunks(1000) for event in chunk]
        assert total == len(mine)
        for batch in found:
            some, expected = expected[: len(batch)], expected[len(batch) :]
            if not source.versioned:
                assert batch.events(number) == some
                assert record.keys(batch.ids) == [record.key(each.id) for each in some]
            packed = record.packed(batch)
            assert packed == [record.pack(each) for each in some]
            for each, data in zip(some, packed, strict=True):
                assert record.event(each.id, data) == each
            for layout in [
                Layout(inputs, n) for n, (s, _) in enumerate(inputs.histories) if s == number
            ]:
                assert layout.raws(batch).tolist() == [list(layout.raw(each)) for each in some]
        assert not expected


def test_keys_sort_as_their_bytes() -> None:
    """Bulk work goes through entities in the order in which the file has them."""
    numbers = np.array([5, -1, 2**62, 0, -(2**62), 5])
    keys = [keyed(False)(number) for number in numbers.tolist()]
    assert keyed_all(numbers, False) == keys
    assert [keys[at] for at in key_order(numbers, False)] == sorted(keys)
    texts = np.array(["ü", "a", "\U0001f600", "\uffff", ""], dtype=object)
    keys = [keyed(True)(text) for text in texts.tolist()]
    assert keyed_all(texts, True) == keys
    assert [keys[at] for at in key_order(texts, True)] == sorted(keys)


def test_an_entity_without_history_has_the_values_of_none() -> None:
    """What a store would say of entities that it does not know, without a store."""
    inputs = shop()
    request = Event("o1", 10**15, ("ann", 1, 250, 1.5, True, 2), (False, False))
    assert same(unknown(inputs)(request), naive_row(inputs, request, []))


def test_the_size_of_the_state_follows_from_the_definitions() -> None:
    """Bytes per event are the time and one number for each thing that the windows need."""
    logins = Source(
        "logins", time="at", id="id", fields={"who": int, "score": float}, lateness="1h"
    )
    people = Table("people", key="who", time="since", fields={"age": int, "town": str})
    main = Source("sales", time="at", id="id", fields={"who": int, "cents": int}, lateness="2h")
    who = main.by("who")
    inputs = features(
        who.count("7d"),
        who.mean("cents", "30d", delay="1d"),
        main.cents,
        people.age,
        spread=logins.by("who").std("score", "1d"),
    )
    hours = 3_600_000_000
    sizes = {(s.source, s.key): (s.bytes_per_event, s.retention_us) for s in state_per_key(inputs)}
    assert sizes == {
        ("sales", "who"): (8 + 8, (31 * 24 + 2) * hours),
        ("people", "who"): (8 + 8, None),
        ("logins", "who"): (8 + 8 + 16, (24 + 2) * hours),
    }


def test_a_source_may_have_so_many_labels_and_gaps() -> None:
    """A record has 64 bits for them, and the error says so."""
    fields = {f"f{n}": int | None for n in range(64)}
    many = Source("many", time="at", id="id", fields=fields)
    values = tuple(None if n % 3 else n for n in range(64))
    record = Record(many, 0)
    assert record.event(1, record.pack(Event(1, 5, values))) == Event(1, 5, values)
    labelled = Source("many", time="at", id="id", fields=fields, labels={"bad": "1d"})
    with pytest.raises(DefinitionError, match="65 labels and optional fields"):
        Record(labelled, 0)
