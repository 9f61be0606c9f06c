"""The architecture, drawn: what runs before a request, what is kept, what runs in the request.

The wide drawing lays the stages of a lane side by side and leads a line between each stage and
the stores that it fills or reads; the tall one, for a phone, lists them and says it in words.
Every text is broken to fit before it is placed, and no two lines share a track.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from groundplan.plan.page import stores
from groundplan.plan.page.lettering import lines, width
from groundplan.plan.page.markup import Html, join, tag
from groundplan.plan.page.stores import Place, Store
from groundplan.plan.stage import Plan, Stage
from groundplan.units import show_duration, show_rate

WIDE: Final = 1180
TALL: Final = 340
_PAD: Final = 16
_GAP: Final = 18
_PILL: Final = 96
_NAME: Final = 13.5
_TEXT: Final = 11.5
_LINE: Final = 15.0
_TRACK: Final = 11
_PORT: Final = 9


class Box(NamedTuple):
    """A rectangle: of a stage or of a store."""

    x: float
    y: float
    w: float
    h: float

    @property
    def middle(self) -> float:
        """The x of its centre."""
        return self.x + self.w / 2


def brief(microseconds: float) -> str:
    """A duration in three figures, as a box has room for; exact values stand in the tables."""
    if microseconds < 1000:
        return show_duration(round(microseconds))
    digits = 3 - len(str(int(microseconds)))
    return show_duration(int(round(microseconds, digits)))


def said(name: str) -> str:
    """A stage's name in words."""
    return name.replace("_", " ")


def drawing(plan: Plan) -> Html:
    """The architecture for a wide screen and for a narrow one; the page shows one of the two."""
    return join(_wide(plan), _tall(plan))


def _title(plan: Plan) -> tuple[Html, Html]:
    before = ", ".join(said(s.name) for s in plan.offline) or "nothing"
    during = ", ".join(f"{said(s.name)} {show_duration(s.budget)}" for s in plan.online)
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


def _text(
    text: str, x: float, y: float, kind: str = "", anchor: str | None = None, **more: str
) -> Html:
    return tag("text", text, x=x, y=y, class_=kind or None, text_anchor=anchor, **more)


def _rect(box: Box, kind: str, radius: float = 8) -> Html:
    return tag("rect", x=box.x, y=box.y, width=box.w, height=box.h, rx=radius, class_=kind)


def _promise(plan: Plan) -> str:
    return f"p99 {show_duration(plan.p99)} at {show_rate(plan.throughput)}"


def _ill(plan: Plan, stage: Stage) -> bool:
    return stage.side == "online" and any(one.stage == stage.name for one in plan.misfits)


# The wide drawing.


def _wide(plan: Plan) -> Html:
    found = stores.stores(plan)
    parts: list[Html] = []
    above, y = _lane(plan, plan.offline, 0, parts)
    below_room = _shelf(plan, found, above, y, parts)
    _, height = _lane(plan, plan.online, below_room.bottom, parts)
    online = _row(plan, plan.online, below_room.bottom)
    links = _links(found, {**_places(plan.offline, above), **_places(plan.online, online)})
    shelf = below_room.boxes
    parts += _wires(links, shelf, (y, below_room.top), (below_room.under, below_room.bottom))
    return _svg(plan, "wide", WIDE, height, *parts)


def _places(stages: tuple[Stage, ...], boxes: list[Box]) -> dict[Place, Box]:
    return {(s.side, s.name): box for s, box in zip(stages, boxes, strict=True)}


_HEAD: Final = 34


def _room(stages: tuple[Stage, ...], online: bool) -> float:
    """The width of a box where all stages of a lane stand in one row."""
    pills = _PILL * (2 if online else 1)
    gaps = _GAP * (len(stages) + (1 if online else 0))
    return min(200.0, (WIDE - 2 * _PAD - pills - gaps) / max(1, len(stages)))


def _row(plan: Plan, stages: tuple[Stage, ...], top: float) -> list[Box]:
    online = bool(stages) and stages[0].side == "online"
    w = _room(stages, online)
    h = max((_tallness(plan, stage, w) for stage in stages), default=0)
    spread = len(stages) * (w + _GAP) + _PILL * (2 if online else 1)
    start = _PAD + max(0.0, (WIDE - 2 * _PAD - spread) / 2) + _PILL + _GAP
    # What leads to the shelf passes no lane's name: that of the lower lane stands below its boxes.
    y = top + (_PAD if online else _HEAD)
    return [Box(start + i * (w + _GAP), y, w, h) for i in range(len(stages))]


