"""Durations, rates and sizes: parsed once into integers, printed back as a person writes them.

A duration is an integer of microseconds, a rate an integer of nanohertz (requests in
10^9 seconds), a size an integer of bytes. Integers, so that two ways to reach a value agree.
"""

import re
from typing import Final

MICROSECOND: Final = 1
MILLISECOND: Final = 1_000
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

_DURATIONS: Final = {
    "us": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": WEEK,
}
# From two days, and from two minutes, on: 36 hours and 90 seconds are no days and no minutes.
_USUAL: Final = (
    ("d", DAY, 2 * DAY),
    ("h", HOUR, HOUR),
    ("m", MINUTE, 2 * MINUTE),
    ("s", SECOND, SECOND),
    ("ms", MILLISECOND, MILLISECOND),
)
_PERIODS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_NANO: Final = 1_000_000_000
_SIZES: Final = {
    "B": 1,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "TB": 1_000_000_000_000,
}
_NUMBER: Final = r"(?P<number>\d[\d_]*(?:\.\d+)?)"


def duration(text: str) -> int:
    """Microseconds of a duration such as `100ms`, `5m` or `7d`.

    Raises:
        ValueError: the text is not a number with one of the units us, ms, s, m, h, d, w.
    """
    match = re.fullmatch(rf"{_NUMBER}\s*(?P<unit>[a-z]+)", text.strip())
    if match is None or match["unit"] not in _DURATIONS:
        raise ValueError(
            f"{text!r} is not a duration: write a number and one of {', '.join(_DURATIONS)}, "
            "such as 100ms, 5m or 7d"
        )
    return _scaled(match["number"], _DURATIONS[match["unit"]])


def rate(text: str) -> int:
    """Nanohertz of a rate such as `500/s` or `20/h`.

    Raises:
        ValueError: the text is not a number per one of s, m, h, d.
    """
    match = re.fullmatch(rf"{_NUMBER}\s*/\s*(?P<unit>[a-z]+)", text.strip())
    if match is None or match["unit"] not in _PERIODS:
        raise ValueError(
            f"{text!r} is not a rate: write a number per s, m, h or d, such as 500/s or 20/h"
        )
    # Whole numbers to the end: beyond 2^53 a float would give another rate.
    period = _PERIODS[match["unit"]]
    return (2 * _scaled(match["number"], _NANO) * SECOND + period) // (2 * period)


def size(text: str) -> int:
    """Bytes of a size such as `24GB` (decimal units).

    Raises:
        ValueError: the text is not a number with one of the units B, KB, MB, GB, TB.
    """
    match = re.fullmatch(rf"{_NUMBER}\s*(?P<unit>[A-Z]+)", text.strip())
    if match is None or match["unit"] not in _SIZES:
        raise ValueError(
            f"{text!r} is not a size: write a number and one of {', '.join(_SIZES)}, such as 24GB"
        )
    return _scaled(match["number"], _SIZES[match["unit"]])


def show_duration(microseconds: float) -> str:
    """The shortest usual form of a duration: `0s`, `1.5ms`, `90s`, `24h`, `7d`."""
    if microseconds == 0:
        return "0s"
    for unit, scale, least in (("d", DAY, 2 * DAY), ("h", HOUR, HOUR), ("m", MINUTE, MINUTE)):
        if microseconds >= least and microseconds % scale == 0:
            return f"{microseconds // scale:.0f}{unit}"
    for unit, scale in (("s", SECOND), ("ms", MILLISECOND)):
        if microseconds >= scale:
            return f"{_plain(microseconds / scale, 6)}{unit}"
    return f"{_plain(microseconds, 6)}us"


def show_about(microseconds: float) -> str:
    """An estimate of a duration, in three figures: `803ms`, `9.56m`, `4.48h`."""
    if microseconds == 0:
        return "0s"
    for unit, scale, least in _USUAL:
        if microseconds >= least:
            return f"{_plain(microseconds / scale, 3)}{unit}"
    return f"{_plain(microseconds, 3)}us"


def show_enough(microseconds: int) -> str:
    """The same of a least value, in four figures, rounded up: what is said to be enough is."""
    for unit, scale, least in _USUAL:
        if microseconds >= least:
            step = scale // 10 ** min(3, max(0, 4 - len(str(microseconds // scale))))
            return f"{_plain(-(-microseconds // step) * step / scale, 4)}{unit}"
    return f"{microseconds}us"


def show_rate(nanohertz: int) -> str:
    """The shortest usual form of a rate: `500/s`, `20/h`."""
    for unit, period in _PERIODS.items():
        number = round(nanohertz * (period // SECOND) / _NANO, 4)
        if number >= 1:
            return f"{_plain(number, 6)}/{unit}"
    return f"{_plain(number, 6)}/d"


def show_size(amount: float) -> str:
    """The shortest usual form of a size: `24GB`, `1.5MB`."""
    for unit, scale in reversed(_SIZES.items()):
        if amount >= scale:
            return f"{_plain(amount / scale, 6)}{unit}"
    return "0B"


def show_count(number: int) -> str:
    """A count as people write it: `300`, `20,000`, `10 million`."""
    for word, scale in (("billion", 1_000_000_000), ("million", 1_000_000)):
        if number >= scale and number % (scale // 10) == 0:
            return f"{_plain(number / scale, 6)} {word}"
    return f"{number:,}"


def _scaled(number: str, scale: int) -> int:
    whole, _, fraction = number.replace("_", "").partition(".")
    # Whole numbers to the end: a float would round 123456789012345678B.
    one: int = 10 ** len(fraction)
    return (2 * int(whole + fraction) * scale + one) // (2 * one)


def _plain(number: float, figures: int) -> str:
    """At most so many significant digits, never an exponent, no trailing zeros."""
    if number == int(number):
        return str(int(number))
    digits = figures - len(str(int(number)))
    if digits <= 0:
        return str(round(number))
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")
