"""How decisions and errors spread over groups of people: a table to look at, not a verdict.

Groups are compared by what Barocas, Hardt and Narayanan (Fairness and Machine Learning, chapter 3)
call independence (shares of decisions), separation (error rates) and sufficiency (calibration).
They exclude one another where base rates differ, so that the table shows all and passes none.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from groundplan.models.intervals import Interval, resampled
from groundplan.models.metrics import Ranked, Weights
from groundplan.models.scorer import Bools, Floats, Indices

SMALL: Final = 30
"""Rows of either class below which a group's figures say little; it is marked and not compared."""

FOUR_FIFTHS: Final = 0.8
"""The ratio of selection rates below which US employment guidelines see evidence of adverse impact
(29 CFR 1607.4(D)); a rule of thumb that is used elsewhere too."""


class Group(Struct, frozen=True):
    """The rows of one group.

    Args:
        name: the value that they share.
        rows, positive: how many, and how many of them are positive.
        small: whether there are fewer than `SMALL` of either class.
        rate: the share of positives.
        score: the mean score; equal to the rate where the group is calibrated in the large.
        shares: of each decision, in their order.
        tpr: the share of its positives that is acted on: another decision than the first.
        fpr: the share of its negatives that is.
        roc_auc: within the group.
    """

    name: str
    rows: int
    positive: int
    small: bool
    rate: Interval
    score: Interval
    shares: tuple[Interval, ...]
    tpr: Interval
    fpr: Interval
    roc_auc: Interval


class Ratio(Struct, frozen=True):
    """How unevenly a decision is spread over the groups that are not small.

    The interval is that of the two groups; which two they are is not drawn again.

    Args:
        decision: its name.
        lowest, highest: the groups with the least and the greatest share.
        ratio: the one share over the other; 1 is even.
        under: whether it is below four fifths, of the decision that people want: `surely` where
            the whole interval is, `maybe` where the ratio alone is, else `no`; None of other
            decisions, which the rule says nothing about.
    """

    decision: str
    lowest: str
    highest: str
    ratio: Interval
    under: Literal["surely", "maybe", "no"] | None


class Fairness(Struct, frozen=True):
    """The table of one attribute.

    Args:
        attribute: such as `sex`.
        decisions: their names.
        groups: the largest first.
        ratios: one for each decision; empty where fewer than two groups are large enough.
        tpr: the greatest difference of true positive rates; None likewise.
        fpr: the greatest difference of false positive rates; None likewise.
        opportunity: which of the two Hardt et al. (2016) call equal opportunity; see
            `opportunity`.
    """

    attribute: str
    decisions: tuple[str, ...]
    groups: tuple[Group, ...]
    ratios: tuple[Ratio, ...]
    tpr: Interval | None
    fpr: Interval | None
    opportunity: Literal["tpr", "fpr"] | None


def fairness(
    attribute: str,
    value: npt.NDArray[np.object_],
    scores: Floats,
    decided: npt.NDArray[np.uint8],
    label: Bools,
    cluster: Indices,
    decisions: tuple[str, ...],
    *,
    favourable: str | None = None,
    resamples: int = 200,
) -> Fairness:
    """The table of one attribute, with percentile intervals over resampled clusters.

    Args:
        attribute: what the groups are groups of.
        value: text[n], the group of each row.
        scores: float64[n], probabilities.
        decided: uint8[n], positions in `decisions`; 0 is not acted on.
        label: bool[n].
        cluster: int64[n], whose rows are drawn together.
        decisions: names.
        favourable: the decision that people want; None where nobody said.
        resamples: how many times.
    """
    names, code = _groups(value)
    table = _Table(code, len(names), scores, decided, label, len(decisions))
    compared = np.flatnonzero(~table.small)
    many = len(compared) >= 2
    ends = table.ends(compared) if many else []

    def figures(weight: Weights | None) -> list[float]:
        rates = table.rates(weight)
        spread = table.spread(rates, ends) if many else []
        return [*rates.ravel().tolist(), *spread]

    found = resampled(figures, cluster, resamples=resamples)
    width = len(decisions) + _OTHERS
    groups = tuple(
        _group(name, table, at, found[at * width : (at + 1) * width])
        for at, name in enumerate(names)
    )
    spread = found[len(names) * width :]
    return Fairness(
        attribute=attribute,
        decisions=decisions,
        groups=groups,
        ratios=tuple(
            Ratio(
                decision,
                names[low],
                names[high],
                ratio,
                _under(ratio) if decision == favourable else None,
            )
            for decision, (low, high), ratio in zip(decisions, ends[:-2], spread[:-2], strict=True)
        )
        if many
        else (),
        tpr=spread[-2] if many else None,
        fpr=spread[-1] if many else None,
        opportunity=opportunity(decisions, favourable),
    )


