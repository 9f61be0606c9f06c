"""Window functions: each form alone, where the numbers are hard."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import START, arrow, deals, market, orders, same, shop
from groundplan.features import Event, Source, decimal, features, offline
from groundplan.features.fields import LIMIT, Kind
from groundplan.features.windows import FUNCTIONS, MISSING, Measure, Window
from groundplan.features.windows.std import deviation

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


class Listed:
    """A series in lists: what a store gives a window function, without the store."""

    def __init__(self, measure: Measure, events: Sequence[Event]) -> None:
        self._measure = measure
        self._events = events

    def _counted(self, start: int, stop: int) -> list[Event]:
        measure = self._measure
        return [e for e in self._events[start:stop] if measure.coded(e) is not None]

    def count(self, start: int, stop: int) -> int:
        return len(self._counted(start, stop))

    def total(self, start: int, stop: int) -> int:
        return sum(self._measure.scaled(e) or 0 for e in self._counted(start, stop))

    def squares(self, start: int, stop: int) -> int:
        return sum((self._measure.scaled(e) or 0) ** 2 for e in self._counted(start, stop))

    def values(self, start: int, stop: int) -> list[int]:
        return [self._measure.coded(e) or 0 for e in self._counted(start, stop)]

    def times(self, start: int, stop: int) -> list[int]:
        return [e.time for e in self._counted(start, stop)]


def online(inputs: Any, event: Event, history: Sequence[Event]) -> list[float]:
    """The windows' online forms over sorted lists."""
    found = []
    for window in inputs.windows:
        source = inputs.sources.index(window.source)
        key = list(window.source.fields).index(window.key)
        on = list(inputs.source.fields).index(window.on)
        mine = [
            e
            for e in history
            if e.source == source
            and e.values[key] == event.values[on]
            and (source, e.id) != (0, event.id)
        ]
        mine.sort(key=lambda e: e.time)
        ages = [event.time - e.time for e in mine]
        start = sum(age >= window.oldest for age in ages)
        stop = sum(age >= window.youngest for age in ages)
        own = None
        if window.current:
            coded = "values" in window.function.needs
            own = (window.measure.coded if coded else window.measure.scaled)(event)
        series = Listed(window.measure, mine)
        found.append(window.function.online(window, series, start, stop, own, event.time))
    return found


@settings(max_examples=25, deadline=None)
@given(orders(), st.randoms())
def test_online_forms_equal_the_naive_ones(events: list[Event], random: Any) -> None:
    """Every function, filter, delay and `current`, whatever the order of arrival."""
    from feature_cases import naive_windows

    inputs = shop()
    arrived = list(events)
    random.shuffle(arrived)
    for event in events:
        assert same(online(inputs, event, arrived), naive_windows(inputs, event, events))


@settings(max_examples=25, deadline=None)
@given(deals())
def test_online_forms_equal_the_naive_ones_over_other_sources(events: list[Event]) -> None:
    """Missing values, other sources and the versions of profiles included."""
    from feature_cases import naive_windows

    inputs = market()
    for event in events:
        if event.source == 0:
            assert same(online(inputs, event, events), naive_windows(inputs, event, events))


def test_every_function_is_tried() -> None:
    """The random cases have every window function, with and without a filter and a delay."""
    used = {(w.function.name, w.where is not None) for w in (*shop().windows, *market().windows)}
    assert {name for name, _ in used} == {*FUNCTIONS, "lookup"}
    assert len({name for name, filtered in used if filtered}) >= 6


@given(st.lists(st.integers(-LIMIT, LIMIT), min_size=1, max_size=30))
def test_a_deviation_is_the_exact_ones_within_the_last_bits(values: list[int]) -> None:
    """Beside the exact fraction, whatever the magnitudes; the same values have exactly none."""
    count, total, squares = len(values), sum(values), sum(value * value for value in values)
    found = deviation(count, total, squares)
    spread = Fraction(squares, count) - Fraction(total, count) ** 2
    assert found == pytest.approx(math.sqrt(spread), rel=1e-14)
    assert deviation(3, 3 * values[0], 3 * values[0] ** 2) == 0.0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.integers(-LIMIT, LIMIT) | st.sampled_from([LIMIT, -LIMIT, LIMIT - 1, 0, 1]),
        min_size=1,
        max_size=12,
    )
)
def test_a_deviation_has_the_same_bits_in_sql(values: list[int]) -> None:
    """The largest values that sums take give the bits of the naive form."""
    source = Source("s", time="at", id="id", fields={"who": int, "cents": int})
    inputs = features(source.by("who").std("cents", "1d", current=True))
    events = [Event(n, START + n, (1, value)) for n, value in enumerate(values)]
    rows = offline.matrix(offline.table(inputs, arrow(inputs, events)), inputs.names)[:, 0]
    (window,) = inputs.windows
    for at, found in enumerate(rows.tolist()):
        seen = [(event.time, event.values[1]) for event in events[: at + 1]]
        assert found == window.function.naive(window, seen, events[at].time)


