"""A model is trained as often as labels come in; what has none yet is left out."""

from typing import Any

import pytest

from answer_cases import changed, given_answers
from groundplan.constraints.cron import longest_gap
from groundplan.plan import draw
from groundplan.plan.dossier import draw_up
from groundplan.plan.page.calendar import cadence, calendar
from groundplan.plan.record import record
from groundplan.units import DAY

TWICE = "0 4 * * 1,4"
MONTHLY = "0 2 1 * *"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "every 7d"),
        ({"delay": "0s"}, "every 7d"),
        ({"delay": "30m"}, "every 7d: what is younger than 30m has no label yet, and is left out"),
        ({"delay": "30d"}, "every 7d: what is younger than 30d has no label yet, and is left out"),
        (
            {"delay": "365d"},
            "every 30d: what is younger than 365d has no label yet, and is left out",
        ),
        (
            {"kind": "sparse", "delay": "2d"},
            "every 30d: few labels are new any sooner; what is younger than 2d has no label yet, "
            "and is left out",
        ),
        ({"kind": "none", "delay": "2d"}, "every 30d: what is usual changes slowly"),
        (
            {"output": "ranking", "kind": "none", "per_request": 50, "level": "none"},
            "when another model is tried: this one is not trained on labels",
        ),
    ],
)
def test_the_cadence_follows_the_labels(changes: dict[str, Any], said: str) -> None:
    """Weekly; monthly where labels are few or late. A delay moves the period, not the cadence."""
    assert draw(given_answers(**changes)).retraining.cadence == said


def test_a_tuned_model_is_tuned_again_before_its_knowledge_is_too_old() -> None:
    """What may be 45 days old is tuned in every 33, so that tuning and evaluation have time."""
    tuned = given_answers(
        **{"output": "answer", "kind": "sparse", "level": "none", "p99": "3s", "streamed": True},
        **{"knowledge": "45d", "private_corpus": True, "fine_tuning": True},
    )
    said = draw(tuned).retraining.cadence
    assert said == (
        "every 33d: what changed in the corpus must be in the model within 45d, tuned and evaluated"
    )
    assert cadence(said) == 33 * DAY
    stated = draw(changed(tuned, "schedule.build", MONTHLY)).retraining.cadence
    assert stated.startswith("every 31d at most, as [schedule] build")


def test_a_gate_rests_on_what_there_is_to_judge_by() -> None:
    """Without labels people judge; nothing is said of a labelled period."""
    found = draw(given_answers(kind="none")).retraining
    assert "people judge" in found.gate
    assert not any("labelled" in text for text in (*found.triggers, found.gate))


def test_the_projects_own_schedule_is_the_plans() -> None:
    """Where [schedule] says when to build and to score, plan, record and calendar say the same."""
    churn = given_answers(predictions="7d", features="7d", requests="foreseen", delay="30d")
    assert "Runs every 24h: the loosest of the usual schedules" in draw(churn).summary[-1]
    stated = changed(changed(churn, "schedule.score", TWICE), "schedule.build", MONTHLY)
    plan = draw(stated)
    assert plan.summary[-1] == (
        f'Runs every 4d at most: [schedule] score = "{TWICE}" says so, and predictions may be 7d '
        "old."
    )
    (score,) = (stage for stage in plan.offline if stage.name == "score")
    assert score.does.endswith("every 4d at most")
    assert plan.retraining.cadence.startswith(
        f'every 31d at most, as [schedule] build = "{MONTHLY}" says: what is younger than 30d'
    )
    assert cadence(plan.retraining.cadence) == longest_gap(MONTHLY) == 31 * DAY
    dossier = draw_up(stated)
    assert "every 31d at most" in record(dossier)
    drawn = str(calendar(dossier, plan))
    assert "train, every 31d" in drawn
    assert "score, every 4d" in drawn
