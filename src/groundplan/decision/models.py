"""The roles that learn and explain: the model, the ranker of a short list, the explainer."""

from typing import Final

from groundplan.decision import work
from groundplan.decision.case import Case
from groundplan.decision.role import Option, Role
from groundplan.decision.ruling import Rule
from groundplan.decision.work import Work
from groundplan.decision.writing import needs_private
from groundplan.units import MILLISECOND, show_about, show_count, show_duration

HEAVY: Final = 10 * MILLISECOND  # of p99: below, no heavy network runs while a request waits
_TABLES = frozenset({"batch", "realtime"})
_NUMBERS = frozenset({"batch", "realtime", "ranking"})
_TEXTS = frozenset({"batch-answer", "realtime-answer"})
_RANKING = frozenset({"ranking"})
_KIND = ("labels.kind",)
_TASK = ("system.output", "labels.kind", "interpretability.level")
_AUDIT = ("interpretability.level",)
_ASKED = ("system.output", "latency.p99", "candidates.per_request")


def _unlabelled(a: Case) -> bool:
    return a.kind in {"sparse", "none"}


def _transfers(a: Case) -> bool:
    """Things are put in order with few labels or none, and nobody audits how."""
    return a.output == "ranking" and a.kind == "sparse" and a.level != "audit"


def _towers(a: Case) -> bool:
    """Things are put in order ahead of time, by what people took."""
    return (
        a.pattern == "batch"
        and a.output == "ranking"
        and a.kind == "implicit"
        and a.level != "audit"
    )


def _many(a: Case, w: Work) -> bool:
    """Several candidates without a label, and time or a schedule for a heavy network."""
    return a.per_request > 1 and a.level != "audit" and not _hurried(a, w)


def _passes(a: Case, w: Work) -> int:
    """Nanoseconds of a heavy network that reads every candidate while the request waits."""
    return a.per_request * w.ns["heavy_network"] if a.pattern == "realtime" else 0


def _hurried(a: Case, w: Work) -> bool:
    """Is there no time for that?"""
    extra = _passes(a, w)
    return a.pattern == "realtime" and (a.p99 < HEAVY or not work.fits(extra, "realtime", a, w))


def _encoding(a: Case, w: Work) -> int:
    """Nanoseconds to encode what is asked, where no search has done so."""
    return w.ns["encoder"] if a.pattern == "realtime" else 0


def _audit(name: str, out: str, why: str) -> Rule:
    sentence = f"the level is audit, and {why}"
    return Rule(name, out, _AUDIT, lambda a, w: a.level == "audit", lambda a, w: sentence)


def _kinds(name: str, out: str, kinds: set[str], why: str) -> Rule:
    return Rule(
        name,
        out,
        _KIND,
        lambda a, w: a.kind in kinds,
        lambda a, w: f"labels are {a.kind}, and {why}",
    )


def _scores(out: str, why: str) -> Rule:
    return Rule(
        f"model-{out}-score".replace("_", "-"),
        out,
        ("system.output",),
        lambda a, w: a.output == "score",
        lambda a, w: f"the output is a score, and {why}",
    )


_IMPLICIT = "labels are implicit and the output is a ranking: nobody states a dislike, so what was "
_IMPLICIT += "taken is learned against what was not, by two towers"

