"""Conflicts are the smallest sets that cannot hold together, and their ways out are real."""

import itertools
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from answer_cases import (
    changed,
    first_left,
    given_answers,
    possible,
    random_answers,
    scaled,
    value_of,
)
from groundplan.constraints import Answers
from groundplan.decision import Costs, conflicts, decide
from groundplan.decision.case import Case
from groundplan.decision.conflicts import nearest
from groundplan.decision.costs import reference
from groundplan.decision.domain import DOMAINS, loosen
from groundplan.decision.patterns import NAMES
from groundplan.decision.rules import RULES
from groundplan.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND

REFERENCE = reference()
COSTS = st.sampled_from([REFERENCE, scaled(0.13), scaled(37.7)])
OUTPUTS = DOMAINS["system.output"].values

GRID: Final[dict[str, tuple[Any, ...]]] = {
    "system.output": OUTPUTS,
    "labels.kind": ("implicit", "none"),
    "latency.p99": (1, 3 * MILLISECOND, 100 * MILLISECOND, 2 * SECOND, 2 * HOUR),
    "latency.throughput": (1, 100_000 * 10**9),
    "latency.streamed": (False, True),
    "freshness.predictions": (0, DAY),
    "freshness.features": (0, DAY),
    "freshness.requests": ("foreseen", "unforeseen"),
    "freshness.knowledge": (None, 10 * MINUTE, 60 * DAY),
    "candidates.per_request": (1, 300, 2_000_000),
    "interpretability.level": ("none", "audit"),
    "policy.private_corpus": (None, False, True),
    "policy.fine_tuning": (None, True),
    "policy.external_api": ("any", "none"),
    "policy.hosts": (1, 10**15),
    "policy.cores": (None, 1),
}
"""For each answer, its loosest value and values that some rule stumbles over."""


