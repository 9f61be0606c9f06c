"""The kinds of value that an answer may have: how each is read, shown, described and corrected."""

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from groundplan import units

Plain = str | int | float | bool
"""A value as it stands in the TOML file."""

Value = TypeVar("Value")
Result = TypeVar("Result")

_NUMBER: Final = r"(\d[\d_]*(?:[.,]\d+)?(?:e\d+)?)"
_TIMES: Final = {
    **dict.fromkeys(("us", "µs", "μs", "usec", "usecs", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ms", "msec", "msecs", "milli", "millis"), "ms"),
    **dict.fromkeys(("millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "w"),
}
_PER: Final = {"rps": "s", "qps": "s", "tps": "s", "hz": "s", "rpm": "m", "qpm": "m"}
_MULTIPLES: Final = {"k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6, "mio": 10**6}
_MULTIPLES_LARGE: Final = {"g": 10**9, "b": 10**9, "bn": 10**9, "billion": 10**9}
_FLAGS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class RefusedError(ValueError):
    """A value breaks the rule of its kind; `nearest` is the closest value that keeps it."""

    def __init__(self, rule: str, nearest: Plain) -> None:
        super().__init__(rule)
        self.rule = rule
        self.nearest = nearest


class Kind(Protocol):
    """One kind of value: `read` parses, `plain` is its inverse, `schema` describes."""

    def read(self, value: object) -> Any:
        """The value as the program holds it; raises RefusedError."""

    def plain(self, value: Any) -> Plain:
        """The value as the TOML file holds it; reading it back gives the same value."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the value in the file."""


@dataclass(frozen=True)
class Duration:
    """Integer microseconds, written as a number and a unit; `unit` is what a bare number means."""

    example: str
    unit: str
    least: int = 0
    most: int = 36_500 * units.DAY

    def read(self, value: object) -> int:
        """Microseconds of a string such as `100ms`."""
        rule = "a duration is a number with one of the units us, ms, s, m, h, d, w"
        return _read_amount(self, value, units.duration, rule, self._guess)

    def _guess(self, value: object) -> str | None:
        if _is_number(value):
            return f"{_digits(value)}{self.unit}"
        text = str(value).strip().lower()
        parts = re.findall(rf"{_NUMBER}\s*([a-zµμ]*)", text)
        if len(parts) == 1:
            number, word = parts[0]
            return f"{_digits(number)}{_TIMES.get(word, self.unit)}"
        # 1h30m: the sum of its parts, in a single unit.
        known = [(number, _TIMES.get(word)) for number, word in parts]
        if not known or any(unit is None for _, unit in known):
            return None
        return self.plain(sum(units.duration(f"{_digits(n)}{unit}") for n, unit in known))

    def plain(self, value: int) -> str:
        """The shortest form that reads back as the very same number of microseconds."""
        short = units.show_duration(value)
        return short if units.duration(short) == value else f"{value}us"

    def told(self, value: int) -> str:
        """As people read it: exact, as `1.785761s`, or `under 1h` for the last one before it."""
        short = self.plain(value)
        if value < units.MILLISECOND or not short.endswith("us"):
            return short
        if value % units.MILLISECOND == units.MILLISECOND - 1:
            return f"under {self.told(value + 1)}"
        unit = "ms" if value < units.SECOND else "s"
        return f"{_digits(Decimal(value) / units.duration(f'1{unit}'))}{unit}"

    def schema(self) -> dict[str, Any]:
        """A string with a pattern; the bounds are checked when it is read."""
        return {"type": "string", "pattern": r"^\s*\d[\d_]*(\.\d+)?\s*(us|ms|s|m|h|d|w)\s*$"}


@dataclass(frozen=True)
class Rate:
    """Integer nanohertz, written as a number per s, m, h or d."""

    example: str = "500/s"
    least: int = 1
    most: int = 10**18

    def read(self, value: object) -> int:
        """Nanohertz of a string such as `500/s`."""
        rule = "a rate is a number per s, m, h or d"
        return _read_amount(self, value, units.rate, rule, self._guess)

    def _guess(self, value: object) -> str | None:
        if _is_number(value):
            return f"{_digits(value)}/s"
        text = str(value).strip().lower()
        match = re.search(rf"{_NUMBER}\s*(k|m(?!\w))?\s*(?:per|/|)\s*([a-z]*)", text)
        if match is None:
            return None
        number, multiple, word = match.groups()
        amount = Decimal(_digits(number)) * _MULTIPLES.get(multiple or "", 1)
        period = _PER.get(word) or _TIMES.get(word, "s")
        return f"{_digits(amount)}/{period if period in 'smhd' else 's'}"

    def plain(self, value: int) -> str:
        """The shortest form that reads back as the very same number of nanohertz."""
        short = units.show_rate(value)
        if units.rate(short) == value:
            return short
        return f"{_digits(Decimal(value) / 10**9)}/s"

    def schema(self) -> dict[str, Any]:
        """A string with a pattern; the bounds are checked when it is read."""
        return {"type": "string", "pattern": r"^\s*\d[\d_]*(\.\d+)?\s*/\s*[smhd]\s*$"}


@dataclass(frozen=True)
class Size:
    """Integer bytes, written as a number and a decimal unit."""

    example: str = "24GB"
    least: int = 1
    most: int = 9 * 10**15  # 9 PB: a whole number in every double on the way

    def read(self, value: object) -> int:
        """Bytes of a string such as `24GB`."""
        rule = "a size is a number with one of the units B, KB, MB, GB, TB"
        return _read_amount(self, value, units.size, rule, self._guess)

    def _guess(self, value: object) -> str | None:
        if _is_number(value):
            return f"{_digits(value)}GB"
        pattern = rf"{_NUMBER}\s*([kmgt]?)(i(?=b|$))?"
        match = re.search(pattern, str(value).strip().lower())
        if match is None:
            return None
        number, prefix, binary = match.groups()
        if not binary:
            return f"{_digits(number)}{prefix.upper() or 'G'}B"
        amount = float(_digits(number)) * (1024.0 / 1000.0) ** (" kmgt".index(prefix or "g"))
        return f"{_digits(round(amount, 1))}{(prefix or 'g').upper()}B"

    def plain(self, value: int) -> str:
        """The shortest form that reads back as the very same number of bytes."""
        short = units.show_size(value)
        return short if units.size(short) == value else f"{value}B"

    def schema(self) -> dict[str, Any]:
        """A string with a pattern; the bounds are checked when it is read."""
        return {"type": "string", "pattern": r"^\s*\d[\d_]*(\.\d+)?\s*(B|KB|MB|GB|TB)\s*$"}


@dataclass(frozen=True)
class Count:
    """A whole number of things, at least one."""

    example: int = 1
    least: int = 1
    most: int = 10**15

    def read(self, value: object) -> int:
        """The number itself; a bool or a float is refused."""
        if isinstance(value, int) and not isinstance(value, bool):
            if self.least <= value <= self.most:
                return value
            bound = f"between {self.least} and {self.most}"
            raise RefusedError(f"it must be {bound}", min(max(value, self.least), self.most))
        guess = _parsed(self._guess, value)
        fits = guess is not None and self.least <= guess <= self.most
        nearest = guess if guess is not None and fits else self.example
        raise RefusedError("it must be a whole number, written without quotes", nearest)

    def _guess(self, value: object) -> int | None:
        if isinstance(value, bool):
            return None
        if _is_number(value):
            return round(float(str(value)))
        match = re.fullmatch(rf"{_NUMBER}\s*([a-z]*)", str(value).strip().lower().replace(",", ""))
        if match is None:
            return None
        number, word = match.groups()
        return round(Decimal(_digits(number)) * {**_MULTIPLES, **_MULTIPLES_LARGE}.get(word, 1))

    def plain(self, value: int) -> int:
        """The number itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Fraction:
    """A share between 0 and 1."""

    example: float = 0.01

    def read(self, value: object) -> float:
        """The share as a float; percentages are refused with the share that they mean."""
        if _is_number(value) and 0 <= float(str(value)) <= 1:
            return float(str(value))
        near = None if isinstance(value, bool) else _parsed(self._guess, value)
        raise RefusedError(
            "a rate is a share between 0 and 1", self.example if near is None else near
        )

    def _guess(self, value: object) -> float | None:
        match = re.search(_NUMBER, str(value))
        if match is None:
            return None
        amount = Decimal(_digits(match[1]))
        # 8 is meant as a percentage, and so is 0.8%; 250 is meant as nothing below one.
        percent = amount > 1 or "%" in str(value)
        return float(min(amount / 100 if percent else amount, Decimal(1)))

    def plain(self, value: float) -> float:
        """The share itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """A number from 0 to 1."""
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: object) -> bool:
        """The bool itself; words and numbers that mean one are refused with it."""
        if isinstance(value, bool):
            return value
        nearest = bool(value) if _is_number(value) else _FLAGS.get(str(value).strip().lower(), True)
        raise RefusedError("it must be true or false, written without quotes", nearest)

    def plain(self, value: bool) -> bool:
        """The bool itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: object) -> str:
        """The word itself; another one is refused with the nearest."""
        if isinstance(value, str) and value in self.words:
            return value
        near = closest(value, self.words) or self.words[0]
        raise RefusedError(f"it must be one of {', '.join(self.words)}", near)

    def plain(self, value: str) -> str:
        """The word itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """An enumeration of strings."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True)
class Text:
    """A text that is not blank."""

    example: str

    def read(self, value: object) -> str:
        """The text itself."""
        if isinstance(value, str) and value.strip():
            return value
        guess = str(value).strip() if _is_number(value) else ""
        raise RefusedError("it must be a text in quotes, and not blank", guess or self.example)

    def plain(self, value: str) -> str:
        """The text itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """A string with at least one character that is not a space."""
        return {"type": "string", "pattern": r"\S"}


def closest(value: object, words: tuple[str, ...]) -> str | None:
    """The word that looks most like the value, or None where none is near."""
    text = str(value)[:200].strip().lower().replace("-", "_")
    return next(iter(difflib.get_close_matches(text, words, n=1, cutoff=0.5)), None)


def _read_amount(
    kind: Duration | Rate | Size,
    value: object,
    parse: Callable[[str], int],
    rule: str,
    guess: Callable[[object], str | None],
) -> int:
    parsed = _parsed(parse, value) if isinstance(value, str) else None
    if parsed is not None and kind.least <= parsed <= kind.most:
        return parsed
    if parsed is not None:
        least, most = kind.plain(kind.least), kind.plain(kind.most)
        raise RefusedError(f"it must be between {least} and {most}", kind.example)
    near = None if isinstance(value, bool) else _parsed(guess, value)
    found = None if near is None else _parsed(parse, near)
    fits = found is not None and kind.least <= found <= kind.most
    raise RefusedError(rule, near if near is not None and fits else kind.example)


def _parsed(parse: Callable[[Value], Result], value: Value) -> Result | None:
    """The result, or None where the value cannot be parsed or is beyond any number."""
    try:
        return parse(value)
    except (ValueError, ArithmeticError):
        return None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 10**18


def _digits(number: object) -> str:
    """A number in plain decimal digits, without sign, exponent or needless zeros."""
    text = str(number).replace("_", "").replace(",", ".")
    amount = abs(Decimal(text))
    if amount > 10**30:
        raise ValueError(text)
    plain = format(amount, "f")
    return (plain.rstrip("0").rstrip(".") or "0") if "." in plain else plain
