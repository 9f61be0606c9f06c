"""Answers as people give them: `half a second`, `about 10 million`, `nightly`, `don't know`.

Files are strict; a conversation is not. What is understood is always shown as the file writes
it, and what can mean two things is refused like anything else, with the nearest form.
"""

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

from groundplan.constraints.kind import (
    Choice,
    Count,
    Duration,
    Flag,
    Fraction,
    Kind,
    Plain,
    Rate,
    RefusedError,
    Size,
    Text,
)
from groundplan.units import DAY, HOUR, MINUTE, SECOND

UNKNOWN: Final = frozenset(
    (
        *("?", "??", "unknown", "not known", "unsure", "not sure", "idk", "dunno", "no idea"),
        *("don't know", "dont know", "do not know", "i don't know", "i dont know"),
        *("i do not know", "tbd"),
    )
)
"""What people say who do not know."""

_NOT_STATED: Final = frozenset(("-", "skip", "leave out", "not stated", "n/a", "na", "no limit"))
_ROUGHLY: Final = re.compile(
    r"^(?:(?:it'?s|we have|about|around|roughly|approximately|approx\.?|ca\.?|circa|some|say|maybe"
    r"|perhaps|probably|nearly|almost|at most|at the most|up to|max\.?|maximum|no more than"
    r"|not more than|less than|fewer than|under|below|within|every|each|once|peak of|i think|in)\s+"
    r"|[~≈≤]\s*|<=?\s*)+"
)
_TRAILING: Final = re.compile(
    r"\s*(?:or so|or less|at most|at the peak|at peak|peak|max|maximum|roughly|old|late|later"
    r"|machines?|hosts?|cores?|candidates?|items?|things?|products?|documents?|in total|ago"
    r"|requests?|queries|calls|hits|events|transactions)\s*$|[.!]+$"
)
_WORDS: Final = {
    word: Decimal(number)
    for number, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
            *("seventeen", "eighteen", "nineteen"),
        )
    )
} | {
    word: Decimal(number)
    for word, number in (
        *(("twenty", 20), ("thirty", 30), ("forty", 40), ("fifty", 50), ("sixty", 60)),
        *(("seventy", 70), ("eighty", 80), ("ninety", 90), ("dozen", 12)),
        *(("half", "0.5"), ("quarter", "0.25"), ("couple", 2), ("few", 3)),
    )
}
_SCALES: Final = {
    **dict.fromkeys(("hundred",), 10**2),
    **dict.fromkeys(("k", "thousand", "grand"), 10**3),
    **dict.fromkeys(("m", "mio", "mm", "mn", "million"), 10**6),
    **dict.fromkeys(("b", "bn", "g", "billion"), 10**9),
}
_TIMES: Final = {
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1),
    **dict.fromkeys(("ms", "msec", "millis", "milli", "millisecond", "milliseconds"), 1000),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days", "night", "nights"), DAY),
    **dict.fromkeys(("w", "wk", "week", "weeks"), 7 * DAY),
    **dict.fromkeys(("month", "months"), 30 * DAY),
    **dict.fromkeys(("year", "years"), 365 * DAY),
}
_SAID: Final = {
    **dict.fromkeys(("now", "at once", "instant", "instantly", "immediately", "live"), 0),
    **dict.fromkeys(("real time", "realtime", "real-time", "this request", "this very request"), 0),
    **dict.fromkeys(("must reflect this request", "not at all", "none", "never"), 0),
    **dict.fromkeys(("hourly",), HOUR),
    **dict.fromkeys(("nightly", "daily", "overnight", "last night", "yesterday"), DAY),
    **dict.fromkeys(("weekly", "last week"), 7 * DAY),
    **dict.fromkeys(("monthly", "last month"), 30 * DAY),
    **dict.fromkeys(("yearly", "annually"), 365 * DAY),
}
_PERIODS: Final = {"rps": "s", "qps": "s", "tps": "s", "hz": "s", "rpm": "m", "qpm": "m"}
_SIZES: Final = {"": 3, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_YES: Final = frozenset(("yes", "y", "true", "on", "sure", "yep", "yeah", "of course", "1", "ja"))
_NO: Final = frozenset(("no", "n", "false", "off", "nope", "never", "not", "0", "nein"))
_MEANT: Final = {
    "score": ("a score", "scores", "a number", "number", "probability", "classification", "risk"),
    "ranking": ("a ranking", "rank", "list", "a list", "recommendations", "search", "top n"),
    "answer": ("an answer", "answers", "text", "a text", "chat", "summary", "generation"),
    "explicit": ("stated", "labelled", "labeled", "supervised"),
    "implicit": ("clicks", "behaviour", "behavior", "purchases", "views", "feedback"),
    "sparse": ("few", "a few", "some", "hundreds", "a handful"),
    "none": ("no", "n", "nothing", "nobody", "no one", "no labels", "not at all", "zero"),
    "foreseen": ("yes", "y", "foreseeable", "known", "listed", "can be listed"),
    "unforeseen": ("no", "n", "unforeseeable", "cannot", "can't", "ad hoc"),
    "explain": ("explained", "users", "user", "customers", "reasons", "to users"),
    "audit": ("auditor", "auditors", "regulated", "regulator", "compliance", "law", "audited"),
    "inference": ("requests", "single requests", "inference only", "api"),
    "any": ("anything", "everything", "all"),
}
_RULES: Final[dict[type, str]] = {
    Count: "it must be a whole number, such as 300, 10k or 2 million",
    Flag: "it must be yes or no",
    Fraction: "it must be a share, such as 0.008, 0.8% or 1 in 100",
    Text: "it must not be blank",
}
"""What a conversation says where a file's rule speaks of quotes."""

_ONE: Final = r"(?:\d{1,3}(?:\.\d{3}){2,}|\d[\d_, ]*(?:\.\d+)?(?:e\d+)?|\d*\.\d+)"
_POINTED: Final = re.compile(
    r"(?<![\d.,_])[1-9]\d{0,2}\.\d{3}(?![\d.]|\s*(?:k|m|b|bn|mio|million|billion)\b)"
)
"""Three digits behind a point: thousands to some, a fraction to others."""


def is_unknown(text: str) -> bool:
    """Whether somebody says that they do not know."""
    return _clean(text) in UNKNOWN or text.strip() == "?"


def is_left_out(text: str) -> bool:
    """Whether somebody says that an answer is not to be stated."""
    return _clean(text) in _NOT_STATED


class Meant(NamedTuple):
    """What was understood: the value as the program holds it, and as the file writes it."""

    value: Any
    plain: Plain


def understand(kind: Kind, text: str) -> Meant:
    """The value that somebody means.

    Args:
        kind: the kind of the answer.
        text: what was said.

    Raises:
        RefusedError: it means nothing, or two things; says which rule and the nearest form.
    """
    text = text.strip()
    _refuse_pointed(kind, text)
    said = _READERS.get(type(kind))
    try:
        value = kind.read(text)
    except RefusedError as refusal:
        meant = said(kind, _shorn(text)) if said else None
        if meant is None:
            nearest = refusal.nearest
            if isinstance(kind, Fraction | Count):
                nearest = _nearest(kind, text, nearest)
            raise RefusedError(_RULES.get(type(kind), refusal.rule), nearest) from None
        value = kind.read(meant)
        if isinstance(kind, Rate):
            return Meant(value, str(meant))
    # 10000000/d says more than 115.740740741/s.
    return Meant(value, text if isinstance(kind, Rate) else kind.plain(value))


def _refuse_pointed(kind: Kind, text: str) -> None:
    """Refuse `10.000`, but not a value just as the file writes it, such as `1.125/s`."""
    found = _POINTED.search(text) if isinstance(kind, Count | Rate) else None
    if found is None:
        return
    try:
        if kind.plain(kind.read(text)) == text:
            return
    except RefusedError:
        pass
    whole, part = found[0].replace(".", ""), found[0].rstrip("0").rstrip(".")
    meant = understand(kind, text.replace(found[0], whole)).plain
    raise RefusedError(
        f"{found[0]} can mean {int(whole):,} or {part}; write it without the point", meant
    )


def _nearest(kind: Kind, text: str, nearest: Plain) -> Plain:
    """The nearest form where a number is meant, which a conversation gives as a text."""
    try:
        return kind.plain(kind.read(float(text) if "." in text else int(text)))
    except RefusedError as refusal:
        return refusal.nearest
    except ValueError:
        return nearest


def _clean(text: str) -> str:
    return " ".join(text.strip().lower().replace("\u2019", "'").rstrip(".!").split())


def _shorn(text: str) -> str:
    """Without what says only that the number is not exact, and without what it counts."""
    said, before = _clean(text), None
    while said != before:
        before = said
        said = _TRAILING.sub("", _ROUGHLY.sub("", said)) or said
    return said


def _amount(text: str) -> Decimal | None:
    """A number in digits or words, such as `1,000`, `10k`, `a few hundred`, `two and a half`."""
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.strip())
    if re.fullmatch(rf"{_ONE}", text):
        return _digits(text)
    tokens = re.findall(rf"{_ONE}|[a-z]+", text)
    if not tokens or re.sub(rf"{_ONE}|[a-z]+|\s", "", text):
        return None
    total, part = Decimal(0), None
    for token in tokens:
        number = _digits(token) if token[0] in "0123456789." else _WORDS.get(token)
        if token in ("a", "an"):
            part = Decimal(1) if part is None else part
        elif token in ("of", "and"):
            if token == "and":
                total, part = total + (part or 0), None
        elif number is not None:
            part = _joined(part, Decimal(number), token)
        elif token in _SCALES:
            part = (Decimal(1) if part is None else part) * _SCALES[token]
            total, part = (total + part, None) if _SCALES[token] >= 1000 else (total, part)
        else:
            return None
        if part is not None and part < 0:
            return None
    return total + (part or 0)


