"""What a scheduled run writes here: against arithmetic by hand, its flips, and the capacity."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from answer_cases import PER_SECOND, changed, given_answers, patterns_left, value_of
from groundplan.constraints import Answers
from groundplan.decision import decide, flips, run, work
from groundplan.decision.case import Case
from groundplan.decision.costs import reference
from groundplan.plan.capacity import capacity, factors, offline
from groundplan.units import HOUR

REFERENCE = reference()
ALONE = 250 / 124 * (300 * REFERENCE.us("prompt_token") + 250 * REFERENCE.us("token")) / 1e6
"""Seconds of a core for one answer of the smallest model, by hand."""


def home(**changes: Any) -> Answers:
    """Answers that are written here, every night."""
    nightly = {"predictions": "30h", "features": "30h", "requests": "foreseen", "p99": "100ms"}
    text = {"output": "answer", "kind": "none", "level": "none", "external_api": "none"}
    return given_answers(**{**nightly, **text, "throughput": "1/s", **changes})


def by_hand(answers: Answers) -> float:
    """Cores that a run keeps busy for a quarter of the time between two."""
    age = min(answers.freshness.predictions, answers.freshness.features)
    usual = (1, 2, 4, 6, 12, 24, 7 * 24, 30 * 24)
    every = max([0.5, *(hours for hours in usual if 1.25 * hours * HOUR <= age)]) * 3600
    peak = answers.latency.throughput / PER_SECOND
    asked = every if answers.freshness.requests == "unforeseen" else 3600
    return 0.4 * peak * asked * ALONE / (every / 4)


@given(
    st.integers(1, 10**5),
    st.sampled_from(["1h", "90m", "3h", "6h", "30h", "50d"]),
    st.sampled_from(["1h", "5h", "13h", "30d"]),
    st.sampled_from(["foreseen", "unforeseen"]),
    st.integers(1, 100_000),
)
def test_batch_is_out_where_its_answers_cannot_be_written_in_time(
    milli: int, predictions: str, features: str, requests: str, cores: int
) -> None:
    """By tokens times population over the window, and 70 % of the cores that are stated."""
    answers = home(predictions=predictions, features=features, requests=requests, cores=cores)
    answers = changed(answers, "latency.throughput", milli * PER_SECOND // 1000)
    if requests == "unforeseen":
        answers = changed(answers, "latency.p99", 30 * 24 * HOUR)
    lookups = answers.latency.throughput / PER_SECOND * REFERENCE.work.lookup / 1e9
    needs = (by_hand(answers) + lookups) / 0.7
    assume(abs(needs / cores - 1) > 1e-6)
    assert ("batch" in patterns_left(answers, REFERENCE)) is (needs < cores)


def test_what_is_written_elsewhere_takes_no_cores_here() -> None:
    """A named or a hosted model writes as much as is asked for."""
    assert decide(home(cores=1, external_api="any", p99="1ms"), REFERENCE).pattern == "batch"
    assert decide(home(cores=1, engines={"language_model": "m"}), REFERENCE).pattern == "batch"
    ruling = decide(home(cores=1, throughput="5/s"), REFERENCE).rulings[0]
    assert ruling.rule == "batch-writing"
    assert "an hour's 7,200 answers here within 6h of the 24h between two runs" in ruling.because
    assert "nothing may leave the house, 23.3s of a core each" in ruling.because


@pytest.mark.parametrize(
    "key", ["latency.throughput", "policy.cores", "freshness.predictions", "freshness.features"]
)
def test_the_flips_of_writing_are_exact(key: str) -> None:
    """One unit before the flip nothing stands, and from it on batch does."""
    more = {
        "freshness.predictions": {"predictions": "5h"},
        "freshness.features": {"features": "5h"},
    }
    answers = home(cores=3, throughput="1/s", **more.get(key, {}))
    if key in {"latency.throughput", "policy.cores"}:
        answers = changed(answers, "latency.throughput", 2 * PER_SECOND)
    assert decide(answers, REFERENCE).pattern is None
    (flip,) = [f for f in flips(answers, REFERENCE) if f.answers == (key,) and f.pattern == "batch"]
    there = changed(answers, key, flip.after[0])
    step = 1 if flip.after[0] < value_of(answers, key) else -1
    assert decide(there, REFERENCE).pattern == "batch"
    assert decide(changed(there, key, flip.after[0] + step), REFERENCE).pattern is None


@settings(max_examples=30)
@given(
    st.integers(1, 10**6),
    st.sampled_from(["1h", "8h", "30h"]),
    st.sampled_from(["foreseen", "unforeseen"]),
    st.sampled_from(["1GB", "64GB"]),
)
def test_the_capacity_of_a_run_is_what_the_rule_counts(
    milli: int, age: str, requests: str, memory: str
) -> None:
    """With as many cores as the rule asks for, the plan is short of none, or of one in a hundred:
    a running server takes longer over its lookups than the rule does.
    """
    answers = home(predictions=age, features=age, requests=requests, memory=memory)
    answers = changed(answers, "latency.throughput", milli * PER_SECOND // 1000)
    if requests == "unforeseen":
        answers = changed(answers, "latency.p99", 30 * 24 * HOUR)
    answers = changed(answers, "policy.cores", 10**6)
    least = work.least_cores("batch", Case(answers), REFERENCE.work)
    enough = changed(answers, "policy.cores", max(2, least + least // 100 + 1))
    decision = decide(enough, REFERENCE)
    assert decision.components["generator"].choice == "local_1b"
    found = capacity(enough, decision, REFERENCE)
    assert not [one for one in found.shortages if one.misfit and one.resource == "cores"]
    half = changed(answers, "policy.cores", max(1, least // 2))
    assert least < 4 or decide(half, REFERENCE).pattern is None
    (run,) = [need for need in found.needs if need.component == "run"]
    assert run.bands["cores"].typical == pytest.approx(by_hand(answers), rel=1e-3, abs=1)


def test_a_larger_model_must_be_written_with_in_time_too() -> None:
    """Eight times the parameters take eight times the cores of a run."""
    assert decide(home(cores=3), REFERENCE).components["generator"].choice == "local_1b"
    large = decide(home(cores=30), REFERENCE).components["generator"]
    assert large.choice == "local_8b"
    (ruling,) = [
        one
        for one in decide(home(cores=3), REFERENCE).components["generator"].rulings
        if one.rule == "generator-capacity"
    ]
    assert "an hour's 1,440 answers within 6h of the 24h between two runs fill" in ruling.because


def test_rules_and_capacity_count_with_the_same_amounts() -> None:
    """What no answer says is said once: the mean, what is asked for, a run's time."""
    assert factors.MEAN.typical == run.MEAN[0] / run.MEAN[1]
    assert factors.ASKED.typical == run.ASKED
    assert run.WITHIN[0] / run.WITHIN[1] == offline.WITHIN


@pytest.mark.parametrize("where", ["none", "any"])
def test_what_writes_for_a_run_is_part_of_the_capacity(where: str) -> None:
    """A model here takes memory, and one elsewhere tokens, which have a price."""
    answers = home(external_api=where, cores=64)
    found = capacity(answers, decide(answers, REFERENCE), REFERENCE, {"million_tokens": 1.0})
    (need,) = [one for one in found.needs if one.component == "generator"]
    if where == "none":
        assert need.bands["memory"].typical == 1.2 * 8e9 / 2
        return
    assert need.bands["tokens"].typical == pytest.approx(0.4 * 3600 * 550 / 86_400)
    assert found.cost["generator"].typical > 0
