"""The decision in one sentence, the four patterns side by side, and the way out of a conflict."""

import math
from collections.abc import Iterable
from typing import Any, Final

from groundplan.constraints import FIELDS
from groundplan.constraints.kind import Count, Duration, Rate
from groundplan.decision import PATTERNS, Conflict, Decision, Flip, WayOut
from groundplan.decision.case import shown
from groundplan.decision.conflicts import nearest
from groundplan.decision.domain import DOMAINS
from groundplan.decision.patterns import Pattern
from groundplan.plan.dossier import Dossier
from groundplan.plan.page.markup import Html, join, tag
from groundplan.plan.page.rulings import written
from groundplan.plan.page.shape import said
from groundplan.plan.served import planned
from groundplan.units import SECOND, show_duration, show_rate

STALE: Final = tag(
    "p",
    tag("b", "As filed. "),
    "Your changes are not in this part; ",
    tag("a", "the command below", href="#moved"),
    " draws it anew.",
    class_="stale",
)
"""What a part says that does not move with the answers."""

_MOST: Final = 4
_UNSTATED: Final = {
    "candidates.catalog": DOMAINS["candidates.catalog"].least,
    "policy.cores": DOMAINS["policy.cores"].most,
    "policy.hosts": DOMAINS["policy.hosts"].least,
}
"""On which side of all that can be stated an answer lies that is not: what no rule minds."""
_REACH: Final = 100  # times: a conflict farther off than this is no news on the first screen


def verdict(dossier: Dossier) -> Html:
    """What is decided, in one sentence, and what became of each pattern."""
    decision = dossier.decision
    return tag(
        "section",
        tag("p", "The decision", class_="eyebrow"),
        tag(
            "div",
            tag(
                "h1",
                tag("b", decision.pattern or "no pattern", data_live="pattern"),
                tag("span", ": ", class_="colon"),
                tag("span", _shape(decision), data_live="shape"),
            ),
            tag("p", _why(dossier), data_live="why", class_="lead"),
            tag("ul", data_live="clash", hidden=True, class_="clash"),
            aria_live="polite",
        ),
        _honest(dossier),
        _unfit(dossier),
        _outgrown(dossier),
        tag("ol", *(_card(one, decision) for one in PATTERNS), class_="patterns"),
        _turns(dossier) if decision.pattern else None,
        id="decision",
        class_=f"verdict p-{decision.pattern or 'conflict'}",
    )


def _turns(dossier: Dossier) -> Html:
    """The first changes that would flip the decision: to another pattern first, and the nearest."""
    alone = [flip for flip in dossier.flips if len(flip.answers) == 1]
    # Without a catalog, a request chooses among all there is.
    all_ = dossier.answers.candidates.per_request
    found = sorted(alone or dossier.flips, key=lambda flip: _telling(flip, all_))
    near = [one for one in found if one.pattern or not _REACH < _far(one, all_) < math.inf]
    told = (near or found)[:_MOST]
    if not told:
        return tag("p", "No change of one answer, or of two, flips it.", class_="turns")
    none = None if alone else tag("p", "No single answer does; two at once:")
    rest = len(dossier.flips) - len(told)
    more = tag("p", tag("a", f"{rest} more changes that flip it", href="#flips")) if rest else None
    return tag(
        "div",
        tag("h2", "What would flip it"),
        none,
        tag("ul", *(tag("li", _way(flip)) for flip in told)),
        more,
        class_="turns",
    )


def _telling(flip: Flip, all_: int) -> tuple[bool, bool, float]:
    return "system.output" in flip.answers, flip.pattern is None, _far(flip, all_)


def _far(flip: Flip, all_: int) -> float:
    """How many times as much or as little a number has to become; a word is near."""
    times = 1.0
    for key, was, new in zip(flip.answers, flip.before, flip.after, strict=True):
        old = all_ if was is None and key == "candidates.catalog" else was
        if isinstance(new, int) and not isinstance(new, bool):
            low, high = sorted((old or 0, new))
            times = max(times, high / low if low > 0 else math.inf)
    return times


def _shape(decision: Decision) -> str:
    for pattern in PATTERNS:
        if pattern.name == decision.pattern:
            return pattern.shape
    return "these answers cannot hold together"


def _why(dossier: Dossier) -> str:
    latency = dossier.answers.latency
    promise = f"p99 {show_duration(latency.p99)} at {show_rate(latency.throughput)}"
    if dossier.decision.pattern is None:
        return f"Every pattern is ruled out by at least one answer ({promise})."
    return f"The simplest of the four patterns that meets every answer ({promise})."


def runs(dossier: Dossier) -> bool:
    """Does this version build and run what is planned, or is it a plan only?"""
    return not planned(dossier.answers, dossier.decision)


def _honest(dossier: Dossier) -> Html | None:
    if dossier.decision.pattern is None or runs(dossier):
        return None
    return tag(
        "p",
        tag("b", "A plan only. "),
        "This version of Groundplan plans this architecture, and does not build or run it: it "
        "builds and runs batch and realtime, for one score a request.",
        class_="notice",
    )


