"""The packed history of an entity against plain lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundplan.features.state import Past, Totals, inserted, merged, newest_of, relabelled

EVENT = st.tuples(st.integers(0, 50), st.integers(-(10**12), 10**12), st.integers(0, 1))
EVENTS = st.lists(EVENT, max_size=20)


def listed(packed: bytes) -> list[tuple[int, int, int]]:
    past = Past(packed, 2)
    columns = [
        Totals(past.integers, past.offset(column)).values(0, past.count) for column in (0, 1)
    ]
    return list(zip(past.integers[: past.count].tolist(), *columns, strict=True))


def kept(events: list[tuple[int, int, int]], retention: int) -> list[tuple[int, int, int]]:
    """The naive twin: sorted by time, ties in order of arrival, without what is too old."""
    newest = max((time for time, _, _ in events), default=0)
    by_time = sorted(events, key=lambda event: event[0])
    return [event for event in by_time if event[0] > newest - retention]


@given(EVENTS, st.integers(1, 60))
def test_events_take_their_place_in_time(
    events: list[tuple[int, int, int]], retention: int
) -> None:
    """One by one in any order, the bytes hold what a sorted list would, and nothing too old."""
    packed, expected = b"", list[tuple[int, int, int]]()
    for event in events:
        packed = inserted(Past(packed, 2), event[0], event[1:], retention)
        expected = kept([*expected, event], retention)
        assert listed(packed) == expected
        assert newest_of(packed, 2) == expected[-1][0]


@given(EVENTS, st.lists(EVENT, min_size=1, max_size=20), st.integers(1, 60))
def test_many_at_once_are_as_one_by_one(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]], retention: int
) -> None:
    """A merge gives the list that single insertions give."""
    packed = b""
    for event in first:
        packed = inserted(Past(packed, 2), event[0], event[1:], retention)
    times, *values = (np.array(column, dtype=np.int64) for column in zip(*second, strict=True))
    both = merged(Past(packed, 2), times, values, retention)
    assert listed(both) == kept([*listed(packed), *second], retention)


@given(EVENTS, EVENT, st.integers(-5, 5))
def test_a_changed_value_changes_its_instant_only(
    events: list[tuple[int, int, int]], extra: tuple[int, int, int], change: int
) -> None:
    """The sum at the event's instant moves by the change; every other instant's stays."""
    packed = b""
    for event in [*events, extra]:
        packed = inserted(Past(packed, 2), event[0], event[1:], 100)
    after = relabelled(Past(packed, 2), extra[0], 0, change)
    assert after is not None
    for time in range(51):
        before = sum(value for at, value, _ in listed(packed) if at == time)
        now = sum(value for at, value, _ in listed(after) if at == time)
        assert now == before + (change if time == extra[0] else 0)
    assert [row[2] for row in listed(after)] == [row[2] for row in listed(packed)]
    assert relabelled(Past(packed, 2), 77, 0, change) is None


@given(st.integers(-(2**61), 2**61), st.lists(st.integers(-(10**12), 10**12), max_size=5))
def test_running_totals_may_begin_anywhere(base: int, values: list[int]) -> None:
    """The values come from differences, so a far base changes nothing."""
    totals = np.cumsum([base, *values], dtype=np.int64)
    packed = np.concatenate([np.arange(len(values)), totals]).astype("<i8").tobytes()
    past = Past(packed, 1)
    assert Totals(past.integers, past.offset(0)).values(0, past.count) == values
    added = inserted(past, len(values), [7], 1000)
    past = Past(added, 1)
    assert Totals(past.integers, past.offset(0)).values(0, past.count) == [*values, 7]