def _joined(part: Decimal | None, number: Decimal, token: str) -> Decimal:
    """`twenty five` adds up, `half a dozen` and `a few` multiply; `5 5` is not a number."""
    if part is None:
        return number
    if token in ("dozen", "half", "quarter", "couple", "few"):
        return part * number
    if part >= 20 and number < 10 and part % 10 == 0:
        return part + number
    return Decimal(-1)


def _digits(text: str) -> Decimal | None:
    plain = text.strip().replace("_", "")
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}", plain):
        plain = plain.replace(".", "")
    if re.fullmatch(r"\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?", plain):
        plain = re.sub(r"[, ]", "", plain)
    if re.fullmatch(r"\d+,\d{1,2}", plain):
        plain = plain.replace(",", ".")
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?|\.\d+)(?:e\d{1,2})?", plain):
        return None
    return Decimal(plain)


def _duration(kind: Kind, text: str) -> str | None:
    if text in _SAID or text == "0":
        return f"{_SAID.get(text, 0)}us"
    pieces = re.split(r"(?<=[a-zµμ])\s*(?:,|\band\b)?\s*(?=\d)", text)
    each = [_timed(piece) for piece in pieces]
    known = [one for one in each if one is not None]
    found = sum(known, Decimal(0)) if len(known) == len(pieces) else _timed(text)
    return None if found is None else f"{round(found)}us"


