"""What one request takes, pattern by pattern: sums of measured costs, in integer nanoseconds.

Everything that a rule compares with a budget is here, each with its inverse: the value of an
answer at which the comparison turns. Integers throughout, so that a break point is exact.
"""

from collections.abc import Mapping
from typing import Final

from groundplan.decision.case import Case

SHORT_LIST: Final = 100  # candidates: the least that a ranker is worth running on
RERANKED: Final = 50  # candidates that a cross-encoder reads
SHOWN: Final = 10  # results that a ranking shows, each with its reasons
FIRST_WORDS: Final = 16  # tokens of the shortest useful answer, where it isn't streamed
HEADROOM: Final = 8, 10  # our own work may fill this share of the p99: medians vary
BUSY: Final = 7, 10  # of the stated cores: beyond, queues grow without bound in bursts
_SECOND: Final = 10**9  # nanoseconds in a second, and nanohertz in a request per second


class Work:
    """The sums, made once per cost table; every attribute is nanoseconds of one request."""

    def __init__(self, ns: Mapping[str, int]) -> None:
        self.ns = ns
        self.http = ns["http"]
        self.lookup = ns["http"] + ns["lookup"]
        # Who asks, and in which context: two entities.
        self.ask = ns["http"] + 2 * ns["join_key"]
        self.each = ns["gather_candidate"] + ns["gbm_row"]
        short = self.ask + ns["vector_probe"] + SHORT_LIST * self.each
        self.towers = short + ns["user_tower"]
        self.encoders = short + ns["encoder"]
        self.passages = ns["http"] + ns["encoder"] + ns["vector_probe"] + ns["text_match"]
        self.first_token = ns["first_token_hosted"]
        self.first_words = self.first_token + FIRST_WORDS * ns["token_hosted"]


def own(pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds of our own work for one request."""
    if pattern == "batch":
        return w.lookup
    if pattern == "realtime":
        return w.http if a.output == "answer" else w.ask + a.per_request * w.each
    if pattern == "ranking":
        return w.encoders if a.kind in {"sparse", "none"} else w.towers
    return w.passages


def wait(pattern: str, a: Case, w: Work) -> int:
    """Nanoseconds until a language model has said something, at the 99th percentile."""
    if pattern in {"batch", "ranking"} or (pattern == "realtime" and a.output != "answer"):
        return 0
    return w.first_token if a.streamed else w.first_words


def least_p99(pattern: str, a: Case, w: Work) -> int:
    """The shortest p99, in microseconds, that the pattern can hold."""
    share, whole = HEADROOM
    return -(-(whole * own(pattern, a, w) + share * wait(pattern, a, w)) // (share * 1000))


def slow(pattern: str, a: Case, w: Work) -> bool:
    """Is the p99 shorter than the pattern can hold?"""
    return a.p99 < least_p99(pattern, a, w)


def most_in_time(a: Case, w: Work) -> int:
    """The most candidates that one model can score within the p99."""
    share, whole = HEADROOM
    return (share * 1000 * a.p99 - whole * w.ask) // (whole * w.each)


def fits(extra: int, pattern: str, a: Case, w: Work) -> bool:
    """Is there room in the p99 for so many nanoseconds more, beside the components so far?"""
    share, whole = HEADROOM
    used = whole * (own(pattern, a, w) + a.taken + extra) + share * wait(pattern, a, w)
    return used <= share * 1000 * a.p99


def busy(pattern: str, a: Case, w: Work) -> bool:
    """Does the peak need more cores than are stated? Nothing stated, nothing exceeded."""
    return a.cores is not None and BUSY[1] * a.throughput * own(pattern, a, w) > _room(a)


def cores_needed(pattern: str, a: Case, w: Work) -> float:
    """Cores that the peak keeps busy."""
    return a.throughput * own(pattern, a, w) / _SECOND**2


def most_throughput(pattern: str, a: Case, w: Work) -> int | None:
    """The highest peak, in nanohertz, that the stated cores carry."""
    return None if a.cores is None else _room(a) // (BUSY[1] * own(pattern, a, w))


def most_in_cores(a: Case, w: Work) -> int | None:
    """The most candidates that one model can score at the peak with the stated cores."""
    if a.cores is None:
        return None
    return (_room(a) // (BUSY[1] * a.throughput) - w.ask) // w.each


def least_cores(pattern: str, a: Case, w: Work) -> int:
    """The fewest cores per host that carry the peak."""
    return _least(pattern, a, w, a.hosts or 1)


def least_hosts(pattern: str, a: Case, w: Work) -> int | None:
    """The fewest hosts of the stated cores that carry the peak."""
    return None if a.cores is None else _least(pattern, a, w, a.cores)


def _room(a: Case) -> int:
    """What the stated cores can do, in the unit of throughput times work, times ten."""
    return BUSY[0] * (a.cores or 0) * (a.hosts or 1) * _SECOND**2


def _least(pattern: str, a: Case, w: Work, others: int) -> int:
    demand = BUSY[1] * a.throughput * own(pattern, a, w)
    return -(-demand // (BUSY[0] * others * _SECOND**2))
