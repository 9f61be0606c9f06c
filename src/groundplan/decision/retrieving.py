"""The roles that narrow a corpus: retrieval, the index, the reranker, heavy networks."""

from typing import Final

from groundplan.decision import work
from groundplan.decision.case import Case
from groundplan.decision.models import HEAVY
from groundplan.decision.role import Option, Role
from groundplan.decision.ruling import Rule
from groundplan.decision.work import Work
from groundplan.units import show_count, show_duration, show_rate, show_size

VECTOR: Final = 256  # bytes: 64 dimensions in single precision
_RANKING = frozenset({"ranking"})
_SEARCH = frozenset({"ranking", "rag"})
_LIVE = frozenset({"realtime", "ranking"})
_CORPUS = ("candidates.per_request", "candidates.catalog")
_LEFT = ("labels.kind", "latency.p99", "latency.streamed")  # what a request leaves room for
_CAPACITY = ("latency.throughput", "policy.hosts", "policy.cores")


def _corpus(a: Case) -> int:
    return a.per_request if a.catalog is None else a.catalog


def _scan(a: Case, w: Work) -> int:
    """Nanoseconds to compare the request with every vector; the table's row is per vector."""
    return _corpus(a) * w.ns["vector_exact"]


def _pairs(w: Work) -> int:
    """Nanoseconds to read the request with each candidate of a page or two."""
    return work.RERANKED * w.ns["pair"]


def _crowded(extra: int, a: Case) -> bool:
    """Would so many nanoseconds per request alone fill the stated cores?"""
    if a.cores is None:
        return False
    room = work.BUSY[0] * a.cores * (a.hosts or 1) * 10**18
    return work.BUSY[1] * a.throughput * extra > room


def _larger(a: Case) -> bool:
    return a.catalog is not None and a.catalog > a.per_request


def _alone(name: str, out: str) -> Rule:
    return Rule(
        name,
        out,
        _CORPUS,
        lambda a, w: not _larger(a),
        lambda a, w: (
            f"all of {show_count(_corpus(a))} candidates are eligible for every request: "
            "there is no larger catalog to narrow beforehand"
        ),
    )


RETRIEVAL: Final = Role(
    "retrieval",
    (
        Option("user_lists", "candidates offline, a list per user; ranking live", _RANKING),
        Option("item_lists", "candidates offline, a list per thing seen; ranking live", _RANKING),
        Option("live", "candidates from the index, for each request", _RANKING),
    ),
    (
        _alone("retrieval-users-catalog", "user_lists"),
        Rule(
            "retrieval-users-unforeseen",
            "user_lists",
            ("freshness.requests",),
            lambda a, w: a.requests == "unforeseen",
            lambda a, w: "requests are unforeseen: no list can be made for who is not known yet",
        ),
        _alone("retrieval-items-catalog", "item_lists"),
        Rule(
            "retrieval-items-labels",
            "item_lists",
            ("labels.kind",),
            lambda a, w: a.kind in {"sparse", "none"},
            lambda a, w: f"labels are {a.kind}: which things go together is not known",
        ),
    ),
)

INDEX: Final = Role(
    "index",
    (
        Option("none", "counts and words are looked up, there are no vectors", _RANKING),
        Option(
            "exact",
            "every vector is compared: nothing to build, tune or miss",
            _SEARCH,
            lambda a, w: _scan(a, w) - w.ns["vector_probe"],
        ),
        Option("ivf_pq", "vectors in cells, compressed, the best compared exactly", _SEARCH),
    ),
    (
        Rule(
            "index-none",
            "none",
            ("interpretability.level",),
            lambda a, w: a.level != "audit",
            lambda a, w: f"the level is {a.level}, so vectors are retrieved by",
        ),
        Rule(
            "index-exact-latency",
            "exact",
            (*_CORPUS, *_LEFT),
            lambda a, w: not work.fits(_scan(a, w) - w.ns["vector_probe"], a.pattern, a, w),
            lambda a, w: (
                f"comparing {show_count(_corpus(a))} vectors takes "
                f"{show_duration(_scan(a, w) / 1000)}, which does not fit what "
                f"{show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "index-exact-capacity",
            "exact",
            (*_CORPUS, *_CAPACITY),
            lambda a, w: _crowded(_scan(a, w), a),
            lambda a, w: (
                f"comparing {show_count(_corpus(a))} vectors at "
                f"{show_rate(a.throughput)} fills more than 70% of the cores that are stated"
            ),
        ),
        Rule(
            "index-exact-memory",
            "exact",
            (*_CORPUS, "policy.memory"),
            lambda a, w: a.memory is not None and 2 * VECTOR * _corpus(a) > a.memory,
            lambda a, w: (
                f"{show_count(_corpus(a))} vectors are {show_size(VECTOR * _corpus(a))}, "
                f"more than half of {show_size(a.memory or 0)}"
            ),
        ),
    ),
)


RERANKER: Final = Role(
    "reranker",
    (
        Option(
            "cross_encoder_top_50",
            "a network reads the request with each of 50",
            _SEARCH,
            lambda a, w: _pairs(w),
        ),
        Option("none", "the order stands as it is", _SEARCH),
    ),
    (
        Rule(
            "reranker-latency",
            "cross_encoder_top_50",
            _LEFT,
            lambda a, w: not work.fits(_pairs(w), a.pattern, a, w),
            lambda a, w: (
                f"{work.RERANKED} pairs take {show_duration(_pairs(w) / 1000)}, which "
                f"does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "reranker-capacity",
            "cross_encoder_top_50",
            _CAPACITY,
            lambda a, w: _crowded(_pairs(w), a),
            lambda a, w: (
                f"{work.RERANKED} pairs at {show_rate(a.throughput)} fill more than 70% "
                "of the cores that are stated"
            ),
        ),
        Rule(
            "reranker-audit",
            "cross_encoder_top_50",
            ("interpretability.level",),
            lambda a, w: a.level == "audit",
            lambda a, w: "the level is audit, and a deep network is a black box",
        ),
    ),
)

HEAVY_NETWORK: Final = Role(
    "heavy_network",
    (
        Option("in_request", "a pass of a heavy network fits while the request waits", _LIVE),
        Option("ahead", "heavy networks run beforehand, and a request reads the results", _LIVE),
    ),
    (
        Rule(
            "network-short",
            "in_request",
            ("latency.p99",),
            lambda a, w: a.p99 < HEAVY,
            lambda a, w: (
                f"{show_duration(a.p99)} is under {show_duration(HEAVY)}: no pass of a "
                "heavy network while a request waits"
            ),
        ),
        Rule(
            "network-latency",
            "in_request",
            ("system.output", "labels.kind", "latency.p99", "candidates.per_request"),
            lambda a, w: not work.fits(w.ns["heavy_network"], a.pattern, a, w),
            lambda a, w: (
                f"one pass takes {show_duration(w.ns['heavy_network'] / 1000)}, which "
                f"does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "network-audit",
            "in_request",
            ("interpretability.level",),
            lambda a, w: a.level == "audit",
            lambda a, w: "the level is audit, and a deep network is a black box",
        ),
    ),
)
