"""The answers as the page has them: the description of each, and a record of their values."""

import json
from typing import Any, Final

from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.kind import Choice, Count, Duration, Kind, Rate, RefusedError, Size
from groundplan.decision.case import KEYS, Case
from groundplan.decision.domain import DOMAINS
from groundplan.decision.script.scope import laid_out
from groundplan.decision.script.text import quoted

_WHOLE: Final = (Count, Duration, Rate, Size)


def slots(answers: Answers) -> dict[str, Any]:
    """The record that `groundplan.decide` takes, ready for JSON: integers as decimal texts."""
    case = Case(answers)
    found: dict[str, Any] = {}
    for key in KEYS:
        field = FIELDS[key]
        value = getattr(case, field.name)
        whole = isinstance(field.kind, _WHOLE) and value is not None
        found[field.name] = str(value) if whole else value
    return {**found, "engines": dict(case.engines)}


def fields() -> list[dict[str, Any]]:
    """One description per answer, in the file's order; bounds are of numbers only."""
    return [_described(key) for key in KEYS]


def _described(key: str) -> dict[str, Any]:
    field = FIELDS[key]
    kind = field.kind
    bounds = (kind.least, kind.most) if isinstance(kind, _WHOLE) else (None, None)
    return {
        "key": key,
        "slot": field.name,
        "kind": type(kind).__name__.lower(),
        "options": kind.words if isinstance(kind, Choice) else None,
        "least": bounds[0],
        "most": bounds[1],
        "required": field.required,
        "default": field.default,
        "example": getattr(kind, "example", None),
        "rule": _rule(kind),
        "doc": field.doc,
        "decides": key in DOMAINS,
    }


def _rule(kind: Kind) -> str:
    """What a value of the kind must be; a page has no quotes to write it without."""
    try:
        kind.read("")
    except RefusedError as error:
        return error.rule.removesuffix(", written without quotes")
    raise AssertionError(f"{kind} takes an empty text")


def literal(value: object) -> str:
    """A value as the script writes it; an int is a BigInt."""
    match value:
        case None | bool():
            return json.dumps(value)
        case int():
            return f"{value}n"
        case float():
            return repr(value)
        case str():
            return quoted(value)
        case dict():
            rows = [f"{quoted(str(name))}: {literal(inner)}" for name, inner in value.items()]
            return laid_out("{", rows, "}")
    assert isinstance(value, list | tuple), f"{value!r} has no literal"
    return laid_out("[", [literal(inner) for inner in value], "]")