def _tallness(plan: Plan, stage: Stage, w: float) -> float:
    rows = len(lines(said(stage.name), _NAME, w - 16, bold=True))
    rows += len(lines(stage.served_by, _TEXT, w - 16)) + bool(_note(plan, stage))
    return 16 + rows * _LINE + (30 if stage.side == "online" else 4)


def _note(plan: Plan, stage: Stage) -> str:
    if _ill(plan, stage):
        return "does not fit"
    return "gives way first" if stage.optional else ""


def _lane(
    plan: Plan, stages: tuple[Stage, ...], top: float, parts: list[Html]
) -> tuple[list[Box], float]:
    boxes = _row(plan, stages, top)
    online = stages[0].side == "online"
    h = boxes[0].h
    bottom = top + _HEAD + h + _PAD
    kind = "live" if online else "ahead"
    title = "LIVE" if online else "PRECOMPUTED"
    rest = f"inside the request: {_promise(plan)}" if online else "before any request, offline"
    parts.append(_rect(Box(0.5, top + 0.5, WIDE - 1, bottom - top - 1), f"lane {kind}", 12))
    named = bottom - 12 if online else top + 22
    parts.append(_text(title, _PAD, named, f"lane-name {kind}"))
    parts.append(_text(rest, _PAD + width(title, 13.5, bold=True) + 12, named, "soft"))
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


def _pill(text: str, box: Box) -> list[Html]:
    rows = lines(text, 12, box.w - 14, bold=True)
    y = box.y + box.h / 2 + 4 - (len(rows) - 1) * 7
    drawn = [_text(row, box.middle, y + 14 * i, "end", "middle") for i, row in enumerate(rows)]
    return [_rect(box, "pill", 22), *drawn]


def _arrow(x1: float, x2: float, y: float, kind: str) -> Html:
    return tag("path", d=f"M{x1:g} {y:g}H{x2 - 1:g}", class_="flow", marker_end=f"url(#tip-{kind})")


def _stage(plan: Plan, stage: Stage, box: Box) -> Html:
    ill = " ill" if _ill(plan, stage) else ""
    kind = "stage live" if stage.side == "online" else "stage ahead"
    parts = [tag("title", f"{said(stage.name)}: {stage.does}")]
    parts.append(_rect(box, kind + ill + (" optional" if stage.optional else "")))
    y = box.y + 20
    for row in lines(said(stage.name), _NAME, box.w - 16, bold=True):
        parts.append(_text(row, box.x + 8, y, "name"))
        y += _LINE
    for row in lines(stage.served_by, _TEXT, box.w - 16):
        parts.append(_text(row, box.x + 8, y, "tech"))
        y += _LINE
    note = _note(plan, stage)
    if note:
        parts.append(_text(note, box.x + 8, y, "note" + ill))
    if stage.side == "online":
        parts += _budget(plan, stage, Box(box.x + 8, box.y + box.h - 12, box.w - 16, 4), ill)
    return tag("g", *parts)


def _budget(plan: Plan, stage: Stage, bar: Box, ill: str) -> list[Html]:
    share = min(1.0, stage.budget / plan.p99)
    return [
        _text(brief(stage.budget), bar.x, bar.y - 7, "budget" + ill),
        _rect(bar, "groove", 2),
        _rect(bar._replace(w=max(2.0, bar.w * share)), "filled" + ill, 2),
    ]


# The shelf: the stores between the lanes, and the wires to them.


@dataclass(frozen=True)
class _Shelf:
    """Where the stores stand: `top` and `under` of them, `bottom` of the room they stand in."""

    boxes: dict[str, Box]
    top: float
    under: float
    bottom: float


class _Link(NamedTuple):
    """A line between a stage and a store."""

    store: str
    box: Box
    above: bool
    fills: bool
    reads: bool


def _links(found: list[Store], places: dict[Place, Box]) -> list[_Link]:
    links = []
    for store in found:
        for place in dict.fromkeys((*store.writers, *store.readers)):
            fills, reads = place in store.writers, place in store.readers
            links.append(_Link(store.name, places[place], place[0] == "offline", fills, reads))
    return links


