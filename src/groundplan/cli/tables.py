"""Tables and notes on the terminal: one look for every command."""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH = 110
"""Columns to print in, where the terminal does not say."""


def console() -> Console:
    """Standard output; as wide as the terminal, or `WIDTH` where there is none."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDTH)


def heading(out: Console, text: str) -> None:
    """A line that begins a part."""
    out.print()
    out.print(Text(text, style="bold"))


def table(
    out: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    wide: Sequence[str] | Mapping[str, int] = (),
) -> None:
    """A table with a rule under its head.

    Args:
        out: where to print.
        columns: the heads.
        rows: one sequence of cells per row.
        right: heads of the columns to align right.
        wide: heads of the columns that take the space that is left, evenly or by their shares.
    """
    shares = wide if isinstance(wide, Mapping) else dict.fromkeys(wide, 1)
    grid = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        show_edge=False,
        expand=isinstance(wide, Mapping),
    )
    for name in columns:
        grid.add_column(
            name,
            justify="right" if name in right else "left",
            ratio=shares.get(name),
            no_wrap=name not in wide,
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    out.print(grid)


def mark(good: bool) -> Text:
    """A word for yes or no, in colour where there is colour."""
    return Text("holds", style="green") if good else Text("BROKEN", style="bold red")
