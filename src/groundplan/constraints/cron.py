"""When something runs: cron expressions, time zones, and the moments that they name.

An expression has the five fields of every cron, and only what cron, systemd, Airflow and Dagster
read alike: numbers, names, `*`, ranges, lists and steps, with days of the month or days of the
week, not both. So that a schedule means the same wherever it is printed to.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from groundplan.constraints.kind import RefusedError
from groundplan.units import DAY, MINUTE, SECOND

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS: Final = 5  # a leap day is among them
_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MACROS: Final = {
    "hourly": "0 * * * *",
    "daily": "0 3 * * *",
    "nightly": "0 3 * * *",
    "midnight": "0 0 * * *",
    "weekly": "0 3 * * 0",
    "monthly": "0 3 1 * *",
    "yearly": "0 3 1 1 *",
    "annually": "0 3 1 1 *",
}


class _Range(NamedTuple):
    """One field of an expression: what it is called, and what it may hold."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Range("minute", 0, 59),
    _Range("hour", 0, 23),
    _Range("day of the month", 1, 31),
    _Range("month", 1, 12, _MONTHS),
    _Range("day of the week", 0, 7, _WEEKDAYS),
)


class Expression(NamedTuple):
    """What the five fields allow, each in order; days of the week count from Sunday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def on(self, day: date) -> bool:
        """Whether there are runs on a day."""
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields, kept as the text with single spaces."""

    example: str = "0 3 * * *"

    def read(self, value: object) -> str:
        """The expression itself, names in capitals."""
        text = " ".join(str(value).upper().split())
        try:
            if not isinstance(value, str):
                raise ValueError("it must be a cron expression in quotes")
            parse(text)
        except ValueError as error:
            raise RefusedError(str(error), self._nearest(text)) from None
        return text

    def _nearest(self, text: str) -> str:
        for guess in (_MACROS.get(text.lower().lstrip("@")), _said(text), _of_five(text)):
            if guess is not None and _parses(guess):
                return guess
        return self.example

    def plain(self, value: str) -> str:
        """The expression itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """A string of five fields; what they may hold is checked when it is read."""
        item = r"[0-9A-Za-z*/,-]+"
        return {"type": "string", "pattern": rf"^\s*{item}(\s+{item}){{4}}\s*$"}


@dataclass(frozen=True)
class Zone:
    """A time zone by its IANA name."""

    example: str = "UTC"

    def read(self, value: object) -> str:
        """The name itself."""
        if isinstance(value, str) and _is_zone(value):
            return value
        rule = "a time zone is an IANA name such as UTC or Europe/Berlin"
        raise RefusedError(rule, self._nearest(str(value)[:80]))

    def _nearest(self, text: str) -> str:
        names = {name.lower(): name for name in sorted(available_timezones()) if _is_zone(name)}
        wanted = text.strip().lower().replace(" ", "_")
        cities = {name.rsplit("/", 1)[-1]: name for name in names}
        if wanted in cities:
            return names[cities[wanted]]
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
        return names[near[0]] if near else self.example

    def plain(self, value: str) -> str:
        """The name itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """A string in the form of a name; whether there is such a zone is checked on reading."""
        return {"type": "string", "pattern": r"^[A-Za-z0-9_+/-]+$"}


def parse(text: str) -> Expression:
    """What an expression allows.

    Raises:
        ValueError: the text is not five fields of cron, or names no day at all; says which rule.
    """
    parts = text.upper().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            "a schedule has five fields: minute, hour, day of the month, month, day of the week"
        )
    found = [_field(part, allowed) for part, allowed in zip(parts, _FIELDS, strict=True)]
    found[4] = tuple(sorted({day % 7 for day in found[4]}))
    if len(found[2]) < 31 and len(found[4]) < 7:
        raise ValueError(
            "schedulers disagree about a day of the month together with a day of the week; "
            "one of the two must be *"
        )
    try:
        CronSim(text, EPOCH)
    except CronSimError:
        raise ValueError("no month that it names has such a day") from None
    return Expression(*found)


def zone(name: str) -> tzinfo:
    """The time zone of a name that `Zone` has read."""
    return UTC if name == "UTC" else ZoneInfo(name)  # UTC is there without a database of zones


def times(text: str, time_zone: str, after: int) -> Iterator[int]:
    """The moments of an expression after a moment, in order; µs since 1970, UTC.

    Where the clocks change, as Debian's cron does it: what stands at fixed minutes of fixed hours
    runs once on such a day too, a skipped time at the end of the gap, a repeated time at its first
    pass. Where the field of the minute or that of the hour begins with `*`, elapsed time counts:
    `*/30 2 * * *` does not run on the day that has no hour 2, and runs in both of two.
    """
    start = (EPOCH + timedelta(microseconds=after)).astimezone(zone(time_zone))
    last = after
    for moment in CronSim(text, start):
        us = (moment - EPOCH) // timedelta(microseconds=1)
        if us > last:  # within a repeated hour the first pass would come again
            last = us
            yield us


