"""The plan of one model that scores a live request with fresh features."""

from dataclasses import dataclass
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, work
from groundplan.plan import generated, matching
from groundplan.plan.learner import LEARNERS, Learner, train
from groundplan.plan.served import planned
from groundplan.plan.sketch import (
    Sketch,
    case,
    choice,
    held,
    log,
    offline,
    online,
    reasons,
    scores,
    spread,
    validate,
)
from groundplan.plan.stage import Stage, Watch
from groundplan.units import show_count, show_duration, show_rate

_RECOMPUTED: Final = {"nightly": "every night", "hourly": "every hour"}
"""The choices for features that a run computes, and when."""


@dataclass(frozen=True)
class _Shape:
    """What answers and components mean for the words and costs of the stages.

    Args:
        learner: the model that learns from features; None where texts are compared.
        candidates: what one request scores.
        ranked: whether they are put in order.
        tiers: whether one score is compared with thresholds.
        recomputed: when a run computes the features; empty where events or requests do.
        built: whether this version builds and serves it.
    """

    learner: Learner | None
    candidates: int
    ranked: bool
    tiers: bool
    recomputed: str
    built: bool

    @property
    def scored(self) -> str:
        """What a wrong model gets wrong."""
        if self.ranked:
            return "the order is off"
        return "every decision is off" if self.tiers else "every score is off"


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """The stages of realtime serving: join, score, explain, decide; or one generated answer."""
    if answers.system.output == "answer":
        return generated.sketch(answers, decision, costs)
    candidates, ranked = answers.candidates.per_request, answers.system.output == "ranking"
    shape = _Shape(
        learner=LEARNERS.get(decision.components["model"].choice),
        candidates=candidates,
        ranked=ranked,
        tiers=not ranked and candidates == 1,
        recomputed=_RECOMPUTED.get(choice(decision, "features"), ""),
        built=not planned(answers, decision),
    )
    return Sketch(
        stages=[
            *_offline(answers, decision, shape),
            *_online(answers, decision, costs, shape),
        ],
        watches=_watches(answers, shape),
        summary=(),
    )


def _offline(answers: Answers, decision: Decision, shape: _Shape) -> list[Stage]:
    stages = []
    if shape.learner is None:
        stages.append(matching.prepared(decision))
    else:
        stages += [_history(answers), train(shape.learner, ranked=shape.ranked)]
        if shape.tiers:
            stages.append(_thresholds(shape.learner))
    if shape.recomputed and not shape.built:
        stages.append(_computing(answers, shape))
    return [
        *stages,
        offline(
            "publish",
            does="writes an immutable build and moves the pointer `live` to it",
            served_by="a folder, renamed into place",
            at_scale="an object store, one prefix per build",
            breaks="a half-written model is served",
            detected="the manifest's fingerprints, checked when a build is opened",
            fallback=("stale", "the pointer stays where it was"),
        ),
    ]


def _computed(answers: Answers) -> str:
    engine = "Spark" if "offline" in answers.engines else "DuckDB"
    return f"{engine}, one SQL statement compiled from the definitions"


def _history(answers: Answers) -> Stage:
    return offline(
        "history",
        does="computes every feature as it stood at the time of each past event",
        served_by=_computed(answers),
        at_scale="Spark, the same statement",
        breaks="the model learns from values that serving will never see",
        detected="served values recomputed offline at the same keys and times (consistency)",
        fallback=("refuse", "no build is made from features that fail their checks"),
    )


def _computing(answers: Answers, shape: _Shape) -> Stage:
    return offline(
        "features",
        does=f"computes every feature value anew, {shape.recomputed}",
        served_by=_computed(answers),
        at_scale="Spark, the same statement",
        breaks="scores rest on values that are older than promised",
        detected="the age of the newest values",
        fallback=("stale", "the last values; answers say how old they are"),
    )


def _thresholds(learner: Learner) -> Stage:
    return offline(
        "thresholds",
        does="sets the tiers at the false-positive rates, or by the costs, that the project states"
        if learner.labelled
        else "sets the tiers by the share of requests that each may take: without labels no false "
        "alarm is counted",
        served_by="order statistics of scores on data that the model has not seen",
        at_scale="the same",
        breaks="the volume of each tier is off: more than anyone can look at, or too little",
        detected="volume per tier against the build's report",
        fallback=("stale", "the thresholds of the live build stay in force"),
    )


def _online(answers: Answers, decision: Decision, costs: Costs, shape: _Shape) -> list[Stage]:
    stages = [
        validate(
            costs,
            "parses the request and checks it against the schema of the source",
            "bad input reaches the features",
        ),
        _features(answers, decision, costs, shape),
    ]
    if shape.learner is None:
        stages += matching.ordered(answers, decision, costs)
    else:
        stages.append(_score(answers, decision, costs, shape, shape.learner))
    if not choice(decision, "explainer").endswith(("none", "later")):
        stages.append(_explain(answers, decision, costs))
    if shape.tiers:
        stages.append(_decide(shape))
    return [
        *stages,
        log(
            costs,
            "inputs, feature values, versions, timings and outcome",
            "what was served cannot be audited, nor learned from",
        ),
    ]


