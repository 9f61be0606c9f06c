"""Features whose values are where the model has never seen any, or no longer where it has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from groundplan.monitoring.distribution import Sketch, Span, beyond, exceeded, span, strange

FAR: Final = 0.5
"""How far beyond an end of training a value may be, as a share of how far apart the two ends are,
and of the way to 0, which is never crossed: what grows slowly has time until the next build, and a
sign that training never had is found."""

SPARE: Final = 0.001
"""The share of training's values at each end that its range leaves out: a single odd one would
hide a change of unit."""

SHRUNK: Final = 0.5
"""The share of training's values, and of the last version's, that may be far beyond all those of
a version: what is scored is often a part of what trained, a rate of 0 leaves nothing."""


class Strayed(NamedTuple):
    """How one end of a feature, or its categories, compares with training.

    Args:
        share: of the values that have strayed, 0..1.
        excess: by how much it is above what is allowed; not above 0 where it is not.
        says: the feature, the share and what training had.
    """

    share: float
    excess: float
    says: str


def strayed(
    trained: Mapping[str, Sketch],
    last: Mapping[str, Sketch],
    after: Mapping[str, Sketch],
    most: float,
    categories: Mapping[str, Sequence[int | str]],
) -> list[Strayed]:
    """What strayed of each feature that training knows, the worst first.

    Missing values are no values here: a share is of those that are known.

    Args:
        trained: the distributions of the rows that trained the model.
        last: those of the version that is live; empty where nobody knows them.
        after: those of the version that wants to be.
        most: by how much the share of values outside of training may be above the last version's,
            0..1.
        categories: the values by code, of each feature that is a category.
    """
    found = []
    for name, now in after.items():
        known = trained.get(name)
        if known is None or not known.known or not now.known:
            continue
        before = last.get(name)
        if before is None or not before.known:
            before = None
        ends = _codes if name in categories else _ends
        outside = [
            each._replace(says=f"{name}: {each.says}")
            for each in ends(known, before, now, most, categories.get(name, ()))
        ]
        found.append(max(outside, key=lambda each: (each.excess, each.share)))
    return sorted(found, key=lambda each: (-each.excess, -each.share, each.says))


def _ends(
    trained: Sketch, last: Sketch | None, now: Sketch, most: float, _: Sequence[int | str]
) -> Iterator[Strayed]:
    """Both ends of a number; where neither strayed, whether it fills what it used to."""
    within = span(trained, SPARE)
    assert within is not None
    shares = _shares(now, within)
    before = _shares(last, within) if last is not None else (0.0, 0.0)
    outside = []
    for share, was, spared, words in zip(
        shares, before, (within.below, within.above), _words(within, trained.known), strict=True
    ):
        allowed = max(most, exceeded(trained.known, now.known, spared))
        says = f"{share:.2%} of rows far {words}"
        if was:
            says += f", {was:.2%} in the last version"
        outside.append(Strayed(share, share - was - allowed, says))
    yield from outside
    if all(each.excess <= 0 for each in outside):
        yield from _shrunk(trained, last, now, max(most, SHRUNK))


def _shrunk(trained: Sketch, last: Sketch | None, now: Sketch, most: float) -> Iterator[Strayed]:
    """The other way round: training, and the last version, far beyond all that is there now."""
    within = span(now, SPARE)
    assert within is not None
    ends = (("below", within.low, within.below), ("above", within.high, within.above))
    known = [each for each in (trained, last) if each is not None]
    for at, (where, end, spared) in enumerate(ends):
        excess = min(
            _shares(each, within)[at] - max(most, exceeded(now.known, each.known, spared))
            for each in known
        )
        if excess > 0:
            share = _shares(trained, within)[at]
            says = f"{spared / now.known:.2%} of rows {where} {_shown(end)}"
            yield Strayed(share, excess, f"{says}, where {share:.2%} are in training")


def _codes(
    trained: Sketch, last: Sketch | None, now: Sketch, most: float, values: Sequence[int | str]
) -> Iterator[Strayed]:
    """Values of a category that no row had in training; codes from 32 on as far as places tell."""
    new = strange(now, trained)
    share = sum(new.values()) / now.known
    was = sum(strange(last, trained).values()) / last.known if last is not None else 0.0
    code = int(max(new, key=lambda each: new[each])) if new else 0
    named = repr(values[code]) if new and code < len(values) else "of values"
    more = f" or {len(new) - 1} others" if len(new) > 1 else ""
    says = f"{share:.2%} of rows {named}{more}, which no row was in training"
    if was:
        says += f", {was:.2%} in the last version"
    allowed = max(most, exceeded(trained.known, now.known))
    yield Strayed(share, share - was - allowed, says)


def _shares(found: Sketch, within: Span) -> tuple[float, float]:
    """The shares of values far below and far above others."""
    below, above = beyond(found, *far(within))
    return below / found.known, above / found.known


def far(within: Span) -> tuple[float, float]:
    """The ends of what is near to other values."""
    low, high = within.low, within.high
    room = FAR * (high - low) if low < high else 0.0
    least = max(low - room, low * FAR) if low >= 0 else low - room
    return least, min(high + room, high * FAR) if high <= 0 else high + room


def _words(within: Span, known: int) -> tuple[str, str]:
    """What training has at its ends."""
    low, high = _shown(within.low), _shown(within.high)
    below, above = f"below {low}, the least in training", f"above {high}, the greatest in training"
    if within.below:
        below = f"below {low}, which {within.below / known:.2%} are in training"
    if within.above:
        above = f"above {high}, which {within.above / known:.2%} are in training"
    return below, above


def _shown(value: float) -> str:
    return f"{value:,.6g}"
