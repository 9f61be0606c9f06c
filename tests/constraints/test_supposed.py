"""Supposed answers: what is changed is changed, what is wrong is answered with the right form."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answer_cases import NEAR, changed, given_answers, random_answers, value_of
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.supposed import supposed
from groundplan.errors import ConstraintError

ALONE = [key for key in NEAR if key not in {"candidates.per_request", "candidates.catalog"}]
"""Answers that are numbers, and that no other answer bounds."""


@given(random_answers(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_change_changes_just_that(answers: Answers, data: st.DataObject) -> None:
    """A value written as the file writes it gives the answers with that one value replaced."""
    key = data.draw(st.sampled_from(ALONE))
    value = data.draw(st.sampled_from(NEAR[key]))
    if key == "freshness.knowledge" and answers.system.output != "answer":
        return
    plain: Any = "" if value is None else FIELDS[key].kind.plain(value)
    found = supposed(answers, [f"{key}={plain}"])
    if found.schedule != answers.schedule:  # a tighter promise takes a slow schedule with it
        assert key == "freshness.predictions"
        assert found.schedule.score is None
        found = changed(found, "schedule.score", answers.schedule.score)
    assert found == changed(answers, key, value)


def test_no_change_gives_equal_answers() -> None:
    """Supposing nothing, or what is so, changes nothing."""
    answers = given_answers()
    assert supposed(answers, []) == answers
    assert supposed(answers, ["latency.p99=100ms"]) == answers


@pytest.mark.parametrize(
    ("change", "near"),
    [
        ("latency.p99=20 parsecs", "write latency.p99=20ms"),
        ("candidates.per_request=10.000", "write candidates.per_request=10000"),
        ("candidates.per_request=lots", "write candidates.per_request=1"),
        ("policy.fine_tuning=perhaps", "write policy.fine_tuning=true"),
        ("latency.p99=-", "it must be answered"),
        ("latency.p99=?", "a duration is a number"),
        ("p99=20ms", "write latency.p99=20ms"),
        ("latency.p98=20ms", "write latency.p99=20ms"),
        ("system.output=rankng", "write system.output=ranking"),
        ("latency.p99", "write for instance latency.p99=100ms"),
        ("latency.p99=", "it must be answered"),
        ("engines.scroes=redis://a", "write engines.scores=redis://a"),
        ("candidates.catalog=0", "write candidates.catalog=1"),
        ("nonsense=1", "there are system.name"),
    ],
)
def test_what_cannot_be_read_is_answered_with_the_nearest(change: str, near: str) -> None:
    """A misspelt key or a loose value is refused with the form that would be right."""
    with pytest.raises(ConstraintError) as refused:
        supposed(given_answers(), [change])
    assert refused.value.problems[0].startswith(change)
    assert near in str(refused.value)


def test_all_problems_are_told_at_once() -> None:
    """Three wrong changes are three problems of one error."""
    with pytest.raises(ConstraintError) as refused:
        supposed(given_answers(), ["latency.p99=x", "b=2", "candidates.per_request=0"])
    assert len(refused.value.problems) == 3


def test_answers_must_hold_together() -> None:
    """A request cannot choose among more than the catalog, supposed or not."""
    with pytest.raises(ConstraintError, match="which has 5"):
        supposed(given_answers(), ["candidates.per_request=7", "candidates.catalog=5"])


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("candidates.per_request=10M", 10_000_000),
        ("candidates.per_request=10_000", 10_000),
        ("candidates.catalog=10B", 10**10),
        ("candidates.catalog=1e6", 10**6),
        ("latency.throughput=10M/s", 10**16),
        ("latency.p99=half a second", 500_000),
        ("labels.positive_rate=8%", 0.08),
        ("labels.positive_rate=1e-05", 1e-05),
        ("policy.fine_tuning=yes", True),
        ("policy.memory=64 gigs", 64 * 10**9),
        ("policy.memory=-", None),
        ("interpretability.level=regulated", "audit"),
        ("engines.scores=redis://a", {"scores": "redis://a"}),
        ('system.goal="a = b"', "a = b"),
        ("system.name=-", "-"),
    ],
)
def test_what_one_says_is_understood_as_in_ask(change: str, value: Any) -> None:
    """Numbers, times and words as a conversation takes them, beside the forms of the file."""
    found = supposed(given_answers(memory="1GB"), [change])
    key = change.partition("=")[0]
    assert (found.engines if key.startswith("engines") else value_of(found, key)) == value


def test_quotes_are_taken_off_and_the_last_change_counts() -> None:
    """A value copied from the file, with its quotes, is the value; a later change replaces it."""
    found = supposed(given_answers(), ["latency.p99=1s", 'latency.p99="20ms"', "system.name=7"])
    assert (found.latency.p99, found.system.name) == (20_000, "7")


def test_an_empty_value_leaves_an_optional_answer_out() -> None:
    """`KEY=` is the answer that the file does not state; of an engine, the embedded one."""
    answers = given_answers(catalog=50, delay="7d", engines={"scores": "redis://a"})
    found = supposed(answers, ["candidates.catalog=", "labels.delay=", "engines.scores="])
    assert (found.candidates.catalog, found.labels.delay, found.engines) == (None, None, {})


def test_what_lost_its_meaning_goes_along() -> None:
    """Without a text there is no stream, and a slow schedule holds no tight promise."""
    text = given_answers(output="answer", streamed=True, knowledge="10m")
    found = supposed(text, ["system.output=score"])
    assert not found.latency.streamed
    assert found.freshness.knowledge is None
    nightly = given_answers(predictions="24h", score="0 3 * * *")
    assert supposed(nightly, ["freshness.predictions=1h"]).schedule.score is None
    with pytest.raises(ConstraintError, match="streamed"):
        supposed(text, ["system.output=score", "latency.streamed=true"])
    assert value_of(supposed(nightly, ["latency.p99=1s"]), "schedule.score") == "0 3 * * *"
