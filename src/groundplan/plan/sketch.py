"""What a pattern's own file says of its plan, before budgets and shared parts are added."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, search, work, writing
from groundplan.decision.case import Case
from groundplan.plan.stage import Action, Fallback, Stage, Watch

MANY: Final = "a cluster of Redis or Valkey, each key on one of its servers"
"""What takes the place of one server that all hosts share."""


@dataclass(frozen=True)
class Sketch:
    """A pattern's stages (without budgets), what to watch and its own decisions."""

    stages: Sequence[Stage]
    watches: tuple[Watch, ...]
    summary: tuple[str, ...]


def choice(decision: Decision, role: str) -> str:
    """The component that the decision chose for a role, in words."""
    return decision.components[role].choice.replace("_", " ")


def held(decision: Decision, embedded: str, *, asked: bool = True) -> str:
    """What the store that was chosen is: a file beside the server, or a server of its own.

    Args:
        decision: what was decided, with a store.
        embedded: what it is where it is embedded.
        asked: whether a request waits for it. The cost table has no row for the way there;
            measured on one machine it takes 0.3 to 0.4 ms (benchmarks, `online_peer.py`).
    """
    if choice(decision, "store") == "embedded":
        return embedded
    return f"Redis or Valkey{', 0.4ms beside the estimate' if asked else ''}"


def spread(decision: Decision, embedded: str) -> str:
    """What the store becomes at scale: a server of its own, then several of them."""
    if choice(decision, "store") == "embedded":
        return embedded
    return MANY


def case(answers: Answers, decision: Decision) -> Case:
    """The answers as the rules of the components read them."""
    found = Case(answers)
    found.pattern = decision.pattern or ""
    return found


def vectors(a: Case, decision: Decision, costs: Costs) -> float:
    """µs of one search among the corpus's vectors by the index that was chosen."""
    way = search.scan if choice(decision, "index") == "exact" else search.probe
    return way(search.searched(a), search.width(a), costs.ns) / 1000


def scores(a: Case, decision: Decision, costs: Costs) -> float:
    """µs to score every candidate of a request by the model that was chosen."""
    one, row, rest = costs.us("gbm_single"), costs.us("gbm_row"), a.per_request - 1
    match decision.components["model"].choice:
        case "linear":
            one = costs.us("linear_single")
            return one + rest * min(one, row)  # a row of many takes no longer than one alone
        case "text_encoder":
            return search.scan(a.per_request, search.TEXT, costs.ns) / 1000
        case "word_match":
            return search.match(a.per_request, costs.ns) / 1000
        case "self_supervised":
            return a.per_request * costs.us("heavy_network")
    return one + rest * row


def reasons(a: Case, decision: Decision, costs: Costs) -> float:
    """µs to explain what a request shows, by the explainer that was chosen."""
    chosen = decision.components["explainer"].choice
    if chosen == "none" or chosen.endswith("later"):
        return 0.0
    shown = a.per_request if a.output == "score" else min(work.SHOWN, a.per_request)
    if chosen != "tree_attributions":
        return shown * costs.us("linear_single")  # read off, not computed
    if decision.pattern == "realtime" and a.per_request == 1:
        return costs.us("attribution")
    return shown * costs.us("attribution_row")


@dataclass(frozen=True)
class Writer:
    """What writes an answer: µs until it has said something, what runs it here and at scale."""

    first: float
    served_by: str
    at_scale: str


def writer(answers: Answers, decision: Decision, costs: Costs) -> Writer:
    """The language model that was chosen: elsewhere, or on these machines."""
    chosen = decision.components["generator"].choice
    a = case(answers, decision)
    if chosen not in writing.BILLIONS:
        first = writing.hosted(a, costs.ns) / 1000
        return Writer(first, "an OpenAI-compatible server", "several, behind a load balancer")
    billions = writing.BILLIONS[chosen]
    cores = "one core" if writing.threads(a) == 1 else f"{writing.threads(a)} cores"
    return Writer(
        writing.local(billions, a.pattern, a, costs.ns) / 1000,
        f"a model of {billions} billion parameters at 4 bits, on {cores} of this machine",
        "accelerators behind an OpenAI-compatible server of one's own",
    )


def offline(
    name: str,
    *,
    does: str,
    served_by: str,
    at_scale: str,
    breaks: str,
    detected: str,
    fallback: tuple[Action, str],
) -> Stage:
    """A stage that runs before the request."""
    return Stage(name, "offline", does, served_by, at_scale, breaks, detected, Fallback(*fallback))


def online(
    name: str,
    estimate: float,
    *,
    does: str,
    served_by: str,
    at_scale: str,
    breaks: str,
    detected: str,
    fallback: tuple[Action, str],
    optional: bool = False,
) -> Stage:
    """A stage of the request, with its estimated cost in µs; an optional one gives way first."""
    return Stage(
        name,
        "online",
        does,
        served_by,
        at_scale,
        breaks,
        detected,
        Fallback(*fallback),
        max(1, round(estimate)),
        optional=optional,
    )


def validate(costs: Costs, does: str, breaks: str) -> Stage:
    """The first stage of every request."""
    return online(
        "validate",
        costs.us("http"),
        does=does,
        served_by="msgspec, a type generated from the source",
        at_scale="the same, behind a load balancer",
        breaks=breaks,
        detected="4xx rate by field",
        fallback=("refuse", "a 4xx that names the field; nothing is recorded"),
    )


def log(costs: Costs, does: str, breaks: str) -> Stage:
    """The last stage of every request."""
    return online(
        "log",
        costs.us("lookup"),
        does=f"appends {does} to the prediction log",
        served_by="an append-only file",
        at_scale="Kafka, then Parquet",
        breaks=breaks,
        detected="rows in the log against answers counted",
        fallback=("skip", "the answer is given and says that it was not logged"),
    )
