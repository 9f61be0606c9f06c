"""The text of `groundplan.toml` while it is being answered: values come and go, comments stay."""

import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any, Final

from groundplan.constraints.answers import FIELDS
from groundplan.constraints.file import example, literal
from groundplan.constraints.kind import Plain
from groundplan.constraints.question import (
    ASKED,
    ASKED_BY_KEY,
    OF_LABELS,
    OF_TABLE,
    Asked,
    asked_as,
)

_COLUMN: Final = 30  # where comments begin
_ASSUMED: Final = "assumed: "
_OPEN: Final = "open: "
_OUTPUT: Final = "system.output"
_HEADS: Final = {"policy": "optional: what the plan may use"}
_HEAD: Final = re.compile(r"^\s*\[\s*(\w+)\s*\]\s*(#.*)?$")
_LINE: Final = re.compile(
    r"""^\s*(?P<hidden>\#\s*)?(?P<name>\w+)\s*=\s*
    (?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\#"'\[{]*?)\s*(?:\#\s*(?P<note>.*))?$""",
    re.VERBOSE,
)

Document = dict[str, Any]


def values_in(text: str) -> Document:
    """The values of a file by dotted key, as the file writes them, read without any check.

    Raises:
        ValueError: the text is not TOML.
    """
    found = {}
    for table, content in tomllib.loads(text).items():
        if isinstance(content, dict):
            found.update({f"{table}.{name}": value for name, value in content.items()})
        else:
            found[table] = content
    return found


def assumed_in(text: str) -> frozenset[str]:
    """The keys whose values nobody stated, as the comments beside them say."""
    found, table = set(), ""
    for line in text.splitlines():
        if head := _HEAD.match(line):
            table = head[1]
        elif (row := _LINE.match(line)) and not row["hidden"]:
            found |= {f"{table}.{row['name']}"} if _is_assumed(row["note"]) else set()
    return frozenset(found)


def _is_assumed(note: str | None) -> bool:
    return f"{note or ''} ".startswith((_ASSUMED, _ASSUMED.replace(":", "")))


def written(
    text: str | None, values: Mapping[str, Plain | None], assumed: Collection[str] = ()
) -> str:
    """The text of a file that states these values, and leaves out those that are None.

    Every other key, line and comment of the text stays; what is left out becomes a comment. A
    text that does not put one key on one line is written anew.

    Args:
        text: the file as it is; None: there is none.
        values: by dotted key, as the file writes them.
        assumed: keys whose values nobody stated; the comment beside them says so.
    """
    if text is None:
        return _fresh(values, assumed)
    before = values_in(text)
    lines, marked = text.splitlines(), assumed_in(text)
    output = values.get(_OUTPUT, before.get(_OUTPUT))
    for key, value in values.items():
        anew = value is not None and (key in assumed) != (key in marked)
        if before.get(key) != value or anew or (value is None and FIELDS[key].required):
            lines = _edited(lines, asked_as(key, output), value, key in assumed)
    edited = "\n".join(lines).rstrip() + "\n"
    wanted = {**before, **values}
    try:
        if values_in(edited) == {key: value for key, value in wanted.items() if value is not None}:
            return edited
    except ValueError:
        pass
    return _fresh(values, assumed) + _rest(before, values)


def _fresh(values: Mapping[str, Plain | None], assumed: Collection[str]) -> str:
    lines: list[str] = []
    tables = dict.fromkeys(asked.key.split(".")[0] for asked in ASKED)
    for table in tables:
        question = OF_TABLE.get(table)
        head = f"{question.number}. {question.text}" if question else _HEADS.get(table)
        keys = [a.key for a in ASKED if a.key.startswith(f"{table}.") and _belongs(a.key, values)]
        shown = [asked_as(key, values.get(_OUTPUT)) for key in keys]
        lines += ["", _beside(f"[{table}]", head)]
        lines += [_row(a, values.get(a.key), a.key in assumed) for a in shown]
    return "\n".join(lines[1:]) + "\n"


def _belongs(key: str, values: Mapping[str, Plain | None]) -> bool:
    """Whether a file that starts afresh names a key at all, if only as a comment."""
    if values.get(key) is not None:
        return True
    if key in OF_LABELS:
        return values.get("labels.kind") != "none"
    return not ASKED_BY_KEY[key].answers_only or values.get(_OUTPUT) in (None, "answer")


def _row(
    asked: Asked,
    value: Plain | None,
    assumed: bool,
    note: str | None = None,
    former: str | None = None,
) -> str:
    key, name = asked.key, asked.key.split(".")[1]
    said = asked.note if note is None else note
    said = f"{said} ".removeprefix(_ASSUMED).removeprefix(_OPEN).strip()
    said = "" if f"{said}: " in (_ASSUMED, _OPEN) else said  # marked, and nothing beside it
    if value is not None:
        return _beside(f"{name} = {_literal(value)}", (_ASSUMED if assumed else "") + said)
    shown = example(FIELDS[key]) if asked.usual is None else asked.usual
    said = (_OPEN if FIELDS[key].required else "") + said
    return _beside(f"# {name} = {former or _literal(shown)}", said)


def _literal(value: Plain) -> str:
    """As TOML writes it; large numbers in groups of three digits."""
    large = isinstance(value, int) and not isinstance(value, bool) and value >= 100_000
    return f"{value:_}" if large else literal(value)


def _beside(text: str, note: str | None) -> str:
    note = (note or "").strip().removesuffix(":")
    return f"{text:<{_COLUMN - 2}}  # {note}" if note else text


def _edited(lines: list[str], asked: Asked, value: Plain | None, assumed: bool) -> list[str]:
    table, name = asked.key.split(".")
    first, last = _place(lines, table)
    if first is None:
        if value is None:
            return lines
        question = OF_TABLE.get(table)
        head = f"{question.number}. {question.text}" if question else _HEADS.get(table)
        return [*lines, "", _beside(f"[{table}]", head), _row(asked, value, assumed)]
    rows = [(i, match) for i in range(first + 1, last) if (match := _LINE.match(lines[i]))]
    # A commented line is an answer to come, unless the very key also has a line that counts.
    mine = sorted((bool(match["hidden"]), i, match) for i, match in rows if match["name"] == name)[
        :1
    ]
    if not mine:
        if value is None:
            return lines
        after = max([first, *(i for i, _ in rows)])
        return [*lines[: after + 1], _row(asked, value, assumed), *lines[after + 1 :]]
    _, at, match = mine[0]
    return [
        *lines[:at],
        _row(asked, value, assumed, match["note"], match["value"]),
        *lines[at + 1 :],
    ]


def _place(lines: list[str], table: str) -> tuple[int | None, int]:
    """The line of a table's head, and the line after its last one."""
    heads = [(i, match[1]) for i, line in enumerate(lines) if (match := _HEAD.match(line))]
    for n, (i, name) in enumerate(heads):
        if name == table:
            return i, heads[n + 1][0] if n + 1 < len(heads) else len(lines)
    return None, 0


def _rest(before: Document, values: Mapping[str, Plain | None]) -> str:
    """The tables that are not asked for, as they are."""
    lines: list[str] = []
    tables = dict.fromkeys(key.split(".")[0] for key in before if key not in values)
    for table in tables:
        kept = {k: v for k, v in before.items() if k.startswith(f"{table}.") and k not in values}
        if kept:
            rows = [f"{key.split('.', 1)[1]} = {literal(value)}" for key, value in kept.items()]
            lines += ["", f"[{table}]", *rows]
    return "\n".join([*lines, ""]) if lines else ""
