"""A lane of the wide drawing: its stages side by side, in the order in which they run."""

from itertools import pairwise
from typing import Final

from groundplan.plan.page import stores
from groundplan.plan.page.lettering import lines, width
from groundplan.plan.page.markup import Html, tag
from groundplan.plan.page.shape import LINE, NAME, PAD, TEXT, WIDE, Box, rect, said, text
from groundplan.plan.page.stores import Place
from groundplan.plan.stage import Plan, Stage
from groundplan.units import show_about, show_duration, show_rate

_GAP: Final = 18
_PILL: Final = 96
_HEAD: Final = 34


def promise(plan: Plan) -> str:
    """What a request is promised: `p99 100ms at 500/s`."""
    return f"p99 {show_duration(plan.p99)} at {show_rate(plan.throughput)}"


def ill_fits(plan: Plan, stage: Stage) -> bool:
    """Does a stage take longer than its part of the promise?"""
    return stage.side == "online" and any(one.stage == stage.name for one in plan.misfits)


def note(plan: Plan, stage: Stage) -> str:
    """What is to be known of a stage beside its name; empty: nothing."""
    if ill_fits(plan, stage):
        return "does not fit"
    return "gives way first" if stage.optional else ""


def places_of(stages: tuple[Stage, ...], boxes: list[Box]) -> dict[Place, Box]:
    """The box of each stage of a lane."""
    return {(s.side, s.name): box for s, box in zip(stages, boxes, strict=True)}


def lane(
    plan: Plan, stages: tuple[Stage, ...], top: float, parts: list[Html]
) -> tuple[list[Box], float]:
    """Draw a lane below `top`; the boxes of its stages, and its lower edge."""
    boxes = row(plan, stages, top)
    online = stages[0].side == "online"
    h = boxes[0].h
    bottom = top + _HEAD + h + PAD
    kind = "live" if online else "ahead"
    title = "LIVE" if online else "PRECOMPUTED"
    rest = f"inside the request: {promise(plan)}" if online else "before any request, offline"
    parts.append(rect(Box(0.5, top + 0.5, WIDE - 1, bottom - top - 1), f"lane {kind}", 12))
    named = bottom - 12 if online else top + 22
    parts.append(text(title, PAD, named, f"lane-name {kind}"))
    parts.append(text(rest, PAD + width(title, 13.5, bold=True) + 12, named, "soft"))
    y = boxes[0].y + h / 2
    first = "request" if online else stores.source(plan)
    parts += _pill(first, Box(boxes[0].x - _GAP - _PILL, y - 22, _PILL, 44))
    parts.append(_arrow(boxes[0].x - _GAP, boxes[0].x, y, "wide"))
    for one, two in pairwise(boxes):
        parts.append(_arrow(one.x + one.w, two.x, y, "wide"))
    if online:
        end = boxes[-1].x + boxes[-1].w
        parts.append(_arrow(end, end + _GAP, y, "wide"))
        parts += _pill("answer", Box(end + _GAP, y - 22, _PILL, 44))
    for stage, box in zip(stages, boxes, strict=True):
        parts.append(_stage(plan, stage, box))
    return boxes, bottom


def _room(stages: tuple[Stage, ...], online: bool) -> float:
    """The width of a box where all stages of a lane stand in one row."""
    pills = _PILL * (2 if online else 1)
    gaps = _GAP * (len(stages) + (1 if online else 0))
    return min(200.0, (WIDE - 2 * PAD - pills - gaps) / max(1, len(stages)))


def row(plan: Plan, stages: tuple[Stage, ...], top: float) -> list[Box]:
    """Where the stages of a lane stand, in the middle of the drawing."""
    online = bool(stages) and stages[0].side == "online"
    w = _room(stages, online)
    h = max((_tallness(plan, stage, w) for stage in stages), default=0)
    spread = len(stages) * (w + _GAP) + _PILL * (2 if online else 1)
    start = PAD + max(0.0, (WIDE - 2 * PAD - spread) / 2) + _PILL + _GAP
    # What leads to the shelf passes no lane's name: that of the lower lane stands below its boxes.
    y = top + (PAD if online else _HEAD)
    return [Box(start + i * (w + _GAP), y, w, h) for i in range(len(stages))]


def _tallness(plan: Plan, stage: Stage, w: float) -> float:
    rows = len(lines(said(stage.name), NAME, w - 16, bold=True))
    rows += len(lines(stage.served_by, TEXT, w - 16)) + bool(note(plan, stage))
    return 16 + rows * LINE + (30 if stage.side == "online" else 4)


def _pill(name: str, box: Box) -> list[Html]:
    rows = lines(name, 12, box.w - 14, bold=True)
    y = box.y + box.h / 2 + 4 - (len(rows) - 1) * 7
    drawn = [text(row, box.middle, y + 14 * i, "end", "middle") for i, row in enumerate(rows)]
    return [rect(box, "pill", 22), *drawn]


def _arrow(x1: float, x2: float, y: float, kind: str) -> Html:
    return tag("path", d=f"M{x1:g} {y:g}H{x2 - 1:g}", class_="flow", marker_end=f"url(#tip-{kind})")


def _stage(plan: Plan, stage: Stage, box: Box) -> Html:
    ill = " ill" if ill_fits(plan, stage) else ""
    kind = "stage live" if stage.side == "online" else "stage ahead"
    parts = [tag("title", f"{said(stage.name)}: {stage.does}")]
    parts.append(rect(box, kind + ill + (" optional" if stage.optional else "")))
    y = box.y + 20
    for row in lines(said(stage.name), NAME, box.w - 16, bold=True):
        parts.append(text(row, box.x + 8, y, "name"))
        y += LINE
    for row in lines(stage.served_by, TEXT, box.w - 16):
        parts.append(text(row, box.x + 8, y, "tech"))
        y += LINE
    aside = note(plan, stage)
    if aside:
        parts.append(text(aside, box.x + 8, y, "note" + ill))
    if stage.side == "online":
        parts += budget(plan, stage, Box(box.x + 8, box.y + box.h - 12, box.w - 16, 4), ill)
    return tag("g", *parts)


def budget(plan: Plan, stage: Stage, bar: Box, ill: str) -> list[Html]:
    """A stage's budget: the figure, and its part of the promise as a bar."""
    share = min(1.0, stage.budget / plan.p99)
    return [
        text(show_about(stage.budget), bar.x, bar.y - 7, "budget" + ill),
        rect(bar, "groove", 2),
        rect(bar._replace(w=max(2.0, bar.w * share)), "filled" + ill, 2),
    ]
