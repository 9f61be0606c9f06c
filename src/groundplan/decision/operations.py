"""The roles that keep a pattern running: generator, features, store, schedule, metric, loop."""

from typing import Final

from groundplan.decision import run, work, writing
from groundplan.decision.case import Case
from groundplan.decision.role import Option, Role
from groundplan.decision.ruling import Rule
from groundplan.decision.work import Work
from groundplan.decision.writing import needs_private
from groundplan.units import DAY, HOUR, show_about, show_count, show_duration, show_rate, show_size

LOCAL: Final = 8_000_000_000  # bytes: 8 billion parameters at 4 bits, and as much for contexts
RARE: Final = 0.1  # share of positives below which a ROC curve flatters
WRITES: Final = 50_000 * 10**9  # nanohertz: events that the one writer of an embedded store takes
LATE: Final = 30 * DAY  # of label delay: beyond, a model would be judged a season late
_NUMBERS = frozenset({"batch", "realtime", "ranking"})
_ANSWERS = frozenset({"batch-answer", "realtime-answer", "rag"})
_BATCH = frozenset({"batch", "batch-answer"})
_STORES = _NUMBERS | {"batch-answer"}

_WRITER = (
    "engines.language_model",
    "policy.external_api",
    "policy.private_corpus",
    "freshness.knowledge",
)
_CORPUS = ("candidates.per_request", "candidates.catalog")


def _longer(a: Case, w: Work) -> int:
    """Nanoseconds by which 8 billion parameters start an answer later than is planned with."""
    if a.pattern == "batch":
        return 0
    return max(0, writing.local(8, a.pattern, a, w.ns) - work.wait(a.pattern, a, w))


def _dearer(a: Case, w: Work) -> int:
    """Nanoseconds of cores by which a whole answer of theirs is dearer."""
    return work.writes(8, a.pattern, a, w) - work.writes(1, a.pattern, a, w)


