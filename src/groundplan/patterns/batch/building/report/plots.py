"""The drawings of a report: calibration, gain, lift and cost."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from groundplan.patterns.batch.building.report.axes import Axes, ceiling, line, svg, text, ticks
from groundplan.patterns.batch.building.report.numbers import money, percent

_BARS: Final = 92
"""Units that the histogram below the calibration is high."""


def calibration(bins: Sequence[Mapping[str, Any]], bars: Mapping[str, Sequence[int]]) -> str:
    """What came against what was said, with the scores of the rows below."""
    greatest = max(max(each["high"], each["rate"]["high"] or 0.0) for each in bins)
    top = min(1.0, ceiling(greatest))
    axes = Axes(right=top, top=top, height=410)
    shown = [(value, percent(value, 0)) for value in ticks(0, top, 5)]
    parts = [axes.frame(shown, shown, ("mean score", "share of positives"))]
    parts.append(axes.path([(0, 0), (top, top)], "ideal"))
    parts.append(axes.path([(each["score"], each["rate"]["value"]) for each in bins], "ours"))
    for each in bins:
        rate = each["rate"]
        parts.append(axes.whisker(each["score"], rate["low"], rate["high"]))
    for each in bins:
        rate = each["rate"]
        said = (
            f"scored {percent(each['low'])} to {percent(each['high'])}, {each['rows']:,} rows: "
            f"mean score {percent(each['score'])}, positive {percent(rate['value'])} "
            f"({percent(rate['low'])} to {percent(rate['high'])})"
        )
        parts.append(axes.dot(each["score"], rate["value"], said))
    drawn = svg(axes.height, "Calibration: share of positives by mean score", *parts)
    return drawn + histogram(bars, top)


def histogram(bars: Mapping[str, Sequence[int]], right: float = 1.0) -> str:
    """How many rows have which score, and how many of them are positive.

    Args:
        bars: `rows` and `positive`, in bars of equal width from 0 to 1.
        right: the greatest score that is shown.
    """
    axes = Axes(right=right, top=float(max(bars["rows"]) or 1), height=_BARS + 50)
    width, parts = 1 / len(bars["rows"]), []
    for at, (rows, positive) in enumerate(zip(bars["rows"], bars["positive"], strict=True)):
        if at * width >= right:
            break
        said = (
            f"{percent(at * width)} to {percent((at + 1) * width)}: {rows:,} rows, "
            f"{positive:,} positive"
        )
        for kind, low, high in (("rest", positive, rows), ("hits", 0, positive)):
            if high > low:
                parts.append(_bar(axes, kind, (at * width, (at + 1) * width), (low, high), said))
    base = axes.y(0)
    parts.append(line("base", (axes.x(0), base), (axes.x(right), base)))
    parts.append(text("name middle", axes.x(right / 2), axes.height - 26, "rows by score"))
    return svg(axes.height - 18, "Histogram of scores", *parts)


def gain(curve: Sequence[float], rate: float, acted: Sequence[tuple[str, float, float]]) -> str:
    """The share of all positives among those who score highest.

    Args:
        curve: at even shares of the rows, from none to all.
        rate: of positives, where the best possible curve bends.
        acted: what is decided, the share of rows down to there, and of positives.
    """
    axes = Axes()
    shown = [(value, percent(value, 0)) for value in ticks(0, 1, 5)]
    last = len(curve) - 1
    parts = [
        axes.frame(shown, shown, ("share of rows, highest scores first", "share of positives")),
        axes.path([(0, 0), (1, 1)], "ideal"),
        axes.path([(0, 0), (rate, 1), (1, 1)], "best"),
        axes.path([(at / last, value) for at, value in enumerate(curve)], "ours"),
        text("note", axes.x(0.62), axes.y(0.52), "at random"),
        text("note", axes.x(min(rate + 0.02, 0.7)), axes.y(0.935), "perfect"),
    ]
    for name, share, found in acted:
        said = f"{name}: {percent(share)} of the rows hold {percent(found)} of the positives"
        parts.append(axes.dot(share, found, said, "cut"))
        parts.append(text("label", axes.x(share) + 9, axes.y(found) + 14, name))
    return svg(axes.height, "Gain: share of positives by share of rows", *parts)


def lift(points: Sequence[Mapping[str, Any]]) -> str:
    """How many times more positives the highest scores hold than a draw at random."""
    top = ceiling(max(point["lift"]["high"] for point in points))
    axes = Axes(right=len(points) + 1.0, top=top)
    across = [(at + 1.0, f"{100 * point['share']:g}") for at, point in enumerate(points)]
    upwards = [(value, f"{value:g}×") for value in ticks(0, top, 6)]
    parts = [
        axes.frame(across, upwards, ("% of rows, highest scores first", "lift")),
        axes.path([(0, 1), (axes.right, 1)], "ideal"),
        axes.path([(at + 1.0, each["lift"]["value"]) for at, each in enumerate(points)], "ours"),
    ]
    for at, each in enumerate(points):
        found = each["lift"]
        parts.append(axes.whisker(at + 1.0, found["low"], found["high"]))
        said = (
            f"highest {percent(each['share'], 0)}: {found['value']:.2f} times as many positives "
            f"as at random ({found['low']:.2f} to {found['high']:.2f}), "
            f"{percent(each['gain']['value'])} of all"
        )
        parts.append(axes.dot(at + 1.0, found["value"], said))
    return svg(axes.height, "Lift by share of rows", *parts)


def costs(curve: Mapping[str, Sequence[float]], above: float, act: str) -> str:
    """The cost per row by the share of rows that are acted on.

    Args:
        curve: `acted`, `above` and `cost` of each cut, the highest first.
        above: the cut of the build.
        act: what is done above it.
    """
    cost = curve["cost"]
    span = max(cost) - min(cost) or 1.0
    axes = Axes(top=max(cost) + 0.08 * span, low=max(0.0, min(cost) - 0.15 * span))
    across = [(value, percent(value, 0)) for value in ticks(0, 1, 5)]
    upwards = [(value, money(value)) for value in ticks(axes.low, axes.top, 5)]
    chosen = min(range(len(cost)), key=lambda at: abs(curve["above"][at] - above))
    share = curve["acted"][chosen]
    parts = [
        axes.frame(across, upwards, (f"share of rows: {act}", "cost per row")),
        line("drop", (axes.x(share), axes.y(cost[chosen])), (axes.x(share), axes.y(axes.low))),
        axes.path(list(zip(curve["acted"], cost, strict=True)), "ours"),
        axes.dot(0, cost[0], f"nobody: {money(cost[0])} per row", "end"),
        axes.dot(1, cost[-1], f"everybody: {money(cost[-1])} per row", "end"),
        axes.dot(
            share,
            cost[chosen],
            f"above {above:.4f}: {percent(share)} of the rows, {money(cost[chosen])} per row",
            "cut",
        ),
        text("label", axes.x(0) + 10, axes.y(cost[0]) - 6, "nobody"),
        text("label end", axes.x(1) - 10, axes.y(cost[-1]) - 6, "everybody"),
        text("label", axes.x(share) + 9, axes.y(cost[chosen]) + 18, f"above {above:.3f}"),
    ]
    return svg(axes.height, "Cost per row by share of rows that are acted on", *parts)


def _bar(
    axes: Axes, kind: str, across: tuple[float, float], upwards: tuple[float, float], said: str
) -> str:
    left, right = axes.x(across[0]) + 0.75, axes.x(min(across[1], axes.right)) - 0.75
    top, bottom = axes.y(upwards[1]), axes.y(upwards[0])
    at = f'x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 0.5):.1f}"'
    return (
        f'<rect class="{kind}" {at} height="{max(bottom - top, 0.5):.1f}">'
        f"<title>{said}</title></rect>"
    )
