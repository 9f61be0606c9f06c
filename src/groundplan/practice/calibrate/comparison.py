"""A cost table beside another one, as ratios."""

from msgspec import Struct

from groundplan.decision.costs import FURTHER, ROWS, Costs


class Line(Struct, frozen=True):
    """One row in two tables.

    Args:
        row: its name.
        mine: µs here; None where it was not measured here.
        spread: the quartiles of the rounds here.
        reference: µs in the other table; None where it does not have the row.
        ratio: `mine` over `reference`: 2 is twice as slow.
        why: why it was not measured here, or why the step is not the same; empty where there is
            nothing to say.
        what: the step as it was measured here, or else as it is in the other table.
    """

    row: str
    mine: float | None
    spread: tuple[float, float] | None
    reference: float | None
    ratio: float | None
    why: str
    what: str


def compare(mine: Costs, other: Costs) -> list[Line]:
    """Every row that either table has or should have, in the order of the table."""
    return [_line(row, mine, other) for row in (*ROWS, *FURTHER)]


def _line(row: str, mine: Costs, other: Costs) -> Line:
    ours = mine.rows.get(row) if row not in mine.left else None
    theirs = other.rows.get(row)
    if ours is None:
        why = mine.left.get(row, "not known to that table")
    elif theirs is None:
        why = "not in the reference"
    elif ours.model:
        why = f"by {ours.model}, a model of your own"
    elif ours.what != theirs.what:
        why = "measured in another way than the reference"
    else:
        why = ""
    return Line(
        row,
        ours.value if ours else None,
        ours.spread if ours else None,
        theirs.value if theirs else None,
        ours.value / theirs.value if ours and theirs else None,
        why,
        ours.what if ours else theirs.what if theirs else "",
    )
