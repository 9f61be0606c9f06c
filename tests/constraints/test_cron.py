"""Cron expressions and time zones: what is read, what is refused, and the moments they name."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answer_cases import given_answers
from groundplan.constraints import Answers, render
from groundplan.constraints import parse as parse_answers
from groundplan.constraints.cron import (
    Cron,
    Zone,
    longest_gap,
    often,
    parse,
    shortest_gap,
    shown,
    times,
)
from groundplan.constraints.kind import RefusedError
from groundplan.errors import ConstraintError
from groundplan.units import DAY, HOUR, MINUTE, SECOND

BERLIN = "Europe/Berlin"
FRAUD = render(given_answers())


def answers(text: str) -> Answers:
    return parse_answers(text, "x")


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


def runs(cron: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    return [shown(us) for us in islice(times(cron, zone, at(after)), count)]


@st.composite
def _field(draw: st.DrawFn, least: int, most: int) -> str:
    kind = draw(st.sampled_from(["star", "step", "one", "range", "list"]))
    low, high = sorted(draw(st.tuples(*[st.integers(least, most)] * 2)))
    if kind == "step":
        return f"*/{draw(st.integers(1, (most - least) // 2))}"
    if kind == "one":
        return str(low)
    if kind == "range":
        return f"{low}-{high}"
    return f"{low},{high}" if kind == "list" else "*"


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Expressions whose days exist in every month."""
    days, weekdays = draw(
        st.tuples(_field(1, 28), st.just("*")) | st.tuples(st.just("*"), _field(0, 6))
    )
    minutes, hours, months = (draw(_field(*one)) for one in ((0, 59), (0, 23), (1, 12)))
    return f"{minutes} {hours} {days} {months} {weekdays}"


def naive(cron: str, after: datetime, count: int) -> list[datetime]:
    """The next times by looking at each minute: the twin of `times` in UTC."""
    allowed = parse(cron)
    found: list[datetime] = []
    day = after.date()
    while len(found) < count:
        if allowed.on(day):
            for hour in allowed.hours:
                for minute in allowed.minutes:
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if moment > after:
                        found.append(moment)
        day += timedelta(days=1)
    return found[:count]


@given(expressions(), st.datetimes(datetime(2024, 1, 1), datetime(2031, 1, 1)))
def test_times_are_those_that_a_look_at_each_minute_finds(cron: str, after: datetime) -> None:
    """In UTC the moments are exactly the minutes whose fields match, in order, none left out."""
    moment = after.replace(tzinfo=UTC)
    us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    found = list(islice(times(cron, "UTC", us), 5))
    assert found == [round(one.timestamp()) * SECOND for one in naive(cron, moment, 5)]


@given(expressions())
@settings(max_examples=20, deadline=None)
def test_the_longest_gap_is_the_longest_between_times(cron: str) -> None:
    """No two neighbours in five years are further apart or nearer, and two of them are that far."""
    allowed = parse(cron)
    first = date(2024, 1, 1)
    days = [n for n in range(5 * 366) if allowed.on(first + timedelta(days=n))]
    daily = [60 * hour + minute for hour in allowed.hours for minute in allowed.minutes]
    minutes = (1440 * np.array(days)[:, None] + np.array(daily)[None, :]).ravel()
    assert longest_gap(cron) == int(np.diff(minutes).max()) * MINUTE
    assert shortest_gap(cron) == int(np.diff(minutes).min()) * MINUTE


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "15 */2 * * *", "59 23 31 12 *"])
@given(after=st.integers(at("2026-01-01T00:00+00:00"), at("2029-01-01T00:00+00:00")))
def test_times_move_on_wherever_clocks_change(cron: str, after: int) -> None:
    """In a zone with daylight saving every moment is later than the one before and than `after`."""
    found = list(islice(times(cron, BERLIN, after), 4))
    assert [after, *found] == sorted({after, *found})


def test_a_time_that_clocks_skip_runs_at_the_end_of_the_gap() -> None:
    """02:30 does not exist on 28 March 2027 in Berlin; the run is at 03:00, once."""
    assert runs("30 2 * * *", "2027-03-27T12:00+00:00", 2) == [
        "2027-03-28 01:00:00 UTC",
        "2027-03-29 00:30:00 UTC",
    ]


def test_a_time_that_clocks_repeat_runs_once() -> None:
    """02:30 comes twice on 31 October 2027 in Berlin; the run is at the first, also if asked
    between the two."""
    assert runs("30 2 * * *", "2027-10-30T23:00+00:00", 2) == [
        "2027-10-31 00:30:00 UTC",
        "2027-11-01 01:30:00 UTC",
    ]
    assert runs("30 2 * * *", "2027-10-31T01:10+00:00", 1) == ["2027-11-01 01:30:00 UTC"]


def test_what_runs_every_half_hour_follows_elapsed_time() -> None:
    """`*/30` runs each half hour that passes, 25 hours long on the day with the repeated hour."""
    day = list(islice(times("*/30 * * * *", BERLIN, at("2027-10-30T21:59+00:00")), 50))
    assert {later - earlier for earlier, later in pairwise(day)} == {30 * MINUTE}


