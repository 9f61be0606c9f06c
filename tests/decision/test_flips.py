"""Flips are exact: equal to asking the table everywhere around its break points."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answer_cases import (
    NEAR,
    changed,
    first_left,
    given_answers,
    possible,
    random_answers,
    scaled,
    value_of,
)
from groundplan.constraints import Answers
from groundplan.decision import Costs, Flip, decide, flips
from groundplan.decision.case import Case
from groundplan.decision.costs import reference
from groundplan.decision.domain import DOMAINS, Domain
from groundplan.decision.rules import RULES
from groundplan.decision.work import least_p99

REFERENCE = reference()
COSTS = st.sampled_from([REFERENCE, scaled(0.13), scaled(37.7)])


def apply(answers: Answers, keys: tuple[str, ...], values: tuple[Any, ...]) -> Answers:
    for key, value in zip(keys, values, strict=True):
        answers = changed(answers, key, value)
    return answers


def outcome(answers: Answers, costs: Costs) -> str | None:
    return first_left(answers, costs) if possible(answers) else "impossible"


def around(answers: Answers, domain: Domain, costs: Costs) -> list[Any]:
    """Every enumerated value, or what lies at and beside each edge, the bounds and some more."""
    if domain.values:
        return list(domain.values)
    case = Case(answers)
    edges = [edge(case, costs.work) for rule in RULES for s, edge in rule.edges if s == domain.slot]
    if domain.slot == "catalog":
        edges.append(answers.candidates.per_request)
    if domain.slot == "per_request" and answers.candidates.catalog is not None:
        edges.append(answers.candidates.catalog + 1)
    near = {e + step for e in edges if e is not None for step in (-1, 0, 1)}
    near |= {domain.least, domain.most, *(v for v in NEAR.get(domain.key, ()) if v is not None)}
    values: list[Any] = sorted(v for v in near if domain.least <= v <= domain.most)
    return [*values, None] if domain.optional else values


def distance(domain: Domain, answers: Answers, value: Any) -> tuple[int, int]:
    """How far a change is: not stating an answer is the furthest, and from there, low is far;
    but hosts that are not stated are one, and a catalog what a request chooses among.
    """
    start = value_of(answers, domain.key)
    if start is None:
        start = {"hosts": 1, "catalog": answers.candidates.per_request}.get(domain.slot)
    if value is None:
        return 1, 0
    if domain.values:
        return 0, abs(domain.values.index(value) - domain.values.index(start))
    return 0, -value if start is None else abs(value - start)


def singles_by_asking(answers: Answers, costs: Costs) -> set[tuple[str, Any, str | None]]:
    """The flips of one answer, found by asking at every value around the break points."""
    now, found = first_left(answers, costs), set()
    for key, domain in DOMAINS.items():
        start = value_of(answers, key)
        best: dict[Any, Any] = {}
        for value in around(answers, domain, costs):
            pattern = outcome(changed(answers, key, value), costs)
            if value == start or pattern in (now, "impossible"):
                continue
            if domain.values:
                side = value
            elif None in (start, value):
                side = value is None
            else:
                side = value > start
            far = distance(domain, answers, value)
            if (pattern, side) not in best or far < distance(domain, answers, best[pattern, side]):
                best[pattern, side] = value
        found |= {(key, value, pattern) for (pattern, _), value in best.items()}
    return found


@given(random_answers(), COSTS)
@settings(max_examples=120)
def test_single_flips_equal_asking_everywhere(answers: Answers, costs: Costs) -> None:
    """Every flip of one answer is the nearest value, to the unit, and none is missing."""
    found = {
        (flip.answers[0], flip.after[0], flip.pattern)
        for flip in flips(answers, costs)
        if len(flip.answers) == 1
    }
    asked = singles_by_asking(answers, costs)
    # Where nothing is stated, no value is nearest: a range has a name, and it is real.
    for key, _, pattern in found ^ asked:
        assert value_of(answers, key) is None
        assert key not in {"policy.hosts", "candidates.catalog"}
        assert not DOMAINS[key].values
        assert any(key == k and pattern == p for k, _, p in found)
        assert any(key == k and pattern == p for k, _, p in asked)


@given(random_answers(), COSTS)
@settings(max_examples=60)
def test_every_flip_is_real_and_pairs_are_needed(answers: Answers, costs: Costs) -> None:
    """Making the change gives the stated pattern; one of two changes alone does not."""
    now = first_left(answers, costs)
    alone: dict[str, set[str | None]] = {}
    for flip in flips(answers, costs):
        assert flip.before == tuple(value_of(answers, key) for key in flip.answers)
        assert flip.pattern != now
        assert outcome(apply(answers, flip.answers, flip.after), costs) == flip.pattern
        if len(flip.answers) == 1:
            alone.setdefault(flip.answers[0], set()).add(flip.pattern)
        else:
            assert all(flip.pattern not in alone.get(key, ()) for key in flip.answers)
            assert all(b != a for b, a in zip(flip.before, flip.after, strict=True))


def pairs_by_asking(
    answers: Answers, costs: Costs, one: Domain, two: Domain
) -> dict[str | None, tuple[Any, Any]]:
    """The nearest pair for each pattern, the first answer first, by asking over a mesh.

    The mesh has the break points of each answer for every value of the other on the mesh.
    """
    start = value_of(answers, one.key), value_of(answers, two.key)
    seconds = set(around(answers, two, costs))
    firsts = set(around(answers, one, costs))
    for second in tuple(seconds):
        firsts.update(around(changed(answers, two.key, second), one, costs))
    best: dict[str | None, tuple[Any, Any]] = {}
    for first in sorted(firsts - {start[0]}, key=lambda value: distance(one, answers, value)):
        moved = changed(answers, one.key, first)
        for second in sorted(
            {*around(moved, two, costs)} - {start[1]},
            key=lambda value: distance(two, answers, value),
        ):
            pattern = outcome(changed(moved, two.key, second), costs)
            best.setdefault(pattern, (first, second))
    return best


@given(random_answers(), COSTS, st.data())
@settings(max_examples=150)
def test_pair_flips_equal_asking_over_a_mesh(
    answers: Answers, costs: Costs, data: st.DataObject
) -> None:
    """For two answers, no nearer change gives the pattern, and no pattern is missing."""
    pairs = list(itertools.combinations(DOMAINS.values(), 2))
    tangled = [p for p in pairs if {d.slot for d in p} <= TANGLED]
    one, two = data.draw(st.sampled_from(tangled) | st.sampled_from(pairs))
    listed = flips(answers, costs)
    alone = {f.pattern for f in listed if f.answers in ((one.key,), (two.key,))}
    found = {f.pattern: f.after for f in listed if f.answers == (one.key, two.key)}
    asked = pairs_by_asking(answers, costs, one, two)
    now = first_left(answers, costs)
    assert set(found) == set(asked) - alone - {now, "impossible"}
    start = value_of(answers, one.key), value_of(answers, two.key)
    for pattern, after in found.items():
        ranks = [
            tuple(
                distance(domain, answers, value)
                for domain, value in zip((one, two), values, strict=True)
            )
            for values in (after, asked[pattern])
        ]
        unstated = any(
            was is None and domain.slot in {"knowledge", "cores"}
            for domain, was in zip((one, two), start, strict=True)
        )
        assert ranks[0] <= ranks[1] or unstated  # the mesh knows no place where budgets cross


TANGLED = {"p99", "throughput", "per_request", "catalog", "hosts", "cores"}
"""Numbers that a rule compares with each other."""


@given(random_answers(), COSTS, st.data())
@settings(max_examples=60)
def test_no_nearer_pair_is_found_at_random(
    answers: Answers, costs: Costs, data: st.DataObject
) -> None:
    """Random values of two numbers never beat the listed pair."""
    numbers = [DOMAINS[key] for key in NEAR if key in DOMAINS]
    one, two = sorted(
        data.draw(st.lists(st.sampled_from(numbers), min_size=2, max_size=2, unique=True)),
        key=list(DOMAINS.values()).index,
    )
    listed = flips(answers, costs)
    now, start = first_left(answers, costs), value_of(answers, one.key)
    alone = {f.pattern for f in listed if f.answers in ((one.key,), (two.key,))}
    found = {f.pattern: f.after for f in listed if f.answers == (one.key, two.key)}
    for _ in range(60):
        values = tuple(
            data.draw(st.sampled_from(around(answers, d, costs)) | st.integers(d.least, d.most))
            for d in (one, two)
        )
        pattern = outcome(apply(answers, (one.key, two.key), values), costs)
        if pattern in {now, "impossible", *alone}:
            continue
        assert pattern in found
        if start is not None or one.slot in {"hosts", "catalog"}:
            assert distance(one, answers, found[pattern][0]) <= distance(one, answers, values[0])


def test_a_pair_flips_where_searching_overtakes_scoring() -> None:
    """The shortest p99 of a ranking is where to search a corpus takes as long as to score it."""
    answers = given_answers(output="ranking", kind="sparse", p99="2ms", per_request=10)
    pair = ("latency.p99", "candidates.per_request")
    (flip,) = (f for f in flips(answers) if f.answers == pair and f.pattern == "ranking")
    work, case = reference().work, Case(answers)
    shortest = []
    for case.per_request in range(10, 3_000):
        least = least_p99("ranking", case, work)
        if least < least_p99("realtime", case, work):
            shortest.append((least, case.per_request))
    assert flip.after == min(shortest)


def test_the_fraud_decision_flips_where_one_would_look() -> None:
    """At some number of candidates one model no longer fits; at 90% of its own p99 neither."""
    answers = given_answers()
    (many,) = (f for f in flips(answers) if f.answers == ("candidates.per_request",))
    assert 300 < many.after[0] < 20_000
    assert many.pattern is None
    (fast,) = (f for f in flips(answers) if f.answers == ("latency.p99",))
    assert fast.after[0] < 100_000
    batch = [f for f in flips(answers) if f.pattern == "batch"]
    assert batch == []  # three answers stand against it: no two of them are enough


def test_an_hour_is_the_point_at_which_batch_becomes_possible() -> None:
    """Batch needs both ages at an hour; where one is there, the other is the flip."""
    answers = given_answers(predictions="24h", features="59m", requests="foreseen")
    (hour,) = (f for f in flips(answers) if f.answers == ("freshness.features",))
    assert hour == Flip(("freshness.features",), (59 * 60 * 10**6,), (3_600 * 10**6,), "batch")
    answers = given_answers(predictions="0s", features="59m", requests="foreseen")
    both = [f for f in flips(answers) if f.pattern == "batch"]
    assert [f.answers for f in both] == [("freshness.predictions", "freshness.features")]
    assert both[0].after == (3_600 * 10**6, 3_600 * 10**6)


def test_candidates_grow_with_the_catalog_only() -> None:
    """A flip never asks for more candidates than the catalog has, unless the catalog grows too."""
    answers = given_answers(output="ranking", per_request=100, catalog=200)
    assert decide(answers).pattern == "realtime"
    listed = flips(answers)
    assert not [f for f in listed if f.answers == ("candidates.per_request",)]
    (both,) = (f for f in listed if set(f.answers) == {CATALOG, "candidates.per_request"})
    assert both.pattern == "ranking"
    assert both.after[0] == both.after[1] > 200


CATALOG = "candidates.catalog"


@pytest.mark.parametrize("key", list(DOMAINS))
def test_every_answer_with_a_domain_flips_something(key: str) -> None:
    """No answer is carried along in vain: each one, alone or with another, changes a decision."""
    feed = given_answers(output="ranking", kind="implicit", per_request=10**6)
    cases = [
        given_answers(),
        # Just enough time for two towers, and not for a text encoder.
        changed(feed, "latency.p99", least_p99("ranking", Case(feed), REFERENCE.work)),
        given_answers(output="ranking", per_request=100, catalog=200),
        given_answers(output="answer", p99="2s", level="none", private_corpus=True, knowledge="1d"),
        given_answers(output="answer", p99="1s", level="none", streamed=True),
        given_answers(predictions="24h", features="24h", requests="foreseen", p99="20ms"),
        given_answers(cores=1, hosts=1, throughput="30000/s"),
    ]
    assert any(key in flip.answers for answers in cases for flip in flips(answers))