def _shelf(plan: Plan, found: list[Store], above: list[Box], y: float, parts: list[Html]) -> _Shelf:
    places = {**_places(plan.offline, above), **_places(plan.online, _row(plan, plan.online, 0))}
    links = _links(found, places)
    up = sum(link.above for link in links)
    top = y + 26 + _TRACK * up
    sizes = {store.name: _size(plan, store) for store in found}
    h = max((size[1] for size in sizes.values()), default=0.0)
    boxes = _stand(links, {name: size[0] for name, size in sizes.items()}, top, h)
    under = top + h
    for store in found:
        parts.append(_store(plan, store, boxes[store.name]))
    return _Shelf(boxes, top, under, under + 26 + _TRACK * (len(links) - up))


def _size(plan: Plan, store: Store) -> tuple[float, float]:
    rows = lines(stores.technology(plan, store), _TEXT, 150)
    wide = max(width(store.name, _NAME, bold=True), *(width(row, _TEXT) for row in rows), 90.0)
    return wide + 24, 34 + _LINE * len(rows) + 8


def _stand(links: list[_Link], widths: dict[str, float], top: float, h: float) -> dict[str, Box]:
    """Each store below the middle of what uses it, pushed aside where two would meet."""
    wanted: dict[str, float] = {}
    for name in widths:
        mine = [link for link in links if link.store == name]
        # A request's own lines are the most; in their order they cross the least.
        below = [link for link in mine if not link.above]
        xs = [link.box.middle for link in below or mine]
        wanted[name] = sum(xs) / len(xs) if xs else WIDE / 2
    boxes: dict[str, Box] = {}
    left = float(_PAD)
    order = sorted(widths, key=lambda name: wanted[name])
    for name in order:
        x = max(left, wanted[name] - widths[name] / 2)
        boxes[name] = Box(x, top, widths[name], h)
        left = x + widths[name] + 28
    right = float(WIDE - _PAD)
    for name in reversed(order):
        x = min(boxes[name].x, right - widths[name])
        boxes[name] = boxes[name]._replace(x=x)
        right = x - 28
    return boxes


def _store(plan: Plan, store: Store, box: Box) -> Html:
    kind = "store service" if store.service else "store"
    if store.service:
        shape = [_rect(box, kind, 18)]
    else:
        lid = 7.0
        x, y, w, h = box
        side = f"M{x:g} {y + lid:g}v{h - 2 * lid:g}a{w / 2:g} {lid:g} 0 0 0 {w:g} 0v{2 * lid - h:g}"
        shape = [
            tag("path", d=side, class_=kind),
            tag("ellipse", cx=box.middle, cy=y + lid, rx=w / 2, ry=lid, class_=kind),
        ]
    parts = [*shape, _text(store.name, box.middle, box.y + 30, "name", "middle")]
    for i, row in enumerate(lines(stores.technology(plan, store), _TEXT, 150)):
        parts.append(_text(row, box.middle, box.y + 30 + _LINE * (i + 1), "tech", "middle"))
    return tag("g", *parts)


@dataclass
class _Ports:
    """The x at which lines leave a row of boxes: each its own."""

    used: list[float] = field(default_factory=list)

    def take(self, x: float) -> float:
        """The free place nearest to x, to its right or left."""
        for step in range(40):
            for free in (x + step * _PORT / 2, x - step * _PORT / 2):
                if all(abs(free - one) >= _PORT for one in self.used):
                    self.used.append(free)
                    return free
        return x


def _wires(
    links: list[_Link],
    shelf: dict[str, Box],
    above: tuple[float, float],
    below: tuple[float, float],
) -> list[Html]:
    """The lines, each with a track of its own in the channel above or below the shelf."""
    drawn = []
    for up, (start, _) in ((True, above), (False, below)):
        ports = _Ports()
        mine = [link for link in links if link.above is up]
        mine.sort(key=lambda link: (link.box.middle, shelf[link.store].middle))
        for i, link in enumerate(mine):
            store = shelf[link.store]
            track = start + 16 + _TRACK * i
            aim = min(max(link.box.middle, store.x + 18), store.x + store.w - 18)
            at_store = ports.take(aim)
            inside = link.box.x + 6 < at_store < link.box.x + link.box.w - 6
            at_stage = at_store if inside else ports.take(link.box.middle)
            ends = (
                (link.box.y + link.box.h, store.y + (1 if up else 0))
                if up
                else (link.box.y, store.y + store.h)
            )
            drawn.append(_wire(link, (at_stage, ends[0]), track, (at_store, ends[1])))
    return drawn


