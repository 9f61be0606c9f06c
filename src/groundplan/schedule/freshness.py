"""Whether a schedule can keep the scores as fresh as promised: the arithmetic."""

from itertools import pairwise

from groundplan.constraints.cron import longest_gap
from groundplan.schedule.timetable import Job
from groundplan.units import MINUTE, show_duration

_AHEAD = 1_000  # times, which for a daily job are years with every change of clocks


def oldest(job: Job, lasted: int, now: int) -> int:
    """µs, how old scores get at most: the longest pause to come, and one run.

    A version's age counts from the start of its run, and the next one shows at the end of its
    own.
    """
    times = job.next(now, _AHEAD)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    return max(longest_gap(job.cron), *pauses) + lasted


def warning(job: Job, lasted: int | None, promised: int, now: int) -> str | None:
    """What to say where a schedule does not keep a promise; None where it does.

    Args:
        job: the scoring job.
        lasted: µs that its last good run took; None where none has run yet.
        promised: µs, the oldest acceptable score.
        now: µs since 1970; the times after it are looked at.
    """
    gap = oldest(job, 0, now)
    if gap + (lasted or 1) <= promised:  # a run that nobody has measured takes some time too
        return None
    took = "the length of a run" if lasted is None else f"{_rounded(lasted)}, as the last run took"
    total = "" if lasted is None else f" = {_rounded(gap + lasted)}"
    return (
        f"scores get up to {show_duration(gap)} between runs + {took}{total} old, and at most "
        f"{show_duration(promised)} are promised: schedule score more often, or promise less "
        "under [freshness]"
    )


def _rounded(us: int) -> str:
    return show_duration(us if us < MINUTE else us // MINUTE * MINUTE)
