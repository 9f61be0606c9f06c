"""The shelf: the stores between the two lanes, and the wires from the stages to them."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from groundplan.plan.page import stores
from groundplan.plan.page.lettering import lines, width
from groundplan.plan.page.markup import Html, tag
from groundplan.plan.page.shape import LINE, NAME, PAD, TEXT, WIDE, Box, rect, text
from groundplan.plan.page.stores import Place, Store
from groundplan.plan.stage import Plan

_TRACK: Final = 11
_PORT: Final = 9


@dataclass(frozen=True)
class Shelf:
    """Where the stores stand: `top` and `under` of them, `bottom` of the room they stand in."""

    boxes: dict[str, Box]
    top: float
    under: float
    bottom: float


class Link(NamedTuple):
    """A line between a stage and a store."""

    store: str
    box: Box
    above: bool
    fills: bool
    reads: bool


def links_of(found: list[Store], places: dict[Place, Box]) -> list[Link]:
    """One line for each stage that fills or reads a store."""
    links = []
    for store in found:
        for place in dict.fromkeys((*store.writers, *store.readers)):
            fills, reads = place in store.writers, place in store.readers
            links.append(Link(store.name, places[place], place[0] == "offline", fills, reads))
    return links


def shelf(plan: Plan, found: list[Store], links: list[Link], y: float, parts: list[Html]) -> Shelf:
    """The stores drawn below y, with room for the wires above and below them."""
    up = sum(link.above for link in links)
    top = y + 26 + _TRACK * up
    sizes = {store.name: _size(plan, store) for store in found}
    h = max((size[1] for size in sizes.values()), default=0.0)
    boxes = _stand(links, {name: size[0] for name, size in sizes.items()}, top, h)
    under = top + h
    for store in found:
        parts.append(_store(plan, store, boxes[store.name]))
    return Shelf(boxes, top, under, under + 26 + _TRACK * (len(links) - up))


def _size(plan: Plan, store: Store) -> tuple[float, float]:
    rows = lines(stores.technology(plan, store), TEXT, 150)
    wide = max(width(store.name, NAME, bold=True), *(width(one, TEXT) for one in rows), 90.0)
    return wide + 24, 34 + LINE * len(rows) + 8


def _stand(links: list[Link], widths: dict[str, float], top: float, h: float) -> dict[str, Box]:
    """Each store below the middle of what uses it, pushed aside where two would meet."""
    wanted: dict[str, float] = {}
    for name in widths:
        mine = [link for link in links if link.store == name]
        # A request's own lines are the most; in their order they cross the least.
        below = [link for link in mine if not link.above]
        xs = [link.box.middle for link in below or mine]
        wanted[name] = sum(xs) / len(xs) if xs else WIDE / 2
    boxes: dict[str, Box] = {}
    left = float(PAD)
    order = sorted(widths, key=lambda name: wanted[name])
    for name in order:
        x = max(left, wanted[name] - widths[name] / 2)
        boxes[name] = Box(x, top, widths[name], h)
        left = x + widths[name] + 28
    right = float(WIDE - PAD)
    for name in reversed(order):
        x = min(boxes[name].x, right - widths[name])
        boxes[name] = boxes[name]._replace(x=x)
        right = x - 28
    return boxes


def _store(plan: Plan, store: Store, box: Box) -> Html:
    kind = "store service" if store.service else "store"
    if store.service:
        shape = [rect(box, kind, 18)]
    else:
        lid = 7.0
        x, y, w, h = box
        side = f"M{x:g} {y + lid:g}v{h - 2 * lid:g}a{w / 2:g} {lid:g} 0 0 0 {w:g} 0v{2 * lid - h:g}"
        shape = [
            tag("path", d=side, class_=kind),
            tag("ellipse", cx=box.middle, cy=y + lid, rx=w / 2, ry=lid, class_=kind),
        ]
    parts = [*shape, text(store.name, box.middle, box.y + 30, "name", "middle")]
    for i, line in enumerate(lines(stores.technology(plan, store), TEXT, 150)):
        parts.append(text(line, box.middle, box.y + 30 + LINE * (i + 1), "tech", "middle"))
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


def wires(links: list[Link], shelf: Shelf, y: float) -> list[Html]:
    """The lines, each with a track of its own in the channel above or below the shelf.

    Args:
        links: what they join.
        shelf: where the stores stand.
        y: the lower edge of the upper lane.
    """
    drawn = []
    for up, start in ((True, y), (False, shelf.under)):
        ports = _Ports()
        mine = [link for link in links if link.above is up]
        mine.sort(key=lambda link: (link.box.middle, shelf.boxes[link.store].middle))
        for i, link in enumerate(mine):
            store = shelf.boxes[link.store]
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


def _wire(link: Link, stage: tuple[float, float], track: float, store: tuple[float, float]) -> Html:
    bend = "" if stage[0] == store[0] else f"V{track:g}H{store[0]:g}"
    return tag(
        "path",
        d=f"M{stage[0]:g} {stage[1]:g}{bend}V{store[1]:g}",
        class_="wire ahead" if link.above else "wire live",
        marker_start="url(#tip-wide)" if link.reads else None,
        marker_end="url(#tip-wide)" if link.fills else None,
    )
