"""A conflict on the terminal: each set of answers, each reason and each way out, once."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from groundplan.constraints import Answers
from groundplan.decision.conflicts import Conflict, WayOut, nearest
from groundplan.plan.difference import spoken

if TYPE_CHECKING:
    from rich.console import Console


def print_conflicts(
    out: "Console", answers: Answers, found: Sequence[Conflict], *, reasons: bool
) -> None:
    """Print the sets that cannot hold together, then every change that would resolve them.

    Args:
        out: where to.
        answers: those that conflict.
        found: the conflicts; none prints nothing.
        reasons: with a sentence for each pattern, where no table above has them.
    """
    from groundplan.cli.tables import heading, table

    if not found:
        return
    sets = [list(_stated(answers, conflict)) for conflict in found]
    shared = [one for one in sets[0] if all(one in other for other in sets)]
    title = "These cannot hold together" + (f": {', '.join(shared)}" if shared else "")
    heading(out, f"{title}; with any one of" if shared and len(sets) > 1 else title)
    for one in sets if len(sets) > 1 else ():
        out.print(f"- {', '.join(each for each in one if each not in shared)}", markup=False)
    if reasons:
        heading(out, "Why each pattern is out")
        # Each conflict has one sentence for each pattern, in the same order.
        said = [
            because
            for one in zip(*(each.because for each in found), strict=True)
            for because in one
        ]
        for because in dict.fromkeys(said):
            out.print(f"- {because}", markup=False)
    ways = nearest(found)
    if not ways:
        return
    heading(out, "Any one of these changes resolves it, the nearest first")
    rows = [_row(way) for way in ways]
    table(out, ("nearest change", "from", "to", "decides"), rows)


def _stated(answers: Answers, conflict: Conflict) -> Iterator[str]:
    for key in conflict.answers:
        table, name = key.split(".")
        value = spoken(key, getattr(getattr(answers, table), name))
        yield f"{key} {value}" if value == "not stated" else f"{key} = {value}"


def _row(way: WayOut) -> tuple[str, ...]:
    """Several answers of one way stand below each other."""
    return (
        "\n".join(way.answers),
        "\n".join(map(spoken, way.answers, way.before)),
        "\n".join(map(spoken, way.answers, way.after)),
        way.pattern,
    )
