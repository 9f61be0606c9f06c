"""A conflict on the terminal: each set of answers, each reason and each way out, once."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.kind import Choice, Flag
from groundplan.decision.conflicts import Conflict, WayOut
from groundplan.plan.difference import spoken

if TYPE_CHECKING:
    from rich.console import Console

_OUTPUT: Final = "system.output"


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


def nearest(found: Iterable[Conflict]) -> list[WayOut]:
    """The ways out of conflicts, each once, the nearest first.

    Fewer answers go before more, what is built stays before it changes, and numbers go before
    words: by the largest factor by which one moves, so that 100ms to 200ms is nearer than 1 to 50.
    """
    ways = dict.fromkeys(way for conflict in found for way in conflict.nearest)
    return sorted(ways, key=_distance)


def _distance(way: WayOut) -> tuple[int, bool, float, int]:
    farthest = max(map(_moved, way.answers, way.before, way.after))
    places = list(FIELDS)
    return len(way.answers), _OUTPUT in way.answers, farthest, places.index(way.answers[0])


def _moved(key: str, before: object, after: object) -> float:
    """How far one answer moves: a number by its factor, from nothing by all; a word farther."""
    if isinstance(FIELDS[key].kind, Choice | Flag):
        return math.inf
    if not isinstance(before, int) or not isinstance(after, int):
        return math.inf
    return abs(math.log((after + 1) / (before + 1)))


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
