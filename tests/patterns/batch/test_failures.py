"""What the batch plan says of failures is what a running server of scores does and exports."""

from pathlib import Path

import pytest

import signals
from groundplan.decision import decide
from groundplan.plan import draw
from groundplan.plan.failures import Failure, failures
from groundplan.project import Project
from patterns.batch import faults
from patterns.batch.projects import small
from told import Told

REFUSED = {
    "a source lost rows or a column, or was not there in time",
    "a source came in another unit, or a join or a rate went wrong",
    "the population or the model changed, and scores move with it",
    "the population lost keys or got many at once",
    "a score has no reason, or one that is not its own",
    "a run's rows are not what its raw data make of them",
    "a half-written version is read",
    "the new model is no better than the base rate",
}
"""Causes for which a publication or a build is refused: what answers is what did so before."""

NO_FAILURE = {
    "groundplan_build_info": "says which build scored",
    "groundplan_version_info": "says which version answers",
    "groundplan_version_rows": "a size; the checks hold it against the last one's",
    "groundplan_processes": "a setting",
    "groundplan_queue_requests": "the same as the wait, in requests",
    "groundplan_stage_budget_seconds": "a promise, to show beside what is measured",
    "groundplan_promised_p99_seconds": "a promise, to show beside what is measured",
}
"""Metrics that tell of no failure, and what of instead."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All faults, one after the other."""
    found, folder = Told(), tmp_path_factory.mktemp("f")
    for fault in (
        faults.old_and_damaged,
        faults.away,
        faults.crowded,
        faults.built,
        faults.alone,
    ):
        fault(found, folder)
    return found


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Failure]:
    """The failures of a project with an embedded store, and with one on a server."""
    project = small(tmp_path_factory.mktemp("projects") / "small", 50)
    found = {}
    for more in ("", '\n[engines]\nscores = "redis://localhost"\n'):
        project.file.write_text(project.file.read_text() + more)
        answers = Project(project.folder).answers
        for failure in failures(answers, decide(answers)):
            found[failure.component, failure.cause] = failure
    return list(found.values())


def test_every_signal_is_exported(told: Told, known: list[Failure]) -> None:
    """Each metric that a failure names is on the pages of real servers, with these labels."""
    found = signals.exported(told.pages)
    for failure in known:
        if failure.running:
            for named in signals.metrics(failure.signal + " " + failure.mitigation):
                assert signals.shows(found, named), (failure.cause, named)


def test_every_check_that_is_named_is_made(told: Told, known: list[Failure]) -> None:
    """A publication makes them all, and a run that lost keys is refused by the one that says so."""
    named = {check for failure in known for check in signals.checks(failure.signal)}
    assert named == set(told.checks)
    assert not told.checks["rows"]
    assert not told.checks["churn"]


def test_every_fallback_is_what_the_server_says(told: Told, known: list[Failure]) -> None:
    """With the fault put in, what answers is what the plan says, in these words."""
    for failure in known:
        if failure.running and failure.fallback and failure.cause not in REFUSED:
            assert told.words[failure.cause], failure.cause
            for words in told.words[failure.cause]:
                assert words in failure.fallback, failure.cause
                if failure.cause != faults.COLD:
                    assert words == failure.fallback
    assert {failure.cause for failure in known} >= REFUSED | set(told.words)


def test_every_kind_of_cold_answer_is_named(told: Told, known: list[Failure]) -> None:
    """A live score, the average of a segment, and that of all."""
    assert set(told.words[faults.COLD]) == {"live score", "segment average", "overall average"}


def test_every_metric_has_a_failure_or_a_reason(
    told: Told, known: list[Failure], tmp_path: Path
) -> None:
    """What is exported is there to be looked at: by a failure, a watch, or for another reason."""
    plan = draw(small(tmp_path / "small", 50).answers)
    texts = [failure.signal + " " + failure.mitigation for failure in known]
    texts += [watch.signal + " " + watch.action for watch in plan.monitoring]
    named = {one.name for text in texts for one in signals.metrics(text)}
    found = {signals.family(name) for name in signals.exported(told.pages)}
    assert found - named == set(NO_FAILURE)
