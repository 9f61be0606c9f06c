"""Answers with some of them changed: `latency.p99=20ms`, as the file writes it or one says it."""

import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from groundplan.constraints.answers import ENGINE, ENGINES, FIELDS, Answers
from groundplan.constraints.cron import longest_gap
from groundplan.constraints.file import literal, parse, render
from groundplan.constraints.kind import Count, Flag, Fraction, Kind, RefusedError, Text, closest
from groundplan.constraints.spoken import is_left_out, understand
from groundplan.errors import ConstraintError

_KEYS: Final = (*FIELDS, *(f"engines.{name}" for name in ENGINES))
_BARE: Final = Count | Flag | Fraction
"""The kinds that the file writes without quotes."""


def supposed(
    answers: Answers, changes: Sequence[str], where: str = "the supposed answers"
) -> Answers:
    """The answers as they would be with some changed.

    What can only be said with another answer goes with it, unless it is changed as well: a
    streamed answer or an age of knowledge where the output is no text any more, and a schedule of
    scoring too slow for a promise that became tighter.

    Args:
        answers: as they stand.
        changes: `KEY=VALUE` each, the value as the file writes it, with or without quotes, or
            as one says it, such as `10M`; an empty one or `-` leaves an optional answer out. Of
            one key, the last counts.
        where: what messages call the answers as they would be.

    Raises:
        ConstraintError: a change cannot be read, or the answers break a rule together; all
            problems of the changes at once, each with the nearest correct form.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for change in changes:
        try:
            key, value = _read(change)
            values[key] = value
        except ConstraintError as error:
            problems += error.problems
    if problems:
        raise ConstraintError(problems)
    changed = _put(answers, values.items())
    changed = _put(changed, _orphans(changed, values))
    return parse(render(changed), where)


def _read(change: str) -> tuple[str, Any]:
    """The key of a change and its value as the program holds it; None leaves it out."""
    key, equals, text = (part.strip() for part in change.partition("="))
    if not equals:
        known = key if key in _KEYS else "latency.p99"
        rule = "a change is KEY=VALUE, with a value as one says it"
        raise ConstraintError([f"{change}: {rule}; write for instance {known}={_example(known)}"])
    if key not in _KEYS:
        raise ConstraintError([_unknown(key, text)])
    kind = _kind(key)
    if not text or (is_left_out(text) and not isinstance(kind, Text)):
        return key, _left_out(key, change)
    try:
        return key, _value(kind, text)
    except RefusedError as refusal:
        rule = refusal.rule.replace(", written without quotes", "").replace(" in quotes", "")
        near = f"{key}={_written(refusal.nearest)}"
        raise ConstraintError([f"{change}: {rule}; write {near}"]) from refusal


def _value(kind: Kind, text: str) -> Any:
    plain = _plain(kind, text)
    if isinstance(plain, str):
        return understand(kind, plain).value
    try:
        return kind.read(plain)
    except RefusedError:  # 1e6 is a count to people, and a float to TOML
        return understand(kind, text).value


def _kind(key: str) -> Kind:
    return FIELDS[key].kind if key in FIELDS else ENGINE


def _plain(kind: Kind, text: str) -> object:
    """The value as the file would hold it: bare numbers and flags, everything else a string."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text
    return value if isinstance(value, str) or isinstance(kind, _BARE) else text


def _left_out(key: str, change: str) -> Any:
    field = FIELDS.get(key)
    if field is None or not field.required:
        return None if field is None else field.default
    rule = "it must be answered, so it cannot be left out"
    raise ConstraintError([f"{change}: {rule}; write for instance {key}={_example(key)}"])


def _example(key: str) -> str:
    try:
        _kind(key).read(None)
    except RefusedError as refusal:
        return _written(refusal.nearest)
    raise AssertionError(f"{key} accepts nothing at all as a value")


def _unknown(key: str, text: str) -> str:
    last = key.rsplit(".", maxsplit=1)[-1]
    homes = [known for known in _KEYS if known.split(".")[1] == last]
    near = homes[0] if homes else closest(key, _KEYS)
    instead = f"write {near}={text}" if near else f"there are {', '.join(_KEYS)}"
    return f"{key}={text}: there is no such answer; {instead}"


def _written(value: object) -> str:
    return value if isinstance(value, str) else literal(value)


def _put(answers: Answers, values: Iterable[tuple[str, Any]]) -> Answers:
    for key, value in values:
        table, name = key.split(".")
        if table == "engines":
            rest = {other: url for other, url in answers.engines.items() if other != name}
            engines = rest if value is None else {**rest, name: value}
            answers = msgspec.structs.replace(answers, engines=engines)
        else:
            record = msgspec.structs.replace(getattr(answers, table), **{name: value})
            answers = msgspec.structs.replace(answers, **{table: record})
    return answers


def _orphans(answers: Answers, stated: Iterable[str]) -> list[tuple[str, Any]]:
    """The answers that lost their meaning, with the value that says nothing."""
    gone: list[tuple[str, Any]] = []
    if answers.system.output != "answer":
        gone += [("latency.streamed", False), ("freshness.knowledge", None)]
    score = answers.schedule.score
    if score is not None and longest_gap(score) > answers.freshness.predictions:
        gone.append(("schedule.score", None))
    kept = set(stated)
    return [(key, value) for key, value in gone if key not in kept]
