"""Reading `groundplan.toml`: every problem of a file at once, each in one complete message."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplan.constraints.answers import ENGINE, ENGINES, FIELDS, RECORDS, TABLES, Answers, Field
from groundplan.constraints.cron import longest_gap, often
from groundplan.constraints.kind import Kind, Plain, RefusedError, closest
from groundplan.constraints.question import OF_TABLE
from groundplan.errors import ConstraintError
from groundplan.units import show_duration


def load(path: Path) -> Answers:
    """The answers in a file.

    Raises:
        ConstraintError: the file cannot be read, or has problems; all of them at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"{path}: cannot be read ({reason}); write it with `groundplan new`"
        raise ConstraintError([problem]) from error
    except UnicodeDecodeError as error:
        problem = f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise ConstraintError([problem]) from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Answers:
    """The answers in a text; `where` is the name that the messages give to it.

    Raises:
        ConstraintError: the text is not TOML, or has problems; all of them at once.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConstraintError([_broken(error, where)]) from error
    reading = _Reading(where)
    reading.read(document)
    if reading.problems:
        raise ConstraintError(reading.problems)
    tables: dict[str, Any] = {
        table: record(**{name: reading.values[f"{table}.{name}"] for name in _names(table)})
        for table, record in RECORDS.items()
    }
    return Answers(**tables, engines=reading.engines)


def render(answers: Answers) -> str:
    """The answers as the text of a file; parsing it gives equal answers."""
    lines = []
    for table in RECORDS:
        record = getattr(answers, table)
        rows = []
        for name in _names(table):
            field, value = FIELDS[f"{table}.{name}"], getattr(record, name)
            if field.required or value != field.default:
                rows.append(f"{name} = {literal(field.kind.plain(value))}")
        if rows:
            lines += [f"[{table}]", *rows, ""]
    if answers.engines:
        rows = [f"{name} = {literal(url)}" for name, url in answers.engines.items()]
        lines += ["[engines]", *rows, ""]
    return "\n".join(lines)


def literal(value: object) -> str:
    """A value as TOML writes it; a value that only Python has is shown as Python shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the delete character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return repr(value) if isinstance(value, int | float) else str(value)


