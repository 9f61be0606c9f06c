"""What a pattern's own file says of its plan, before budgets and shared parts are added."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundplan.decision import Costs, Decision
from groundplan.plan.stage import Action, Fallback, Stage, Watch


@dataclass(frozen=True)
class Sketch:
    """A pattern's stages (without budgets), what to watch and its own decisions."""

    stages: Sequence[Stage]
    watches: tuple[Watch, ...]
    summary: tuple[str, ...]


def choice(decision: Decision, role: str) -> str:
    """The component that the decision chose for a role, in words."""
    return decision.components[role].choice.replace("_", " ")


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
