"""The table of rules: each one rules a pattern out, or is silent.

Read it from top to bottom as: `out` is out when `when`, because `because`. Times are
microseconds; what a request takes comes from `work`, which sums the measured costs.
"""

from typing import Final

from groundplan.decision import edges, run, search, work, writing
from groundplan.decision.case import Case
from groundplan.decision.ruling import Rule
from groundplan.decision.work import Work
from groundplan.decision.writing import needs_private
from groundplan.units import (
    DAY,
    HOUR,
    show_about,
    show_count,
    show_duration,
    show_enough,
    show_rate,
)

RUN: Final = HOUR  # the shortest schedule that a batch is run on
TUNED: Final = 30 * DAY  # knowledge of this age can be tuned in: a tuning takes days of care
MILLION: Final = 1_000_000  # candidates: beyond, no request joins the features of each


def needs_retrieval(a: Case) -> bool:
    """Is there private knowledge that cannot be tuned into the model in time?"""
    tuned = a.fine_tuning is True and a.knowledge is not None and a.knowledge >= TUNED
    return a.output == "answer" and needs_private(a) and not tuned


def scans(a: Case, w: Work) -> bool:
    """Can one model score every candidate of a request, in time and with the stated cores?"""
    return (
        a.per_request < MILLION
        and not work.slow("realtime", a, w)
        and not work.busy("realtime", a, w)
    )


def _slow(pattern: str, what: str, a: Case, w: Work) -> str:
    least = show_enough(work.least_p99(pattern, a, w))
    return f"{what}, which holds a p99 of {least} at best, and {show_duration(a.p99)} is promised"


def _busy(pattern: str, what: str, a: Case, w: Work) -> str:
    need = work.cores_needed(pattern, a, w)
    shown = f"{need:,.0f}" if need >= 10 else f"{need:.3g}"
    hosts = f"{a.hosts} hosts of " if (a.hosts or 1) > 1 else ""
    return (
        f"{what} at {show_rate(a.throughput)} keeps {shown} cores busy, and "
        f"{hosts}{a.cores} may be filled to 70%"
    )


def _scan(a: Case) -> str:
    many = "1 candidate" if a.per_request == 1 else f"{show_count(a.per_request)} candidates"
    return f"joining and scoring {many} in one model"


def _documents(a: Case) -> str:
    if a.knowledge is None:
        return "the answers rest on private documents, and nothing says that they may be old"
    return f"the answers rest on private documents that change within {show_duration(a.knowledge)}"


def _first(a: Case) -> str:
    return "the first token" if a.streamed else f"the first {writing.FIRST_WORDS} tokens"


def _writer(pattern: str, a: Case) -> str:
    if not writing.at_home(a):
        return "a language model"
    return (
        f"a language model on {_count(writing.threads(a))} here, of a billion parameters at least "
        f"as {_forbidden(a)}, read {show_count(writing.read(pattern))} tokens and"
    )


def _count(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores} cores"


def _forbidden(a: Case) -> str:
    if a.external_api == "none":
        return "nothing may leave the house"
    return "nothing says that the corpus may leave the house"


def _answering(what: str, a: Case) -> str:
    if not writing.at_home(a):
        return what
    return f"{what} and writing the answers here, as {_forbidden(a)},"


def _publishing(a: Case, w: Work) -> str:
    if not writing.at_home(a):
        return "one lookup"
    each = show_about(writing.answer(1, "batch", w.ns) / 1000)
    return (
        f"looking up, and writing {run.amount(a)} here within {run.window(a)}, as "
        f"{_forbidden(a)}, {each} of a core each,"
    )


def _found(a: Case) -> str:
    if search.listed(a):
        return f"to read a list, join and rank {work.SHORT_LIST}"
    return f"to search {show_count(search.things(a))} things, join and rank {work.SHORT_LIST}"


def _whole(a: Case) -> str:
    return "" if search.listed(a) else "; parts that are searched at once are not reckoned with"


_POLICY = ("policy.private_corpus", "policy.fine_tuning")
_KNOWLEDGE = ("system.output", "freshness.knowledge", *_POLICY)
_WRITER = (
    "freshness.knowledge",
    "policy.private_corpus",
    "policy.external_api",
    "engines.language_model",
)
_GENERATION = ("system.output", "latency.p99", "latency.streamed", "policy.cores", *_WRITER)
_CAPACITY = ("latency.throughput", "policy.hosts", "policy.cores")
_CORPUS = ("candidates.per_request", "candidates.catalog")
_REACH = ("labels.kind", "freshness.requests", *_CORPUS, "interpretability.level")