def test_what_runs_every_half_hour_of_one_hour_follows_elapsed_time() -> None:
    """`*/30 2` has no run on the day without an hour 2, and runs in both of two."""
    assert runs("*/30 2 * * *", "2027-03-27T12:00+00:00", 1) == ["2027-03-29 00:00:00 UTC"]
    assert runs("*/30 2 * * *", "2027-10-30T12:00+00:00", 5) == [
        *("2027-10-31 00:00:00 UTC", "2027-10-31 00:30:00 UTC"),
        *("2027-10-31 01:00:00 UTC", "2027-10-31 01:30:00 UTC"),
        "2027-11-01 01:00:00 UTC",
    ]


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("daily", "0 3 * * *"),
        ("@weekly", "0 3 * * 0"),
        ("03:30", "30 3 * * *"),
        ("at 3pm", "0 15 * * *"),
        ("every 6h", "0 */6 * * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("0 30 3 * * *", "30 3 * * *"),
        ("0 3 1 * MON", "0 3 * * MON"),
        ("0 3 ? * MON", "0 3 * * MON"),
        ("0 3 30 2 *", "0 3 * * *"),
        ("60 3 * * *", "0 3 * * *"),
        ("5/15 * * * *", "0 3 * * *"),
        ("*/90 * * * *", "0 3 * * *"),
        ("0 3 L * *", "0 3 * * *"),
        ("0 3 * * FRI-MON", "0 3 * * *"),
        ("", "0 3 * * *"),
        (3, "0 3 * * *"),
    ],
)
def test_what_is_no_schedule_is_answered_with_one(wrong: object, nearest: str) -> None:
    """Words, times of day, macros and what only some crons read are refused with a nearest form."""
    with pytest.raises(RefusedError) as refused:
        Cron().read(wrong)
    assert refused.value.nearest == nearest


def test_names_and_spaces_are_read_as_one_form() -> None:
    """`0  3 * * mon-fri` is the text `0 3 * * MON-FRI`; Sunday is 0 and 7."""
    assert Cron().read(" 0  3 * jan mon-fri ") == "0 3 * JAN MON-FRI"
    assert parse("0 3 * * 7").weekdays == parse("0 3 * * SUN").weekdays == (0,)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("Berlin", BERLIN),
        ("europe/berlin", BERLIN),
        ("Europe/Berln", BERLIN),
        ("New York", "America/New_York"),
        ("../../etc/passwd", "UTC"),
        ("Europe", "Europe/Rome"),
        (7, "UTC"),
    ],
)
def test_an_unknown_zone_is_answered_with_a_known_one(wrong: object, nearest: str) -> None:
    """Cities, other spellings and paths are refused; what is suggested is read."""
    with pytest.raises(RefusedError) as refused:
        Zone().read(wrong)
    assert Zone().read(refused.value.nearest) == refused.value.nearest
    if wrong != "Europe":
        assert refused.value.nearest == nearest


def test_a_schedule_looser_than_the_promise_is_refused_with_the_arithmetic() -> None:
    """A weekly run cannot keep predictions within a day; the message has both figures and a way
    out on either side, and each way out is accepted."""
    text = FRAUD.replace('predictions = "0s"', 'predictions = "24h"')
    with pytest.raises(ConstraintError) as refused:
        answers(f'{text}\n[schedule]\nscore = "0 3 * * 0"')
    assert refused.value.problems == [
        'x: schedule.score = "0 3 * * 0": its runs are up to 7d apart, and predictions may be at '
        'most 24h old; write score = "0 */12 * * *", or predictions = "14d" under [freshness]'
    ]
    tighter = answers(f'{text}\n[schedule]\nscore = "0 */12 * * *"')
    looser = answers(f'{text}\n[schedule]\nscore = "0 3 * * 0"'.replace("24h", "14d"))
    assert tighter.schedule.score == "0 */12 * * *"
    assert looser.freshness.predictions == 14 * DAY


def test_a_request_that_must_be_reflected_has_no_schedule() -> None:
    """Where predictions may not be old at all, only the promise can be changed."""
    with pytest.raises(ConstraintError) as refused:
        answers(f'{FRAUD}\n[schedule]\nscore = "* * * * *"')
    assert "0s old; write predictions = " in refused.value.problems[0]


@given(st.integers(MINUTE + 1, 30 * DAY))
def test_the_suggested_schedule_keeps_the_promise(most: int) -> None:
    """Its longest pause is below the promise, so that there is time for a run."""
    found = often(most)
    assert found is not None
    assert longest_gap(found) < most
    assert most <= DAY or longest_gap(found) == DAY


def test_nothing_is_scheduled_by_default() -> None:
    """Without the table there are no jobs, in UTC, six hours each, and missed runs are run."""
    schedule = answers(FRAUD).schedule
    assert (schedule.build, schedule.score, schedule.verify, schedule.alarm) == (None,) * 4
    assert (schedule.time_zone, schedule.missed, schedule.delta) == ("UTC", "run", False)
    assert schedule.timeout == 6 * HOUR