def longest_gap(text: str) -> int:
    """µs between two runs at most, on clocks that never change."""
    return _gaps(text)[1]


def shortest_gap(text: str) -> int:
    """µs between two runs at least, on clocks that never change."""
    return _gaps(text)[0]


@lru_cache(maxsize=64)
def _gaps(text: str) -> tuple[int, int]:
    """The shortest and the longest."""
    allowed = parse(text)
    daily = [60 * hour + minute for hour in allowed.hours for minute in allowed.minutes]
    found = {later - earlier for earlier, later in pairwise(daily)}
    first = date(2024, 1, 1)
    days = [n for n in range(_YEARS * 366) if allowed.on(first + timedelta(days=n))]
    for earlier, later in pairwise(days):
        found.add((later - earlier) * (DAY // MINUTE) + daily[0] - daily[-1])
    return min(found) * MINUTE, max(found) * MINUTE


def often(most: int) -> str | None:
    """The loosest of the usual schedules whose runs are less than so many µs apart."""
    usual = ("0 3 * * *", "0 */12 * * *", "0 */6 * * *", "0 * * * *", "*/15 * * * *", "* * * * *")
    return next((text for text in usual if longest_gap(text) < most), None)


def shown(us: int, time_zone: str = "UTC") -> str:
    """A moment as people read it, to the second, with its zone's abbreviation."""
    moment = EPOCH + timedelta(seconds=us // SECOND)
    return f"{moment.astimezone(zone(time_zone)):%Y-%m-%d %H:%M:%S %Z}"


def _field(text: str, allowed: _Range) -> tuple[int, ...]:
    """The values of one field, in order."""
    found: set[int] = set()
    for item in text.split(","):
        match = re.fullmatch(r"(?:(\*)|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([0-9]{1,4}))?", item)
        if match is None:
            raise _wrong(item, allowed)
        star, low, high, step = match.groups()
        if step is not None and not (star or high):
            raise _wrong(item, allowed)
        first = allowed.least if star else _value(low, item, allowed)
        last = allowed.most if star else _value(high, item, allowed) if high else first
        if star and allowed.most == 7:
            last = 6  # Sunday is 0 and 7
        size = int(step or 1)
        if last < first or not 1 <= size <= max(1, last - first):
            raise _wrong(item, allowed)
        found.update(range(first, last + 1, size))
    return tuple(sorted(found))


def _value(text: str, item: str, allowed: _Range) -> int:
    if text in allowed.names:
        return allowed.names.index(text) + allowed.least
    if not text.isdecimal() or len(text) > 2 or not allowed.least <= int(text) <= allowed.most:
        raise _wrong(item, allowed)
    return int(text)


def _wrong(item: str, allowed: _Range) -> ValueError:
    names = f" or {allowed.names[0]}-{allowed.names[-1]}" if allowed.names else ""
    return ValueError(
        f"{item[:20]} is no {allowed.name}: it is *, */n, a, a-b, a-b/n or a list of them, within "
        f"{allowed.least}-{allowed.most}{names}"
    )


def _said(text: str) -> str | None:
    """What a time of day or a period is as an expression: `03:30`, `3am`, `every 6h`."""
    clock = re.search(r"\b(\d{1,2}):(\d\d)\b", text)
    if clock:
        return f"{int(clock[2])} {int(clock[1])} * * *"
    hour = re.search(r"\b(\d{1,2})\s*(AM|PM)\b", text)
    if hour:
        return f"0 {int(hour[1]) % 12 + 12 * (hour[2] == 'PM')} * * *"
    period = re.search(r"\b(\d{1,3})\s*(H|M|HOUR|HR|MIN|MINUTE)S?\b", text)
    if period is None:
        return None
    every = int(period[1])
    if period[2].startswith("H"):
        return f"0 */{every} * * *" if 1 <= every < 24 else "0 3 * * *"
    return f"*/{every} * * * *" if 1 < every < 60 else "* * * * *"


def _of_five(text: str) -> str | None:
    """Six fields without the seconds; of both kinds of days, those of the week."""
    parts = text.split()
    if len(parts) == 6:
        parts = parts[1:]
    if len(parts) != 5:
        return None
    if parts[2] != "*" and parts[4] != "*":
        parts[2] = "*"
    return " ".join("*" if part == "?" else part for part in parts)


def _parses(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _is_zone(name: str) -> bool:
    if re.fullmatch(r"[A-Za-z0-9_+/-]+", name) is None:
        return False
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