GENERATOR: Final = Role(
    "generator",
    (
        Option("named", "the language model that the project names", _ANSWERS),
        Option("hosted", "a large model behind an OpenAI-compatible server", _ANSWERS),
        Option(
            "local_8b",
            "a model of 8 billion parameters at 4 bits, on these machines",
            _ANSWERS,
            _longer,
        ),
        Option("local_1b", "a model of a billion parameters, on these machines", _ANSWERS),
    ),
    (
        Rule(
            "generator-named",
            "named",
            ("engines.language_model",),
            lambda a, w: "language_model" not in a.engines,
            lambda a, w: "the project names no language model",
        ),
        Rule(
            "generator-forbidden",
            "hosted",
            ("policy.external_api",),
            lambda a, w: a.external_api == "none",
            lambda a, w: "nothing may leave the house",
        ),
        Rule(
            "generator-unstated",
            "hosted",
            ("policy.external_api", "policy.private_corpus", "freshness.knowledge"),
            lambda a, w: a.external_api is None and needs_private(a),
            lambda a, w: "the corpus is private, and nothing says that it may leave the house",
        ),
        Rule(
            "generator-memory",
            "local_8b",
            ("policy.memory",),
            lambda a, w: a.memory is not None and a.memory < LOCAL,
            lambda a, w: f"it needs {show_size(LOCAL)}, and {show_size(a.memory or 0)} may be used",
        ),
        Rule(
            "generator-latency",
            "local_8b",
            (
                *_WRITER,
                *_CORPUS,
                "system.output",
                "latency.p99",
                "latency.streamed",
                "policy.cores",
            ),
            lambda a, w: (
                a.pattern != "batch"
                and writing.at_home(a)
                and not work.awaits(_longer(a, w), a.pattern, a, w)
            ),
            lambda a, w: (
                f"until it has read {show_count(writing.read(a.pattern))} tokens and says "
                f"something, {show_about(writing.local(8, a.pattern, a, w.ns) / 1000)} pass, "
                f"which does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        Rule(
            "generator-capacity",
            "local_8b",
            (
                *_WRITER,
                *_CORPUS,
                *("system.output", "latency.throughput", "policy.hosts", "policy.cores"),
                *("freshness.predictions", "freshness.features", "freshness.requests"),
            ),
            lambda a, w: writing.at_home(a) and not work.carries(_dearer(a, w), a.pattern, a, w),
            lambda a, w: (
                f"an answer takes {show_about(writing.answer(8, a.pattern, w.ns) / 1000)} of "
                f"one core, and {_written(a)} fill more than 70% of the stated cores"
            ),
        ),
    ),
)


def _written(a: Case) -> str:
    """What is written, and in what time."""
    if a.pattern != "batch":
        return f"{show_rate(a.throughput)} of them"
    return f"{run.amount(a)} within {run.window(a)}"


FEATURES: Final = Role(
    "features",
    (
        Option("nightly", "recomputed every night", _NUMBERS),
        Option("hourly", "recomputed every hour", _NUMBERS),
        Option(
            "streaming", "aggregates that every event updates", frozenset({"realtime", "ranking"})
        ),
        Option(
            "on_request", "computed from the request itself", frozenset({"realtime", "ranking"})
        ),
    ),
    (
        Rule(
            "features-nightly",
            "nightly",
            ("freshness.features",),
            lambda a, w: a.features < DAY,
            lambda a, w: (
                f"values may be at most {show_duration(a.features)} old, and a nightly "
                "run makes them up to 24h old"
            ),
        ),
        Rule(
            "features-hourly",
            "hourly",
            ("freshness.features",),
            lambda a, w: a.features < HOUR,
            lambda a, w: (
                f"values may be at most {show_duration(a.features)} old, and an hourly "
                "run makes them up to 1h old"
            ),
        ),
        Rule(
            "features-streaming",
            "streaming",
            ("freshness.features",),
            lambda a, w: a.features == 0,
            lambda a, w: "values may be 0s old: not even the way of an event through a stream",
        ),
    ),
)


def _records(a: Case) -> bool:
    """Does each request add an event to what features are made of?"""
    return a.pattern != "batch" and a.features < HOUR


def _engine(a: Case) -> str:
    return "scores" if a.pattern == "batch" else "online_store"


STORE: Final = Role(
    "store",
    (
        Option("embedded", "a key-value file beside the server, no network between", _STORES),
        Option("shared", "a key-value server that all hosts share", _STORES),
    ),
    (
        Rule(
            "store-hosts",
            "embedded",
            ("policy.hosts",),
            lambda a, w: (a.hosts or 1) > 1,
            lambda a, w: f"{a.hosts} hosts serve, and each would know a part only",
        ),
        Rule(
            "store-writes",
            "embedded",
            ("latency.throughput", "freshness.features"),
            lambda a, w: _records(a) and a.throughput > WRITES,
            lambda a, w: (
                f"{show_rate(a.throughput)} are events to record, and the one writer of a file "
                f"records {show_rate(WRITES)}"
            ),
        ),
        Rule(
            "store-machines",
            "embedded",
            (
                *("system.output", "labels.kind", "latency.throughput", "freshness.requests"),
                *_CORPUS,
                *("interpretability.level", "policy.cores"),
            ),
            lambda a, w: work.beyond_machine(a.pattern, a, w),
            lambda a, w: (
                f"{show_rate(a.throughput)} keep "
                f"{work.cores_serving(a.pattern, a, w):,.0f} cores busy, more than the 70% "
                f"of a machine of {work.MACHINE} that may be, and all hosts must know the same"
            ),
        ),
        Rule(
            "store-named",
            "embedded",
            ("engines.online_store", "engines.scores"),
            lambda a, w: _engine(a) in a.engines,
            lambda a, w: f"the project names {a.engines[_engine(a)]}",
        ),
    ),
)


def _every(span: int) -> Rule:
    return Rule(
        f"schedule-{show_duration(span)}",
        show_duration(span),
        ("latency.p99", "freshness.predictions", "freshness.features", "freshness.requests"),
        lambda a, w: run.oldest(a) < run.ages(span),
        lambda a, w: (
            f"what is served may be at most {show_duration(run.oldest(a))} old, and a run every "
            f"{show_duration(span)}, which may take a quarter of that itself, lets it get older"
        ),
    )


SCHEDULE: Final = Role(
    "schedule",
    tuple(
        Option(
            show_duration(span),
            f"a run every {show_duration(span)}, unless [schedule] says otherwise",
            _BATCH,
        )
        for span in run.SPANS
    ),
    # The last one needs no rule: where it is too long, batch itself is out.
    tuple(_every(span) for span in run.SPANS[:-1]),
)


def _task(name: str, out: str, output: str, why: str) -> Rule:
    return Rule(
        name,
        out,
        ("system.output",),
        lambda a, w: a.output == output,
        lambda a, w: f"the output is a {output}, and {why}",
    )


def _unlabelled(name: str, out: str) -> Rule:
    return Rule(
        name,
        out,
        ("labels.kind",),
        lambda a, w: a.kind == "none",
        lambda a, w: "there are no labels to measure against",
    )


METRIC: Final = Role(
    "metric",
    (
        Option(
            "roc_auc",
            "how often a positive scores above a negative; where an amount is predicted, and not "
            "a yes or no, its mean absolute error instead",
            _NUMBERS,
        ),
        Option("average_precision", "precision over all recalls: false alarms count", _NUMBERS),
        Option("ndcg", "how far up the taken things stand", _NUMBERS),
        Option("reviewed_sample", "people judge a sample", _NUMBERS | _ANSWERS),
    ),
    (
        _task("metric-roc-ranking", "roc_auc", "ranking", "what counts is its top"),
        Rule(
            "metric-roc-rare",
            "roc_auc",
            ("labels.positive_rate",),
            lambda a, w: a.positive_rate is not None and a.positive_rate < RARE,
            lambda a, w: (
                f"{100 * (a.positive_rate or 0):.3g}% are positive, and where so few are, "
                "false alarms hardly move it"
            ),
        ),
        _unlabelled("metric-roc-labels", "roc_auc"),
        _task("metric-precision-ranking", "average_precision", "ranking", "what counts is its top"),
        _unlabelled("metric-precision-labels", "average_precision"),
        _task("metric-ndcg-score", "ndcg", "score", "nothing is put in order"),
        _unlabelled("metric-ndcg-labels", "ndcg"),
    ),
)


def _not(name: str, out: str, kind: str, why: str) -> Rule:
    return Rule(
        name,
        out,
        ("labels.kind",),
        lambda a, w: a.kind != kind,
        lambda a, w: f"labels are {a.kind}: {why}",
    )


def _unjoined(a: Case) -> str:
    if a.kind == "implicit":
        return "nobody states them"
    return "too few to join" if a.kind == "sparse" else "there is nothing to join"


_ALL: Final = _NUMBERS | _ANSWERS

LOOP: Final = Role(
    "loop",
    (
        Option("label_join", "labels are joined to the logged predictions as they arrive", _ALL),
        Option("early_proxy", "an early sign stands in until the label arrives", _ALL),
        Option("feedback_log", "what was shown is logged with what was taken", _ALL),
        Option("review_sample", "people label a sample, the most doubtful first", _ALL),
    ),
    (
        Rule(
            "loop-join-labels",
            "label_join",
            ("labels.kind",),
            lambda a, w: a.kind != "explicit",
            lambda a, w: f"labels are {a.kind}: {_unjoined(a)}",
        ),
        Rule(
            "loop-join-late",
            "label_join",
            ("labels.delay",),
            lambda a, w: a.delay is not None and a.delay > LATE,
            lambda a, w: (
                f"labels arrive {show_duration(a.delay or 0)} late, and a model must be "
                f"judged within {show_duration(LATE)}"
            ),
        ),
        _not("loop-proxy-labels", "early_proxy", "explicit", "there is no label to wait for"),
        _not("loop-feedback-labels", "feedback_log", "implicit", "behaviour does not imply them"),
    ),
)