MODEL: Final = Role(
    "model",
    (
        Option("boosted_trees", "the strongest model of tabular features, exact reasons", _TABLES),
        Option("linear", "one coefficient per feature, which few labels suffice for", _TABLES),
        Option(
            "two_towers",
            "a vector for who asks and one for each thing, learned from feedback",
            frozenset({"batch", "ranking"}),
        ),
        Option(
            "text_encoder",
            "transfer: a pretrained encoder of texts needs no labels",
            _NUMBERS,
            _encoding,
        ),
        Option(
            "isolation_forest", "unsupervised: how unusual a thing is, without a label", _TABLES
        ),
        Option(
            "self_supervised",
            "a network that learns to predict the unlabelled history",
            _TABLES,
            _passes,
        ),
        Option("co_occurrence", "counts of what was taken together, to be read by all", _RANKING),
        Option("word_match", "shared words, weighted by how rare they are", _NUMBERS),
        Option("language_model", "a pretrained model that writes the answer", _TEXTS | {"rag"}),
        Option("tuned_language_model", "the model, tuned on the private corpus", _TEXTS),
    ),
    (
        _kinds(
            "model-trees-labels",
            "boosted_trees",
            {"sparse", "none"},
            "hundreds of leaves need a label for each of many rows",
        ),
        Rule(
            "model-trees-implicit",
            "boosted_trees",
            _TASK,
            lambda a, w: _towers(a),
            lambda a, w: _IMPLICIT,
        ),
        _kinds("model-linear-labels", "linear", {"none"}, "coefficients are fitted to labels"),
        Rule(
            "model-linear-transfer",
            "linear",
            _TASK,
            lambda a, w: _transfers(a),
            lambda a, w: (
                "labels are sparse and the output is a ranking: what a pretrained encoder "
                "knows of the texts says more than a few labels"
            ),
        ),
        Rule(
            "model-linear-implicit",
            "linear",
            _TASK,
            lambda a, w: _towers(a),
            lambda a, w: _IMPLICIT,
        ),
        _scores("two_towers", "two towers match things to each other"),
        _kinds(
            "model-towers-labels",
            "two_towers",
            {"sparse", "none"},
            "two towers learn from what many people took",
        ),
        _audit("model-towers-audit", "two_towers", "what a learned vector means is not stated"),
        _scores(
            "text_encoder",
            "a text is a feature of it: an encoder's vector or word counts, beside the others",
        ),
        _audit("model-encoder-audit", "text_encoder", "what a learned vector means is not stated"),
        Rule(
            "model-encoder-latency",
            "text_encoder",
            _ASKED,
            lambda a, w: (
                a.pattern == "realtime" and not work.fits(_encoding(a, w), "realtime", a, w)
            ),
            lambda a, w: (
                f"encoding the request takes {show_about(w.ns['encoder'] / 1000)}, "
                "and 2.5 times that, when it is slow, does not fit what "
                f"{show_duration(a.p99)} leaves beside the candidates"
            ),
        ),
        Rule(
            "model-forest-ranking",
            "isolation_forest",
            ("system.output",),
            lambda a, w: a.output == "ranking",
            lambda a, w: "the output is a ranking, and the most unusual is not the best",
        ),
        Rule(
            "model-forest-candidates",
            "isolation_forest",
            (*_ASKED, "interpretability.level"),
            _many,
            lambda a, w: (
                f"a request scores {show_count(a.per_request)} candidates, and how "
                "unusual each one is does not say which of them is meant"
            ),
        ),
        _audit("model-network-audit", "self_supervised", "a deep network is a black box"),
        Rule(
            "model-network-latency",
            "self_supervised",
            _ASKED,
            _hurried,
            lambda a, w: (
                f"a pass for each candidate takes {show_about(_passes(a, w) / 1000)}, and "
                f"{show_duration(a.p99)} is promised: no heavy network while a request waits"
            ),
        ),
        Rule(
            "model-network-ranking",
            "self_supervised",
            ("system.output",),
            lambda a, w: a.output == "ranking",
            lambda a, w: "the output is a ranking, and what is usual is not what is wanted",
        ),
        _kinds(
            "model-counts-labels",
            "co_occurrence",
            {"sparse", "none"},
            "there is little to count of what was taken together",
        ),
        _scores("word_match", "shared words are not a score of one thing"),
        Rule(
            "model-language-private",
            "language_model",
            ("freshness.knowledge", "policy.private_corpus"),
            lambda a, w: a.pattern != "rag" and needs_private(a),
            lambda a, w: "the corpus is private: a pretrained model has not seen it",
        ),
    ),
)

