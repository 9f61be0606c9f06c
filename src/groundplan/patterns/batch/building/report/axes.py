"""What curves are drawn in: a frame with two scales, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Final

WIDTH: Final = 520
"""Units of a drawing; it is shown as wide as its column."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 32, 44


@dataclass(frozen=True)
class Axes:
    """A frame from 0 to a largest value on both sides.

    Args:
        right: the greatest value across.
        top: the greatest value upwards.
        low: the least value upwards.
        height: units of the frame with its labels.
    """

    right: float = 1.0
    top: float = 1.0
    low: float = 0.0
    height: int = 360

    def x(self, value: float) -> float:
        """Where a value stands across."""
        return _LEFT + value / self.right * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Where a value stands upwards."""
        inner = self.height - _TOP - _BOTTOM
        return _TOP + (self.top - value) / (self.top - self.low) * inner

    def frame(
        self,
        across: Sequence[tuple[float, str]],
        upwards: Sequence[tuple[float, str]],
        names: tuple[str, str],
    ) -> str:
        """Grid lines, ticks with their labels, and what is measured."""
        parts = []
        for value, label in upwards:
            y = self.y(value)
            parts.append(line("grid", (_LEFT, y), (WIDTH - _RIGHT, y)))
            parts.append(text("tick end", _LEFT - 8, y + 4, label))
        for value, label in across:
            parts.append(text("tick middle", self.x(value), self.height - _BOTTOM + 18, label))
        base = self.height - _BOTTOM
        parts.append(line("base", (_LEFT, base), (WIDTH - _RIGHT, base)))
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(text("name middle", middle, self.height - 6, names[0]))
        parts.append(text("name", 0, 13, names[1]))
        return "".join(parts)

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> str:
        """A line through points, in the values of the axes."""
        steps = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return f'<polyline class="{kind}" points="{steps}"/>'

    def dot(self, x: float, y: float, said: str, kind: str = "dot") -> str:
        """A point that says what it is when it is pointed at."""
        at = f'cx="{self.x(x):.1f}" cy="{self.y(y):.1f}"'
        return f'<circle class="{kind}" {at} r="4.5"><title>{escape(said)}</title></circle>'

    def whisker(self, x: float, low: float, high: float) -> str:
        """The interval of a point."""
        low, high = max(low, self.low), min(high, self.top)
        return line("whisker", (self.x(x), self.y(low)), (self.x(x), self.y(high)))


def svg(height: int, label: str, *parts: str) -> str:
    """A drawing with what it shows in words, for those who cannot see it."""
    box = f'viewBox="0 0 {WIDTH} {height}"'
    return f'<svg {box} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """A straight line, in units of the drawing."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(kind: str, x: float, y: float, said: str) -> str:
    """Words, in units of the drawing."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'


def ticks(low: float, top: float, most: int = 6) -> list[float]:
    """Round values from `low` to `top`: multiples of 1, 2 or 5 of a power of 10."""
    span = top - low
    power = 10.0 ** floor(log10(span / most)) if span > 0 else 1.0
    step = next(m * power for m in (1, 2, 5, 10, 20) if span / (m * power) <= most)
    first = int(-(-low // step))
    last = floor(top / step + 1e-9)
    return [at * step for at in range(first, last + 1)]


def ceiling(value: float) -> float:
    """The least round tick that is not below a value."""
    step = ticks(0.0, value or 1.0)
    unit = step[1] if len(step) > 1 else value
    return float(-(-value // unit) * unit) or 1.0
