"""What one request takes, pattern by pattern: sums of measured costs, in integer nanoseconds.

Everything that a rule compares with a budget is here, each with its inverse: the value of an
answer at which the comparison turns. Integers throughout, so that a break point is exact. What a
search takes is in `search`; the plan's stages take their figures from the same functions.
"""

from collections.abc import Mapping
from typing import Final

from groundplan.decision import run, search, writing
from groundplan.decision.case import Case

SHORT_LIST: Final = 100  # candidates: the least that a ranker is worth running on
RERANKED: Final = 50  # candidates that a cross-encoder reads
SHOWN: Final = 10  # results that a ranking shows, each with its reasons
FIRST_WORDS: Final = writing.FIRST_WORDS
HEADROOM: Final = 8, 10  # the stages may fill this share of the p99: medians vary
SLOW: Final = 5, 2  # times its median, beside the headroom: the slowest of a hundred requests
BUSY: Final = 7, 10  # of the stated cores: beyond, queues grow without bound in bursts
MACHINE: Final = 64  # cores of one large machine, where none are stated
CITED: Final = 1_000_000  # ns: each citation is looked up among the passages
AROUND: Final = 5_000  # ns: what compares a score, and stages planned in whole microseconds
_SECOND: Final = 10**9  # nanoseconds in a second, and nanohertz in a request per second


class Work:
    """The sums, made once per cost table; every attribute is nanoseconds of one request."""

    def __init__(self, ns: Mapping[str, int]) -> None:
        self.ns = ns
        self.http = ns["http"]
        # Taken in and logged.
        self.taking = ns["http"] + ns["lookup"] + AROUND
        self.lookup = self.taking + max(ns["lookup"], ns["item_list"])
        # Who asks, and in which context: two entities.
        self.ask = self.taking + 2 * ns["join_key"]
        # A row by trees, or by coefficients that are read once more for the reasons. Where labels
        # are sparse coefficients alone would be cheaper; but then fewer labels would make realtime
        # possible, and the labels that its loop collects would rule it out again.
        self.each = ns["gather_candidate"] + max(ns["gbm_row"], 2 * ns["linear_single"])
        # One row alone may take longer than a row of many.
        self.alone = self.ask + max(0, ns["gbm_single"] - ns["gbm_row"])
        # Trees rank the list, whatever will: a simpler ranker leaves time.
        self.ranked = self.ask + SHORT_LIST * self.each + SHOWN * ns["linear_single"]
        self.passages = self.taking + ns["encoder"] + CITED


