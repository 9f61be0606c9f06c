"""Every component of every plan says how it fails, by names that the program has."""

import re

import click
import msgspec
import pytest

import signals
from answer_cases import given_answers
from groundplan.cli import main
from groundplan.decision import decide
from groundplan.patterns.batch.versions.validating import JUDGED
from groundplan.plan import draw
from groundplan.plan.failures import Failure, failures
from groundplan.plan.served import planned
from plan.test_plans import CASES, answers

SERVED = ("batch", "batch-queue", "realtime", "realtime-linear")
"""The cases that this version builds."""


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def found(case: str) -> tuple[Failure, ...]:
    return failures(answers(case), decide(answers(case)))


def test_every_stage_and_every_component_has_a_failure(
    case: str, found: tuple[Failure, ...]
) -> None:
    """Nothing of a plan is without: neither a stage, nor what fills a role."""
    decision = decide(answers(case))
    filled = {role for role, part in decision.components.items() if part.choice != "none"}
    stages = {stage.name for stage in draw(answers(case)).stages}
    named = {failure.component for failure in found}
    assert stages | filled <= named
    assert named <= stages | set(decision.components)


def test_a_failure_names_one_component(case: str, found: tuple[Failure, ...]) -> None:
    """Where a stage of each side has one name, the offline one says so; nothing else does."""
    plan = draw(answers(case))
    online = {stage.name for stage in plan.online}
    twice = {stage.name for stage in plan.offline if stage.name in online}
    told = {one.component for one in found if one.named.endswith(" (offline)")}
    assert told == twice
    for name in twice:
        named = {one.named for one in found if one.component == name}
        assert named == {name, f"{name} (offline)"}
    if plan.pattern == "batch":
        assert twice == {"validate"}


def test_a_failure_says_all_that_a_reviewer_asks(found: tuple[Failure, ...]) -> None:
    """Cause, what is seen, signal and mitigation; each cause stands once at its component."""
    for failure in found:
        said = (failure.cause, failure.seen, failure.signal, failure.mitigation)
        assert all(said), failure
        assert all(text == text.strip() and not text.endswith(".") for text in said), failure
    causes = [(failure.component, failure.cause) for failure in found]
    assert len(causes) == len(set(causes))


def test_failures_stand_in_the_order_of_the_stages(case: str, found: tuple[Failure, ...]) -> None:
    """First what comes first: stage after stage, then the other components."""
    stages = [stage.name for stage in draw(answers(case)).stages]
    last = len(stages)
    places = [
        {at for at, name in enumerate(stages) if name == failure.component} or {last}
        for failure in found
    ]
    at = 0
    for possible in places:
        at = min(place for place in possible if place >= at)


def test_what_is_only_planned_is_not_said_to_run(case: str, found: tuple[Failure, ...]) -> None:
    """No failure of a plan that cannot be built yet claims a signal or a fallback that runs."""
    built = not planned(answers(case), decide(answers(case)))
    assert built == (case in SERVED)
    assert any(failure.running for failure in found) == built


@pytest.mark.parametrize("case", SERVED, indirect=True)
def test_what_runs_names_a_metric_or_a_command(found: tuple[Failure, ...]) -> None:
    """A signal that runs can be looked at; one that names neither is still to be built."""
    for failure in found:
        names = signals.metrics(failure.signal) or signals.commands(failure.signal)
        assert bool(names) == failure.running, failure


@pytest.mark.parametrize("case", ["realtime", "realtime-linear"], indirect=True)
def test_nothing_of_live_scores_is_left_to_build(found: tuple[Failure, ...]) -> None:
    """Whatever can go wrong where labels are known, something of ours shows it."""
    assert [failure.cause for failure in found if not failure.running] == []


def test_every_command_that_is_named_exists(found: tuple[Failure, ...]) -> None:
    """With its options; where an exit code is said, the command's help tells of it."""
    context = click.Context(main)
    for failure in found:
        for named in signals.commands(" ".join(msgspec.structs.astuple(failure)[:6])):
            command = main.get_command(context, named.name)
            assert command is not None, named
            known = {option for one in command.params for option in one.opts}
            assert set(named.options) <= known, named
            if named.code is not None:
                codes = re.search(r"Exit codes:[^.]*", command.help or "")
                assert named.code == 1 or (codes and str(named.code) in codes[0]), named


def test_the_risks_of_a_plan_are_its_main_failures(case: str, found: tuple[Failure, ...]) -> None:
    """What a plan carries and what is known of failures is one truth."""
    main_ones = [(one.cause, one.signal, one.mitigation) for one in found if one.main]
    assert [msgspec.structs.astuple(risk) for risk in draw(answers(case)).risks] == main_ones


def test_the_checks_that_are_named_can_refuse() -> None:
    """Those that judge are each named by a failure, so that a refusal leads to what to do."""
    found = failures(answers("batch"), decide(answers("batch")))
    assert set(JUDGED) <= {check for one in found for check in signals.checks(one.signal)}


def test_a_conflict_has_no_failures() -> None:
    """Where nothing stands, nothing fails."""
    conflict = msgspec.structs.replace(decide(answers("batch")), pattern=None, components={})
    assert failures(answers("batch"), conflict) == ()


def test_failures_survive_json(found: tuple[Failure, ...]) -> None:
    """A dossier carries them."""
    written = msgspec.json.encode(found)
    assert msgspec.json.decode(written, type=tuple[Failure, ...]) == found


def test_what_waits_for_a_run_is_no_population_that_stays() -> None:
    """Where requests are unforeseen each run has other keys: nothing says that those are wrong."""
    posts = given_answers(requests="unforeseen", p99="6h", predictions="6h", features="6h")
    listed = given_answers(requests="foreseen", predictions="6h", features="6h")
    for given, waits in ((posts, True), (listed, False)):
        plan, found = draw(given), failures(given, decide(given))
        watched = {watch.signal for watch in plan.monitoring}
        assert ({"rows", "keys"} <= watched) is not waits
        assert any("no answer yet" in what for what in watched) is waits
        assert any("lost keys" in one.cause for one in found) is not waits
        assert any("widen the list" in one.mitigation for one in found) is not waits
        (lookup,) = (stage for stage in plan.online if stage.name == "lookup")
        assert ("ask again after the next run" in str(lookup)) is waits


def test_old_features_are_as_old_as_they_may_be() -> None:
    """A week between two runs is not the day before."""
    given = given_answers(requests="foreseen", predictions="7d", features="7d")
    found = failures(given, decide(given))
    assert any("up to 7d before" in one.seen for one in found if one.component == "features")
