"""The plan of a fast retrieval stage before a heavier ranker."""

from dataclasses import dataclass, replace
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, search, work
from groundplan.decision.case import Case
from groundplan.plan.budget import HEADROOM
from groundplan.plan.sketch import (
    Sketch,
    case,
    choice,
    held,
    log,
    offline,
    online,
    reasons,
    spread,
    validate,
    vectors,
)
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_count, show_duration

MOST: Final = 500
"""Candidates that retrieval hands to the ranker, where there is time for so many."""


@dataclass(frozen=True)
class _Shape:
    """What the decision's components mean for the stages.

    Args:
        live: whether candidates are retrieved in the request, or prepared before it.
        text: whether queries and things are texts.
        learned: whether a ranker was trained, or the order of retrieval stands.
        judged: what it learns from, in words.
        corpus: things to choose among.
        short: candidates that retrieval hands on.
        index: the index, in words; none where words or counts are looked up.
        every: how features are made: nightly, hourly, or with each event or request.
        encode, retrieve, rerank, explain: µs of a request; 0 where there is no such stage.
        each: µs to join and rank one candidate.
    """

    live: bool
    text: bool
    learned: bool
    judged: str
    corpus: int
    short: int
    index: str
    every: str
    encode: float
    retrieve: float
    rerank: float
    explain: float
    each: float

    @property
    def run(self) -> bool:
        """Whether features are made by a run, before the request."""
        return self.every in {"nightly", "hourly"}


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of ranking: encode, retrieve, join, rank, and rerank where it fits."""
    shape = _shape(answers, decision, costs)
    return Sketch(
        stages=[
            *_offline(decision, shape),
            *_online(answers, decision, costs, shape),
        ],
        watches=(
            Watch(
                "latency per stage",
                f"p99 of the whole above {show_duration(answers.latency.p99)}",
                "look at the stage that is over its budget",
            ),
            Watch("recall of the index", "0.02 below the build's", "rebuild, or probe more"),
            Watch(
                "age of the newest feature",
                f"older than {show_duration(answers.freshness.features)}",
                f"check the {shape.every} run" if shape.run else "check the event feed",
            ),
            Watch("share of the catalog that is shown", "falls by a third", "look for a loop"),
            Watch("empty or short lists", "above 0.1 %", "look at eligibility filters"),
        ),
        summary=(
            f"{show_count(shape.corpus)} things are narrowed to {shape.short}"
            + (" in the request." if shape.live else " offline; only the ranking is live."),
        ),
    )


def _shape(answers: Answers, decision: Decision, costs: Costs) -> _Shape:
    a = case(answers, decision)
    live = choice(decision, "retrieval") == "live"
    text = "text" in choice(decision, "model")
    ranker, index = choice(decision, "ranker"), choice(decision, "index")
    row = {"similarity": 0.0, "linear": min(costs.us("linear_single"), costs.us("gbm_row"))}.get(
        ranker, costs.us("gbm_row")
    )
    shape = _Shape(
        live=live,
        text=text,
        learned=ranker != "similarity",
        judged="a sample of requests whose candidates people judged: nobody's choices are labels"
        if answers.labels.kind == "sparse"
        else "what was shown and what was chosen",
        corpus=search.things(a),
        short=0,
        index=index,
        every=choice(decision, "features"),
        encode=search.encoded(a, costs.ns) / 1000 if live and index != "none" else 0.0,
        retrieve=_retrieve(a, decision, costs) if live else costs.us("item_list"),
        rerank=0.0 if choice(decision, "reranker") == "none" else work.RERANKED * costs.us("pair"),
        explain=reasons(a, decision, costs),
        each=costs.us("gather_candidate") + row,
    )
    return replace(shape, short=_short(answers, costs, shape))


def _retrieve(a: Case, decision: Decision, costs: Costs) -> float:
    """µs to find candidates in the request."""
    if choice(decision, "index") != "none":
        return vectors(a, decision, costs)
    if choice(decision, "model") == "word match":
        return search.match(search.things(a), costs.ns) / 1000
    return costs.us("item_list")


def _short(answers: Answers, costs: Costs, shape: _Shape) -> int:
    """As many candidates as p99 and stated cores have room for, and no fewer than are useful."""
    fixed = costs.work.ask / 1000 + shape.encode + shape.retrieve + shape.rerank + shape.explain
    room = (1 - HEADROOM) * answers.latency.p99 - fixed
    policy = answers.policy
    if policy.cores is not None:
        cores = policy.cores * (policy.hosts or 1) * work.BUSY[0] / work.BUSY[1]
        room = min(room, cores * 1e15 / answers.latency.throughput - fixed)
    return min(shape.corpus, max(work.SHORT_LIST, min(MOST, int(room / shape.each))))


def _offline(decision: Decision, shape: _Shape) -> list[Stage]:
    stages = (
        [
            offline(
                "features",
                does=f"computes the features of users and things, {shape.every}",
                served_by="DuckDB, one SQL statement compiled from the definitions",
                at_scale="Spark, the same statement",
                breaks="the ranker sees values of another day",
                detected="rows and nulls per column against the last run, age of the values",
                fallback=("stale", "the values of the last run"),
            )
        ]
        if shape.run
        else []
    )
    if shape.index != "none":
        stages += _indexed(decision, shape)
    else:
        stages.append(
            offline(
                "index",
                does=f"counts what goes together among {show_count(shape.corpus)} things"
                if choice(decision, "model") == "co occurrence"
                else f"lists the words of {show_count(shape.corpus)} things",
                served_by=choice(decision, "model"),
                at_scale="the same, on more cores",
                breaks="good items cannot be found",
                detected="recall of later interactions",
                fallback=("stale", "the last one"),
            )
        )
    if shape.learned:
        stages.append(
            offline(
                "train_ranker",
                does=f"fits the ranker on {shape.judged}",
                served_by=choice(decision, "ranker"),
                at_scale="the same, distributed",
                breaks="the order is no better than retrieval's",
                detected="NDCG with intervals beside popularity and retrieval alone",
                fallback=("stale", "the live build stays live"),
            )
        )
    if not shape.live:
        stages.append(
            offline(
                "retrieve",
                does=f"prepares candidate lists of {shape.short} ahead of the requests",
                served_by="one pass over all"
                if shape.index == "none"
                else f"{shape.index} (FAISS), all lists in one pass",
                at_scale="Spark, published to Redis or Valkey",
                breaks="the ranker chooses among the wrong things",
                detected="recall of later interactions in the lists, age of the lists",
                fallback=("stale", "the last lists"),
            )
        )
    return stages


def _indexed(decision: Decision, shape: _Shape) -> list[Stage]:
    stages = [_towers()] if choice(decision, "model") == "two towers" else []
    return [
        *stages,
        offline(
            "encode_items",
            does=f"embeds {show_count(shape.corpus)} things",
            served_by=choice(decision, "model"),
            at_scale="the same on accelerators, sharded",
            breaks="neighbours are not neighbours",
            detected="recall of later interactions",
            fallback=("stale", "the last embeddings"),
        ),
        offline(
            "index",
            does="builds the vector index and measures its recall against exact search",
            served_by=f"{shape.index} (FAISS)",
            at_scale="pgvector, Qdrant or Pinecone",
            breaks="good items cannot be found",
            detected="recall at the length of the short list",
            fallback=("stale", "the last index"),
        ),
    ]


def _towers() -> Stage:
    return offline(
        "train_towers",
        does="fits both towers: who took what, against what was not taken",
        served_by="PyTorch, on an accelerator where there is one",
        at_scale="PyTorch on several accelerators",
        breaks="neither who asks nor a thing lies near what it belongs to",
        detected="recall of later interactions, beside popularity and co-occurrence",
        fallback=("stale", "the live build stays live: both towers and the index of one build"),
    )


def _online(answers: Answers, decision: Decision, costs: Costs, shape: _Shape) -> list[Stage]:
    stages = [validate(costs, "parses the request", "bad input reaches the encoder")]
    if shape.encode:
        stages.append(
            online(
                "encode",
                shape.encode,
                does="embeds the query" if shape.text else "embeds the user as of now",
                served_by="a small text encoder" if shape.text else "the user tower, NumPy",
                at_scale="Triton, over the Open Inference Protocol",
                breaks="retrieval looks in the wrong place",
                detected="norm and drift of the embeddings",
                fallback=(
                    "stale",
                    "word match" if shape.text else "the last embedding of this user",
                ),
            )
        )
    if shape.live:
        stages.append(
            online(
                "retrieve",
                shape.retrieve,
                does=f"finds the {shape.short} nearest",
                served_by=choice(decision, "model")
                if shape.index == "none"
                else f"{shape.index} (FAISS)",
                at_scale="pgvector, Qdrant or Pinecone",
                breaks="good items never reach the ranker",
                detected="recall against exact search on a sample",
                fallback=("defaults", "the most popular eligible items"),
            )
        )
    else:
        stages.append(
            online(
                "retrieve",
                shape.retrieve,
                does="reads the candidates that were prepared offline",
                served_by=held(decision, "LMDB in process"),
                at_scale=spread(decision, "Redis or Valkey"),
                breaks="the ranker chooses among the wrong things",
                detected="age of the lists, share of cold keys",
                fallback=("defaults", "the most popular eligible items"),
            )
        )
    if shape.learned:
        stages += _ranked(decision, costs, shape)
    if shape.rerank:
        stages.append(
            online(
                "rerank",
                shape.rerank,
                does=f"reads the top {work.RERANKED} together with the query",
                served_by="a small cross-encoder",
                at_scale="Triton on an accelerator",
                breaks="the first page is no better for its cost",
                detected="NDCG with and without, on a sample",
                fallback=("skip", "the ranker's order"),
            )
        )
    if shape.explain:
        stages.append(
            online(
                "explain",
                shape.explain,
                does=f"gives reasons for the {work.SHOWN} things that are shown",
                served_by=choice(decision, "explainer"),
                at_scale="the same",
                breaks="users are told what is not so",
                detected="reasons recomputed from the log",
                fallback=("skip", "things without reasons, and says so"),
            )
        )
    stages.append(
        log(
            costs,
            "what was shown, where, and the features behind it",
            "the next ranker has nothing to learn from",
        )
    )
    return stages


def _ranked(decision: Decision, costs: Costs, shape: _Shape) -> list[Stage]:
    short, gather = shape.short, costs.us("gather_candidate")
    fresh = "as of now, then records the event"
    if shape.run:
        fresh = f"as of the last {shape.every} run"
    return [
        online(
            "features",
            2 * costs.us("join_key") + short * gather,
            does=f"joins the request's and {short} candidates' features {fresh}",
            served_by=f"{held(decision, 'LMDB')}; columns in memory",
            at_scale=spread(decision, "Redis or Valkey"),
            breaks="the ranker sees somebody else's taste",
            detected="served against recomputed values",
            fallback=("defaults", "the values of an unknown user; the answer says so"),
        ),
        online(
            "rank",
            short * (shape.each - gather),
            does=f"scores {short} candidates",
            served_by=f"{choice(decision, 'ranker')}, in process",
            at_scale="Triton, over the Open Inference Protocol",
            breaks="the order is off",
            detected="NDCG as labels arrive, distribution of scores",
            fallback=("shorten", "fewer candidates; at last the order of retrieval"),
        ),
    ]
