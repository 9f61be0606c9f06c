"""Answers that are given without a conversation: options, a file, or lines on standard input."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from groundplan.constraints import FIELDS
from groundplan.constraints.draft import values_in
from groundplan.constraints.file import literal
from groundplan.constraints.kind import RefusedError, closest
from groundplan.constraints.question import ASKED_BY_KEY, OF_LABELS, Asked
from groundplan.constraints.spoken import Meant, is_left_out, is_unknown, understand
from groundplan.decision.inquiry import Inquiry, Step
from groundplan.errors import ConstraintError


class Given(NamedTuple):
    """Answers as they came.

    Args:
        told: by dotted key, each with where it was said.
        lines: answers in the order of the questions.
        base: the text of a file of answers, to start a new one from; None: there is none.
    """

    told: dict[str, tuple[str, Any]]
    lines: list[str]
    base: str | None


def given(changes: Sequence[str], source: str | None) -> Given:
    """The answers of options and of a file.

    Args:
        changes: `KEY=VALUE` each; they go before what the file says.
        source: a file of answers; `-` is the standard input, None none.

    Raises:
        ConstraintError: a key is none that is asked for, or the file cannot be read.
    """
    found = Given({}, [], None) if source is None else _from(source)
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            rule = "an answer is KEY=VALUE, with a value as one says it"
            raise ConstraintError([f"--set {change}: {rule}; write for instance latency.p99=100ms"])
        found.told[_key(name.strip(), "--set")] = ("--set", value.strip())
    return found


def answer(
    inquiry: Inquiry, said: Given, before: dict[str, Any], marked: frozenset[str], where: str
) -> list[Step]:
    """Take answers in the order of the questions; the steps that they make.

    Args:
        inquiry: takes the answers.
        said: what was given.
        before: what the file at `where` says, for what was not given.
        marked: those of them that were assumed.
        where: what messages call that file.

    Raises:
        ConstraintError: some cannot be understood; all of them at once.
    """
    waiting, problems, made = iter(said.lines), [], []
    asked_for = set()
    for asked in inquiry.asked():
        asked_for.add(asked.key)
        try:
            made += _one(inquiry, asked, said.told, before, waiting, marked)
        except RefusedError as refusal:
            place, raw = said.told.get(asked.key, (where, before.get(asked.key)))
            near = literal(refusal.nearest)
            problems.append(f"{place}: {asked.key} = {raw}: {refusal.rule}; write {near}")
            inquiry.open(asked.key)
    for key, (place, raw) in said.told.items():
        # A file that says more of labels than there is left of them is taken without that.
        if key not in asked_for and (key not in OF_LABELS or place == "--set"):
            rule = 'it is for output = "answer" only'
            rule = 'there are no labels, by kind = "none"' if key in OF_LABELS else rule
            problems.append(f"{place}: {key} = {raw}: {rule}; leave it out")
    if left := [line for line in waiting if line]:
        problems.append(f"{left[0]}: there is no question left for it; leave it out")
    if problems:
        raise ConstraintError(problems)
    return made


def _one(
    inquiry: Inquiry,
    asked: Asked,
    told: dict[str, tuple[str, Any]],
    before: dict[str, Any],
    waiting: Iterator[str],
    marked: frozenset[str],
) -> list[Step]:
    """The answer to one question: what was told, or else the next line, or else the file."""
    key, required = asked.key, FIELDS[asked.key].required
    if key not in told and (line := next(waiting, "")):
        told[key] = ("a line", line)
    raw = told[key][1] if key in told else before.get(key)
    if raw is None:
        silent = inquiry.open(key) if required else inquiry.put(key, None)
        return [silent] if silent.ruled_out else []
    if isinstance(raw, str) and is_unknown(raw):
        return [inquiry.open(key)]
    if isinstance(raw, str) and is_left_out(raw) and not required:
        return [inquiry.put(key, None)]
    if key in told:
        return [inquiry.put(key, _meant(key, raw))]
    return [inquiry.put(key, _kept(key, raw) or _meant(key, raw), assumed=key in marked)]


def _kept(key: str, raw: Any) -> Meant | None:
    """A value of the file as it stands there; None where it breaks the rule of its kind."""
    try:
        return Meant(FIELDS[key].kind.read(raw), raw)
    except RefusedError:
        return None


def _meant(key: str, raw: Any) -> Meant:
    """What a value of TOML or a word of a person means."""
    kept = None if isinstance(raw, str) else _kept(key, raw)
    return kept or understand(FIELDS[key].kind, str(raw))


def _from(source: str) -> Given:
    where = "standard input" if source == "-" else source
    text = _text(source)
    told: dict[str, tuple[str, Any]] = {}
    try:
        values = values_in(text)
    except ValueError:
        return Given(told, _lines(text, told, where), None)
    whole = any(line.startswith("[") for line in text.splitlines())
    for key, value in values.items():
        # A whole file may say more than is asked: it is taken as it is, and checked at the end.
        if not whole or key in ASKED_BY_KEY:
            told[_key(key, where)] = (where, value)
    return Given(told, [], text if whole else None)


def _text(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problem = f"{source}: cannot be read ({reason}); name a file of answers, or - to pipe them"
        raise ConstraintError([problem]) from error


def _lines(text: str, told: dict[str, tuple[str, Any]], where: str) -> list[str]:
    """The answers in order; a line that names its key goes to `told`."""
    found = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for mark in ("=", ":"):
            name, split, value = (part.strip() for part in line.partition(mark))
            if split and (key := _known(name)) is not None:
                told[key] = (where, value.strip("\"'"))
                break
        else:
            found.append(line.strip())
    return found


def _known(name: str) -> str | None:
    """The key that a dotted name or its last part stands for."""
    return next((key for key in ASKED_BY_KEY if name in (key, key.split(".")[1])), None)


def _key(name: str, where: str) -> str:
    found = _known(name)
    if found is not None:
        return found
    last = {key.split(".")[1]: key for key in ASKED_BY_KEY}
    near = closest(name, tuple(ASKED_BY_KEY)) or last.get(closest(name, tuple(last)) or "")
    instead = f"write {near}" if near else f"there are {', '.join(ASKED_BY_KEY)}"
    raise ConstraintError([f"{where}: {name}: no question asks for that; {instead}"])
