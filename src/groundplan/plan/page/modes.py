"""How the plan fails: its components one by one, each with its failure modes behind a fold.

The folds are those of the browser, so that nothing is lost without a script; where one runs, a
filter begins with the main risks.
"""

from collections.abc import Sequence
from itertools import groupby

from groundplan.plan.failures import Failure
from groundplan.plan.page.markup import Html, join, prose, table, tag
from groundplan.plan.stage import Plan


def modes(found: Sequence[Failure], plan: Plan) -> Html:
    """The failure modes; where none are known, the risks of the plan."""
    if not found:
        rows: list[tuple[str | None, ...]] = [(r.risk, r.signal, r.mitigation) for r in plan.risks]
        return table("Risks", ("risk", "seen in", "answer to it"), rows, class_="cards")
    groups = [
        _component(name, list(group)) for name, group in groupby(found, lambda one: one.named)
    ]
    return tag("div", _filter(found), *groups, class_="modes")


def _filter(found: Sequence[Failure]) -> Html:
    """Main risks or all, and a button that opens every fold."""
    main = sum(one.main for one in found)
    choices = [
        ("main", f"main risks ({main})", 0 < main < len(found)),
        ("all", f"all ({len(found)})", not 0 < main < len(found)),
    ]
    radios = [
        tag(
            "label",
            _radio(value, checked=checked),
            tag("span", words),
        )
        for value, words, checked in choices
        if main or value == "all"
    ]
    return tag(
        "div",
        tag("div", *radios, class_="choice", role="radiogroup", aria_label="failure modes shown"),
        tag("button", "open all", type="button", id="unfold"),
        class_="filter live-only",
    )


def _radio(value: str, *, checked: bool) -> Html:
    return tag("input", type="radio", name="modes", value=value, checked=checked)


def _component(name: str, found: list[Failure]) -> Html:
    causes = [
        tag("span", prose(one.cause), class_="cause" if one.main else "cause minor")
        for one in found
    ]
    return tag(
        "details",
        tag("summary", tag("b", name), tag("span", *causes, class_="causes")),
        *(_mode(one) for one in found),
        class_=None if any(one.main for one in found) else "minor",
    )


def _mode(one: Failure) -> Html:
    build = None if one.running else tag("span", " to build", class_="tobuild")
    told = (
        ("a user sees", prose(one.seen)),
        ("signal", join(prose(one.signal), build)),
        ("what answers", prose(one.fallback or "nothing")),
        ("what to do", prose(one.mitigation)),
    )
    return tag(
        "div",
        tag("h3", prose(one.cause)),
        tag("dl", *(tag("div", tag("dt", head), tag("dd", body)) for head, body in told)),
        class_="mode" if one.main else "mode minor",
    )
