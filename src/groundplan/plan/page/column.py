"""The tall drawing, for a phone: stages and stores one below the other, their uses in words."""

from groundplan.plan.page import stores
from groundplan.plan.page.lane import budget, ill_fits, note, promise
from groundplan.plan.page.lettering import lines
from groundplan.plan.page.markup import Html, tag
from groundplan.plan.page.shape import LINE, TALL, TEXT, Box, rect, said, text
from groundplan.plan.page.stores import Place, Store
from groundplan.plan.stage import Plan, Stage
from groundplan.units import show_about


def column(plan: Plan, parts: list[Html]) -> float:
    """Draw the stages before a request, the stores, and those in it; the height of all."""
    found = stores.stores(plan)
    y = _lane(plan, plan.offline, found, 0.0, parts)
    parts.append(text("KEPT", 12, y + 26, "lane-name"))
    y += 38
    for store in found:
        rows = lines(stores.technology(plan, store), TEXT, TALL - 48)
        box = Box(12, y, TALL - 24, 28 + LINE * len(rows))
        parts.append(rect(box, "store service" if store.service else "store", 12))
        parts.append(text(store.name, 24, y + 19, "name"))
        parts += [text(row, 24, y + 19 + LINE * (i + 1), "tech") for i, row in enumerate(rows)]
        y += box.h + 8
    return _lane(plan, plan.online, found, y + 8, parts)


def _lane(
    plan: Plan, stages: tuple[Stage, ...], found: list[Store], top: float, parts: list[Html]
) -> float:
    live = stages[0].side == "online"
    heads = [text("LIVE" if live else "PRECOMPUTED", 12, top + 22, "lane-name")]
    heads.append(
        text(promise(plan) if live else "before any request", TALL - 12, top + 22, "soft", "end")
    )
    inner: list[Html] = []
    y = top + 34
    for i, stage in enumerate(stages):
        box, card = _card(plan, stage, found, y)
        inner.append(card)
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
    lane = rect(
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
    live, ill = stage.side == "online", " ill" if ill_fits(plan, stage) else ""
    place = (stage.side, stage.name)
    uses = [use for one in found if (use := _use(one, place))]
    room = TALL - 48.0
    rows = [(row, "tech") for row in lines(stage.served_by, TEXT, room)]
    rows += [(row, "uses") for row in lines("; ".join(uses), TEXT, room)]
    rows += [(note(plan, stage), "note" + ill)] if note(plan, stage) else []
    box = Box(12, y, TALL - 24, 28 + LINE * len(rows) + (12 if live else 0))
    kind = ("stage live" if live else "stage ahead") + ill
    parts = [tag("title", stage.does), rect(box, kind + (" optional" if stage.optional else ""))]
    parts.append(text(said(stage.name), 24, y + 19, "name"))
    parts += [text(row, 24, y + 19 + LINE * (i + 1), k) for i, (row, k) in enumerate(rows)]
    if live:
        bar = Box(24, y + box.h - 11, TALL - 48, 4)
        _, *shapes = budget(plan, stage, bar, ill)
        parts.append(text(show_about(stage.budget), TALL - 24, y + 19, "budget" + ill, "end"))
        parts += shapes
    return box, tag("g", *parts)