RANKER: Final = Role(
    "ranker",
    (
        Option("boosted_trees", "trees over the joined features of the short list", _RANKING),
        Option("linear", "a weighted sum of the joined features", _RANKING),
        Option("similarity", "the order that retrieval gave", _RANKING),
    ),
    (
        _kinds(
            "ranker-trees-labels",
            "boosted_trees",
            {"sparse", "none"},
            "hundreds of leaves need a label for each of many rows",
        ),
        _kinds("ranker-linear-labels", "linear", {"none"}, "coefficients are fitted to labels"),
    ),
)


def _reasons(a: Case, w: Work) -> int:
    """Nanoseconds to attribute everything that one request shows."""
    if a.pattern == "realtime" and a.per_request == 1:
        return w.ns["attribution"]
    shown = a.per_request if a.output == "score" else min(work.SHOWN, a.per_request)
    return shown * w.ns["attribution_row"]


def _explains(name: str, out: str, models: set[str]) -> Rule:
    return Rule(
        name,
        out,
        _TASK,
        lambda a, w: a.level != "none" and a.model not in models,
        lambda a, w: f"it explains {' or '.join(sorted(models))}, and the model is {a.model}",
    )


EXPLAINER: Final = Role(
    "explainer",
    (
        Option("none", "nobody asks why", _NUMBERS | _TEXTS | {"rag"}),
        Option(
            "tree_attributions",
            "exact contributions of each feature, in the answer itself",
            _NUMBERS,
        ),
        Option(
            "tree_attributions_later",
            "exact contributions of each feature, fetched by identifier after the answer",
            frozenset({"realtime", "ranking"}),
        ),
        Option("coefficients", "each feature's coefficient times its value, exact", _NUMBERS),
        Option("matches", "the words or counts that the request and the thing share", _NUMBERS),
        Option("surrogate", "a small tree fitted to the model's scores, with its error", _NUMBERS),
        Option("citations", "each sentence with the passage that it rests on", frozenset({"rag"})),
        Option(
            "review",
            "a named person approves each answer before it is published",
            frozenset({"batch-answer"}),
        ),
        Option(
            "stated_reasons",
            "the model states its reasons, shown as unverified",
            frozenset({"realtime-answer"}),
        ),
    ),
    (
        Rule(
            "explainer-none",
            "none",
            _AUDIT,
            lambda a, w: a.level != "none",
            lambda a, w: f"the level is {a.level}: every prediction carries its reasons",
        ),
        _explains(
            "explainer-trees-model", "tree_attributions", {"boosted_trees", "isolation_forest"}
        ),
        Rule(
            "explainer-trees-latency",
            "tree_attributions",
            (*_KIND, *_ASKED, "freshness.requests", "candidates.catalog", "interpretability.level"),
            lambda a, w: a.pattern != "batch" and not work.fits(_reasons(a, w), a.pattern, a, w),
            lambda a, w: (
                f"the attributions take {show_about(_reasons(a, w) / 1000)}, and "
                f"2.5 times that, when it is slow, does not fit what {show_duration(a.p99)} leaves"
            ),
        ),
        _explains(
            "explainer-later-model",
            "tree_attributions_later",
            {"boosted_trees", "isolation_forest"},
        ),
        _explains("explainer-linear-model", "coefficients", {"linear"}),
        Rule(
            "explainer-matches-model",
            "matches",
            _TASK,
            lambda a, w: (
                a.level != "none"
                and a.model != "word_match"
                and not (a.model == "similarity" and a.level == "audit")
            ),
            lambda a, w: f"the order by {a.model} does not rest on what can be listed as shared",
        ),
        _audit(
            "explainer-surrogate-audit",
            "surrogate",
            "a surrogate only resembles the model that decided",
        ),
    ),
)
