"""Reasons: the inputs that moved a score most, named for people."""

from collections.abc import Mapping
from math import isnan

import msgspec

from groundplan.models.scorer import Floats


class Reason(msgspec.Struct, frozen=True):
    """What one input added to a score.

    Args:
        feature: the input's name.
        description: the same in plain words.
        value: the input's value in this row, None where it was missing.
        contribution: signed, in log-odds; above 0 it raised the score.
    """

    feature: str
    description: str
    value: float | None
    contribution: float


def top_reasons(
    contributions: Floats,
    values: Floats,
    names: tuple[str, ...],
    descriptions: Mapping[str, str],
    k: int,
) -> tuple[Reason, ...]:
    """The k inputs that moved the score most, either way, the strongest first.

    Equal contributions keep the order of the inputs, and an input that added nothing is no
    reason, so that there may be fewer than k.

    Args:
        contributions: float64[F], log-odds.
        values: float64[F], the row.
        names: of the inputs, F of them.
        descriptions: plain words by name; an input without any goes by its name.
        k: how many reasons to give at most.
    """
    added, row = contributions.tolist(), values.tolist()
    order = sorted(range(len(added)), key=[-abs(each) for each in added].__getitem__)
    return tuple(
        Reason(
            names[place],
            descriptions.get(names[place], names[place]),
            None if isnan(row[place]) else row[place],
            added[place],
        )
        for place in order[:k]
        if added[place]
    )
