"""The table's promises: complete, monotone, no dead rule, and honest about what each rule reads."""

import itertools
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answer_cases import (
    NEAR,
    changed,
    given_answers,
    patterns_left,
    possible,
    random_answers,
    scaled,
    value_of,
)
from groundplan.constraints import FIELDS, Answers
from groundplan.decision import Ruling, decide
from groundplan.decision.case import Case
from groundplan.decision.costs import reference
from groundplan.decision.domain import DOMAINS, loosen
from groundplan.decision.patterns import NAMES
from groundplan.decision.rules import RULES
from groundplan.decision.ruling import Rule
from groundplan.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND

REFERENCE = reference()
COSTS = st.sampled_from([REFERENCE, scaled(0.13), scaled(37.7)])


class Witness:
    """A case that notes which slots are read."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.read: set[str] = set()

    def __getattr__(self, slot: str) -> Any:
        self.read.add(slot)
        return getattr(self.case, slot)


@cache
def enumerated() -> tuple[Answers, ...]:
    """Answers on both sides of every break point, two at a time around typical ones."""
    policies: tuple[dict[str, Any], ...] = (
        {},
        {"private_corpus": True, "cores": 2},
        {"external_api": "none", "cores": 2, "level": "explain"},
    )
    start = [
        given_answers(
            output=output, requests=requests, predictions=age, features=age, p99=p99, **policy
        )
        for output in ("score", "ranking", "answer")
        for requests in ("foreseen", "unforeseen")
        for age in ("0s", "24h")
        for p99 in ("100ms", "2s", "2h")
        for policy in policies
    ]
    values = {key: NEAR.get(key) or domain.values for key, domain in DOMAINS.items()}
    found = []
    for answers in start:
        for one, two in itertools.combinations(values, 2):
            for first, second in itertools.product(values[one], values[two]):
                both = changed(changed(answers, one, first), two, second)
                if possible(both):
                    found.append(both)
    return tuple(found[:: len(found) // 20_000])


def rulings_of(rule: Rule, answers: Answers) -> bool:
    return rule.when(Case(answers), REFERENCE.work)


@given(random_answers(), COSTS)
@settings(max_examples=100)
def test_random_answers_give_a_pattern_or_the_reason_for_none(answers: Answers, costs: Any) -> None:
    """Any answers are decided without an exception; whatever is not standing has its ruling."""
    decision = decide(answers, costs)
    out = {ruling.rules_out for ruling in decision.rulings}
    assert set(decision.standing) == set(NAMES) - out
    assert decision.standing == patterns_left(answers, costs)
    assert decision.pattern == (decision.standing[0] if decision.standing else None)
    assert all(ruling.because and ruling.answers for ruling in decision.rulings)
    assert bool(decision.components) is bool(decision.pattern)


def test_every_enumerated_combination_gives_one_outcome() -> None:
    """Over both sides of all break points there is no gap: a pattern, or a ruling for each."""
    outcomes = {patterns_left(answers, REFERENCE)[:1] for answers in enumerated()}
    assert outcomes == {(), *((name,) for name in NAMES)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_is_dead(rule: Rule) -> None:
    """Each rule alone decides some case: without it, the pattern that it rules out would stand."""
    others = tuple(one for one in RULES if one is not rule)
    assert any(
        rulings_of(rule, answers) and rule.out in patterns_left(answers, REFERENCE, others)
        for answers in enumerated()
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_reads_what_it_says(rule: Rule) -> None:
    """Condition and sentence read no other answer than those listed, and each of them somewhere."""
    slots = {"engines" if key.startswith("engines.") else FIELDS[key].name for key in rule.reads}
    read: set[str] = set()
    for answers in enumerated()[::7]:
        witness: Any = Witness(Case(answers))
        if rule.when(witness, REFERENCE.work):
            assert rule.because(witness, REFERENCE.work)
        read |= witness.read
    assert read == slots


@given(random_answers(), COSTS, st.sampled_from(RULES), st.data())
@settings(max_examples=250)
def test_a_condition_turns_at_its_edges_only(
    answers: Answers, costs: Any, rule: Rule, data: st.DataObject
) -> None:
    """Between two neighbouring edges of a number, a rule says the same at every value."""
    domains = [DOMAINS[key] for key in rule.reads if key in DOMAINS]
    numbers = [domain for domain in domains if not domain.values]
    if not numbers:
        return
    domain = data.draw(st.sampled_from(numbers))
    case = Case(answers)
    found = {edge(case, costs.work) for slot, edge in rule.edges if slot == domain.slot}
    edges = sorted(e for e in found if e is not None and domain.least < e <= domain.most)
    ends = [domain.least, *edges, domain.most + 1]
    at = data.draw(st.integers(0, len(ends) - 2))
    low, high = ends[at], ends[at + 1] - 1
    said = set()
    for value in (low, high, data.draw(st.integers(low, high))):
        setattr(case, domain.slot, value)
        said.add(rule.when(case, costs.work))
    assert len(said) == 1


@given(random_answers(), COSTS, st.sampled_from(sorted(DOMAINS)))
@settings(max_examples=150)
def test_no_rule_is_stricter_at_the_loosest_answer(answers: Answers, costs: Any, key: str) -> None:
    """Within one output, moving an answer to its loosest value makes no rule fire."""
    domain = DOMAINS[key]
    if key == "system.output":
        return
    case = Case(answers)
    rules = [rule for rule in RULES if rule.instead is None]
    before = [rule.when(case, costs.work) for rule in rules]
    loosen(case, [domain])
    after = [rule.when(case, costs.work) for rule in rules]
    assert all(was or not now for was, now in zip(before, after, strict=True))


@given(random_answers(), COSTS)
def test_a_rule_of_one_output_is_silent_for_the_others(answers: Answers, costs: Any) -> None:
    """A rule that names its output holds for no other: flips pass it over there."""
    for rule in RULES:
        if rule.output not in {"", answers.system.output}:
            assert not rule.when(Case(answers), costs.work)


@given(random_answers(), COSTS, st.integers(1, 10**10), st.integers(1, 10**10))
def test_a_larger_corpus_is_never_easier_to_search(
    answers: Answers, costs: Any, one: int, other: int
) -> None:
    """Whatever cannot be searched in time cannot be when there is more of it."""
    least = max(answers.candidates.per_request, min(one, other))
    few = changed(answers, "candidates.catalog", least)
    many = changed(answers, "candidates.catalog", max(least, one, other))
    for name in ("ranking", "rag"):
        stands = name in patterns_left(many, costs)
        assert not stands or name in patterns_left(few, costs)


@given(random_answers(), st.integers(0, 2 * DAY), st.integers(0, 2 * DAY))
def test_fresher_never_makes_batch_possible(answers: Answers, one: int, other: int) -> None:
    """Whatever batch does not stand for, it does not stand for when things must be fresher."""
    for key in ("freshness.predictions", "freshness.features"):
        loose = changed(answers, key, max(one, other))
        tight = changed(answers, key, min(one, other))
        stands = "batch" in patterns_left(tight, REFERENCE)
        assert not stands or "batch" in patterns_left(loose, REFERENCE)


@given(random_answers(), st.integers(1, 10**7), st.integers(1, 10**7))
def test_more_candidates_never_make_realtime_possible(
    answers: Answers, one: int, other: int
) -> None:
    """Whatever realtime cannot score, it cannot score when there is more of it."""
    few = changed(answers, "candidates.per_request", min(one, other))
    many = changed(answers, "candidates.per_request", max(one, other))
    stands = "realtime" in patterns_left(many, REFERENCE)
    assert not stands or "realtime" in patterns_left(few, REFERENCE)


@given(random_answers(), st.integers(1, 10**9))
def test_the_number_of_candidates_never_touches_batch(answers: Answers, many: int) -> None:
    """A schedule has all night: batch stands or falls by other answers."""
    other = changed(answers, "candidates.per_request", many)
    assert ("batch" in patterns_left(answers, REFERENCE)) is (
        "batch" in patterns_left(other, REFERENCE)
    )


@given(random_answers())
@settings(max_examples=100)
def test_the_never_rules_hold_for_all_answers(answers: Answers) -> None:
    """Batch never for what happened seconds ago, realtime never over millions, rag never where
    the model covers the domain, ranking never where everything can be scored.
    """
    left = patterns_left(answers, REFERENCE)
    if answers.freshness.predictions < MINUTE:
        assert "batch" not in left
    if answers.candidates.per_request >= 1_000_000 and answers.system.output != "answer":
        assert "realtime" not in left
    if answers.policy.private_corpus is False or answers.system.output != "answer":
        assert "rag" not in left
    assert not {"realtime", "ranking"} <= set(left)


@given(random_answers())
def test_what_only_components_read_never_moves_the_pattern(answers: Answers) -> None:
    """Positive rate, delay and memory decide components only."""
    for key, value in (
        ("labels.positive_rate", 0.5),
        ("labels.delay", DAY),
        ("policy.memory", 1),
    ):
        assert key not in DOMAINS
        other = changed(answers, key, value)
        assert patterns_left(other, REFERENCE) == patterns_left(answers, REFERENCE)


def test_names_are_unique_and_rules_are_on_record() -> None:
    """A ruling is found again by its name, and carries the table's own keys."""
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(rule.name.startswith(f"{rule.out}-") for rule in RULES)
    ruling = decide(given_answers()).rulings[0]
    assert ruling == Ruling(RULES[0].name, "batch", ruling.because, RULES[0].reads)


def test_a_decision_cannot_be_changed_afterwards() -> None:
    """Records are frozen: what was decided stays what was decided."""
    decision = decide(given_answers())
    with pytest.raises(AttributeError):
        decision.pattern = "batch"  # type: ignore[misc]
    assert msgspec.to_builtins(decision)["pattern"] == "realtime"


def test_break_points_are_where_they_are_said_to_be() -> None:
    """An hour is the shortest run: one microsecond below, batch is out."""
    for key in ("freshness.predictions", "freshness.features"):
        answers = given_answers(predictions="24h", features="24h", requests="foreseen")
        assert "batch" in patterns_left(changed(answers, key, HOUR), REFERENCE)
        assert "batch" not in patterns_left(changed(answers, key, HOUR - 1), REFERENCE)
    assert value_of(given_answers(p99="100ms"), "latency.p99") == 100 * MILLISECOND < SECOND
