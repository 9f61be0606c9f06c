"""The JSON Schema of `groundplan.toml`, for editors that complete and check while one types."""

from typing import Any

from groundplan.constraints.answers import ENGINE, ENGINES, FIELDS, RECORDS
from groundplan.constraints.question import OF_TABLE


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12); it accepts every file that `parse` accepts.

    Bounds of durations, rates and sizes, and `per_request` against `catalog`, are beyond a
    schema: `parse` checks them.
    """
    tables = {table: _table(table) for table in RECORDS}
    tables["engines"] = {
        "type": "object",
        "description": "Where things run; everything is embedded by default.",
        "properties": {
            name: {**ENGINE.schema(), "description": doc} for name, doc in ENGINES.items()
        },
        "additionalProperties": False,
    }
    required = {field.table for field in FIELDS.values() if field.required}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "groundplan.toml: the five answers",
        "type": "object",
        "properties": tables,
        "required": [table for table in tables if table in required],
        "additionalProperties": False,
        "allOf": [_answers_only()],
    }


def _table(table: str) -> dict[str, Any]:
    fields = [field for field in FIELDS.values() if field.table == table]
    question = OF_TABLE.get(table)
    text = (RECORDS[table].__doc__ or "").strip()
    if question is not None:
        text = f"{question.number}. {question.text} It decides {question.decides}."
    return {
        "type": "object",
        "description": text,
        "properties": {
            field.name: {**field.kind.schema(), "description": field.doc} for field in fields
        },
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _answers_only() -> dict[str, Any]:
    """What only an answer may have: a stream of tokens, and knowledge of a stated age."""
    return {
        "if": {"properties": {"system": {"properties": {"output": {"not": {"const": "answer"}}}}}},
        "then": {
            "properties": {
                "latency": {"properties": {"streamed": {"const": False}}},
                "freshness": {"properties": {"knowledge": False}},
            }
        },
    }
