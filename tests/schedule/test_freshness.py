"""The arithmetic of a schedule against the promised age."""

from groundplan.schedule.freshness import oldest, warning
from groundplan.schedule.timetable import Job
from groundplan.units import DAY, HOUR, MINUTE
from timetables import at

NOW = at("2027-01-01T00:00")
NIGHTLY = Job("score", "0 3 * * *", "UTC", ())
LOCAL = Job("score", "0 3 * * *", "Europe/Berlin", ())


def test_scores_get_as_old_as_a_pause_and_a_run() -> None:
    """Nightly and 12 minutes long: 24 h 12 min; in a zone whose clocks change, an hour more."""
    assert oldest(NIGHTLY, 12 * MINUTE, NOW) == DAY + 12 * MINUTE
    assert oldest(LOCAL, 12 * MINUTE, NOW) == DAY + HOUR + 12 * MINUTE


def test_a_schedule_that_keeps_its_promise_is_not_warned_of() -> None:
    """To the very microsecond; where no run was measured, any length is too long for no room."""
    assert warning(NIGHTLY, 12 * MINUTE, DAY + 12 * MINUTE, NOW) is None
    assert warning(NIGHTLY, None, DAY + 1, NOW) is None
    assert warning(NIGHTLY, 12 * MINUTE, DAY + 12 * MINUTE - 1, NOW) is not None


def test_the_warning_has_the_figures() -> None:
    """It says the pause, the run, their sum and the promise."""
    said = warning(NIGHTLY, 12 * MINUTE, DAY, NOW)
    assert said is not None
    assert "24h between runs + 12m, as the last run took = 1452m old" in said
    assert "at most 24h are promised" in said
    assert "the length of a run" in str(warning(NIGHTLY, None, DAY, NOW))