def _unfit(dossier: Dossier) -> Html | None:
    """What the plan cannot hold, on the first screen."""
    if dossier.plan is None or dossier.holds:
        return None
    stages = [f"{said(one.stage)} does not fit its budget" for one in dossier.plan.misfits]
    short = dossier.capacity.shortages if dossier.capacity else ()
    lacks = [f"{one.head}: {one.because}" for one in short if one.misfit]
    return tag(
        "p",
        tag("b", "The plan does not hold. "),
        f"{'; '.join([*stages, *lacks])}.",
        class_="notice unfit",
    )


def _outgrown(dossier: Dossier) -> Html | None:
    """What is too small from the start, on the first screen as well."""
    if not dossier.outgrown:
        return None
    told = [f"{said(one.component)}: {one.because}" for one in dossier.outgrown]
    return tag("p", tag("b", "Too small from the start. "), f"{'; '.join(told)}.", class_="notice")


def _card(pattern: Pattern, decision: Decision) -> Html:
    out = [ruling for ruling in decision.rulings if ruling.rules_out == pattern.name]
    if pattern.name == decision.pattern:
        state, says = "chosen", "chosen: the simplest left standing"
    elif out:
        state, says = "out", f"out: {len(out)} ruling{'s' if len(out) > 1 else ''}"
    else:
        state, says = "stands", "stands, but is more complex than needed"
    return tag(
        "li",
        tag("h3", pattern.name),
        tag("p", says, class_="state"),
        tag("p", out[0].because if out else pattern.wins, class_="reason"),
        data_pattern=pattern.name,
        class_=f"p-{pattern.name} {state}",
    )


def ways_out(found: tuple[Conflict, ...]) -> Html | None:
    """The smallest sets of answers that cannot hold together, and what would free them."""
    if not found:
        return None
    return tag(
        "section",
        tag("h2", "What cannot hold together"),
        STALE,
        tag(
            "p",
            "Each set below leaves no pattern, whatever the other answers are. The nearest "
            "changes that resolve the conflict:",
        ),
        tag("ul", *(tag("li", _way(way)) for way in nearest(found)), class_="ways"),
        *(
            tag(
                "details",
                tag("summary", join(*_listed(tag("code", key) for key in one.answers))),
                tag("ul", *(tag("li", sentence) for sentence in one.because)),
                open=i == 0,
                class_="conflict",
            )
            for i, one in enumerate(found)
        ),
        id="conflict",
        class_="filed",
    )


def _listed(names: Iterable[Html]) -> list[Html]:
    found: list[Html] = []
    for name in names:
        found += [Html(" with "), name] if found else [name]
    return found


def _way(way: WayOut | Flip) -> Html:
    return join(
        tag("span", change(way.answers, way.before, way.after)),
        arrival(way.pattern),
        attempt(way.answers, way.after),
    )


def arrival(pattern: str | None) -> Html:
    """What is decided then, in its colour."""
    return tag("span", pattern or "conflict", class_=f"chip p-{pattern or 'conflict'}")


def change(keys: tuple[str, ...], before: tuple[Any, ...], after: tuple[Any, ...]) -> Html:
    """A change of one answer or several."""
    said = [
        join(
            tag("code", key),
            " ",
            tag("span", _spoken(key, old), class_="soft"),
            " → ",
            _bound(key, old, new),
        )
        for key, old, new in zip(keys, before, after, strict=True)
    ]
    return Html("<br>".join(said))


def attempt(keys: tuple[str, ...], after: tuple[Any, ...]) -> Html:
    """The button that makes a change in the page."""
    sets = {
        key: "" if new is None else _value(key, new) for key, new in zip(keys, after, strict=True)
    }
    words = ", ".join(f"{key} {value or 'not stated'}" for key, value in sets.items())
    return tag(
        "button",
        "try",
        type="button",
        data_set="\n".join(f"{key}={value}" for key, value in sets.items()),
        aria_label=f"try {words}",
        class_="try",
    )


def _value(key: str, value: Any) -> str:
    return written(shown(key, value))


def _spoken(key: str, value: Any) -> str:
    """The same, for people: 4,967 rather than 4_967."""
    return f"{value:,}" if isinstance(FIELDS[key].kind, Count) and value else _value(key, value)


def _bound(key: str, old: Any, new: Any) -> Html:
    """The nearest value that changes the decision is the bound of all beyond it."""
    text = _spoken(key, new)
    kind, old = FIELDS[key].kind, _UNSTATED.get(key) if old is None else old
    numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in (old, new))
    if not numbers:
        return tag("b", text)
    if isinstance(kind, Duration | Rate):
        show = show_duration if isinstance(kind, Duration) else show_rate
        text = show(_short(new, up=new > old))
        if new < old and (new + 1) % SECOND == 0 and isinstance(kind, Duration):
            return tag("b", f"under {show_duration(new + 1)}")
    elif isinstance(kind, Count):
        text = f"{_short(new, up=new > old):,}"
    exact = _spoken(key, new)
    said = f"{text} or less" if new < old else f"{text} or more"
    return tag("b", said, title=None if text == exact else f"exactly {exact}")


def _short(number: int, *, up: bool) -> int:
    """Four figures, rounded to the side on which the decision is changed already."""
    step: int = 10 ** max(0, len(str(number)) - 4)
    return -(-number // step) * step if up else number // step * step
