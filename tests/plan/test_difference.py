"""A difference is what turns one dossier into the other, no more and no less."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings

from answer_cases import given_answers, random_answers
from groundplan.constraints import Answers
from groundplan.plan.amount import show_amount, show_band
from groundplan.plan.capacity import Band
from groundplan.plan.difference import Change, Difference, difference, spoken, words
from groundplan.plan.dossier import Dossier, draw_up


def applied(before: Mapping[str, str], changes: tuple[Change, ...]) -> dict[str, str]:
    """What a difference makes of what was before; each change must fit what it changes."""
    found = dict(before)
    for change in changes:
        if change.action == "add":
            assert change.name not in found
        else:
            assert found.pop(change.name) == change.before
        if change.after is not None:
            found[change.name] = change.after
    return found


def components(dossier: Dossier) -> dict[str, str]:
    return {words(role): words(c.choice) for role, c in dossier.decision.components.items()}


def budgets(dossier: Dossier) -> dict[str, int]:
    return {s.name: s.budget for s in dossier.plan.online} if dossier.plan else {}


def rulings(dossier: Dossier) -> list[tuple[str, str]]:
    return [(one.rules_out, one.rule) for one in dossier.decision.rulings]


@given(random_answers(), random_answers())
@settings(max_examples=40, deadline=None)
def test_applied_to_the_one_it_gives_the_other(one: Answers, two: Answers) -> None:
    """Components, failures, rulings and stages of the other, from those of the one."""
    before, after = draw_up(one), draw_up(two)
    found = difference(before, after)
    assert applied(components(before), found.components) == components(after)
    stages = {change.name: change.action for change in found.stages}
    was, now = budgets(before), budgets(after)
    for name in was.keys() | now.keys():
        action = stages.get(f"{name} (online)")
        assert (action == "add") == (name not in was)
        assert (action == "remove") == (name not in now)
        if was.get(name) != now.get(name):
            assert action is not None
    come = sum(ruling not in rulings(before) for ruling in rulings(after))
    assert [change.action for change in found.rulings].count("add") == come
    causes = [{(f.component, f.cause) for f in d.failures} for d in (before, after)]
    actions = [change.action for change in found.failures]
    assert actions.count("add") == len(causes[1] - causes[0])
    assert actions.count("remove") == len(causes[0] - causes[1])


@given(random_answers(), random_answers())
@settings(max_examples=40, deadline=None)
def test_backwards_it_is_the_same_difference(one: Answers, two: Answers) -> None:
    """What is added on the way there is removed on the way back, with the values exchanged."""
    there, back = (difference(*pair) for pair in both(draw_up(one), draw_up(two)))
    for name in Difference.__struct_fields__:
        forth = {turned(change) for change in getattr(there, name)}
        assert forth == {(c.action, c.name, c.before, c.after) for c in getattr(back, name)}, name
    assert there.tally["add"] == back.tally["remove"]
    assert there.tally["change"] == back.tally["change"]


def both(one: Dossier, two: Dossier) -> tuple[tuple[Dossier, Dossier], ...]:
    return (one, two), (two, one)


def turned(change: Change) -> tuple[Any, ...]:
    opposite = {"add": "remove", "remove": "add", "change": "change"}
    return (opposite[change.action], change.name, change.after, change.before)


@given(random_answers())
@settings(max_examples=30, deadline=None)
def test_equal_answers_differ_in_nothing(answers: Answers) -> None:
    """A dossier beside itself is an empty difference, and it says so."""
    found = difference(draw_up(answers), draw_up(answers))
    assert found.empty
    assert found.followed == ()
    assert found.summary == "Nothing is different."


def test_an_answer_from_which_nothing_follows_says_so() -> None:
    """Another goal is another answer, and the same architecture."""
    found = difference(draw_up(given_answers()), draw_up(given_answers(goal="Win")))
    assert [change.name for change in found.answers] == ["system.goal"]
    assert not found.empty
    assert found.summary.startswith("Nothing changes")


def test_a_tighter_promise_changes_budgets_and_names_them() -> None:
    """Half the p99 changes the budget of every stage, and nothing comes or goes."""
    found = difference(draw_up(given_answers()), draw_up(given_answers(p99="50ms")))
    assert {change.action for change in found.stages} == {"change"}
    assert found.summary.startswith("0 to add, 6 to change, 0 to remove")
    assert [c.name for c in found.flips] == ["candidates.per_request: conflict"]


def test_a_ruling_that_goes_lets_a_pattern_stand() -> None:
    """Old predictions of foreseen requests let batch stand, and it is simpler."""
    loose = given_answers(predictions="24h", features="24h", requests="foreseen")
    found = difference(draw_up(given_answers()), draw_up(loose))
    assert found.patterns[0] == Change("change", "pattern", "realtime", "batch")
    assert Change("add", "batch", None, "stands") in found.patterns
    gone = [change for change in found.rulings if change.action == "remove"]
    assert {change.name for change in gone} == {"batch"}
    assert any("at most 0s old" in (change.before or "") for change in gone)
    features = next(change for change in found.components if change.name == "features")
    assert (features.before, features.after) == ("streaming", "nightly")


def test_a_component_says_which_ruling_replaced_it() -> None:
    """What fills a role now comes with the sentence that rules the former choice out."""
    one, two = (
        draw_up(given_answers(kind="implicit", level="none")),
        draw_up(given_answers(kind="implicit", level="audit")),
    )
    found = difference(one, two)
    assert found.components
    for change in found.components:
        if change.action == "change":
            role = change.name.replace(" ", "_")
            old = one.decision.components[role].choice
            new = two.decision.components[role]
            ruled = [r.because for r in new.rulings if r.rules_out == old]
            assert change.because == ("; ".join(ruled) or new.because)


def test_a_conflict_names_the_answers_and_the_way_out() -> None:
    """Where nothing stands any more, the difference is the conflict."""
    found = difference(draw_up(given_answers()), draw_up(given_answers(p99="100us")))
    assert found.conflicts[0].name == "latency.p99"
    assert "decides realtime" in (found.conflicts[0].after or "")
    assert "conflict" in found.summary
    assert {change.action for change in found.stages} == {"remove"}


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1, "cores", "1 core"),
        (2.346, "cores", "2.35 cores"),
        (1234.5, "requests/s", "1,230/s"),
        (21_034_000_000, "bytes", "21GB"),
        (3_456.7, "us", "3.46ms"),
        (0, "bytes", "0B"),
        (0.0004, "cores", "0.0004 cores"),
        (1.0, "per month", "1 per month"),
    ],
)
def test_estimates_are_said_with_three_digits(value: float, unit: str, said: str) -> None:
    """No estimate is written as if it were known to the byte."""
    assert show_amount(value, unit) == said


def test_a_band_says_how_far_it_may_be_off() -> None:
    """Low and high stand in brackets, unless all are the same."""
    assert show_band(Band(1, 2, 4, "cores")) == "2 cores (1 core to 4 cores)"
    assert show_band(Band(1, 1, 1, "cores")) == "1 core"


def test_values_are_spoken_as_people_write_them() -> None:
    """The last duration before a round one is under it; what is not stated is said so."""
    assert spoken("freshness.predictions", 3_599_999_999) == "under 1h"
    assert spoken("candidates.catalog", None) == "not stated"
    assert spoken("candidates.per_request", 10_000_000) == "10,000,000"
    assert spoken("latency.streamed", True) == "true"