def _timed(text: str) -> Decimal | None:
    """One number and its unit; `an hour and a half` too."""
    match = re.fullmatch(r"(.*?)\s*(?:\bof\s+)?([a-zµμ]+)(\s+and a (half|quarter))?", text)
    if match is None or match[2] not in _TIMES:
        return None
    number = Decimal(1) if not match[1] else _amount(match[1])
    if number is None:
        return None
    extra = {"half": Decimal("0.5"), "quarter": Decimal("0.25")}.get(match[4] or "", Decimal(0))
    return (number + extra) * _TIMES[match[2]]


def _rate(kind: Kind, text: str) -> str | None:
    match = re.fullmatch(
        r"(.*?)\s*(?:(?:requests?|queries|calls|hits|events|transactions|req)\s*)?"
        r"(?:(?:/|\bper\b|\ban?\b|\bevery\b|\beach\b)\s*([a-z]+)|\b(hourly|daily|nightly)"
        r"|(?<![a-z])([rqt]p[sm]|hz))?",
        text,
    )
    if match is None:
        return None
    period = {"hourly": "h", "daily": "d", "nightly": "d"}.get(match[3] or "")
    period = period or _PERIODS.get(match[4] or "") or (_period(match[2]) if match[2] else "s")
    number = _amount(match[1])
    if number is None or period is None:
        return None
    scale = {"w": (7, "d"), "month": (30, "d")}.get(period)
    if scale is not None:
        number, period = number / scale[0], scale[1]
    return f"{_plain(number)}/{period}"


