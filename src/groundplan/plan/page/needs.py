"""What the plan needs and where it gives out: bands, and ten times as much."""

from collections.abc import Iterable, Mapping
from math import log
from typing import Final

from groundplan.plan.capacity import Band, Capacity
from groundplan.plan.growth import Bill, Growth, Limit, grown_by
from groundplan.plan.page.markup import Html, join, prose, table, tag
from groundplan.plan.page.verdict import arrival
from groundplan.units import show_about, show_size

_SOON: Final = 1.05  # a growth that nobody would plan for


def amount(value: float, unit: str) -> str:
    """A figure of a band in words, in three digits at most."""
    if unit == "bytes":
        return show_size(_rounded(value))
    if unit == "us":
        return show_about(value)
    if unit == "replicas":
        return f"{value:,.0f}"
    return f"{_rounded(value):,.10g}"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


Scale = tuple[float, float]
"""The least and the most of all the bands that stand below each other; the least is above 0."""


def band(one: Band, *, told: bool = True, scale: Scale | None = None) -> Html:
    """A band: the typical figure, its bounds, and both as a line.

    Args:
        one: the band.
        told: whether its unit is said; the head of a column may have said it.
        scale: what the line is drawn on; without one it is as long as the band.
    """
    low, typical, high = (amount(v, one.unit) for v in (one.low, one.typical, one.high))
    unit = f" {one.unit}" if told and one.unit not in ("bytes", "us") else ""
    if low == high:
        return tag("span", tag("b", f"{typical}{unit}"), class_="band")
    left, middle, right = (100 * _place(v, scale or (one.low, one.high)) for v in _three(one))
    line = tag(
        "span",
        tag("i", style=f"left:{left:.1f}%;right:{100 - right:.1f}%"),
        tag("em", style=f"left:{middle:.1f}%"),
        class_="range",
        aria_hidden="true",
    )
    return tag(
        "span",
        tag("b", f"{typical}{unit}"),
        tag("small", f" {low} to {high}"),
        line,
        class_="band",
    )


def _three(one: Band) -> tuple[float, float, float]:
    return one.low, one.typical, one.high


def _place(value: float, scale: Scale) -> float:
    """Where a figure stands on a scale, by ratios where there is no zero."""
    low, high = scale
    if low <= 0:
        return value / high
    return log(value / low) / log(high / low) if value > low else 0.0


def _scale(bands: Iterable[Band]) -> Scale | None:
    """The one scale of a column: the longer a line, the wider the band."""
    figures = [value for one in bands for value in _three(one) if value > 0]
    return (min(figures), max(figures)) if figures and min(figures) < max(figures) else None


def capacity(found: Capacity) -> Html:
    """Every component with its bands, the whole, and how it behaves near its limit."""
    resources = list(dict.fromkeys(name for need in found.needs for name in need.bands))
    resources = list(dict.fromkeys([*resources, *found.total]))
    costly = bool(found.cost)
    heads = ("component", *resources, *(["a month"] if costly else []), "because")
    groups = [(need.component, need.bands, need.because) for need in found.needs]
    groups.append(("in all", found.total, ""))
    drawn = {
        name: _scale(bands[name] for _, bands, _ in groups if name in bands) for name in resources
    }
    drawn["a month"] = _scale(found.cost.values())
    rows = [_need(*group, drawn, found.cost if costly else None) for group in groups]
    return join(
        _behaviour(found),
        _shortages(found),
        table("Capacity: low, typical, high", heads, rows, class_="cards bands"),
        tag("p", found.model, class_="soft") if found.model else None,
    )


def _shortages(found: Capacity) -> Html | None:
    """What was promised or stated, and is too little."""
    if not found.shortages:
        return None
    told = (tag("li", tag("b", f"{one.head}: "), f"{one.says}.") for one in found.shortages)
    return tag("ul", *told, class_="notice" if found.holds else "notice misfits")


