"""What is shown while the questions are answered: what stands, what is out, what is open."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from groundplan.cli.conflict import print_conflicts
from groundplan.cli.tables import heading, table
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.file import literal
from groundplan.constraints.kind import Count, Duration, Kind, Rate
from groundplan.constraints.question import ASKED_BY_KEY
from groundplan.decision import PATTERNS, conflicts, decide
from groundplan.decision.domain import DOMAINS
from groundplan.decision.inquiry import Inquiry, Step
from groundplan.decision.standing import Out, Outcomes, Span
from groundplan.project import ANSWERS, SYSTEM
from groundplan.units import show_rate

RUNS: Final = ("batch", "realtime")
"""The patterns that are built and run; the others are planned only."""


def step(out: Console, made: Step, *, word: str = "", last: Step | None = None) -> None:
    """One answer as it was understood, what it ruled out and what still stands.

    Args:
        out: where to.
        made: the step.
        word: what is said beside the value.
        last: the step before: what it decided already isn't told at length again.
    """
    name = made.key.split(".")[1]
    said = "open" if made.plain is None else f"{name} = {literal(made.plain)}"
    if made.plain is None and not FIELDS[made.key].required:
        said = "left out"
    line = Text(f"  {f'{said}  {word}'.strip():<34}", style="bold")
    if made.key in DOMAINS:
        decided = len(made.outcomes) == 1 and last is not None and last.outcomes == made.outcomes
        stands = f"decided: {words(made.outcomes)}" if decided else _stands(made)
        line.append(f"  {stands}", style="not bold green")
    out.print(line)
    for pattern, rulings in made.ruled_out.items():
        for because in sentences(rulings):
            text = Text(f"{pattern} is out", style="red").append(f": {because}", style="default")
            out.print(Padding(text, (0, 0, 0, 4), expand=False))


def sentences(reasons: Iterable[Out]) -> list[str]:
    """Why a pattern is out, or that it takes several rules together."""
    found = [reason.because + _whatever(reason.whatever) for reason in reasons]
    return found or ["no value of the open answers leaves it standing"]


def _whatever(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    names = [key.split(".")[1] for key in keys]
    return f" (whatever {_listed(names)} {'is' if len(names) == 1 else 'are'})"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def words(outcomes: Sequence[str | None]) -> str:
    """Outcomes as a person lists them."""
    names = [name or "a conflict" for name in outcomes]
    return ", ".join(names) or "nothing"


def either(outcomes: Outcomes) -> str:
    """What can be decided, as alternatives; a conflict is named where little else is left."""
    names = [name or "a conflict" for name in outcomes]
    return " or ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} or {names[-1]}"


def _stands(made: Step) -> str:
    """What stands; and what can win of it, where that is less."""
    if len(made.outcomes) == 1:
        decided = f"decided: {words(made.outcomes)}, whatever the rest is"
        alone = made.standing in ((), made.outcomes)
        return decided if alone else f"standing: {words(made.standing)}; {decided}"
    winners = tuple(name for name in made.outcomes if name is not None)
    more = "" if winners == made.standing else f"; can win: {either(made.outcomes)}"
    return f"standing: {words(made.standing)}{more}"


def spans(out: Console, key: str, found: Sequence[Span]) -> None:
    """What each value of an open answer would leave to be decided."""
    shown = _merged(found)
    if len(shown) == 1:
        out.print(f"  whatever it is: {either(shown[0].outcomes)}")
        if shown[0].outcomes not in ((), (None,)):
            said = f"it still decides {ASKED_BY_KEY[key].shapes}"
            out.print(Padding(said, (0, 0, 0, 2), expand=False))
        return
    kind = FIELDS[key].kind
    rows = [(_range(kind, span, key), either(span.outcomes)) for span in shown]
    table(out, (key.split(".")[1], "decides"), rows, wide=("decides",))


def _merged(found: Sequence[Span]) -> list[Span]:
    """One span where all of them leave the same."""
    same = len({span.outcomes for span in found}) <= 1
    return list(found[:1]) if same else list(found)


def _range(kind: Kind, span: Span, key: str) -> str:
    if span.least is None:
        return "not stated"
    if span.least == span.most:
        return _value(kind, span.least)
    least, most = getattr(kind, "least", None), getattr(kind, "most", None)
    if span.most == most:
        low = _value(kind, span.least)
        return "any" if span.least == least else f"{low} or more"
    if isinstance(kind, Count):
        return f"{_value(kind, span.least)} to {_value(kind, span.most)}"
    end = f"under {_value(kind, span.most + 1)}"
    return end if span.least == least else f"{_value(kind, span.least)} to {end}"


def _value(kind: Kind, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(kind, Duration):
        return kind.told(value)
    if isinstance(kind, Rate):
        return show_rate(value)
    plain = kind.plain(value)
    return f"{plain:,}" if isinstance(plain, int) else str(plain)


def still_open(out: Console, inquiry: Inquiry) -> None:
    """What each answer that is missing still decides."""
    standing = inquiry.standing()
    for key in inquiry.missing:
        heading(out, f"{key} is open")
        if key in standing.open:
            spans(out, key, standing.spans(key))
        else:
            beside(out, key)


def beside(out: Console, key: str) -> None:
    """What an answer decides that no rule of a pattern reads."""
    said = f"no pattern depends on it; it decides {ASKED_BY_KEY[key].shapes}"
    out.print(Padding(said, (0, 0, 0, 2), expand=False))


def clash(out: Console, inquiry: Inquiry, keys: Sequence[str]) -> None:
    """Answers that cannot hold together, and the nearest change of one that would help."""
    standing = inquiry.standing()
    given = ", ".join(f"{key.split('.')[1]} = {_said(key, standing.given[key])}" for key in keys)
    heading(out, f"Nothing can be built that meets all of these, whatever comes next: {given}")
    rows = []
    for key in keys:
        found = nearest(standing.spans(key), standing.given[key])
        if found is not None:
            said, to = (
                _said(key, standing.given[key]),
                _range(FIELDS[key].kind, _easy(found, key), key),
            )
            rows.append((key, said, to, words([name for name in found.outcomes if name])))
    if rows:
        table(out, ("nearest change", "from", "to", "leaves"), rows)
    else:
        out.print("no change of one alone would do")


def nearest(found: Sequence[Span], value: Any) -> Span | None:
    """The span nearest to a value in which a pattern can stand; they come in their order."""
    good = [span for span in found if any(span.outcomes)]
    above = [span for span in good if _is_number(value, span) and span.least > value]
    below = [span for span in good if _is_number(value, span) and span.most < value]
    return next(iter([*above[:1], *below[-1:], *good]), None)


def _easy(span: Span, key: str) -> Span:
    """The part of a span whose ends are times and rates of three digits, as one says them."""
    kind = FIELDS[key].kind
    if not isinstance(kind, Duration | Rate) or span.least is None:
        return span
    least, most = span.least, span.most
    low, high = (10 ** max(0, len(str(end)) - 3) for end in (least, most + 1))
    tidy = span._replace(
        least=least if least == kind.least else -(-least // low) * low,
        most=most if most == kind.most else (most + 1) // high * high - 1,
    )
    return tidy if tidy.least <= tidy.most else span


def _is_number(value: Any, span: Span) -> bool:
    numbers = (value, span.least, span.most)
    return all(isinstance(one, int) and not isinstance(one, bool) for one in numbers)


def _said(key: str, value: Any) -> str:
    return "not stated" if value is None else _value(FIELDS[key].kind, value)


def end(out: Console, inquiry: Inquiry, answers: Answers | None, file: Path) -> None:
    """The decision, or what keeps it open, and the next commands."""
    if answers is None:
        still_open(out, inquiry)
        outcomes = inquiry.standing().outcomes()
        already = f"Decided already: {words(outcomes)}, whatever the open answers are"
        heading(out, already if len(outcomes) == 1 else f"Not decided yet: {either(outcomes)}")
    else:
        _decided(out, answers, inquiry)
    for key in sorted(inquiry.assumed):
        heading(out, f"{key} = {literal(inquiry.plain[key])} is assumed, since nobody knew")
        if key in DOMAINS:
            spans(out, key, inquiry.standing().spans(key))
    heading(out, "Next")
    commands = following(answers, file, inquiry)
    wide = max(len(command) for command, _ in commands)
    for command, what in commands:
        out.print(f"  {command:<{wide}}  {what}", soft_wrap=True)


def _decided(out: Console, answers: Answers, inquiry: Inquiry) -> None:
    found = decide(answers, inquiry.costs)
    shapes = {known.name: known.shape for known in PATTERNS}
    heading(out, f"{answers.system.name}: {found.pattern or 'conflict'}")
    out.print(shapes.get(found.pattern or "", "no pattern meets all the answers"))
    print_conflicts(out, answers, conflicts(answers, inquiry.costs), reasons=False)
    if found.pattern not in (None, *RUNS):
        out.print(f"{found.pattern} is planned only: this version runs {' and '.join(RUNS)}")


def following(answers: Answers | None, file: Path, inquiry: Inquiry) -> list[tuple[str, str]]:
    """The next commands, each with what it does."""
    place = _place(file)
    if answers is None:
        return [(f"groundplan ask{place}", "to answer what is open")]
    pattern = decide(answers, inquiry.costs).pattern
    change = "what would change it" if pattern else "the nearest ways out"
    commands = [(f"groundplan decide{place}", f"why, and {change}")]
    if pattern is not None:
        commands.append((f"groundplan plan{place}", "stages, budgets, fallbacks and risks"))
    if pattern in RUNS and not (file.parent / SYSTEM).exists():
        example = "churn" if pattern == "batch" else "fraud"
        commands.append((f"groundplan new NAME --from {example}", "a system.py to start from"))
    return commands


def _place(file: Path) -> str:
    shown = file.parent if file.name == ANSWERS else file
    return "" if shown == Path() else f" {shown}"
