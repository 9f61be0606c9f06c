"""Expressions: one value on a row, on a column and in SQL, and missing values that stay missing."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_cases import START, arrow, orders, same, shop
from groundplan.errors import DefinitionError
from groundplan.features import Event, Source, features, offline
from groundplan.features.columns import LAST_TIME
from groundplan.features.expressions import Expression


def source() -> Source:
    return Source(
        "things",
        time="at",
        id="id",
        fields={"x": float, "y": float, "n": int, "flag": bool, "word": str},
    )


THINGS = source()
LEAVES: list[Any] = [THINGS.x, THINGS.y, THINGS.n, THINGS.time.hour(), 0.0, 1.5, -3]


def numbers() -> st.SearchStrategy[Any]:
    """Random arithmetic over the fields; at least one leaf is no constant."""
    operations = st.sampled_from(["__add__", "__sub__", "__mul__", "__truediv__", "__rtruediv__"])
    comparisons = st.sampled_from(["__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"])

    def combine(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda left, name, right: getattr(left, name)(right),
            inner,
            operations | comparisons,
            inner | st.sampled_from(LEAVES),
        )

    return st.recursive(st.sampled_from(LEAVES[:4]), combine, max_leaves=6)


REAL = st.floats(-1e3, 1e3, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 1e200, -1e200])
ROW = st.tuples(
    st.integers(0, LAST_TIME - 1),
    st.tuples(
        REAL, REAL, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text("ab", max_size=2)
    ),
)


@settings(max_examples=20, deadline=None)
@given(numbers(), st.lists(ROW, min_size=1, max_size=5))
def test_a_row_a_column_and_sql_give_the_same_value(
    expression: Expression, rows: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """Any arithmetic gives bit for bit the same three ways; what is not finite is missing."""
    inputs = features(it=expression)
    events = [Event(at, time, values) for at, (time, values) in enumerate(rows)]
    one_by_one = [float(inputs.row(event, [])[0]) for event in events]
    times = np.array([event.time for event in events])
    columns = [np.array([event.values[at] for event in events]) for at in range(5)]
    together = inputs.column(times, columns, [])[:, 0]
    table = offline.table(inputs, arrow(inputs, events))
    assert same(one_by_one, together)
    assert same(one_by_one, offline.matrix(table, ["it"])[:, 0])
    assert all(math.isfinite(value) or math.isnan(value) for value in one_by_one)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, LAST_TIME - 1))
def test_parts_of_a_time_are_the_calendars(time: int) -> None:
    """Minute, hour, weekday, day and month are those of Python's calendar, in SQL too."""
    at = THINGS.time
    inputs = features(at.minute(), at.hour(), at.weekday(), at.day(), at.month())
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    expected = [moment.minute, moment.hour, moment.weekday(), moment.day, moment.month]
    event = Event(1, time, (0.0, 0.0, 0, False, ""))
    assert inputs.row(event, []).tolist() == expected
    table = offline.table(inputs, arrow(inputs, [event]))
    assert offline.matrix(table, inputs.names).tolist() == [expected]
    assert inputs.names == ("at_minute", "at_hour", "at_weekday", "at_day", "at_month")


def test_every_day_of_two_centuries_has_its_month_and_day() -> None:
    """The calendar arithmetic on a column is NumPy's for every day from 1970 to 2199."""
    days = np.arange(LAST_TIME // 86_400_000_000)
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    inputs = features(THINGS.time.month(), THINGS.time.day())
    found = inputs.column(days * 86_400_000_000, [], [])
    assert (found[:, 0] == months.astype(int) % 12 + 1).all()
    assert (found[:, 1] == (dates - months.astype("datetime64[D]")).astype(int) + 1).all()


@settings(max_examples=10, deadline=None)
@given(st.booleans(), st.booleans(), st.sampled_from(["", "a", "'"]))
def test_conditions_combine_like_truths(flag: bool, small: bool, word: str) -> None:
    """&, | and ~ of conditions are and, or and not, in SQL too."""
    is_small, is_a = THINGS.x < 1, THINGS.word == "a"
    inputs = features(
        both=THINGS.flag & is_small,
        either=is_a | is_small,
        neither=~(is_a | THINGS.flag),
        quote=THINGS.word != "'",
    )
    event = Event(1, START, (0.0 if small else 2.0, 0.0, 0, flag, word))
    expected = [flag and small, word == "a" or small, not (word == "a" or flag), word != "'"]
    assert inputs.row(event, []).tolist() == expected
    table = offline.table(inputs, arrow(inputs, [event]))
    assert offline.matrix(table, inputs.names).tolist() == [expected]


@settings(max_examples=5, deadline=None)
@given(orders(least=1, most=10))
def test_the_columns_form_equals_the_offline_values(events: list[Event]) -> None:
    """The code for one row, run on whole columns, gives the offline table from the same windows."""
    inputs = shop()
    plain = features(**{window.id: window for window in inputs.windows})
    table = arrow(inputs, events)
    windows = offline.matrix(offline.table(plain, table), plain.names)
    columns = [
        np.array([event.values[at] for event in events], dtype=object if at == 0 else None)
        for at in range(6)
    ]
    times = np.array([event.time for event in events])
    found = inputs.column(times, columns, list(windows.T))
    expected = offline.matrix(offline.table(inputs, table), inputs.names)
    for left, right in zip(found, expected, strict=True):
        assert same(left, right)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: THINGS.word + 1, "is text"),
        (lambda: THINGS.word < "b", "has no order"),
        (lambda: THINGS.word == 1, "compares text with a number"),
        (lambda: THINGS.x == "a", "compares text with a number"),
        (lambda: THINGS.x + None, "cannot stand beside"),
        (lambda: THINGS.x + float("nan"), "cannot stand beside"),
        (lambda: THINGS.x & THINGS.flag, "is not a condition"),
        (lambda: THINGS.flag & 1, "is not a condition"),
        (lambda: 1 < THINGS.x < 2, "combine conditions with"),
        (lambda: THINGS.x if THINGS.flag else 1, "no truth now"),
    ],
)
def test_what_has_no_meaning_is_refused_where_it_is_written(write: Any, words: str) -> None:
    """A type error in an expression is raised by the line that makes it, with the next step."""
    with pytest.raises(DefinitionError, match=words):
        write()


def test_descriptions_read_as_english() -> None:
    """An expression is described by its own words."""
    assert (THINGS.time.weekday() >= 5).describe() == "day of the week (Monday is 0) at least 5"
    assert ((THINGS.x / 2) > THINGS.y).describe() == "(x / 2) over y"
    assert (~(THINGS.word == "a")).describe() == "not (word is 'a')"
    assert isinstance(arrow(features(THINGS.x), []), pa.Table)