@cache
def standing() -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For every combination of the grid: does any pattern stand? One axis per answer."""
    keys, case = list(GRID), Case(given_answers())
    left = np.zeros([len(values) for values in GRID.values()], dtype=bool)
    for name in NAMES:
        out = np.zeros([1] * len(keys), dtype=bool)
        for rule in RULES:
            if rule.out == name:
                read = [key for key in keys if key in rule.reads]
                shape = [len(GRID[key]) if key in read else 1 for key in keys]
                fires = []
                for values in itertools.product(*(GRID[key] for key in read)):
                    for key, value in zip(read, values, strict=True):
                        setattr(case, DOMAINS[key].slot, value)
                    fires.append(rule.when(case, REFERENCE.work))
                out = out | np.array(fires).reshape(shape)
        left = left | ~out
    return left


def by_asking(place: tuple[int, ...]) -> set[frozenset[str]]:
    """The smallest conflicts of one place of the grid, by asking every set of answers."""
    table = standing()
    for axis, at in enumerate(place):
        # Along each axis, 0: the answer is free, 1: it is as it is.
        table = np.stack([table.any(axis), table.take(at, axis)], axis)
    keys = list(GRID)
    found: list[frozenset[str]] = []
    for kept in sorted(itertools.product((0, 1), repeat=len(keys)), key=sum):
        if not table[kept]:
            one = frozenset(key for key, is_kept in zip(keys, kept, strict=True) if is_kept)
            if not any(smaller <= one for smaller in found):
                found.append(one)
    return set(found)


def at_place(place: tuple[int, ...]) -> Answers:
    answers = given_answers()
    for (key, values), at in zip(GRID.items(), place, strict=True):
        answers = changed(answers, key, values[at])
    return answers


@pytest.mark.parametrize("seed", range(40))
def test_conflicts_equal_asking_every_set_over_a_grid(seed: int) -> None:
    """Over the grid of loosest and troublesome values, exactly the smallest sets are found."""
    table = standing()
    empty = np.argwhere(~table)
    place = tuple(int(at) for at in empty[np.random.default_rng(seed).integers(len(empty))])
    answers = at_place(place)
    assert decide(answers, REFERENCE).pattern is None
    assert {frozenset(one.answers) for one in conflicts(answers, REFERENCE)} == by_asking(place)


def with_free(answers: Answers, keys: set[str], output: str | None) -> Answers:
    """The answers with some at their loosest, and the output as given where it is one of them."""
    if output is not None:
        answers = changed(answers, "system.output", output)
    case = Case(answers)
    loosen(case, [DOMAINS[key] for key in keys])
    for key in keys:
        answers = changed(answers, key, getattr(case, DOMAINS[key].slot))
    return answers


@given(random_answers(), COSTS)
@settings(max_examples=60)
def test_every_conflict_is_smallest(answers: Answers, costs: Costs) -> None:
    """Freeing any answer of a conflict lets a pattern stand: the values that do so are shown."""
    found = conflicts(answers, costs)
    assert bool(found) is (first_left(answers, costs) is None)
    for conflict in found:
        for freed in conflict.answers:
            free = set(DOMAINS) - set(conflict.answers) | {freed}
            outputs = OUTPUTS if "system.output" in free else (None,)
            assert any(
                first_left(with_free(answers, free - {"system.output"}, output), costs)
                for output in outputs
            )


@given(random_answers(), COSTS, st.data())
@settings(max_examples=60)
def test_no_completion_resolves_a_conflict(
    answers: Answers, costs: Costs, data: st.DataObject
) -> None:
    """Whatever the other answers are, the answers of a conflict leave nothing standing."""
    found = conflicts(answers, costs)
    assume(found)
    for conflict in found:
        other = msgspec.structs.replace(data.draw(random_answers()), engines=answers.engines)
        for key in conflict.answers:
            other = changed(other, key, value_of(answers, key))
        assert not possible(other) or first_left(other, costs) is None


@given(random_answers(), COSTS)
@settings(max_examples=60)
def test_every_way_out_is_real_and_there_is_one(answers: Answers, costs: Costs) -> None:
    """The nearest change gives the pattern that it names, and no part of it does."""
    for conflict in conflicts(answers, costs):
        assert conflict.nearest
        for way in conflict.nearest:
            assert set(way.answers) & set(conflict.answers)
            resolved = answers
            for key, before, after in zip(way.answers, way.before, way.after, strict=True):
                assert before == value_of(answers, key) != after
                resolved = changed(resolved, key, after)
            assert possible(resolved) or not possible(answers)
            assert first_left(resolved, costs) == way.pattern
            assert not any(set(o.answers) < set(way.answers) for o in conflict.nearest)


@given(random_answers(), COSTS, st.data())
@settings(max_examples=60)
def test_the_way_out_is_the_nearest(answers: Answers, costs: Costs, data: st.DataObject) -> None:
    """No nearer value of the same number resolves it, nor any value where no way is given."""
    found = conflicts(answers, costs)
    assume(found)
    conflict = data.draw(st.sampled_from(found))
    for key in conflict.answers:
        domain, start = DOMAINS[key], value_of(answers, key)
        way = next((way for way in conflict.nearest if way.answers == (key,)), None)
        if domain.values or start is None:
            tried = [*domain.values, domain.least, domain.most] if domain.values else [1, 10**12]
            if way is None and domain.values:
                assert not any(first_left(changed(answers, key, v), costs) for v in domain.values)
            assert way is None or way.after[0] in tried or start is None
            continue
        low, high = domain.least, domain.most
        if way is not None and way.after[0] is not None:  # leaving it out is the furthest
            far = abs(way.after[0] - start) - 1
            low, high = max(low, start - far), min(high, start + far)
        for value in (low, high, data.draw(st.integers(low, high))):
            other = changed(answers, key, value)
            assert first_left(other, costs) is None or not possible(other)


def test_an_audited_assistant_is_told_to_explain_instead() -> None:
    """A live answer under audit: the answers in conflict, the reasons, and the nearest way out."""
    answers = given_answers(
        output="answer", kind="none", p99="2s", streamed=True, level="audit", throughput="1/s"
    )
    first = conflicts(answers)[0]
    assert first.answers == (
        "system.output",
        "freshness.predictions",
        "interpretability.level",
    )
    assert len(first.because) == len(NAMES)
    assert all(f"{n} is out: " in b for n, b in zip(NAMES, first.because, strict=True))
    ways = {way.answers: (way.after, way.pattern) for way in first.nearest}
    assert ways["interpretability.level",] == (("explain",), "realtime")


def test_too_much_for_the_stated_cores_says_how_many_would_do() -> None:
    """A peak beyond the cores is a conflict of the peak with the cores, solved by more of them."""
    answers = given_answers(throughput="1000000/s", cores=2, hosts=1)
    found = conflicts(answers)[0]
    assert found.answers == ("latency.throughput", "policy.hosts", "policy.cores")
    ways = {way.answers[0]: way for way in found.nearest if len(way.answers) == 1}
    cores = ways["policy.cores"].after[0]
    assert decide(changed(answers, "policy.cores", cores)).pattern == "realtime"
    assert decide(changed(answers, "policy.cores", cores - 1)).pattern is None


def test_a_decided_project_has_no_conflict() -> None:
    """Where a pattern stands there is nothing to resolve."""
    assert conflicts(given_answers()) == ()


def test_what_one_may_wish_for_is_offered_before_what_is_a_fact() -> None:
    """A longer p99 can be granted; labels, and who asks, are as they are. The search that is too
    slow says that it was reckoned as one."""
    answers = given_answers(
        **{"output": "ranking", "kind": "none", "features": "24h", "level": "none"},
        per_request=200_000_000,
    )
    found = conflicts(answers, REFERENCE)
    assert len(found) == 1
    wishes = [("latency.p99",), ("candidates.per_request",)]
    facts = [("labels.kind",), ("freshness.requests",)]
    assert [way.answers for way in found[0].nearest] == wishes + facts
    assert found[0].nearest == tuple(nearest(found))
    (slow,) = (one for one in found[0].because if one.startswith("ranking is out"))
    assert slow.endswith("; parts that are searched at once are not reckoned with")
