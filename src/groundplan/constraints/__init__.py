"""The answers to the five questions: records, parsing, messages and the schema for editors."""

from groundplan.constraints.answers import (
    ENGINES,
    FIELDS,
    TABLES,
    Answers,
    Candidates,
    Field,
    Freshness,
    Interpretability,
    Labels,
    Latency,
    Policy,
    Schedule,
    System,
)
from groundplan.constraints.file import load, parse, render
from groundplan.constraints.question import QUESTIONS, Question
from groundplan.constraints.schema import schema

__all__ = [
    "ENGINES",
    "FIELDS",
    "QUESTIONS",
    "TABLES",
    "Answers",
    "Candidates",
    "Field",
    "Freshness",
    "Interpretability",
    "Labels",
    "Latency",
    "Policy",
    "Question",
    "Schedule",
    "System",
    "load",
    "parse",
    "render",
    "schema",
]