def _features(answers: Answers, decision: Decision, costs: Costs, shape: _Shape) -> Stage:
    takes = 2 * costs.us("join_key") + (shape.candidates - 1) * costs.us("gather_candidate")
    fresh = show_duration(answers.freshness.features)
    if choice(decision, "features") == "on request":
        does = "computes windows that include everything up to this request, then records the event"
    elif shape.recomputed:
        does = f"joins values that may be {fresh} old: computed anew {shape.recomputed}"
        if shape.built:
            does = f"joins values that may be {fresh} old, then records the event"
    else:
        does = f"joins windows that include everything up to {fresh} ago, then records the event"
    if shape.learner is None:
        does += "; they say which candidates may be shown"
    values = "exact sliding windows"
    if shape.recomputed:
        values += ": fresher than asked for"
        values = values if shape.built else "the values of the last run"
    return online(
        "features",
        takes,
        does=does,
        served_by=f"{held(decision, 'LMDB in process')}, {values}",
        at_scale=spread(decision, "Redis or Valkey, the same state"),
        breaks="the model sees somebody or something else than what is asked about"
        if shape.learner
        else "what may not be shown is shown",
        detected="served against recomputed values; freshness of the newest event",
        fallback=(
            "defaults",
            "the values of an unknown entity; the event waits for the store"
            if shape.built or not shape.recomputed
            else "the values of an unknown entity",
        ),
    )


def _score(
    answers: Answers, decision: Decision, costs: Costs, shape: _Shape, learner: Learner
) -> Stage:
    count = shape.candidates
    if shape.ranked and count == 1:
        does = "scores the one candidate"
    elif count > 1:
        does = f"scores all {show_count(count)} candidates in one pass"
        does += ", and puts them in order" if shape.ranked else ""
    elif learner.labelled:
        does = "turns the feature row into a probability"
    else:
        does = "turns the feature row into a score: how unusual it is"
    return online(
        "score",
        scores(case(answers, decision), decision, costs),
        does=does,
        served_by=learner.run_by,
        at_scale=learner.run_at_scale,
        breaks=shape.scored,
        detected="score distribution against the build's own",
        fallback=learner.stands_in,
    )


_REASONS: Final = {
    "tree attributions": (
        "computes exact signed contributions and the top reasons in plain names",
        "tree attributions, tabled once per build",
        "contributions sum to the score, checked in `verify`",
    ),
    "coefficients": (
        "computes exact signed contributions and the top reasons in plain names",
        "each coefficient times its value",
        "contributions sum to the score, checked in `verify`",
    ),
    "matches": (
        "names the words that request and candidate share",
        "the match itself",
        "reasons recomputed from the log",
    ),
    "surrogate": (
        "reads the top reasons from a small tree that resembles the model, with its error",
        "a surrogate tree, fitted once per build",
        "the surrogate's error on scores that it has not seen",
    ),
}
"""What an explainer does, what runs it, and how a wrong reason shows."""


def _explain(answers: Answers, decision: Decision, costs: Costs) -> Stage:
    explainer, count = choice(decision, "explainer"), answers.candidates.per_request
    does, served_by, detected = _REASONS[explainer]
    shown = count if answers.system.output == "score" else min(work.SHOWN, count)
    if count > 1:
        does += f", for {'each' if shown == count else f'the {shown} that are shown'}"
    audit = answers.interpretability.level == "audit"
    return online(
        "explain",
        reasons(case(answers, decision), decision, costs),
        does=does,
        served_by=served_by,
        at_scale="the same",
        breaks=f"{'an auditor is' if audit else 'people are'} given a reason that is not the "
        "model's",
        detected=detected,
        fallback=("later", "the reasons are fetched later, by identifier"),
        optional=True,
    )


def _decide(shape: _Shape) -> Stage:
    judged = "false-positive rate once labels arrive"
    if shape.learner and not shape.learner.labelled:
        judged = "a sample of each tier that people judge"
    return online(
        "decide",
        1,
        does="compares the score with the build's thresholds",
        served_by="in process",
        at_scale="the same",
        breaks="the wrong tier: raised without need, or missed",
        detected=f"volume per tier, {judged}",
        fallback=("defaults", "the middle tier: neither the best nor the worst is assumed"),
    )


def _watches(answers: Answers, shape: _Shape) -> tuple[Watch, ...]:
    return (
        Watch(
            "latency, whole and per stage (groundplan_request_seconds, groundplan_stage_seconds)",
            f"p99 of the whole above {show_duration(answers.latency.p99)}",
            "look at the stage that is over its budget in /metrics",
        ),
        Watch(
            "requests per second (groundplan_requests_total)",
            f"above {show_rate(answers.latency.throughput)}, the peak that was planned for",
            "add server processes, then decide again with the new peak",
        ),
        Watch(
            "feature freshness (groundplan_feed_staleness_seconds)",
            f"older than {show_duration(answers.freshness.features)}",
            f"look at the run that computes them {shape.recomputed}"
            if shape.recomputed and not shape.built
            else "check the event feed; answers say that they are degraded",
        ),
        Watch(
            "served against recomputed values (groundplan_consistency_differing)",
            "any mismatch",
            "stop promotion, find it",
        ),
        Watch(
            "degraded answers (groundplan_degraded_total)",
            "above 0.1 %",
            "look at the reasons that they state",
        ),
        Watch(
            "score and feature distributions",
            "population stability index above 0.2",
            "compare with the build's data, then retrain"
            if shape.learner
            else "compare with what they were, then look at the texts",
        ),
    )
