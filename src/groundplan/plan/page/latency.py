"""The latency budget as one bar: each stage's part of the p99, and the headroom."""

from groundplan.plan.budget import RESERVED
from groundplan.plan.page.markup import Html, join, table, tag
from groundplan.plan.page.shape import said
from groundplan.plan.stage import Plan, Stage
from groundplan.units import show_about, show_duration, show_enough


def latency(plan: Plan) -> Html:
    """The budget as a bar, and the stages that do not fit."""
    over = sum(stage.budget for stage in plan.online)
    whole = max(plan.p99, over)
    pieces = [_piece(plan, stage, whole, i) for i, stage in enumerate(plan.online)]
    if plan.headroom > 0:
        pieces.append(_headroom(plan, whole))
    bar = tag("div", *pieces, class_="bar", aria_hidden="true")
    return join(_promise(plan, over, whole), bar, _misfits(plan))


def _piece(plan: Plan, stage: Stage, whole: int, i: int) -> Html:
    share = 100 * stage.budget / whole
    ill = any(one.stage == stage.name for one in plan.misfits)
    return tag(
        "div",
        tag("b", said(stage.name)),
        tag("span", show_about(stage.budget)),
        style=f"flex-basis:{share:.3f}%",
        class_=f"piece {'ill' if ill else 'odd' if i % 2 else 'even'}",
        title=f"{said(stage.name)}: {show_about(stage.budget)}",
    )


def _headroom(plan: Plan, whole: int) -> Html:
    share = 100 * plan.headroom / whole
    return tag(
        "div",
        tag("b", "headroom"),
        tag("span", show_about(plan.headroom)),
        style=f"flex-basis:{share:.3f}%",
        class_="piece headroom",
    )


def _promise(plan: Plan, over: int, whole: int) -> Html:
    """Where the promise ends, on the bar's own scale."""
    if over <= plan.p99:
        return tag("p", f"0 to {show_duration(plan.p99)}, the promised p99", class_="ruler")
    share = 100 * plan.p99 / whole
    return tag(
        "p",
        tag("span", f"promised: {show_duration(plan.p99)}", style=f"left:{min(share, 70):.3f}%"),
        class_="ruler over",
    )


def _misfits(plan: Plan) -> Html | None:
    if not plan.misfits:
        return None
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag("b", f"{said(one.stage)} does not fit. "),
                f"It takes {show_enough(one.needs)}, and {show_about(one.has)} are left. "
                f"What would make it fit: {one.remedy}.",
            )
            for one in plan.misfits
        ),
        class_="notice misfits",
    )


def figures(plan: Plan) -> Html:
    """The figures of each stage, what it does, and what answers when it cannot."""
    rows: list[tuple[str | None, ...]] = [
        (
            said(stage.name),
            show_about(stage.estimate),
            show_about(stage.budget),
            stage.does,
            stage.fallback.says,
        )
        for stage in plan.online
    ]
    rows.append(
        (
            "headroom",
            "",
            show_about(plan.headroom) if plan.headroom >= 0 else "none",
            RESERVED,
            "",
        )
    )
    heads = ("stage", "measured", "budget", "does", "when it cannot")
    return table("Stages of a request with their budgets", heads, rows, class_="cards figures")