@given(FLOATS, FLOATS)
def test_codes_of_floats_sort_as_they_do_and_come_back(left: float, right: float) -> None:
    """Bit for bit, but that -0.0 is 0.0."""
    code, kind = Kind("float").coded, Kind("float")
    assert (code(left) < code(right)) == (left < right)
    assert (code(left) == code(right)) == (left == right)
    assert kind.decoded(code(left)).hex() == (left + 0.0).hex()
    assert MISSING < code(left) < 2**63


@given(st.text(), st.text())
def test_codes_of_texts_tell_them_apart(left: str, right: str) -> None:
    """Signed 64 bits, from the text alone."""
    code = Kind("str").coded
    assert (code(left) == code(right)) == (left == right)
    assert -(2**63) <= code(left) < 2**63


@settings(max_examples=20, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=10))
def test_a_float_comes_back_from_windows_as_it_was(values: list[float]) -> None:
    """`last`, `first`, `min` and `max` of any float, the subnormal and the huge ones too."""
    source = Source("s", time="at", id="id", fields={"who": int, "x": float})
    who = source.by("who")
    inputs = features(
        *(who.__getattr__(name)("x", "1d") for name in ("last", "first", "min", "max"))
    )
    events = [Event(n, START + n, (1, value)) for n, value in enumerate([*values, 0.0])]
    rows = offline.matrix(offline.table(inputs, arrow(inputs, events)), inputs.names)
    expected = [values[-1], values[0], min(values), max(values)]
    assert [x.hex() for x in rows[-1].tolist()] == [(x + 0.0).hex() for x in expected]


def test_events_of_one_instant_have_the_largest_value_for_last_and_first() -> None:
    """No value depends on which of them arrived last."""
    source = Source("s", time="at", id="id", fields={"who": int, "x": decimal(1)})
    who = source.by("who")
    inputs = features(who.last("x", "1d"), who.first("x", "1d"))
    for values in ((5, 9, 7), (9, 7, 5), (7, 5, 9)):
        events = [Event(n, START, (1, value)) for n, value in enumerate(values)]
        events.append(Event(9, START + 1, (1, 0)))
        rows = offline.matrix(offline.table(inputs, arrow(inputs, events)), inputs.names)
        assert rows[-1].tolist() == [0.9, 0.9]
        assert np.isnan(rows[:3]).all()


def test_a_measure_is_what_a_window_reads() -> None:
    """Equal ones have one id; it says which events always count and which labels it waits for."""
    source = Source(
        "s",
        time="at",
        id="id",
        fields={"who": int, "x": float | None, "ok": bool},
        labels={"bad": "1d"},
    )
    who = source.by("who")

    def measure(window: Window) -> Measure:
        return window.measure

    assert measure(who.mean("x", "1d")).id == measure(who.last("x", "9d")).id == "x"
    small = measure(who.count("1d", where=source.x < 1.0))
    assert small.id == measure(who.count("2d", where=source.x < 1)).id
    assert small.id != measure(who.count("1d", where=source.x < 1.0000001)).id
    assert measure(who.count("1d")).always
    assert measure(who.share(source.ok | (source.who > 3), "1d")).always
    assert not measure(who.mean("x", "1d")).always
    assert not measure(who.share(source.who / 2 > 1, "1d")).always
    assert measure(who.share("bad", "1d", delay="1d")).labels == ("bad",)
    filtered = measure(who.mean("x", "1d", delay="1d", where=~source.bad))
    assert filtered.labels == ("bad",)
    assert filtered.fields == ("x", "bad")
    event = Event(1, START, (1, 2.5, True), ())
    assert (filtered.value(event), filtered.scaled(event)) == (2.5, 2_500_000)
    assert filtered.coded(Event(1, START, (1, 2.5, True), (True,))) is None
    assert measure(who.mean("x", "1d")).coded(Event(1, START, (1, None, True))) is None


def test_a_table_of_every_kind_of_null_is_read() -> None:
    """Nulls and NaN are missing where a field may be, and windows leave them out."""
    source = Source(
        "s", time="at", id="id", fields={"who": int, "x": float | None, "n": int | None}
    )
    who = source.by("who")
    inputs = features(source.x, source.n, who.mean("x", "1d"), who.count("1d"), who.sum("n", "1d"))
    table = pa.table(
        {
            "id": [1, 2, 3, 4],
            "at": [START, START + 1, START + 2, START + 3],
            "who": [1, 1, 1, 1],
            "x": [1.0, None, float("nan"), 4.0],
            "n": pa.array([None, 2, None, 3], pa.int32()),
        }
    )
    rows = offline.table(inputs, table).to_pylist()
    assert [list(row.values())[1:] for row in rows] == [
        [1.0, None, None, 0.0, 0.0],
        [None, 2.0, 1.0, 1.0, 0.0],
        [None, None, 1.0, 2.0, 2.0],
        [4.0, 3.0, 1.0, 3.0, 2.0],
    ]
