"""`groundplan ask`: the five questions in order, and what each answer rules out."""

import json
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click

from groundplan import constraints
from groundplan.cli.arguments import json_option
from groundplan.cli.given import answer, given
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.draft import assumed_in, values_in, written
from groundplan.constraints.question import ASKED_BY_KEY
from groundplan.decision.inquiry import Inquiry, Step
from groundplan.errors import ConstraintError
from groundplan.project import ANSWERS

DRAFT: Final = "groundplan.draft.toml"


@click.command()
@click.argument("project", type=click.Path(path_type=Path), default=".")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Answer without being asked, such as latency.p99='half a second'; once for each. "
    "`?` leaves it open, `-` leaves it out.",
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="Answers from a file: TOML, or one per line in the order of the questions; - is the "
    "standard input.",
)
@json_option
def ask(project: Path, changes: tuple[str, ...], source: str | None, as_json: bool) -> None:
    """Ask the five questions in order, and write groundplan.toml.

    Takes answers as one says them: 500ms, half a second, about 10 million, nightly, 10k, yes.
    `?` shows what each possible answer would decide. After every answer it says which patterns
    still stand, and which rule ruled one out. Answers that are there already are offered again.

    \b
    Examples:
      groundplan ask card-fraud
      groundplan ask card-fraud --set latency.p99=50ms --set candidates.per_request=10k
      groundplan ask card-fraud --from answers.txt --json

    Exit codes: 0 decided, 2 the answers conflict, 1 answers are missing or cannot be read.
    """
    file = project if project.suffix == ".toml" else project / ANSWERS
    text = _read(file)
    if sys.stdin.isatty() and not changes and source is None and not as_json:
        sys.exit(_talk(file, text))
    if source is None and not changes and not sys.stdin.isatty():
        source = "-"
    said = given(changes, source)
    text = said.base if text is None else text
    inquiry, before = Inquiry(), {"system.name": _name(file)}
    if text is not None:
        before |= _values(text, file)
    made = answer(inquiry, said, before, assumed_in(text or ""), str(file))
    answers = _finish(inquiry, file, text)
    if as_json:
        click.echo(json.dumps(_report(inquiry, made, answers, file), indent=2))
    else:
        _show(inquiry, made, answers, file)
    sys.exit(_code(inquiry, answers))


def _read(file: Path) -> str | None:
    """The text of the answers as they are; None where there are none yet."""
    if not file.exists():
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        constraints.load(file)  # says why it cannot be read
        raise


def _values(text: str, where: Path) -> dict[str, Any]:
    try:
        return values_in(text)
    except ValueError:
        constraints.parse(text, str(where))  # says where it is not TOML
        raise


def _talk(file: Path, text: str | None) -> int:
    """The conversation; the exit code."""
    from groundplan.cli import steps
    from groundplan.cli.interview import Interview
    from groundplan.cli.tables import console

    inquiry, out, draft = Inquiry(), console(), file.with_name(DRAFT)
    before, marked = {"system.name": _name(file)}, assumed_in(text or "")
    before |= {} if text is None else _values(text, file)
    if draft.exists():
        out.print(f"taking up {draft}, which was stopped halfway")
        kept = draft.read_text(encoding="utf-8")
        before |= _values(kept, draft)
        marked |= assumed_in(kept)
    try:
        Interview(inquiry, before, marked, out).run()
        answers = _finish(inquiry, file, text)
    except (KeyboardInterrupt, EOFError):
        out.print("\nstopped; nothing is written")
        _offer_draft(inquiry, draft)
        return 1
    except ConstraintError:
        _write(draft, written(None, inquiry.plain, inquiry.assumed))
        out.print(f"\nthe answers are kept in {draft}; `groundplan ask` takes them up again")
        raise
    draft.unlink(missing_ok=True)
    out.print(f"\nwrote {file}")
    steps.end(out, inquiry, answers, file)
    return _code(inquiry, answers)


def _offer_draft(inquiry: Inquiry, draft: Path) -> None:
    if not inquiry.plain:
        return
    try:
        keep = input(f"Keep the answers so far as {draft}? [y/N] ").strip().lower()
    except (KeyboardInterrupt, EOFError):
        keep = ""
        print()
    if keep in ("y", "yes"):
        _write(draft, written(None, inquiry.plain, inquiry.assumed))
        print(f"wrote {draft}; `groundplan ask` takes it up again")


def _finish(inquiry: Inquiry, file: Path, text: str | None) -> Answers | None:
    """Write the file; the answers, or None where some are missing.

    Raises:
        ConstraintError: the answers break a rule together; nothing is written.
    """
    plain = inquiry.plain
    new = written(text, {key: plain.get(key) for key in ASKED_BY_KEY}, inquiry.assumed)
    answers = None if inquiry.missing else constraints.parse(new, str(file))
    if new != text or not file.exists():
        _write(file, new)
    return answers


def _write(file: Path, text: str) -> None:
    """All of it, or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, hidden = tempfile.mkstemp(prefix=".", suffix=".toml", dir=file.parent)
    try:
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(hidden, file.stat().st_mode & 0o777 if file.exists() else 0o644)
        os.replace(hidden, file)
    except BaseException:
        Path(hidden).unlink(missing_ok=True)
        raise


def _name(file: Path) -> str:
    folder = file.resolve().parent.name
    return folder if file.name == ANSWERS else file.stem


def _code(inquiry: Inquiry, answers: Answers | None) -> int:
    if answers is None:
        return 1
    return 2 if inquiry.standing().outcomes() == (None,) else 0


def _show(inquiry: Inquiry, made: list[Step], answers: Answers | None, file: Path) -> None:
    from groundplan.cli import steps
    from groundplan.cli.tables import console

    out = console()
    for last, one in pairwise((None, *made)):
        if one is not None:
            steps.step(out, one, last=last)
    out.print(f"\nwrote {file}")
    steps.end(out, inquiry, answers, file)


def _report(
    inquiry: Inquiry, made: list[Step], answers: Answers | None, file: Path
) -> dict[str, Any]:
    """What happened, for programs; values stand as in the file."""
    from groundplan.cli.steps import following

    standing = inquiry.standing()
    outcomes = standing.outcomes()
    return {
        "file": str(file),
        "answers": inquiry.plain,
        "assumed": sorted(inquiry.assumed),
        "open": {key: _spans(key, inquiry) for key in inquiry.missing},
        "steps": [_step(one) for one in made],
        "standing": list(standing.patterns()),
        "outcomes": list(outcomes),
        "decided": len(outcomes) == 1 and (answers is not None or not inquiry.missing),
        "pattern": outcomes[0] if len(outcomes) == 1 else None,
        "next": [command for command, _ in following(answers, file, inquiry)],
    }


def _step(one: Step) -> dict[str, Any]:
    return {
        "answer": one.key,
        "value": one.plain,
        "ruled_out": {
            name: [
                {
                    "rule": out.rule,
                    "because": out.because,
                    "answers": list(out.answers),
                    "whatever": list(out.whatever),
                }
                for out in reasons
            ]
            for name, reasons in one.ruled_out.items()
        },
        "standing": list(one.standing),
        "outcomes": list(one.outcomes),
    }


def _spans(key: str, inquiry: Inquiry) -> list[dict[str, Any]]:
    standing, kind = inquiry.standing(), FIELDS[key].kind
    if key not in standing.open:
        return []
    return [
        {
            "from": None if span.least is None else kind.plain(span.least),
            "to": None if span.most is None else kind.plain(span.most),
            "outcomes": list(span.outcomes),
        }
        for span in standing.spans(key)
    ]