def opportunity(decisions: tuple[str, ...], favourable: str | None) -> Literal["tpr", "fpr"] | None:
    """The rate that equal opportunity (Hardt et al., 2016) holds equal between groups.

    It is about those who should get what people want. Where that is not to be acted on (a label
    such as default), they are the negatives, and 1 - FPR of them get it; where it is the one way
    of acting (a label such as success), they are the positives, and TPR of them do.

    Args:
        decisions: names; the first is not acted on.
        favourable: the decision that people want; None where nobody said.

    Returns:
        None where nobody said, or where there are other ways of acting, which a rate of acting
        does not tell from the one that people want.
    """
    if favourable == decisions[0]:
        return "fpr"
    return "tpr" if decisions[1:] == (favourable,) else None


def _under(ratio: Interval) -> Literal["surely", "maybe", "no"]:
    """How a ratio of the favourable decision stands to four fifths."""
    if ratio.value >= FOUR_FIFTHS:
        return "no"
    return "surely" if ratio.high < FOUR_FIFTHS else "maybe"


_OTHERS: Final = 5
"""Figures of a group beside the shares of its decisions."""


class _Table:
    """The rows by group, counted once for any number of weightings."""

    def __init__(
        self,
        code: Indices,
        groups: int,
        scores: Floats,
        decided: npt.NDArray[np.uint8],
        label: Bools,
        decisions: int,
    ) -> None:
        self._code, self._count, self._decisions = code, groups, decisions
        self._scores, self._label, self._decided = scores, label, decided
        self._cell = code * decisions + decided
        self._rows = [np.flatnonzero(code == at) for at in range(groups)]
        self._ranked = [Ranked(label[rows], scores[rows]) for rows in self._rows]
        self.rows = np.bincount(code, minlength=groups)
        self.positive = np.bincount(code, label, groups).astype(np.int64)
        self.small = np.minimum(self.positive, self.rows - self.positive) < SMALL

    def rates(self, weight: Weights | None) -> Floats:
        """float64[groups, decisions + 5]: shares of decisions, then tpr, fpr, AUC, rate, score."""
        each = np.ones(len(self._code)) if weight is None else weight
        positive = each * self._label
        shape = (self._count, self._decisions)
        cells = np.bincount(self._cell, each, self._count * self._decisions).reshape(shape)
        hits = np.bincount(self._cell, positive, self._count * self._decisions).reshape(shape)
        rows, true = cells.sum(axis=1), hits.sum(axis=1)
        score = np.bincount(self._code, each * self._scores, self._count)
        auc = [
            ranked.roc_auc(None if weight is None else weight[rows])
            for ranked, rows in zip(self._ranked, self._rows, strict=True)
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            acted, alarms = hits[:, 1:].sum(axis=1), (cells - hits)[:, 1:].sum(axis=1)
            others = (acted / true, alarms / (rows - true), np.array(auc), true / rows)
            return np.column_stack([cells / rows[:, None], *others, score / rows])

    def ends(self, compared: Indices) -> list[tuple[int, int]]:
        """For each decision, then tpr and fpr, the groups with the least and the greatest."""
        rates = self.rates(None)[compared, : self._decisions + 2]
        low, high = compared[rates.argmin(axis=0)], compared[rates.argmax(axis=0)]
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def spread(self, rates: Floats, ends: list[tuple[int, int]]) -> list[float]:
        """The ratio of the ends of each decision, and the difference of those of tpr and fpr."""
        spread = []
        for at, (low, high) in enumerate(ends):
            least, greatest = float(rates[low, at]), float(rates[high, at])
            if at >= self._decisions:
                spread.append(greatest - least)
            else:
                spread.append(least / greatest if greatest else 1.0)
        return spread


def _groups(value: npt.NDArray[np.object_]) -> tuple[list[str], Indices]:
    """The names of the groups, the largest first, and the number of each row's."""
    names, code, rows = np.unique(value.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-rows, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return names[order].tolist(), place[code]


def _group(name: str, table: _Table, at: int, found: list[Interval]) -> Group:
    *shares, tpr, fpr, auc, rate, score = found
    return Group(
        name=name,
        rows=int(table.rows[at]),
        positive=int(table.positive[at]),
        small=bool(table.small[at]),
        rate=rate,
        score=score,
        shares=tuple(shares),
        tpr=tpr,
        fpr=fpr,
        roc_auc=auc,
    )
