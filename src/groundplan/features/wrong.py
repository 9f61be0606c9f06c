"""What is wrong with a body that the typed decoder refused: the field, its value and the rule."""

import difflib
import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from groundplan.errors import InputError
from groundplan.features.fields import Kind


@dataclass(frozen=True)
class Rule:
    """What a field must be.

    Args:
        kind: its type; None for the time.
        required: whether a body without it is refused.
        limit: the largest magnitude of a number, in its own unit; None where any finite one goes.
        characters: the least and the most of a text.
    """

    kind: Kind | None
    required: bool = True
    limit: float | None = None
    characters: tuple[int, int] = (0, 0)


def diagnosis(
    body: bytes,
    source: str,
    rules: Mapping[str, Rule],
    late: Collection[str],
    error: Exception,
) -> InputError:
    """The refusal of a body, naming the first field that breaks its rule.

    Args:
        body: as it came.
        source: the source's name, for the message.
        rules: by field, in the order in which they are checked.
        late: the labels, which may be known but do not belong into this body.
        error: what the decoder said, for what no rule here explains.
    """
    try:
        found = json.loads(body)  # takes NaN, so that it can be named
    except (ValueError, RecursionError) as broken:
        return InputError("", f"the body is not JSON: {broken}: send one JSON object")
    if not isinstance(found, dict):
        return InputError(
            "", f"the body is {_shown(found)}, and {source} are JSON objects: send one object"
        )
    for name, problem in _problems(found, source, rules, late):
        return InputError(name, problem)
    return InputError("", f"the body is refused: {error}")


def _problems(
    found: dict[str, Any], source: str, rules: Mapping[str, Rule], late: Collection[str]
) -> Iterator[tuple[str, str]]:
    """(field, message) of every problem: what is there first, then what is missing."""
    for name, value in found.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield name, f"{name} is {value}, which is no finite number: send one"
        elif name in late:
            yield (
                name,
                f"{name} is a label of {source}, which is not known when a prediction is asked "
                "for: leave it out, and send it as an event once it is known",
            )
        elif name not in rules:
            yield name, _unknown(name, source, rules)
    for name, rule in rules.items():
        problem = _problem(found[name], rule) if name in found else None
        if problem:
            yield name, f"{name} {_shown(found[name])} {problem}"
    for name, rule in rules.items():
        if rule.required and name not in found:
            yield name, f"{name} is missing: every one of {source} needs it"


def _problem(value: Any, rule: Rule) -> str | None:
    if value is None and rule.kind is not None and rule.kind.optional:
        return None
    if rule.kind is None:
        return _time_problem(value)
    if rule.kind.name == "bool":
        return None if isinstance(value, bool) else "is not a bool: send true or false"
    if rule.kind.name == "str":
        return _text_problem(value, *rule.characters)
    return _number_problem(value, rule.kind, rule.limit)


def _number_problem(value: Any, kind: Kind, limit: float | None) -> str | None:
    whole = kind.name == "int"
    noun, example = ("an integer", 12) if whole else ("a number", 12.5)
    if not isinstance(value, int if whole else int | float) or isinstance(value, bool):
        return f"is not {noun}: send one without quotes, such as {example}"
    if kind.name == "int" and limit is None and not -(2**63) <= value < 2**63:
        return "does not fit 64 bits: send a smaller number"
    if limit is not None and abs(value) > limit:
        return f"is above the largest magnitude, {limit:,g}: send a smaller number"
    return None


def _time_problem(value: Any) -> str | None:
    try:
        msgspec.convert(value, datetime)
    except (ValueError, TypeError):
        return "is not an RFC 3339 time: send a text such as 2018-08-15T10:00:00Z"
    return None


def _text_problem(value: Any, least: int, most: int) -> str | None:
    if not isinstance(value, str):
        return 'is not a text: send one in quotes, such as "a1"'
    if not least <= len(value) <= most:
        return f"has {len(value)} characters, and {least} to {most} are allowed"
    return None


def _unknown(name: str, source: str, rules: Mapping[str, Rule]) -> str:
    near = difflib.get_close_matches(name, rules, n=1, cutoff=0.5)
    known = f"did you mean {near[0]}?" if near else f"it knows {', '.join(rules)}"
    return f"{_shown(name)} is not a field of {source}: {known}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