def _wire(
    link: _Link, stage: tuple[float, float], track: float, store: tuple[float, float]
) -> Html:
    bend = "" if stage[0] == store[0] else f"V{track:g}H{store[0]:g}"
    return tag(
        "path",
        d=f"M{stage[0]:g} {stage[1]:g}{bend}V{store[1]:g}",
        class_="wire ahead" if link.above else "wire live",
        marker_start="url(#tip-wide)" if link.reads else None,
        marker_end="url(#tip-wide)" if link.fills else None,
    )


# The tall drawing.


def _tall(plan: Plan) -> Html:
    found = stores.stores(plan)
    parts: list[Html] = []
    y = _column(plan, plan.offline, found, 0.0, parts)
    parts.append(_text("KEPT", 12, y + 26, "lane-name"))
    y += 38
    for store in found:
        rows = lines(stores.technology(plan, store), _TEXT, TALL - 48)
        box = Box(12, y, TALL - 24, 28 + _LINE * len(rows))
        parts.append(_rect(box, "store service" if store.service else "store", 12))
        parts.append(_text(store.name, 24, y + 19, "name"))
        parts += [_text(row, 24, y + 19 + _LINE * (i + 1), "tech") for i, row in enumerate(rows)]
        y += box.h + 8
    y = _column(plan, plan.online, found, y + 8, parts)
    return _svg(plan, "tall", TALL, y, *parts)


def _column(
    plan: Plan, stages: tuple[Stage, ...], found: list[Store], top: float, parts: list[Html]
) -> float:
    live = stages[0].side == "online"
    heads = [_text("LIVE" if live else "PRECOMPUTED", 12, top + 22, "lane-name")]
    heads.append(
        _text(_promise(plan) if live else "before any request", TALL - 12, top + 22, "soft", "end")
    )
    inner: list[Html] = []
    y = top + 34
    for i, stage in enumerate(stages):
        box, text = _card(plan, stage, found, y)
        inner.append(text)
        y += box.h
        if i < len(stages) - 1:
            inner.append(
                tag(
                    "path",
                    d=f"M{TALL / 2:g} {y:g}v13",
                    class_="flow",
                    marker_end="url(#tip-tall)",
                )
            )
            y += 14
    y += 12
    lane = _rect(
        Box(0.5, top + 0.5, TALL - 1, y - top - 1), "lane live" if live else "lane ahead", 12
    )
    parts += [lane, *heads, *inner]
    return y


def _use(store: Store, place: Place) -> str:
    reads = ("asks" if store.service else "reads") if place in store.readers else ""
    fills = "fills" if place in store.writers else ""
    words = " and ".join(filter(None, (reads, fills)))
    return f"{words} {store.name}" if words else ""


def _card(plan: Plan, stage: Stage, found: list[Store], y: float) -> tuple[Box, Html]:
    live, ill = stage.side == "online", " ill" if _ill(plan, stage) else ""
    place = (stage.side, stage.name)
    uses = [use for one in found if (use := _use(one, place))]
    room = TALL - 48.0
    rows = [(row, "tech") for row in lines(stage.served_by, _TEXT, room)]
    rows += [(row, "uses") for row in lines("; ".join(uses), _TEXT, room)]
    rows += [(_note(plan, stage), "note" + ill)] if _note(plan, stage) else []
    box = Box(12, y, TALL - 24, 28 + _LINE * len(rows) + (12 if live else 0))
    kind = ("stage live" if live else "stage ahead") + ill
    parts = [tag("title", stage.does), _rect(box, kind + (" optional" if stage.optional else ""))]
    parts.append(_text(said(stage.name), 24, y + 19, "name"))
    parts += [_text(row, 24, y + 19 + _LINE * (i + 1), k) for i, (row, k) in enumerate(rows)]
    if live:
        bar = Box(24, y + box.h - 11, TALL - 48, 4)
        _, *shapes = _budget(plan, stage, bar, ill)
        parts.append(_text(brief(stage.budget), TALL - 24, y + 19, "budget" + ill, "end"))
        parts += shapes
    return box, tag("g", *parts)