def _need(
    name: str,
    bands: dict[str, Band],
    because: str,
    drawn: Mapping[str, Scale | None],
    cost: dict[str, Band] | None,
) -> tuple[str | None, ...]:
    cells = [
        band(bands[one], told=one not in bands[one].unit, scale=scale) if one in bands else None
        for one, scale in drawn.items()
        if one != "a month"
    ]
    if cost is not None:
        found = cost.get(name) or (cost.get("total") if name == "in all" else None)
        cells.append(band(found, told=False, scale=drawn["a month"]) if found else None)
    return (name.replace("_", " "), *cells, because)


def _behaviour(found: Capacity) -> Html:
    said = [("one replica gives out at", found.saturation)]
    said += [(f"p99 at {_share(share)}", one) for share, one in found.latency.items()]
    return tag(
        "dl",
        *(tag("div", tag("dt", words), tag("dd", band(one))) for words, one in said),
        class_="figures-row",
    )


def _share(share: str) -> str:
    """What a p99 is taken at: a share of the saturation, or the promised peak."""
    text = share.strip()
    return f"{text} of that" if text.endswith("%") else f"the promised {text}"


def title(found: tuple[Growth, ...]) -> str:
    """The heading of the growth."""
    ten = all(factor == 10 for one in found for factor in one.factors.values())
    return "At ten times as much" if ten else "As it grows"


def growth(found: tuple[Growth, ...], money: tuple[Bill, ...]) -> Html:
    """What each growth costs; what gives out first, what replaces it, and what is decided then."""
    heads = ("when", "gives out first", "then", "decides", "changes", "needs then")
    rows = [_growth(one) for one in found]
    return join(_money(money), table(title(found), heads, rows, class_="cards"))


def _money(found: tuple[Bill, ...]) -> Html | None:
    """A month's cost at each size, where prices were given."""
    if not found:
        return None
    months = [
        tag(
            "div",
            tag("dt", f"{one.size}, {one.ratio}" if one.ratio and one.size != "now" else one.size),
            tag("dd", band(one.month, told=False) if one.month else arrival(None)),
        )
        for one in found
    ]
    title = tag("h3", "What a month costs, by the prices given")
    return join(title, tag("dl", *months, class_="figures-row money"))


def _growth(one: Growth) -> tuple[str | None, ...]:
    within = [limit for limit in one.limits if limit.factor is not None]
    first = within[0] if within else None
    changes = [
        tag("li", f"{role.replace('_', ' ')}: {_words(before)} → {_words(after)}")
        for role, before, after in one.changes
    ]
    later = [tag("li", _limit(limit)) for limit in within[1:]]
    return (
        grown_by(one),
        join(
            tag("b", _limit(first)),
            tag("br"),
            prose(first.because),
            tag("ul", *later) if later else None,
        )
        if first
        else join("nothing", tag("br"), prose(one.idle))
        if one.idle
        else "nothing",
        first.replaced_by if first else "it holds",
        arrival(one.pattern),
        tag("ul", *changes) if changes else "nothing",
        _then(one.capacity),
    )


def _then(found: Capacity | None) -> Html | None:
    """Cores, memory and storage of all at that size, a line each."""
    if found is None:
        return None
    lines = []
    for name, one in found.total.items():
        low, typical, high = (amount(v, one.unit) for v in (one.low, one.typical, one.high))
        lines.append(
            tag(
                "div",
                tag("b", typical),
                f" {name} ",
                tag("small", f"{low} to {high}"),
                class_="sized",
            )
        )
    return join(*lines)


def _limit(one: Limit) -> str:
    name = one.component.replace("_", " ")
    if one.factor is None or one.factor <= 1:
        return f"{name}, already now"
    if one.factor < _SOON:
        return f"{name}, with any more {one.axis}"
    return f"{name} at {one.factor:.3g}x {one.axis}"


def _words(text: str) -> str:
    return text.replace("_", " ") or "none"
