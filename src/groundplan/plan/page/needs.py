"""What the plan needs and where it gives out: bands, and ten times as much."""

from math import log

from groundplan.plan.capacity import Band, Capacity
from groundplan.plan.growth import Growth, Limit
from groundplan.plan.page.markup import Html, join, prose, table, tag
from groundplan.plan.page.verdict import arrival
from groundplan.units import show_duration, show_size


def amount(value: float, unit: str) -> str:
    """A figure of a band in words, in three digits at most."""
    if unit == "bytes":
        return show_size(_rounded(value))
    if unit == "us":
        return show_duration(_rounded(value)) if value else "0s"
    if unit == "replicas":
        return f"{value:,.0f}"
    return f"{_rounded(value):,.10g}"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def band(one: Band, *, told: bool = True) -> Html:
    """A band: the typical figure, its bounds, and both as a line.

    Args:
        one: the band.
        told: whether its unit is said; the head of a column may have said it.
    """
    low, typical, high = (amount(v, one.unit) for v in (one.low, one.typical, one.high))
    unit = f" {one.unit}" if told and one.unit not in ("bytes", "us") else ""
    if low == high:
        return tag("span", tag("b", f"{typical}{unit}"), class_="band")
    line = tag(
        "span",
        tag("i"),
        tag("em", style=f"left:{100 * _place(one):.1f}%"),
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


def _place(one: Band) -> float:
    """Where the typical figure stands between the bounds, by ratios where there is no zero."""
    if one.low <= 0:
        return one.typical / one.high
    return log(one.typical / one.low) / log(one.high / one.low)


def capacity(found: Capacity) -> Html:
    """Every component with its bands, the whole, and how it behaves near its limit."""
    resources = list(dict.fromkeys(name for need in found.needs for name in need.bands))
    resources = list(dict.fromkeys([*resources, *found.total]))
    costly = bool(found.cost)
    heads = ("component", *resources, *(["a month"] if costly else []), "because")
    rows = [
        _need(need.component, need.bands, resources, found.cost if costly else None, need.because)
        for need in found.needs
    ]
    rows.append(_need("in all", found.total, resources, found.cost if costly else None, ""))
    return join(
        _behaviour(found),
        table("Capacity: low, typical, high", heads, rows, class_="cards bands"),
        tag("p", found.model, class_="soft") if found.model else None,
    )


def _need(
    name: str,
    bands: dict[str, Band],
    resources: list[str],
    cost: dict[str, Band] | None,
    because: str,
) -> tuple[str | None, ...]:
    cells = [
        band(bands[one], told=one not in bands[one].unit) if one in bands else None
        for one in resources
    ]
    if cost is not None:
        found = cost.get(name) or (cost.get("total") if name == "in all" else None)
        cells.append(band(found) if found else None)
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


def growth(found: tuple[Growth, ...]) -> Html:
    """For each growth: what gives out first, what replaces it, and what is decided then."""
    heads = ("when", "gives out first", "then", "decides", "changes", "cores then")
    rows = [_growth(one) for one in found]
    return table("At ten times as much", heads, rows, class_="cards")


def _growth(one: Growth) -> tuple[str | None, ...]:
    within = [limit for limit in one.limits if limit.factor is not None]
    first = within[0] if within else None
    changes = [
        tag("li", f"{role.replace('_', ' ')}: {_words(before)} → {_words(after)}")
        for role, before, after in one.changes
    ]
    cores = one.capacity.total.get("cores") if one.capacity else None
    later = [tag("li", _limit(limit)) for limit in within[1:]]
    return (
        ", ".join(f"{factor:g}x {axis}" for axis, factor in one.factors.items()),
        join(
            tag("b", _limit(first)),
            tag("br"),
            prose(first.because),
            tag("ul", *later) if later else None,
        )
        if first
        else "nothing",
        first.replaced_by if first else "it holds",
        arrival(one.pattern),
        tag("ul", *changes) if changes else "nothing",
        band(cores, told=False) if cores else None,
    )


def _limit(one: Limit) -> str:
    return f"{one.component.replace('_', ' ')} at {one.factor:.3g}x {one.axis}"


def _words(text: str) -> str:
    return text.replace("_", " ") or "none"
