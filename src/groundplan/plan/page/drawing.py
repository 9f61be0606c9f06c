"""The architecture, drawn: what runs before a request, what is kept, what runs in the request.

The wide drawing lays the stages of a lane side by side and leads a line between each stage and
the stores that it fills or reads; the tall one, for a phone, lists them and says it in words.
Every text is broken to fit before it is placed, and no two lines share a track.
"""

from groundplan.plan.page import stores
from groundplan.plan.page.column import column
from groundplan.plan.page.lane import lane, places_of, row
from groundplan.plan.page.markup import Html, join, tag
from groundplan.plan.page.shape import TALL, WIDE, said
from groundplan.plan.page.shelf import links_of, shelf, wires
from groundplan.plan.stage import Plan
from groundplan.units import show_about


def drawing(plan: Plan) -> Html:
    """The architecture for a wide screen and for a narrow one; the page shows one of the two."""
    return join(_wide(plan), _tall(plan))


def _title(plan: Plan) -> tuple[Html, Html]:
    before = ", ".join(said(s.name) for s in plan.offline) or "nothing"
    during = ", ".join(f"{said(s.name)} {show_about(s.budget)}" for s in plan.online)
    kept = ", ".join(store.name for store in stores.stores(plan))
    return (
        tag("title", f"The architecture of {plan.name}: {plan.pattern}"),
        tag("desc", f"Before a request: {before}. Kept: {kept}. In a request: {during}."),
    )


def _svg(plan: Plan, kind: str, w: float, h: float, *parts: str) -> Html:
    # Arrowheads are named per drawing: a marker inside what is not shown is not drawn.
    head = tag(
        "marker",
        tag("path", d="M0 0 8 4 0 8z", class_="tip"),
        id=f"tip-{kind}",
        viewBox="0 0 8 8",
        refX=7,
        refY=4,
        markerWidth=7,
        markerHeight=7,
        orient="auto-start-reverse",
    )
    return tag(
        "svg",
        *_title(plan),
        tag("defs", head),
        *parts,
        class_=f"drawing {kind}",
        viewBox=f"0 0 {w:g} {h:g}",
        role="img",
        aria_label=f"Architecture of {plan.name}: {plan.pattern}",
    )


def _wide(plan: Plan) -> Html:
    found = stores.stores(plan)
    parts: list[Html] = []
    above, y = lane(plan, plan.offline, 0, parts)
    ahead = places_of(plan.offline, above)
    # Where the lower lane stands follows from the shelf; the shelf reads only its x.
    sketched = places_of(plan.online, row(plan, plan.online, 0))
    room = shelf(plan, found, links_of(found, {**ahead, **sketched}), y, parts)
    below, height = lane(plan, plan.online, room.bottom, parts)
    parts += wires(links_of(found, {**ahead, **places_of(plan.online, below)}), room, y)
    return _svg(plan, "wide", WIDE, height, *parts)


def _tall(plan: Plan) -> Html:
    parts: list[Html] = []
    return _svg(plan, "tall", TALL, column(plan, parts), *parts)
