"""The plan of a live order by likeness of texts: nothing is trained, words or vectors decide."""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan.sketch import case, choice, offline, online, scores
from groundplan.plan.stage import Stage
from groundplan.units import show_count


def prepared(decision: Decision) -> Stage:
    """What is prepared of the candidates' texts."""
    if choice(decision, "model") == "text encoder":
        return offline(
            "encode_items",
            does="turns the text of everything that can be a candidate into a vector",
            served_by="a small pretrained text encoder",
            at_scale="the same on accelerators",
            breaks="new or changed candidates are compared by what they were",
            detected="candidates without a vector; the age of the oldest one",
            fallback=("stale", "the last vectors"),
        )
    return offline(
        "weigh_words",
        does="counts in how many candidates each word occurs: the rarer, the more it says",
        served_by="SQLite, its index of words",
        at_scale="Elasticsearch or OpenSearch",
        breaks="words that say nothing decide the order",
        detected="the words that weigh most, looked at by people",
        fallback=("stale", "the last weights"),
    )


def ordered(answers: Answers, decision: Decision, costs: Costs) -> list[Stage]:
    """What orders the candidates of one request."""
    count = answers.candidates.per_request
    encoder = choice(decision, "model") == "text encoder"
    stages: list[Stage] = []
    if encoder:
        stages.append(
            online(
                "encode",
                costs.us("encoder"),
                does="turns the text of the request into a vector",
                served_by="a small pretrained text encoder",
                at_scale="Triton, over the Open Inference Protocol",
                breaks="the order has nothing to do with the request",
                detected="the share of requests that were not encoded; norms of the vectors",
                fallback=("skip", "the order is that in which the candidates came, and says so"),
            )
        )
    by = "near their vectors are to" if encoder else "well their words match"
    return [
        *stages,
        online(
            "score",
            scores(case(answers, decision), decision, costs),
            does=f"puts {show_count(count)} candidates in order: by how {by} the request's",
            served_by="NumPy, in process" if encoder else "SQLite, in process",
            at_scale="the same, in more processes" if encoder else "Elasticsearch or OpenSearch",
            breaks="what is meant does not stand at the top",
            detected="the place of what is taken; a sample that people judge",
            fallback=("skip", "the order is that in which the candidates came, and says so"),
        ),
    ]
