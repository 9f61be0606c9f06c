"""How a run spread its decisions, beside what its build said and what `Bands.top` asks for."""

from typing import Final

from msgspec import Struct

from groundplan.patterns.batch.runs.counts import Counts
from groundplan.rollout.builds import Build

NEAR: Final = 0.1
"""Of a share that is asked for: what is further off is told."""


class Share(Struct, frozen=True):
    """How many rows of a run one decision took.

    Args:
        decision: its name.
        rows: that it took.
        share: of all rows, 0 to 1.
        built: the share that the build said, by cuts that were chosen on other rows.
        asked: the share that `Bands.top` asks for; None of other decisions.
        missed: whether it is off what is asked for by more than a tenth of that, and by more than
            a row, which no cut can help.
    """

    decision: str
    rows: int
    share: float
    built: float
    asked: float | None
    missed: bool


def shares(build: Build, counts: Counts) -> tuple[Share, ...]:
    """The share of each decision, in their order.

    Args:
        build: that scored.
        counts: of the rows, of which there is one at least.
    """
    asked = build.manifest.model.get("shares", {})
    found = []
    for at, told in enumerate(build.manifest.report["decisions"]):
        name, rows = told["decision"], counts.decided.get(at, 0)
        wanted = asked.get(name)
        off = 0.0 if wanted is None else abs(rows - wanted * counts.rows)
        missed = wanted is not None and off > max(NEAR * wanted * counts.rows, 1.0)
        built = told["share"]["value"]
        found.append(Share(name, rows, rows / counts.rows, built, wanted, missed))
    return tuple(found)
