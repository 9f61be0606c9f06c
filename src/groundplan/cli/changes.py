"""A difference on the terminal: + what comes, - what goes, ~ what is different."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from groundplan.plan.difference import Change, Difference

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SIGNS: Final = {"add": "+", "change": "~", "remove": "-"}
_STYLES: Final = {"add": "green", "change": "yellow", "remove": "red"}
_TITLES: Final = {
    "answers": "Answers",
    "patterns": "Pattern",
    "rulings": "Rulings",
    "conflicts": "Conflicts",
    "components": "Components",
    "stages": "Stages and budgets",
    "misfits": "What cannot fit",
    "capacity": "Capacity",
    "growth": "What gives out first",
    "failures": "Failure modes",
    "operation": "Retraining and monitoring",
    "flips": "What one answer alone would change",
}


def print_difference(out: "Console", found: Difference) -> None:
    """Print a difference part by part, and its summary as the last line."""
    from rich.text import Text

    from groundplan.cli.tables import heading

    said = _said(found)
    for name, title in _TITLES.items():
        changes: tuple[Change, ...] = getattr(found, name)
        if changes and name in said:
            heading(out, title)
            out.print(_grid(changes))
    if found.pairs:
        pairs = "pair" if len(found.pairs) == 1 else "pairs"
        out.print(f"and {len(found.pairs)} {pairs} of answers: --json lists them", style="dim")
    out.print()
    out.print(Text(found.summary, style="bold"))


def _said(found: Difference) -> Sequence[str]:
    """The parts to print: where a conflict begins or ends, all is lost or new, and goes unsaid."""
    for change in found.patterns:
        if change.after == "conflict":
            return ("answers", "patterns", "rulings", "conflicts", "flips")
        if change.before == "conflict":
            return ("answers", "patterns", "rulings", "conflicts", "components", "stages", "flips")
    return tuple(_TITLES)


def _grid(changes: Iterable[Change]) -> "Table":
    """A sign, a name and what is said of it; what is longer than its column goes on below."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=3, justify="right")
    grid.add_column(min_width=12, max_width=44, overflow="fold")
    grid.add_column(overflow="fold")
    for change in changes:
        sign = Text(_SIGNS[change.action], style=_STYLES[change.action])
        lines = [_moved(change), *(f"{p.name}: {_moved(p)}" for p in change.parts), change.because]
        grid.add_row(sign, Text(change.name), Text("\n".join(filter(None, lines))))
    return grid


def _moved(change: Change) -> str:
    """What it was and what it is, where the two differ."""
    if change.before == change.after and change.parts:
        return ""
    values = [value for value in (change.before, change.after) if value is not None]
    return " -> ".join(value or "nothing" for value in values)
