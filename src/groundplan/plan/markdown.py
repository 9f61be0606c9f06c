"""Markdown as GitHub renders it: tables, escapes, and values as people read them."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from groundplan.constraints import FIELDS
from groundplan.constraints.kind import Duration
from groundplan.decision import Flip, WayOut
from groundplan.plan.amount import show_amount
from groundplan.plan.capacity import Band
from groundplan.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND, show_duration

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_ROUND: Final = (DAY, HOUR, MINUTE, SECOND)


def quoted(text: str) -> str:
    """A text that somebody else wrote, on one line, shown letter for letter."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def cell(text: str) -> str:
    """A sentence of ours on one line, fit for a table; its `code` stays code."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """A key, a value or a command, letter for letter; it fits a table too."""
    fence = "``" if "`" in text else "`"
    inner = " ".join(text.split()).replace("|", "\\|")
    return f"{fence} {inner} {fence}" if "`" in text else f"{fence}{inner}{fence}"


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()
) -> str:
    """A table; its cells are Markdown already."""
    rule = ["---:" if name in right else "---" for name in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows))


def span(band: Band) -> str:
    """An estimate as low / typical / high, or once where the three are one."""
    unit = band.unit if band.unit in {"bytes", "us"} else ""  # the others follow the figures
    shown = [show_amount(value, unit) for value in (band.low, band.typical, band.high)]
    figures = shown[0] if len(set(shown)) == 1 else " / ".join(shown)
    if unit:
        return figures
    return f"{figures} {band.unit.removesuffix('s') if figures == '1' else band.unit}".rstrip()


def setting(key: str, value: Any) -> str:
    """The value of an answer, exactly: `1.066908s`, `under 1h`, `50,000`, `not stated`."""
    if value is None:
        return "not stated"
    kind = FIELDS[key].kind
    if isinstance(kind, Duration):
        return _exact(value)
    plain = kind.plain(value)
    if isinstance(plain, bool):
        return str(plain).lower()
    return f"{plain:,}" if isinstance(plain, int) else str(plain)


def _exact(us: int) -> str:
    # The last moment before a round one is said by that one.
    if us >= MILLISECOND and any((us + 1) % unit == 0 for unit in _ROUND):
        return f"under {show_duration(us + 1)}"
    if any(us % unit == 0 for unit in _ROUND):
        return show_duration(us)
    for unit, word in ((SECOND, "s"), (MILLISECOND, "ms")):
        if us >= unit:
            return f"{(Decimal(us) / unit).normalize():f}{word}"
    return f"{us}us"


def change(one: Flip | WayOut) -> tuple[str, str, str]:
    """What changes, from what and to what; of several answers, a line for each."""

    def values(found: Sequence[Any]) -> str:
        pairs = zip(one.answers, found, strict=True)
        return "<br>".join(setting(key, value) for key, value in pairs)

    return "<br>".join(code(key) for key in one.answers), values(one.before), values(one.after)