def own(pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds of our own work for one request, beside a language model's."""
    return _fixed(pattern, a, w) + _search(pattern, a, w)


def _fixed(pattern: str, a: Case, w: Work) -> int:
    """The part of `own` that no corpus changes."""
    if pattern == "batch":
        return w.lookup
    if pattern == "realtime":
        return w.taking if a.output == "answer" else w.alone + a.per_request * w.each
    return w.ranked if pattern == "ranking" else w.passages


def _search(pattern: str, a: Case, w: Work) -> int:
    if pattern == "ranking":
        return w.ns["item_list"] if search.listed(a) else search.live(a, w.ns)
    return search.probe(search.passages(a), search.TEXT, w.ns) if pattern == "rag" else 0


def wait(pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds until a language model has said something: hosted, or the smallest one here.

    One that runs here is planned no faster than a hosted one: to forbid that never helps.
    """
    if not _writes(pattern, a):
        return 0
    hosted = writing.hosted(a, w.ns)
    return max(hosted, writing.local(1, pattern, a, w.ns)) if writing.at_home(a) else hosted


def effort(pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds of our own cores for one request, a language model's that runs here included."""
    return own(pattern, a, w) + writes(1, pattern, a, w)


def writes(billions: int, pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds of our own cores that a language model here takes for one request.

    In a scheduled run, what writing keeps busy while it runs, over the requests of the peak.
    """
    if pattern == "batch" and a.output == "answer" and writing.at_home(a):
        return run.written(billions, a, w.ns)
    if _writes(pattern, a) and writing.at_home(a):
        return writing.answer(billions, pattern, w.ns)
    return 0


def _writes(pattern: str, a: Case) -> bool:
    """Does a language model write while the request waits?"""
    return pattern == "rag" or (pattern == "realtime" and a.output == "answer")


def least_p99(pattern: str, a: Case, w: Work) -> int:
    """The shortest p99, in microseconds, that the pattern can hold."""
    share, whole = HEADROOM
    return -(-whole * (own(pattern, a, w) + wait(pattern, a, w)) // (share * 1000))


def slow(pattern: str, a: Case, w: Work) -> bool:
    """Is the p99 shorter than the pattern can hold?"""
    return a.p99 < least_p99(pattern, a, w)


def _allowed(a: Case) -> int:
    """Nanoseconds that the stages of a request may take together."""
    share, whole = HEADROOM
    return share * 1000 * a.p99 // whole


def most_in_time(a: Case, w: Work) -> int:
    """The most candidates that one model can score within the p99."""
    return (_allowed(a) - w.alone) // w.each


def farthest_in_time(pattern: str, a: Case, w: Work) -> int | None:
    """The largest corpus that can be searched within the p99; None where its size is no matter."""
    return _farthest(pattern, _allowed(a) - wait(pattern, a, w) - _fixed(pattern, a, w), a, w)


def farthest_in_cores(pattern: str, a: Case, w: Work) -> int | None:
    """The largest corpus that the stated cores can search at the peak."""
    if a.cores is None:
        return None
    rest = effort(pattern, a, w) - _search(pattern, a, w)
    return _farthest(pattern, _room(a) // (BUSY[1] * a.throughput) - rest, a, w)


def _farthest(pattern: str, left: int, a: Case, w: Work) -> int | None:
    if pattern == "ranking":
        return None if search.listed(a) else search.farthest(left, a, w.ns)
    most = search.probed(left, search.TEXT, w.ns)
    return most if most >= search.PASSAGES else None


def enough_cores(pattern: str, a: Case, w: Work) -> int | None:
    """The fewest cores on which the smallest language model starts its answer in time."""
    if not _writes(pattern, a) or not writing.at_home(a):
        return None
    return writing.cores(pattern, _allowed(a) - own(pattern, a, w), a, w.ns)


def fits(extra: int, pattern: str, a: Case, w: Work) -> bool:
    """Is there room in the p99 for so many nanoseconds more, beside the components so far?

    What components take beyond the simplest ones counts by the requests in which it is slow.
    """
    return _left(a.taken + extra, pattern, a, w) >= 0


def awaits(extra: int, pattern: str, a: Case, w: Work) -> bool:
    """Is there room to wait so many nanoseconds more for what takes equally long each time?"""
    return _left(a.taken, pattern, a, w) >= extra


def _left(taken: int, pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds of the p99 that are left beside components that take so many at the median."""
    slow = SLOW[0] * taken // SLOW[1]
    return _allowed(a) - own(pattern, a, w) - wait(pattern, a, w) - slow


def carries(extra: int, pattern: str, a: Case, w: Work) -> bool:
    """Do the stated cores carry so many nanoseconds more per request at the peak?"""
    if a.cores is None:
        return True
    return BUSY[1] * a.throughput * (effort(pattern, a, w) + a.taken + extra) <= _room(a)


def busy(pattern: str, a: Case, w: Work) -> bool:
    """Does the peak need more cores than are stated? Nothing stated, nothing exceeded."""
    return a.cores is not None and BUSY[1] * a.throughput * effort(pattern, a, w) > _room(a)


def cores_needed(pattern: str, a: Case, w: Work) -> float:
    """Cores that the peak keeps busy, and what is written for it."""
    return a.throughput * effort(pattern, a, w) / _SECOND**2


def cores_serving(pattern: str, a: Case, w: Work) -> float:
    """Cores that the peak keeps busy, without what a language model takes."""
    return a.throughput * own(pattern, a, w) / _SECOND**2


def beyond_machine(pattern: str, a: Case, w: Work) -> bool:
    """Does serving need more cores than one large machine has, where none are stated?"""
    demand = BUSY[1] * a.throughput * own(pattern, a, w)
    return a.cores is None and demand > BUSY[0] * MACHINE * _SECOND**2


def most_throughput(pattern: str, a: Case, w: Work) -> int | None:
    """The highest peak, in nanohertz, that the stated cores carry."""
    return None if a.cores is None else _room(a) // (BUSY[1] * effort(pattern, a, w))


def most_in_cores(a: Case, w: Work) -> int | None:
    """The most candidates that one model can score at the peak with the stated cores."""
    if a.cores is None:
        return None
    return (_room(a) // (BUSY[1] * a.throughput) - w.alone) // w.each


def least_cores(pattern: str, a: Case, w: Work) -> int:
    """The fewest cores per host that carry the peak."""
    return _least(pattern, a, w, a.hosts or 1)


def least_hosts(pattern: str, a: Case, w: Work) -> int | None:
    """The fewest hosts of the stated cores that carry the peak."""
    return None if a.cores is None else _least(pattern, a, w, a.cores)


def enough_time(slot: str, a: Case, w: Work) -> int | None:
    """The least age, in microseconds, that leaves a run time to write with the stated cores.

    None where that answer does not turn it: `slot` is `predictions` or `features`, and the other
    one holds for every run as well.
    """
    if a.cores is None or a.output != "answer" or not writing.at_home(a):
        return None
    if a.requests == "unforeseen":  # what is written grows with the time that there is for it
        return None
    least = run.enough(_room(a) // (BUSY[1] * a.throughput) - own("batch", a, w), w.ns)
    other = a.features if slot == "predictions" else a.predictions
    if least is None or least == run.SHORTEST or other < run.ages(least):
        return None
    return run.ages(least)


def _room(a: Case) -> int:
    """What the stated cores can do, in the unit of throughput times work, times ten."""
    return BUSY[0] * (a.cores or 0) * (a.hosts or 1) * _SECOND**2


def _least(pattern: str, a: Case, w: Work, others: int) -> int:
    demand = BUSY[1] * a.throughput * effort(pattern, a, w)
    return -(-demand // (BUSY[0] * others * _SECOND**2))
