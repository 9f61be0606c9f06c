"""Figures as people read them; a dash where there is none."""

from collections.abc import Callable, Mapping
from html import escape

Interval = Mapping[str, float | None]

NONE = "–"


def percent(value: float | None, places: int = 1) -> str:
    """A share as a percentage: `26.5 %`."""
    return NONE if value is None else f"{100 * value:.{places}f} %"


def figure(value: float | None, places: int = 3) -> str:
    """A figure to a number of places."""
    return NONE if value is None else f"{value:.{places}f}"


def money(value: float | None) -> str:
    """An amount in the project's currency, to at most two places."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:,.2f}"


def within(interval: Interval, form: Callable[[float | None], str] = figure) -> str:
    """A figure with its interval, as HTML."""
    value, low, high = (interval[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return NONE
    ends = f"{form(low)}–{form(high)}".replace(" %–", "–")
    return f'{escape(form(value))} <span class="interval">{escape(ends)}</span>'