class _Reading:
    """One pass over a document, which keeps what it could read and every problem."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: list[str] = []
        self.values: dict[str, Any] = {}
        self.engines: dict[str, str] = {}
        self.meant: set[str] = set()  # keys that a misspelt one stands for

    def read(self, document: Mapping[str, object]) -> None:
        named = dict(document)
        for table, content in document.items():
            if table not in TABLES:
                self.problems.append(self._unknown_table(table, content))
                # A misspelt table is read as the one it stands for, so that its keys aren't missed.
                named.setdefault(closest(table, TABLES) or table, content)
        for table in TABLES:
            content = named.get(table, {})
            if not isinstance(content, dict):
                wrong = f"{table} = {_short(content)}: it must be a table"
                self.problems.append(f"{self.where}: {wrong}; write [{table}] on a line of its own")
            elif table == "engines":
                self._read_engines(content)
            else:
                self._read_table(table, content)
        self._check_together()

    def _read_table(self, table: str, content: Mapping[str, object]) -> None:
        names = _names(table)
        for name, value in content.items():
            if name not in names:
                self.problems.append(self._unknown_key(table, name, value))
        for name in names:
            field = FIELDS[f"{table}.{name}"]
            if name in content:
                self._read_value(field.key, name, field.kind, content[name])
            elif not field.required:
                self.values[field.key] = field.default
            elif field.key not in self.meant:
                self.problems.append(self._missing(field))

    def _read_engines(self, content: Mapping[str, object]) -> None:
        for name, value in content.items():
            key = f"engines.{name}"
            if name not in ENGINES:
                known = tuple(ENGINES)
                rule = f"there is no such engine; there are {', '.join(known)}"
                near = closest(name, known)
                instead = _instead(near and f"{near} = {_short(value)}")
                self.problems.append(f"{self.where}: {_cut(key)}: {rule}; {instead}")
            elif self._read_value(key, name, ENGINE, value):
                self.engines[name] = self.values.pop(key)

    def _read_value(self, key: str, name: str, kind: Kind, value: object) -> bool:
        try:
            self.values[key] = kind.read(value)
        except RefusedError as refusal:
            near = f"{name} = {literal(refusal.nearest)}"
            self.problems.append(self._message(key, value, refusal.rule, near))
        return key in self.values

    def _unknown_table(self, table: str, content: object) -> str:
        if isinstance(content, dict):
            rule = f"there is no such table; there are {', '.join(TABLES)}"
            near = closest(table, TABLES)
            return f"{self.where}: [{_cut(table)}]: {rule}; {_instead(near and f'[{near}]')}"
        homes = [field for field in FIELDS.values() if field.name == table]
        home = homes[0].table if homes else "system"
        rule = "a key stands under the table that it belongs to"
        return self._message(table, content, rule, f"it under [{home}]")

    def _unknown_key(self, table: str, name: str, value: object) -> str:
        key = f"{table}.{name}"
        home = next((field for field in FIELDS.values() if field.name == name), None)
        if home is not None:
            self.meant.add(home.key)
            rule = f"{name} belongs to [{home.table}]"
            return self._message(key, value, rule, f"it under [{home.table}]")
        near = closest(name, _names(table))
        self.meant.add(f"{table}.{near}")
        rule = f"there is no such key; [{table}] has {', '.join(_names(table))}"
        instead = _instead(near and f"{near} = {_short(value)}")
        return f"{self.where}: {_cut(key)} = {_short(value)}: {rule}; {instead}"

    def _missing(self, field: Field) -> str:
        question = OF_TABLE.get(field.table)
        asks = f"it says what is built: {field.doc}"
        if question is not None:
            asks = f"question {question.number}, {question.text} It decides {question.decides}"
        near = f"{field.name} = {literal(example(field))}"
        return (
            f"{self.where}: {field.key} is missing: {asks.rstrip('.')}; write for instance {near}"
        )

    def _check_together(self) -> None:
        found = self.values
        output = found.get("system.output")
        for key in ("latency.streamed", "freshness.knowledge"):
            value = found.get(key)
            # 0s is a promise too; false is not.
            if output in {"score", "ranking"} and value is not None and value is not False:
                rule = f'it is for output = "answer" only, and the output is {literal(output)}'
                near = 'nothing here, or output = "answer" under [system]'
                self.problems.append(self._message(key, FIELDS[key].kind.plain(value), rule, near))
        some, whole = found.get("candidates.per_request"), found.get("candidates.catalog")
        if some is not None and whole is not None and some > whole:
            rule = f"a request cannot choose among more than the catalog, which has {whole}"
            near = f"catalog = {some} or per_request = {whole}"
            self.problems.append(self._message("candidates.per_request", some, rule, near))
        self._check_schedule(found.get("schedule.score"), found.get("freshness.predictions"))

    def _check_schedule(self, score: str | None, promised: int | None) -> None:
        """No run can keep a promise that is tighter than the pause between two of them."""
        if score is None or promised is None or (gap := longest_gap(score)) <= promised:
            return
        between, most = show_duration(gap), show_duration(promised)
        rule = f"its runs are up to {between} apart, and predictions may be at most {most} old"
        tighter = often(promised)
        near = f'predictions = "{show_duration(2 * gap)}" under [freshness]'
        near = f'score = "{tighter}", or {near}' if tighter else near
        self.problems.append(self._message("schedule.score", score, rule, near))

    def _message(self, key: str, value: object, rule: str, near: str) -> str:
        return f"{self.where}: {_cut(key)} = {_short(value)}: {rule}; write {near}"


def example(field: Field) -> Plain:
    """A value that the field accepts, as the file writes it."""
    try:
        field.kind.read(None)
    except RefusedError as refusal:
        return refusal.nearest
    raise AssertionError(f"{field.key} accepts nothing at all as a value")


def _instead(near: str | None) -> str:
    return f"write {near}" if near else "remove it"


def _names(table: str) -> tuple[str, ...]:
    return tuple(RECORDS[table].__struct_fields__)


def _short(value: object) -> str:
    return _cut(literal(value))


def _cut(text: str) -> str:
    """One line of at most sixty characters."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _broken(error: Exception, where: str) -> str:
    place = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
    what = re.sub(r"\s*\(at [^)]*\)", "", str(error)) or "nested too deeply"
    at = f"{place[1]}: " if place else ""
    return f"{where}: {at}not TOML: {_cut(what)}; write key = value under [table]"
