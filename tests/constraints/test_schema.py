"""The schema for editors agrees with the parser."""

import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from answer_cases import random_answers
from groundplan.constraints import ENGINES, FIELDS, QUESTIONS, TABLES, Answers, render, schema

VALIDATOR = jsonschema.Draft202012Validator(schema())


@given(random_answers())
def test_the_schema_accepts_every_file_that_is_read(answers: Answers) -> None:
    """No editor marks a file that `groundplan decide` reads."""
    VALIDATOR.validate(tomllib.loads(render(answers)))


def test_the_schema_is_valid_and_complete() -> None:
    """It is a schema of its draft, and has every table, key, question and engine."""
    jsonschema.Draft202012Validator.check_schema(schema())
    tables = schema()["properties"]
    assert tuple(tables) == TABLES
    for field in FIELDS.values():
        found = tables[field.table]["properties"][field.name]
        assert found["description"] == field.doc
        assert (field.name in tables[field.table]["required"]) is field.required
    for question in QUESTIONS:
        assert question.text in tables[question.table]["description"]
    assert set(tables["engines"]["properties"]) == set(ENGINES)


def document() -> dict[str, Any]:
    return {
        "system": {"name": "a", "goal": "b", "output": "score"},
        "labels": {"kind": "explicit"},
        "latency": {"p99": "100ms", "throughput": "500/s"},
        "freshness": {"predictions": "0s", "features": "1s", "requests": "unforeseen"},
        "candidates": {"per_request": 1},
        "interpretability": {"level": "audit"},
    }


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("system", "output", "scores"),
        ("system", "nam", "a"),
        ("zz", "a", 1),
        ("engines", "zz", "redis://"),
        ("latency", "p99", 100),
        ("latency", "p99", "100 msec"),
        ("latency", "throughput", "500"),
        ("latency", "streamed", True),
        ("freshness", "knowledge", "1m"),
        ("labels", "positive_rate", 8),
        ("candidates", "per_request", 0),
        ("policy", "memory", "24gb"),
        ("policy", "fine_tuning", "no"),
        ("schedule", "score", "daily"),
        ("schedule", "missed", "wait"),
        ("schedule", "time_zone", "New York"),
        ("schedule", "timeout", "6 hours"),
    ],
)
def test_the_schema_refuses_what_is_refused(table: str, key: str, value: object) -> None:
    """Wrong enumerations, unknown keys, wrong units and types are marked while one types."""
    good = document()
    VALIDATOR.validate(good)
    good.setdefault(table, {})[key] = value
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(good)


@pytest.mark.parametrize("field", [f.key for f in FIELDS.values() if f.required])
def test_the_schema_asks_for_what_is_required(field: str) -> None:
    """Leaving out a required answer, or its whole table, is marked."""
    table, key = field.split(".")
    one = document()
    del one[table][key]
    other = document()
    del other[table]
    for incomplete in (one, other):
        assert not VALIDATOR.is_valid(incomplete)
