"""Names with numbers on the command line: how much an axis grows, what a core costs."""

import math
import re
from typing import Final

from groundplan.constraints.kind import closest
from groundplan.errors import ConstraintError
from groundplan.plan.capacity import PRICES
from groundplan.plan.growth import AXES, Axis

_GROWS: Final = "what grows becomes 1x to 1,000,000x as much"


def growths(text: str) -> dict[Axis, float]:
    """How much each axis grows: `10x` for all of them, or `traffic=10x,corpus=100x`.

    Raises:
        ConstraintError: an axis or a factor cannot be read; all problems at once.
    """
    if "=" not in text:
        factor = _factor(text)
        if factor is None:
            raise ConstraintError(
                [f"--at {text}: {_GROWS}; write --at 10x, or --at traffic=10x,corpus=100x"]
            )
        return dict.fromkeys(AXES, factor)
    given: dict[str, float] = {}
    problems = []
    for name, amount, problem in _pairs(text, AXES, "--at", "10x"):
        factor = _factor(amount)
        if problem or factor is None:
            problems.append(problem or f"{name}={amount}: {_GROWS}; write {name}=10x")
        else:
            given[name] = factor
    if problems:
        raise ConstraintError(problems)
    return {axis: given[axis] for axis in AXES if axis in given}


def prices(text: str) -> dict[str, float]:
    """Prices per month: `core=20,gb=3,gb_disk=0.1`.

    Raises:
        ConstraintError: a name or a price cannot be read; all problems at once.
    """
    found: dict[str, float] = {}
    problems = []
    for name, amount, problem in _pairs(text, tuple(PRICES), "--prices", "20"):
        price = _number(amount)
        if problem or price is None:
            rule = "a price is a number of zero or more"
            problems.append(problem or f"{name}={amount}: {rule}; write {name}=20")
        else:
            found[name] = price
    if problems:
        raise ConstraintError(problems)
    return found


def _pairs(
    text: str, known: tuple[str, ...], option: str, example: str
) -> list[tuple[str, str, str]]:
    """Each name, its amount, and what is wrong with the name; empty where nothing is."""
    found: list[tuple[str, str, str]] = []
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        problem = ""
        if not equals or name not in known:
            near = closest(name, known) or known[0]
            rule = f"{option} takes {', '.join(known)}, each as NAME=NUMBER"
            problem = f"{part.strip()}: {rule}; write {near}={amount or example}"
        elif any(name == other for other, _, _ in found):
            problem = f"{part.strip()}: {option} has {name} already; say it once"
        found.append((name, amount, problem))
    return found


def _factor(text: str) -> float | None:
    factor = _number(text.strip().removesuffix("x"))
    return factor if factor is not None and 1 <= factor <= 1_000_000 else None


def _number(text: str) -> float | None:
    """A plain decimal number; None for anything else, and for what no float holds."""
    if re.fullmatch(r"\d[\d_]*(\.\d+)?", text) is None:
        return None
    number = float(text.replace("_", ""))
    return number if math.isfinite(number) else None