def _period(word: str) -> str | None:
    length = _TIMES.get(word)
    return {SECOND: "s", MINUTE: "m", HOUR: "h", DAY: "d", 7 * DAY: "w", 30 * DAY: "month"}.get(
        length or 0
    )


def _count(kind: Kind, text: str) -> int | None:
    number = _amount(text)
    if number is None or number != int(number) or number > 10**18:
        return None
    return int(number)


def _fraction(kind: Kind, text: str) -> float | None:
    if match := re.fullmatch(r"(.+?)\s*(?:(%|percent|per cent)|‰|per mille)", text):
        number = _amount(match[1])
        return None if number is None else float(number / (100 if match[2] else 1000))
    if match := re.fullmatch(r"(.+?)\s*(?:in|of|out of|/)\s*(?:a\s+)?(.+)", text):
        one, whole = _amount(match[1]), _amount(match[2])
        return float(one / whole) if one is not None and whole else None
    if re.fullmatch(r"\d+(?:\.\d*)?e[+-]?\d{1,3}", text):  # a small one as TOML writes it: 1e-05
        return float(text) if float(text) <= 1 else None
    number = _amount(text)
    return None if number is None or number > 1 else float(number)


def _size(kind: Kind, text: str) -> str | None:
    named = r"(?<![a-z])(?:(?:kilo|mega|giga|tera)bytes?|megs?|gigs?|teras?)\b"
    short = re.sub(named, lambda word: f"{word[0][0]}b", text)
    short = re.sub(r"\s+(?:of )?(?:an? )?(?=[kmgt]i?b?$)", "", re.sub(r"\s+of\s+ram$", "", short))
    match = re.fullmatch(r"(.*?)\s*([kmgt]?)(i?)(?:b|bytes?)?", short)
    number = _amount(match[1]) if match else None
    if match is None or number is None:
        return None
    scale = (1024 if match[3] else 1000) ** _SIZES[match[2]]
    return f"{round(number * scale)}B"


def _flag(kind: Kind, text: str) -> bool | None:
    return True if text in _YES else False if text in _NO else None


def _choice(kind: Kind, text: str) -> str | None:
    assert isinstance(kind, Choice)
    if text in kind.words:
        return text
    if text.isdecimal() and 1 <= int(text) <= len(kind.words):
        return kind.words[int(text) - 1]
    meant = [word for word in kind.words if text in _MEANT.get(word, ())]
    meant = meant or [word for word in kind.words if len(text) > 1 and word.startswith(text)]
    return meant[0] if len(meant) == 1 else None


def _plain(number: Decimal) -> str:
    exact = round(number, 9).normalize()
    return f"{int(exact):_}" if exact == int(exact) and exact >= 100_000 else format(exact, "f")


_READERS: Final[dict[type, Any]] = {
    Duration: _duration,
    Rate: _rate,
    Count: _count,
    Fraction: _fraction,
    Size: _size,
    Flag: _flag,
    Choice: _choice,
}
