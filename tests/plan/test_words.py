"""A plan speaks of the system that was asked about: of its components, its labels, its output."""

from typing import Any

import pytest
from hypothesis import given

from answer_cases import given_answers, random_answers
from groundplan.constraints import Answers
from groundplan.decision import Decision, decide
from groundplan.plan import draw
from groundplan.plan.failures import failures
from plan.test_plans import CASES, answers

FOREIGN = ("fraud", "customer", "genuine", "terminal", "transaction", "payment", "decline")
"""Words of one example, which say nothing about another system."""


def said(given: Answers, decision: Decision) -> str:
    """Everything that a plan says in words of its own; rulings quote the answers."""
    plan = draw(given)
    found: list[str] = []
    for stage in plan.stages:
        found += (stage.does, stage.served_by, stage.at_scale, stage.breaks, stage.detected)
        found.append(stage.fallback.says)
    for watch in plan.monitoring:
        found += (watch.signal, watch.threshold, watch.action)
    for one in failures(given, decision):
        found += (one.cause, one.seen, one.signal, one.mitigation, one.fallback)
    found += (plan.retraining.cadence, *plan.retraining.triggers, plan.retraining.gate)
    return "\n".join(found)


def misplaced(given: Answers, decision: Decision) -> set[str]:
    """Words that name what this system does not have."""
    chosen = {role: part.choice for role, part in decision.components.items()}
    learners = {chosen.get("model"), chosen.get("ranker")}
    words = set(FOREIGN)
    if chosen.get("explainer") != "review":
        words.add("approv")
    if "boosted_trees" not in learners:
        words |= {"LightGBM", "boosted", "fewer trees"}
        if "linear" not in learners:
            words.add("logistic")
    if given.labels.kind == "none":
        words |= {"false-positive", "once labels arrive", "labelled"}
    if given.system.output == "ranking":
        words.add("majority class")
    one = given.system.output == "score" and given.candidates.per_request == 1
    if decision.pattern != "batch" and not one:
        words |= {"tier", "probability"}
    if given.system.output == "answer":
        words |= {"probability", "the feature row", "every feature", "average"}
    return words


def check(given: Answers) -> None:
    decision = decide(given)
    if decision.pattern is None:
        return
    text = said(given, decision)
    assert [word for word in misplaced(given, decision) if word in text] == []


@pytest.mark.parametrize("case", CASES)
def test_no_plan_speaks_of_another_system(case: str) -> None:
    """Neither of another domain, nor of a model, labels or tiers that it does not have."""
    check(answers(case))


@given(random_answers())
def test_no_answers_make_a_plan_speak_of_another_system(given: Answers) -> None:
    """The same of any answers; and all that the plan has, it says how it fails."""
    check(given)
    decision = decide(given)
    if decision.pattern is None:
        return
    filled = {role for role, part in decision.components.items() if part.choice != "none"}
    stages = {stage.name for stage in draw(given).stages}
    named = {failure.component for failure in failures(given, decision)}
    assert stages | filled <= named <= stages | set(decision.components)


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"kind": "sparse"}, ["validate", "features", "score", "explain", "decide", "log"]),
        ({"per_request": 50, "p99": "1s"}, ["validate", "features", "score", "explain", "log"]),
        (
            {"output": "ranking", "kind": "implicit", "per_request": 50, "level": "none"},
            ["validate", "features", "score", "log"],
        ),
        (
            {"output": "ranking", "kind": "none", "per_request": 50, "level": "none"},
            ["validate", "features", "encode", "score", "log"],
        ),
    ],
)
def test_a_request_has_the_stages_that_its_output_needs(
    changes: dict[str, Any], stages: list[str]
) -> None:
    """Tiers where one score is decided on; an order is no decision; texts are encoded first."""
    assert [stage.name for stage in draw(given_answers(**changes)).online] == stages


def test_an_explanation_is_priced_for_all_that_is_shown() -> None:
    """Of a ranking the first ten have reasons, of scores each; of one score, its own."""
    one, many, order = (
        draw(given_answers(**changes)).stage("explain").estimate
        for changes in (
            {"p99": "10s"},
            {"p99": "10s", "per_request": 50},
            {"p99": "10s", "per_request": 50, "output": "ranking"},
        )
    )
    assert one < order < many


def test_features_follow_their_component() -> None:
    """What a run computes is said to be, offline too; what is built keeps windows, and says so."""
    planned = draw(given_answers(features="24h", per_request=50))
    assert "features" in {stage.name for stage in planned.offline}
    assert "every night" in planned.stage("features").does
    assert any("run that computes them every night" in watch.action for watch in planned.monitoring)
    built = draw(given_answers(features="24h"))
    assert "features" not in {stage.name for stage in built.offline}
    assert "exact sliding windows: fresher than asked for" in built.stage("features").served_by
    streaming = draw(given_answers())
    assert "fresher" not in streaming.stage("features").served_by


def test_a_network_that_no_stage_runs_is_no_component() -> None:
    """What is decided is what is planned: there is no heavy network beside the stages."""
    for case in CASES:
        assert "heavy_network" not in decide(answers(case)).components
