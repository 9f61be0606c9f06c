"""Partial answers: what can still be decided, against every completion of a coarse grid."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from answer_cases import (
    NEAR,
    changed,
    first_left,
    given_answers,
    patterns_left,
    possible,
    random_answers,
    scaled,
    value_of,
)
from groundplan.constraints import Answers
from groundplan.decision.costs import Costs, reference
from groundplan.decision.domain import DOMAINS
from groundplan.decision.patterns import NAMES
from groundplan.decision.standing import Standing
from groundplan.units import HOUR, MILLISECOND

KEYS = tuple(DOMAINS)
TABLES = {"reference": reference(), "slow": scaled(37.3), "fast": scaled(0.017)}


def laid_out(answers: Answers) -> dict[str, Any]:
    return {key: value_of(answers, key) for key in KEYS}


def completed(values: dict[str, Any]) -> Answers:
    """Answers of which a pattern depends on these values alone."""
    answers = given_answers()
    for key, value in values.items():
        answers = changed(answers, key, value)
    return answers


def stated(answers: Answers) -> bool:
    """Could a file state these answers?"""
    free = answers.system.output == "answer"
    alone = not answers.latency.streamed and answers.freshness.knowledge is None
    return possible(answers) and (free or alone)


def completions(values: dict[str, Any], open_: tuple[str, ...]) -> Iterator[Answers]:
    """The coarse grid over the open answers."""
    grids = [DOMAINS[key].values or NEAR[key] for key in open_]
    for chosen in product(*grids):
        answers = completed({**values, **dict(zip(open_, chosen, strict=True))})
        if stated(answers):
            yield answers


def split(answers: Answers, open_: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in laid_out(answers).items() if key not in open_}


@pytest.mark.parametrize("costs", TABLES.values(), ids=list(TABLES))
@settings(max_examples=40, deadline=None)
@drawn(
    answers=random_answers(),
    others=st.lists(random_answers(), min_size=3, max_size=3),
    open_=st.frozensets(st.sampled_from(KEYS)),
)
def test_no_completion_is_missed(
    costs: Costs, answers: Answers, others: list[Answers], open_: frozenset[str]
) -> None:
    """Whatever a completion decides is among the outcomes; what it leaves stands."""
    given = split(answers, open_)
    standing = Standing(given, costs)
    outcomes, patterns = standing.outcomes(), standing.patterns()
    for other in (answers, *others):
        whole = completed({**laid_out(other), **given})
        if stated(whole):
            assert first_left(whole, costs) in outcomes
            assert set(patterns_left(whole, costs)) <= set(patterns)


@pytest.mark.parametrize("costs", TABLES.values(), ids=list(TABLES))
@settings(max_examples=40, deadline=None)
@drawn(answers=random_answers(), open_=st.frozensets(st.sampled_from(KEYS)))
def test_every_outcome_has_a_completion(
    costs: Costs, answers: Answers, open_: frozenset[str]
) -> None:
    """What is said to stand, or to be decided, is so for answers that a file could state."""
    given = split(answers, open_)
    standing = Standing(given, costs)
    for name in (*NAMES, None):
        found = standing.completion(name)
        if found is not None:
            whole = completed(found)
            assert stated(whole)
            assert {key: found[key] for key in given} == given
            assert first_left(whole, costs) == name
        alone = None if name is None else standing.completion(name, alone=True)
        if alone is not None:
            assert name in patterns_left(completed(alone), costs)
        assert found is None or name is None or alone is not None


@pytest.mark.parametrize(
    "open_",
    [
        ("latency.p99", "candidates.per_request"),
        ("latency.throughput", "policy.cores", "policy.hosts"),
        ("latency.p99", "latency.throughput", "policy.cores"),
        ("freshness.knowledge", "policy.private_corpus", "policy.fine_tuning"),
        ("system.output", "freshness.predictions", "interpretability.level"),
        ("candidates.per_request", "candidates.catalog", "labels.kind"),
        ("freshness.requests", "latency.p99", "latency.streamed"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("output", ["score", "ranking", "answer"])
def test_a_pattern_is_out_when_every_completion_of_the_grid_says_so(
    open_: tuple[str, ...], output: str
) -> None:
    """The brute-force twin: all values of the open answers that lie around a break point."""
    start = laid_out(given_answers(output=output, per_request=300, cores=64, level="none"))
    start |= {"freshness.predictions": HOUR, "freshness.features": HOUR}
    values = {key: value for key, value in start.items() if key not in open_}
    grid = list(completions(values, open_))
    standing = Standing(values)
    assert {first_left(one, reference()) for one in grid} <= set(standing.outcomes())
    assert {name for one in grid for name in patterns_left(one, reference())} <= set(
        standing.patterns()
    )
    for name in NAMES:
        if name not in standing.patterns():
            assert all(name not in patterns_left(one, reference()) for one in grid)
            assert standing.because(name)


@settings(max_examples=40, deadline=None)
@drawn(answers=random_answers(), key=st.sampled_from(KEYS), data=st.data())
def test_spans_of_the_last_open_answer_are_the_decision(
    answers: Answers, key: str, data: st.DataObject
) -> None:
    """With one answer open, each value decides what its span says, to the last unit.

    Engines are not among the answers that are asked for: nobody has named one yet.
    """
    answers = msgspec.structs.replace(answers, engines={})
    spans = Standing(split(answers, frozenset({key}))).spans(key)
    domain = DOMAINS[key]
    for span in spans:
        assert len(span.outcomes) == 1
        values = {span.least, span.most}
        if isinstance(span.least, int) and not domain.values:
            values.add(data.draw(st.integers(span.least, span.most)))
        for value in values:
            whole = changed(answers, key, value)
            assert stated(whole)
            assert first_left(whole, reference()) == span.outcomes[0]
    numbers = [span for span in spans if span.least is not None] if not domain.values else []
    for one, two in pairwise(numbers):
        assert one.most + 1 == two.least
        assert one.outcomes != two.outcomes


@settings(max_examples=25, deadline=None)
@drawn(
    answers=random_answers(),
    key=st.sampled_from([key for key in KEYS if not DOMAINS[key].values]),
    open_=st.frozensets(st.sampled_from(KEYS), max_size=5),
    data=st.data(),
)
def test_spans_with_others_open_are_what_each_value_leaves(
    answers: Answers, key: str, open_: frozenset[str], data: st.DataObject
) -> None:
    """A value anywhere in a span leaves the same outcomes open as its ends."""
    standing = Standing(split(answers, open_ | {key}))
    for span in standing.spans(key):
        if span.least is not None:
            value = data.draw(st.integers(span.least, span.most))
            assert standing.but(key, value).outcomes() == span.outcomes


def test_nothing_said_leaves_everything_open() -> None:
    """All four patterns and a conflict; after the output, only what it allows."""
    assert Standing({}).outcomes() == (*NAMES, None)
    assert Standing({"system.output": "score"}).patterns() == ("batch", "realtime")
    assert Standing({"freshness.knowledge": HOUR}).patterns() == ("batch", "realtime", "rag")


def test_a_pattern_that_is_out_says_which_answer_did_it() -> None:
    """The sentence quotes the answer, and names the open ones that cannot change it."""
    (out,) = Standing({"system.output": "score", "latency.p99": 100}).because("realtime")
    assert out.rule == "realtime-latency"
    assert "100us is promised" in out.because
    assert out.answers == ("system.output", "latency.p99")
    assert out.whatever == ("candidates.per_request",)


def test_what_no_file_may_state_is_not_a_completion() -> None:
    """More candidates than the catalog holds, or a score that is streamed: nothing is left."""
    catalog = {"candidates.catalog": 10}
    assert Standing({**catalog, "candidates.per_request": 11}).outcomes() == ()
    assert Standing({"system.output": "score", "latency.streamed": True}).outcomes() == ()
    assert Standing(catalog).spans("candidates.per_request")[-1].most == 10
    assert Standing(catalog | {"system.output": "ranking"}).patterns() == ("batch", "realtime")


def test_break_points_are_exact() -> None:
    """The fraud answers with the p99 open: a conflict, then realtime, to the microsecond."""
    answers = given_answers()
    conflict, realtime = Standing(split(answers, frozenset({"latency.p99"}))).spans("latency.p99")
    assert conflict.outcomes == (None,)
    assert realtime.outcomes == ("realtime",)
    assert conflict.most < MILLISECOND
    before = msgspec.structs.replace(answers.latency, p99=conflict.most)
    after = msgspec.structs.replace(answers.latency, p99=conflict.most + 1)
    assert first_left(msgspec.structs.replace(answers, latency=before), reference()) is None
    assert first_left(msgspec.structs.replace(answers, latency=after), reference()) == "realtime"
