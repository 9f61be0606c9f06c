"""What decisions do on rows whose label is known: how many, how right, and at what cost."""

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from groundplan.errors import InputError
from groundplan.models.bands import Bands, Cuts
from groundplan.models.intervals import Interval, resampled
from groundplan.models.metrics import Weights
from groundplan.models.scorer import Bools, Indices

Positions = npt.NDArray[np.uint8]


class Decided(Struct, frozen=True):
    """What one decision does.

    Args:
        decision: its name.
        above: the score above which it holds in the build; None for that of the lowest scores.
        rows, positive: how many rows it takes, and how many of them are positive.
        share: of all rows.
        precision: the share of its rows that is positive.
        recall: the share of all positives that it takes.
    """

    decision: str
    above: float | None
    rows: int
    positive: int
    share: Interval
    precision: Interval
    recall: Interval


class Bill(Struct, frozen=True):
    """What decisions cost per row, in the project's currency.

    Args:
        decided: by the cuts.
        nobody: where nobody is acted on.
        everybody: where everybody is.
        perfect: where exactly the positives are: what no model can undercut.
        saved: the better of nobody and everybody, less decided.
    """

    decided: Interval
    nobody: Interval
    everybody: Interval
    perfect: Interval
    saved: Interval


def decisions(
    decided: Positions, label: Bools, cluster: Indices, cuts: Cuts, *, resamples: int = 200
) -> tuple[Decided, ...]:
    """What each decision does, with percentile intervals over resampled clusters.

    Args:
        decided: uint8[n], positions in the names of the cuts.
        label: bool[n].
        cluster: int64[n], whose rows are drawn together.
        cuts: the names, and the cuts of the build.
        resamples: how many times.

    Raises:
        InputError: the lengths differ.
    """
    if not len(decided) == len(label) == len(cluster):
        raise InputError("decided", "give one decision, one label and one cluster for each row")
    count = len(cuts.names)

    def figures(weight: Weights | None) -> list[float]:
        rows = np.bincount(decided, weight, count)
        hits = np.bincount(decided, label if weight is None else weight * label, count)
        with np.errstate(invalid="ignore"):
            told = np.concatenate([rows / rows.sum(), hits / rows, hits / hits.sum()])
        return [float(each) for each in told]

    found = resampled(figures, cluster, resamples=resamples)
    return tuple(
        Decided(
            decision=name,
            above=cuts.above[at - 1] if at else None,
            rows=int((decided == at).sum()),
            positive=int((label & (decided == at)).sum()),
            share=found[at],
            precision=found[count + at],
            recall=found[2 * count + at],
        )
        for at, name in enumerate(cuts.names)
    )


def bill(
    bands: Bands, decided: Positions, label: Bools, cluster: Indices, *, resamples: int = 200
) -> Bill:
    """What decisions by `Bands.costs` cost, with percentile intervals over resampled clusters.

    Args:
        bands: the costs.
        decided: uint8[n], 1 where a row is acted on.
        label: bool[n].
        cluster: int64[n], whose rows are drawn together.
        resamples: how many times.
    """
    right, wrong = bands.settings["act_rightly"], bands.settings["act_wrongly"]
    missed = bands.settings["miss"]
    acting = np.where(label, right, wrong)
    leaving = np.where(label, missed, 0.0)
    each = np.where(decided > 0, acting, leaving)
    best = np.where(label, right, 0.0)

    def figures(weight: Weights | None) -> list[float]:
        cost, nobody, everybody, perfect = (
            float(np.average(costs, weights=weight)) for costs in (each, leaving, acting, best)
        )
        return [cost, nobody, everybody, perfect, min(nobody, everybody) - cost]

    return Bill(*resampled(figures, cluster, resamples=resamples))
