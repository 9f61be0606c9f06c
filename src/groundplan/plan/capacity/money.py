"""What a plan costs a month, at prices that the user gives; nothing is assumed."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from groundplan.errors import ConstraintError
from groundplan.plan.capacity.band import Band, total
from groundplan.plan.capacity.need import Need

MONTH: Final = 30.4375 * 86_400  # seconds, on average

PRICES: Final = {
    "core": ("cores", 1.0, "of a core for a month"),
    "gb": ("memory", 1e-9, "of a GB of memory for a month"),
    "gb_disk": ("storage", 1e-9, "of a GB on disk for a month"),
    "million_tokens": ("tokens", 1e-6 * MONTH, "of a million tokens of a hosted language model"),
}
"""Each price: the resource, how much of its unit one price buys, and what it is the price of."""


def cost(needs: Iterable[Need], prices: Mapping[str, float] | None) -> dict[str, Band]:
    """What each component and all together cost a month, in the currency of the prices.

    Raises:
        ConstraintError: a price has an unknown name, or is not a number from 0.
    """
    if not prices:
        return {}
    _check(prices)
    found = {}
    for need in needs:
        parts = [
            need.bands[resource].times(scale * prices[name], "per month")
            for name, (resource, scale, _) in PRICES.items()
            if name in prices and resource in need.bands
        ]
        if parts:
            found[need.component] = total(parts, "per month")
    return {**found, "total": total(found.values(), "per month")}


def _check(prices: Mapping[str, float]) -> None:
    problems = []
    for name, price in prices.items():
        if name not in PRICES:
            near = difflib.get_close_matches(name, PRICES, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(
                f"prices: {name} is not a price: write one of {', '.join(PRICES)}{hint}"
            )
        elif not 0 <= price < float("inf"):
            problems.append(
                f"prices: {name} = {price} must be a number from 0: "
                f"the price {PRICES[name][2]}, such as {name}=20"
            )
    if problems:
        raise ConstraintError(problems)
