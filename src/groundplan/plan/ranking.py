"""The plan of a fast retrieval stage before a heavier ranker."""

from dataclasses import dataclass
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, work
from groundplan.plan.budget import HEADROOM
from groundplan.plan.sketch import Sketch, choice, log, offline, online, validate
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
        corpus: things to choose among.
        short: candidates that retrieval hands on.
        index: the index, in words.
    """

    live: bool
    text: bool
    learned: bool
    corpus: int
    short: int
    index: str


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of ranking: encode, retrieve, join, rank, and rerank where it fits."""
    shape = _Shape(
        live=choice(decision, "retrieval") == "live",
        text="text" in choice(decision, "model"),
        learned=choice(decision, "ranker") != "similarity",
        corpus=answers.candidates.catalog or answers.candidates.per_request,
        short=_short(answers, costs),
        index=choice(decision, "index"),
    )
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
                "check the event feed",
            ),
            Watch("share of the catalog that is shown", "falls by a third", "look for a loop"),
            Watch("empty or short lists", "above 0.1 %", "look at eligibility filters"),
        ),
        summary=(
            f"{show_count(shape.corpus)} things are narrowed to {shape.short}"
            + (" in the request." if shape.live else " offline; only the ranking is live."),
        ),
    )


def _short(answers: Answers, costs: Costs) -> int:
    """As many candidates as the p99 has room for, from the least useful to the most."""
    each = costs.us("gather_candidate") + costs.us("gbm_row")
    fixed = sum(
        costs.us(row)
        for row in ("http", "join_key", "join_key", "vector_probe", "encoder", "lookup", "lookup")
    )
    room = (1 - HEADROOM) * answers.latency.p99 - fixed
    return max(work.SHORT_LIST, min(MOST, int(room / each)))


def _offline(decision: Decision, shape: _Shape) -> list[Stage]:
    stages = [
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
    if shape.learned:
        stages.append(
            offline(
                "train_ranker",
                does="fits the ranker on what was shown and what was chosen",
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
                served_by=f"{shape.index} (FAISS), all lists in one pass",
                at_scale="Spark, published to Redis or Valkey",
                breaks="the ranker chooses among the wrong things",
                detected="recall of later interactions in the lists, age of the lists",
                fallback=("stale", "the last lists"),
            )
        )
    return stages


def _online(answers: Answers, decision: Decision, costs: Costs, shape: _Shape) -> list[Stage]:
    stages = [validate(costs, "parses the request", "bad input reaches the encoder")]
    if shape.live:
        stages += [
            online(
                "encode",
                costs.us("encoder") if shape.text else costs.us("user_tower"),
                does="embeds the query" if shape.text else "embeds the user as of now",
                served_by="a small text encoder" if shape.text else "the user tower, NumPy",
                at_scale="Triton, over the Open Inference Protocol",
                breaks="retrieval looks in the wrong place",
                detected="norm and drift of the embeddings",
                fallback=(
                    "stale",
                    "word match" if shape.text else "the last embedding of this user",
                ),
            ),
            online(
                "retrieve",
                shape.corpus * costs.us("vector_exact")
                if shape.index == "exact"
                else costs.us("vector_probe"),
                does=f"finds the {shape.short} nearest",
                served_by=f"{shape.index} (FAISS)",
                at_scale="pgvector, Qdrant or Pinecone",
                breaks="good items never reach the ranker",
                detected="recall against exact search on a sample",
                fallback=("defaults", "the most popular eligible items"),
            ),
        ]
    else:
        stages.append(
            online(
                "retrieve",
                costs.us("item_list"),
                does="reads the candidates that were prepared offline",
                served_by="LMDB in process",
                at_scale="Redis or Valkey",
                breaks="the ranker chooses among the wrong things",
                detected="age of the lists, share of cold keys",
                fallback=("defaults", "the most popular eligible items"),
            )
        )
    if shape.learned:
        stages += _ranked(decision, costs, shape.short)
    if "none" not in choice(decision, "reranker"):
        stages.append(
            online(
                "rerank",
                work.RERANKED * costs.us("pair"),
                does=f"reads the top {work.RERANKED} together with the query",
                served_by="a small cross-encoder",
                at_scale="Triton on an accelerator",
                breaks="the first page is no better for its cost",
                detected="NDCG with and without, on a sample",
                fallback=("skip", "the ranker's order"),
            )
        )
    explainer = choice(decision, "explainer")
    if not explainer.endswith(("none", "later")):
        trees = explainer == "tree attributions"
        stages.append(
            online(
                "explain",
                work.SHOWN * (costs.us("attribution_row") if trees else 1),
                does=f"gives reasons for the {work.SHOWN} things that are shown",
                served_by=explainer,
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


def _ranked(decision: Decision, costs: Costs, short: int) -> list[Stage]:
    return [
        online(
            "features",
            2 * costs.us("join_key") + short * costs.us("gather_candidate"),
            does=f"joins the request's and {short} candidates' features",
            served_by="LMDB and columns in memory",
            at_scale="Redis or Valkey",
            breaks="the ranker sees somebody else's taste",
            detected="served against recomputed values",
            fallback=("defaults", "the values of an unknown user; the answer says so"),
        ),
        online(
            "rank",
            short * costs.us("gbm_row"),
            does=f"scores {short} candidates",
            served_by=f"{choice(decision, 'ranker')}, in process",
            at_scale="Triton, over the Open Inference Protocol",
            breaks="the order is off",
            detected="NDCG as labels arrive, distribution of scores",
            fallback=("shorten", "fewer candidates; at last the order of retrieval"),
        ),
    ]