RULES: Final = (
    Rule(
        "batch-predictions",
        "batch",
        ("freshness.predictions",),
        lambda a, w: a.predictions < RUN,
        lambda a, w: (
            f"predictions may be at most {show_duration(a.predictions)} old, and a "
            "nightly run makes them up to 24h old, an hourly one up to 1h"
        ),
        edges.at("predictions", RUN),
    ),
    Rule(
        "batch-features",
        "batch",
        ("freshness.features",),
        lambda a, w: a.features < RUN,
        lambda a, w: (
            f"feature values may be at most {show_duration(a.features)} old, and those "
            "behind a published score are as old as its run, up to 1h at best"
        ),
        edges.at("features", RUN),
    ),
    Rule(
        "batch-unforeseen",
        "batch",
        ("freshness.requests", "latency.p99"),
        lambda a, w: a.requests == "unforeseen" and a.p99 < RUN,
        lambda a, w: (
            "requests are unforeseen, so none can be answered before it comes, and "
            f"{show_duration(a.p99)} is too short to wait for the next run, up to 1h away"
        ),
        edges.at("p99", RUN),
    ),
    Rule(
        "batch-knowledge",
        "batch",
        _KNOWLEDGE,
        lambda a, w: needs_retrieval(a),
        lambda a, w: f"{_documents(a)}, and a scheduled run of one model has not read them",
        edges.at("knowledge", TUNED),
        output="answer",
    ),
    Rule(
        "batch-latency",
        "batch",
        ("latency.p99",),
        lambda a, w: work.slow("batch", a, w),
        lambda a, w: _slow("batch", f"one lookup takes {show_about(w.lookup / 1000)}", a, w),
        edges.p99("batch"),
    ),
    Rule(
        "batch-capacity",
        "batch",
        ("system.output", *_CAPACITY),
        lambda a, w: a.output != "answer" and work.busy("batch", a, w),
        lambda a, w: _busy("batch", "one lookup", a, w),
        edges.cores("batch"),
    ),
    Rule(
        "batch-writing",
        "batch",
        (
            *("system.output", "freshness.predictions", "freshness.features"),
            *("freshness.requests", *_CAPACITY, *_WRITER),
        ),
        lambda a, w: a.output == "answer" and work.busy("batch", a, w),
        lambda a, w: _busy("batch", _publishing(a, w), a, w),
        (*edges.cores("batch"), *edges.ages()),
        output="answer",
    ),
    Rule(
        "realtime-latency",
        "realtime",
        ("system.output", "latency.p99", "candidates.per_request"),
        lambda a, w: a.output != "answer" and work.slow("realtime", a, w),
        lambda a, w: _slow(
            "realtime",
            f"{_scan(a)} takes {show_about(work.own('realtime', a, w) / 1000)}",
            a,
            w,
        ),
        edges.IN_TIME,
    ),
    Rule(
        "realtime-millions",
        "realtime",
        ("system.output", "candidates.per_request"),
        lambda a, w: a.output != "answer" and a.per_request >= MILLION,
        lambda a, w: (
            f"a request chooses among {show_count(a.per_request)} candidates, and no "
            "request joins and scores the features of a million things: a stage must narrow them"
        ),
        edges.at("per_request", MILLION),
    ),
    Rule(
        "realtime-capacity",
        "realtime",
        ("system.output", "candidates.per_request", *_CAPACITY),
        lambda a, w: a.output != "answer" and work.busy("realtime", a, w),
        lambda a, w: _busy("realtime", _scan(a), a, w),
        edges.IN_CORES,
    ),
    Rule(
        "realtime-knowledge",
        "realtime",
        _KNOWLEDGE,
        lambda a, w: needs_retrieval(a),
        lambda a, w: f"{_documents(a)}, and a model alone has not read them",
        edges.at("knowledge", TUNED),
        output="answer",
    ),
    Rule(
        "realtime-generation",
        "realtime",
        _GENERATION,
        lambda a, w: a.output == "answer" and work.slow("realtime", a, w),
        lambda a, w: _slow("realtime", f"{_writer('realtime', a)} must write {_first(a)}", a, w),
        (*edges.p99("realtime"), *edges.threads("realtime")),
        output="answer",
    ),
    Rule(
        "realtime-writing",
        "realtime",
        ("system.output", *_CAPACITY, *_WRITER),
        lambda a, w: a.output == "answer" and work.busy("realtime", a, w),
        lambda a, w: _busy("realtime", _answering("taking requests", a), a, w),
        edges.cores("realtime"),
        output="answer",
    ),
    Rule(
        "realtime-audit",
        "realtime",
        ("system.output", "interpretability.level"),
        lambda a, w: a.output == "answer" and a.level == "audit",
        lambda a, w: (
            "the level is audit, and why a live model wrote a sentence cannot be recomputed"
        ),
        output="answer",
    ),
    Rule(
        "ranking-score",
        "ranking",
        ("system.output",),
        lambda a, w: a.output == "score",
        lambda a, w: (
            "the output is a score for each candidate, and retrieval drops most of them unscored"
        ),
    ),
    Rule(
        "ranking-answer",
        "ranking",
        ("system.output",),
        lambda a, w: a.output == "answer",
        lambda a, w: "the output is an answer, and ranking only puts things in order",
    ),
    Rule(
        "ranking-exhaustive",
        "ranking",
        ("system.output", "latency.p99", "candidates.per_request", *_CAPACITY),
        lambda a, w: a.output == "ranking" and scans(a, w),
        lambda a, w: (
            f"{_scan(a)} takes {show_about(work.own('realtime', a, w) / 1000)} and "
            f"fits {show_duration(a.p99)}: nothing needs to be narrowed, and nothing is missed"
        ),
        (
            *edges.IN_TIME,
            *edges.IN_CORES,
            *edges.at("per_request", MILLION),
        ),
        instead="realtime",
        output="ranking",
    ),
    Rule(
        "ranking-latency",
        "ranking",
        ("system.output", "latency.p99", *_REACH),
        lambda a, w: a.output == "ranking" and work.slow("ranking", a, w),
        lambda a, w: (
            _slow(
                "ranking",
                f"{_found(a)} takes {show_about(work.own('ranking', a, w) / 1000)}",
                a,
                w,
            )
            + _whole(a)
        ),
        (*edges.p99("ranking"), *edges.corpus_in_time("ranking")),
        output="ranking",
    ),
    Rule(
        "ranking-capacity",
        "ranking",
        ("system.output", *_REACH, *_CAPACITY),
        lambda a, w: a.output == "ranking" and work.busy("ranking", a, w),
        lambda a, w: _busy("ranking", _found(a), a, w),
        (*edges.cores("ranking"), *edges.corpus_in_cores("ranking")),
        output="ranking",
    ),
    Rule(
        "rag-output",
        "rag",
        ("system.output",),
        lambda a, w: a.output != "answer",
        lambda a, w: f"the output is a {a.output}, and there is no text to write",
    ),
    Rule(
        "rag-covered",
        "rag",
        ("system.output", "freshness.knowledge", "policy.private_corpus"),
        lambda a, w: a.output == "answer" and not needs_private(a),
        lambda a, w: (
            "the model covers the domain: "
            + (
                "no private corpus"
                if a.private_corpus is False
                else "no private knowledge is stated"
            )
            + ", so there is nothing to retrieve"
        ),
        instead="realtime",
        output="answer",
    ),
    Rule(
        "rag-latency",
        "rag",
        (*_GENERATION, *_CORPUS),
        lambda a, w: a.output == "answer" and work.slow("rag", a, w),
        lambda a, w: _slow(
            "rag",
            f"passages must be found among {show_count(search.passages(a))}, then "
            f"{_writer('rag', a)} write {_first(a)}",
            a,
            w,
        ),
        (*edges.p99("rag"), *edges.threads("rag"), *edges.corpus_in_time("rag")),
        output="answer",
    ),
    Rule(
        "rag-capacity",
        "rag",
        ("system.output", *_CORPUS, *_CAPACITY, *_WRITER),
        lambda a, w: a.output == "answer" and work.busy("rag", a, w),
        lambda a, w: _busy("rag", _answering("finding passages", a), a, w),
        (*edges.cores("rag"), *edges.corpus_in_cores("rag")),
        output="answer",
    ),
    Rule(
        "rag-audit",
        "rag",
        ("system.output", "interpretability.level"),
        lambda a, w: a.output == "answer" and a.level == "audit",
        lambda a, w: (
            "the level is audit, and a citation shows what was read, not why a sentence was written"
        ),
        output="answer",
    ),
)
