"""How a retrieval stage before a ranker fails; this pattern is planned, not yet built."""

from groundplan.constraints import Answers
from groundplan.decision import Decision
from groundplan.plan.failures.failure import Mode
from groundplan.plan.failures.learned import CHOICES, loop
from groundplan.plan.failures.requests import requests
from groundplan.units import show_duration


def ranking(answers: Answers, decision: Decision) -> list[Mode]:
    """The failures of index, retrieval, ranker, and of the loop through what is shown."""
    fresh = show_duration(answers.freshness.features)
    computed = decision.components["features"].choice in {"nightly", "hourly"}
    judged = answers.labels.kind == "sparse"
    return [
        *_offline(judged=judged),
        *requests("/rank"),
        *_online(fresh, computed),
        *_roles(),
        loop(decision) or CHOICES,
    ]


def _offline(*, judged: bool) -> list[Mode]:
    return [
        Mode(
            "features",
            "the run that computes the values fails or is late",
            "the age of the newest values",
            "run it again; the values before stay until it is done",
            offline=True,
        ),
        Mode(
            "encode_items",
            "things without a text or a history get vectors that say nothing",
            "impressions by age of item",
            "what a thing is, beside who took it",
            seen="new things never show",
        ),
        Mode(
            "index",
            "the index was built with too few probes or from old vectors",
            "recall at the length of the short list, against exact search on a sample",
            "rebuild, or probe more",
        ),
        Mode(
            "index",
            "encoder and index come from different builds",
            "recall collapses at once",
            "one build holds both; a channel points at builds, never at files",
            seen="lists that have nothing to do with the request",
            main=True,
        ),
        Mode(
            "train_towers",
            "the towers learn what is popular rather than who takes what",
            "recall of later interactions on things that few have taken",
            "draw what was not taken as often as it is shown",
            seen="the same popular things for everybody",
        ),
        Mode(
            "train_ranker",
            "the few requests that were judged are not those that people make",
            "NDCG on judgements of another sample, with intervals",
            "draw the sample at random from the log, and draw it anew",
        )
        if judged
        else Mode(
            "train_ranker",
            "the ranker learns where things stood, rather than which were wanted",
            "NDCG on a share of requests in random order",
            "log the place of what was shown, and train with it",
        ),
        Mode(
            "retrieve",
            "the run that prepares the lists fails",
            "the age of the lists",
            "run it again; the lists before stay until it is done",
            seen="lists of yesterday",
            offline=True,
        ),
    ]


def _online(fresh: str, computed: bool) -> list[Mode]:
    return [
        Mode(
            "encode",
            "the encoder is away or has no time",
            "the share of requests without a fresh embedding",
            "a copy of it in every process, or one more behind the load balancer",
        ),
        Mode(
            "retrieve",
            "retrieval drops what the ranker would have put first",
            "recall of the short list against exact search",
            "more probes, a longer list, or a second source of candidates",
            fallback="",
            main=True,
        ),
        Mode(
            "retrieve",
            "the index or the store of lists does not answer",
            "the share of lists that are the popular ones",
            "a replica; the breaker asks again",
            seen="the same popular things for everybody",
        ),
        Mode(
            "retrieve",
            "filters leave nothing over",
            "empty or short lists, by filter",
            "filter in the index rather than after it, or retrieve more",
            seen="an empty page",
        ),
        Mode(
            "features",
            f"features are older than {fresh}",
            "the age of the newest feature; served against recomputed values",
            "look at the last run" if computed else "look at the feed of events",
            seen="lists from prices and habits of another day"
            if computed
            else "lists that miss what somebody did a moment ago",
        ),
        Mode(
            "rank",
            "there is no time for the whole short list",
            "how many candidates were scored, against how many were retrieved",
            "a shorter list, or a cheaper ranker",
        ),
        Mode(
            "rerank",
            "the network takes longer than its budget",
            "the share of lists that were not read again",
            "fewer pairs, or an accelerator",
        ),
        Mode(
            "explain",
            "no time is left for the reasons",
            "the share of things that are shown without a reason",
            "fetch them later, by identifier",
        ),
    ]


def _roles() -> list[Mode]:
    return [
        Mode(
            "model",
            "new items are never retrieved",
            "impressions by age of item",
            "incremental inserts; what a thing is, beside who took it",
            seen="the catalog of last month",
            fallback="",
            main=True,
        ),
        Mode(
            "ranker",
            "the ranker sees features in another order or of another age than in training",
            "served against recomputed values",
            "one definition for both, compared in CI",
            seen="an order that is no better than retrieval's",
            fallback="",
        ),
        Mode(
            "retrieval",
            "what is retrieved comes from one source only",
            "the share of what was taken that was in the lists at all",
            "a second source of candidates: popular, recent, of the same maker",
            seen="more of the same",
            fallback="",
        ),
        Mode(
            "reranker",
            "the network was trained on other texts than these",
            "NDCG with and without, on a sample",
            "leave it out where it gains nothing",
            seen="a slower page that is no better",
            fallback="the ranker's order",
        ),
        Mode(
            "explainer",
            "the reason shown is not the one that moved the thing up",
            "reasons recomputed from the log",
            "reasons from the ranker itself, not from a rule beside it",
            seen="people are told what is not so",
            fallback="",
        ),
        Mode(
            "store",
            "the store is away or has lost what it held",
            "the share of requests by default values",
            "a replica, filled again from the log",
            seen="lists as for somebody unknown, which say so",
            fallback="the values of an unknown user; the answer says so",
        ),
        Mode(
            "metric",
            "NDCG on logged lists favours what was shown before",
            "a share of requests in random order",
            "judge by an experiment before it is promoted",
            seen="a better figure, the same page",
            fallback="",
        ),
    ]
