"""The decision as data: what programs read."""

import json
from typing import Any

from hypothesis import given, settings

from answer_cases import changed, first_left, given_answers, random_answers
from groundplan.constraints import FIELDS, Answers
from groundplan.decision import reference_costs, report


@given(random_answers())
@settings(max_examples=40)
def test_the_report_has_every_part_and_is_json(answers: Answers) -> None:
    """All parts are there for any answers, and survive JSON."""
    found = report(answers)
    assert json.loads(json.dumps(found)) == found
    assert set(found) >= {"pattern", "standing", "rulings", "conflicts", "flips", "components"}
    assert set(found["costs"]) == {"name", "machine", "measured_at", "script"}
    assert bool(found["conflicts"]) is (found["pattern"] is None)
    assert list(found["more_complex"]) == found["standing"][1:]
    for ruling in found["rulings"]:
        assert set(ruling) == {"rule", "rules_out", "because", "answers"}
    for component in found["components"].values():
        assert set(component) == {"choice", "because", "rulings"}


@given(random_answers())
@settings(max_examples=40)
def test_reported_changes_can_be_typed_in(answers: Answers) -> None:
    """Each change is stated as the file writes it, and typing it in gives the stated pattern."""
    found = report(answers)
    for change in found["flips"] + [way for c in found["conflicts"] for way in c["nearest"]]:
        single = isinstance(change["answer"], str)
        keys = [change["answer"]] if single else change["answer"]
        values = [change["to"]] if single else change["to"]
        if any(_beyond(key, value) for key, value in zip(keys, values, strict=True)):
            continue
        other = answers
        for key, value in zip(keys, values, strict=True):
            read = None if value is None else FIELDS[key].kind.read(value)
            other = changed(other, key, read)
        assert first_left(other, reference_costs()) == change["pattern"]


def _beyond(key: str, value: Any) -> bool:
    """Is it a rate beyond the precision with which rates are read?"""
    return key == "latency.throughput" and float(value.split("/")[0]) > 9e6


def test_the_fraud_report_says_what_the_concept_says() -> None:
    """The sentence of the concept, the answers that it read, and the cost table."""
    found = report(given_answers())
    assert found["pattern"] == "realtime"
    (first, *_) = found["rulings"]
    assert first["rules_out"] == "batch"
    assert first["answers"] == ["freshness.predictions"]
    assert first["because"].startswith("predictions may be at most 0s old, and a nightly run")
    assert found["components"]["model"]["choice"] == "boosted_trees"
    assert found["costs"]["name"] == "reference"


def test_what_stands_beside_the_chosen_is_said_to_be_more_complex() -> None:
    """Churn could be served live, and the record says why it is not."""
    found = report(given_answers(predictions="24h", features="24h", requests="foreseen"))
    assert found["standing"] == ["batch", "realtime"]
    assert found["more_complex"] == {
        "realtime": "realtime stands, but is more complex than needed: batch suffices"
    }
