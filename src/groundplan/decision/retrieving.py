"""The roles that narrow a corpus: retrieval, the index, the reranker."""

from typing import Final

from groundplan.decision import search, work
from groundplan.decision.case import Case
from groundplan.decision.role import Option, Role
from groundplan.decision.ruling import Rule
from groundplan.decision.work import Work
from groundplan.units import show_about, show_count, show_duration, show_rate, show_size

_RANKING = frozenset({"ranking"})
_SEARCH = frozenset({"ranking", "rag"})
_CORPUS = ("candidates.per_request", "candidates.catalog")
_REACH = ("labels.kind", "freshness.requests", *_CORPUS, "interpretability.level")
_WRITER = (
    "freshness.knowledge",
    "policy.private_corpus",
    "policy.external_api",
    "engines.language_model",
)
_PEAK = ("latency.throughput", "policy.hosts", "policy.cores")
_LEFT = ("latency.p99", "latency.streamed", "policy.cores", *_REACH, *_WRITER)  # of a request
_CAPACITY = (*_PEAK, *_REACH, *_WRITER)


def _live(a: Case, w: Work) -> int:
    """Nanoseconds by which a search in the request takes longer than the cheapest way."""
    return search.live(a, w.ns) - w.ns["item_list"] if search.listed(a) else 0


def _listed(a: Case, w: Work) -> bool:
    """Are candidates listed ahead: is there something to narrow, or too much to search live?"""
    if not search.listed(a):
        return False
    return _larger(a) or not _searchable(a, w)


def _searchable(a: Case, w: Work) -> bool:
    """Is there room to search in the request, whatever was chosen since?"""
    extra = _live(a, w) - a.taken
    return work.fits(extra, a.pattern, a, w) and work.carries(extra, a.pattern, a, w)


def _scan(a: Case, w: Work) -> int:
    """Nanoseconds to compare the request with every vector."""
    return search.scan(search.searched(a), search.width(a), w.ns)


def _exact(a: Case, w: Work) -> int:
    """Nanoseconds by which that takes longer than a probe."""
    return _scan(a, w) - search.probe(search.searched(a), search.width(a), w.ns)


def _words(a: Case, w: Work) -> int:
    """Nanoseconds to find the passages that share words."""
    return search.match(search.passages(a), w.ns)


def _bytes(a: Case) -> int:
    return search.size(search.searched(a), search.width(a))


def _pairs(w: Work) -> int:
    """Nanoseconds to read the request with each candidate of a page or two."""
    return work.RERANKED * w.ns["pair"]


def _larger(a: Case) -> bool:
    return a.catalog is not None and a.catalog > a.per_request


def _alone(name: str, out: str) -> Rule:
    return Rule(
        name,
        out,
        ("latency.p99", *_PEAK, *_REACH),
        lambda a, w: not _larger(a) and _searchable(a, w),
        lambda a, w: (
            f"all of {show_count(search.things(a))} candidates are eligible for every request: "
            "there is no larger catalog to narrow beforehand, and there is time to search them"
        ),
    )


RETRIEVAL: Final = Role(
    "retrieval",
    (
        Option("user_lists", "candidates offline, a list per user; ranking live", _RANKING),
        Option("item_lists", "candidates offline, a list per thing seen; ranking live", _RANKING),
        Option(
            "live",
            "candidates from the index, for each request",
            _RANKING,
            _live,
        ),
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
            lambda a, w: 0 if a.pattern == "ranking" and _listed(a, w) else _exact(a, w),
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
            _LEFT,
            lambda a, w: not work.fits(_exact(a, w), a.pattern, a, w),
            lambda a, w: (
                f"comparing {show_count(search.searched(a))} vectors takes "
                f"{show_about(_scan(a, w) / 1000)}, and 2.5 times that, when it is "
                f"slow, does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "index-exact-capacity",
            "exact",
            _CAPACITY,
            lambda a, w: not work.carries(_exact(a, w), a.pattern, a, w),
            lambda a, w: (
                f"comparing {show_count(search.searched(a))} vectors at "
                f"{show_rate(a.throughput)} fills, with the rest, more than 70% of the stated cores"
            ),
        ),
        Rule(
            "index-exact-memory",
            "exact",
            ("labels.kind", *_CORPUS, "policy.memory"),
            lambda a, w: a.memory is not None and 2 * _bytes(a) > a.memory,
            lambda a, w: (
                f"{show_count(search.searched(a))} vectors of {search.width(a)} dimensions are "
                f"{show_size(_bytes(a))}, more than half of {show_size(a.memory or 0)}"
            ),
        ),
    ),
)

WORD_INDEX: Final = Role(
    "word_index",
    (
        Option(
            "beside",
            "passages are found by words as well, and both orders are merged",
            frozenset({"rag"}),
            _words,
        ),
        Option("none", "passages are found by meaning alone", frozenset({"rag"})),
    ),
    (
        Rule(
            "words-latency",
            "beside",
            ("latency.p99", "latency.streamed", "policy.cores", *_CORPUS, *_WRITER),
            lambda a, w: not work.fits(_words(a, w), a.pattern, a, w),
            lambda a, w: (
                f"a search by words takes {show_about(_words(a, w) / 1000)} among "
                f"{show_count(search.passages(a))} passages, and 2.5 times that, when it "
                f"is slow, does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "words-capacity",
            "beside",
            (*_PEAK, *_CORPUS, *_WRITER),
            lambda a, w: not work.carries(_words(a, w), a.pattern, a, w),
            lambda a, w: (
                f"searching {show_count(search.passages(a))} passages by words at "
                f"{show_rate(a.throughput)} fills, with the rest, more than 70% of the stated cores"
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
                f"{work.RERANKED} pairs take {show_about(_pairs(w) / 1000)}, and "
                f"2.5 times that, when it is slow, does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "reranker-capacity",
            "cross_encoder_top_50",
            _CAPACITY,
            lambda a, w: not work.carries(_pairs(w), a.pattern, a, w),
            lambda a, w: (
                f"{work.RERANKED} pairs at {show_rate(a.throughput)} fill, with the rest, "
                "more than 70% of the stated cores"
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
