"""The retraining calendar: twelve months drawn as a strip."""

import re
from typing import Final

from groundplan.constraints.cron import longest_gap
from groundplan.plan.dossier import Dossier
from groundplan.plan.page.lettering import width
from groundplan.plan.page.markup import Html, join, tag
from groundplan.plan.stage import Plan
from groundplan.units import DAY, HOUR, duration, show_duration

WIDE: Final = 1180.0
TALL: Final = 340.0
_YEAR: Final = 365 * DAY
_MONTHS: Final = 12
_DENSE: Final = 5.0  # units between two marks: closer, they are a band


def cadence(text: str) -> int | None:
    """µs between two trainings of a plan's cadence; None where an event starts them."""
    match = re.match(r"every ([\w.]+)", text)
    return duration(match[1]) if match else None


def calendar(dossier: Dossier, plan: Plan) -> Html | None:
    """The year that begins with the first build; none where no date in it is known."""
    rows = _rows(dossier, plan)
    if not any(period for _, _, period, _ in rows):  # twelve months without a mark
        return None
    return join(_strip(plan, rows, WIDE, "wide"), _strip(plan, rows, TALL, "tall"))


def _rows(dossier: Dossier, plan: Plan) -> list[tuple[str, int, int, str]]:
    """Label, first time and period (µs) and kind of each row; a period of 0 is never."""
    every = cadence(plan.retraining.cadence) or 0
    words = f"train, every {_days(every)}" if every else "train, when it changes"
    rows = [(words, every, every, "train")]
    delay = dossier.answers.labels.delay
    if delay and every:
        rows.append((f"labels of that day, {_days(delay)} later", every + delay, every, "labels"))
    schedule = dossier.decision.components.get("schedule")
    if schedule is not None:
        stated = dossier.answers.schedule.score
        run = longest_gap(stated) if stated else duration(schedule.choice)
        rows.append((f"score, every {_days(run)}", run, run, "score"))
    return rows


def _days(period: int) -> str:
    return f"{period // DAY}d" if period % DAY == 0 and period >= DAY else show_duration(period)


def _strip(plan: Plan, rows: list[tuple[str, int, int, str]], wide: float, kind: str) -> Html:
    left, top, step = (230.0, 26.0, 30.0) if kind == "wide" else (8.0, 26.0, 46.0)
    span = wide - left - 8
    parts = [_months(left, span, top + step * len(rows), kind)]
    for i, (label, first, period, name) in enumerate(rows):
        y = top + step * i
        aside = kind == "wide"
        at = (left - 12, y + 20) if aside else (left, y + 15)
        parts.append(
            tag(
                "text",
                label,
                x=at[0],
                y=at[1],
                class_="tech",
                text_anchor="end" if aside else None,
            )
        )
        lane = y + (6 if aside else 22)
        parts.append(tag("line", x1=left, x2=left + span, y1=lane + 9, y2=lane + 9, class_="day"))
        parts += _marks(left, span, lane, first, period, name)
    height = top + step * len(rows) + 8
    said = f"Retraining over twelve months: {plan.retraining.cadence}"
    return tag(
        "svg",
        tag("title", said),
        *parts,
        class_=f"calendar {kind}",
        viewBox=f"0 0 {wide:g} {height:g}",
        role="img",
        aria_label=said,
    )


def _months(left: float, span: float, bottom: float, kind: str) -> Html:
    parts = []
    for month in range(_MONTHS):
        x = left + span * month / _MONTHS
        label = f"month {month + 1}" if kind == "wide" else str(month + 1)
        parts.append(tag("line", x1=x, x2=x, y1=8, y2=bottom, class_="month"))
        if width(label, 11.5) < span / _MONTHS - 4:
            parts.append(tag("text", label, x=x + 4, y=18, class_="soft"))
    return join(*parts)


def _marks(left: float, span: float, y: float, first: int, period: int, name: str) -> list[Html]:
    if period <= 0:
        return []
    gap = span * period / _YEAR
    if gap < _DENSE or period < 12 * HOUR:
        start = span * first / _YEAR
        return [
            tag(
                "rect",
                x=left + start,
                y=y + 3,
                width=span - start,
                height=12,
                class_=f"band {name}",
            )
        ]
    found, at = [], first
    while at < _YEAR:
        x = left + span * at / _YEAR
        found.append(tag("rect", x=x - 1.5, y=y, width=3, height=18, rx=1.5, class_=f"mark {name}"))
        at += period
    return found
