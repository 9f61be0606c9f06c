"""Where the conditions of the table turn: for each numeric answer, as a function of the others."""

from typing import Final

from groundplan.decision import work
from groundplan.decision.case import Case
from groundplan.decision.ruling import Edge


def at(slot: str, value: int) -> tuple[Edge, ...]:
    """A value that no other answer moves."""
    return ((slot, lambda a, w: value),)


def p99(pattern: str) -> tuple[Edge, ...]:
    """Where the p99 turns; no rule does where the pattern is none for the output."""
    return (("p99", lambda a, w: work.least_p99(pattern, a, w) if _asked(pattern, a) else None),)


def threads(pattern: str) -> tuple[Edge, ...]:
    """The cores at which a language model here starts its answer in time."""
    return (("cores", lambda a, w: work.enough_cores(pattern, a, w)),)


def cores(pattern: str) -> tuple[Edge, ...]:
    """Where the peak fills the stated cores."""
    return (
        (
            "throughput",
            lambda a, w: (
                _after(work.most_throughput(pattern, a, w)) if _asked(pattern, a) else None
            ),
        ),
        ("cores", lambda a, w: work.least_cores(pattern, a, w) if _asked(pattern, a) else None),
        ("hosts", lambda a, w: work.least_hosts(pattern, a, w) if _asked(pattern, a) else None),
    )


def ages() -> tuple[Edge, ...]:
    """The ages that leave a scheduled run time to write with the stated cores."""
    return (
        ("predictions", lambda a, w: work.enough_time("predictions", a, w)),
        ("features", lambda a, w: work.enough_time("features", a, w)),
    )


def corpus_in_time(pattern: str) -> tuple[Edge, ...]:
    """The corpus that takes too long to search."""
    return (
        (
            "catalog",
            lambda a, w: (
                _after(work.farthest_in_time(pattern, a, w)) if _asked(pattern, a) else None
            ),
        ),
        (
            "per_request",
            lambda a, w: (
                _after(work.farthest_in_time(pattern, a, w)) if _chosen(pattern, a) else None
            ),
        ),
    )


def corpus_in_cores(pattern: str) -> tuple[Edge, ...]:
    """The corpus whose searches fill the stated cores."""
    return (
        (
            "catalog",
            lambda a, w: (
                _after(work.farthest_in_cores(pattern, a, w)) if _asked(pattern, a) else None
            ),
        ),
        (
            "per_request",
            lambda a, w: (
                _after(work.farthest_in_cores(pattern, a, w)) if _chosen(pattern, a) else None
            ),
        ),
    )


def _asked(pattern: str, a: Case) -> bool:
    """Can the pattern be one for the output at all?"""
    if pattern == "ranking":
        return a.output == "ranking"
    return pattern != "rag" or a.output == "answer"


def _chosen(pattern: str, a: Case) -> bool:
    """Is the corpus what a request chooses among, as no catalog is stated?"""
    return a.catalog is None and _asked(pattern, a)


def _after(last: int | None) -> int | None:
    return None if last is None else last + 1


IN_TIME: Final = (*p99("realtime"), ("per_request", lambda a, w: work.most_in_time(a, w) + 1))
"""The p99 and the candidates at which one model has no time for all of them."""
IN_CORES: Final = (
    *cores("realtime"),
    ("per_request", lambda a, w: _after(work.most_in_cores(a, w))),
)
"""The peak, the cores and the candidates at which one model fills the stated cores."""
