"""What a scheduled run writes where the language model runs here, and how often one is run.

No answer counts what a run writes. Where requests are foreseen it is planned with as many answers
as are asked for in an hour, and where they are not, with what arrives between two runs: both at
the mean of a day. A run may take a quarter of the time between two of them, so that one that
failed can be repeated. As the age of what is served counts from the start of its run, that quarter
is part of it. The plan's capacity counts with the same amounts.
"""

from collections.abc import Mapping
from typing import Final

from groundplan.decision import writing
from groundplan.decision.case import Case
from groundplan.units import DAY, HOUR, SECOND, show_about, show_count, show_duration

SHORTEST: Final = HOUR // 2  # keeps an hour, and where an hour is too long, batch itself is out
# Microseconds between two runs, in order of choice.
SPANS: Final = (
    *(30 * DAY, 7 * DAY, DAY, 12 * HOUR, 6 * HOUR, 4 * HOUR, 2 * HOUR, HOUR),
    SHORTEST,
)
MEAN: Final = 4, 10  # the mean of a day over its peak
ASKED: Final = 3_600  # seconds of requests: as many keys, where no answer counts them
WITHIN: Final = 1, 4  # of the time between two runs: what one may take

Ns = Mapping[str, int]


def oldest(a: Case) -> int:
    """Microseconds that what is served may be old, at most."""
    waits = a.p99 if a.requests == "unforeseen" else a.predictions
    return min(a.predictions, a.features, waits)


def ages(span: int) -> int:
    """Microseconds that what is served gets old, at most: until the next run has been made."""
    part, whole = WITHIN
    return span + part * span // whole


def span(a: Case) -> int:
    """Microseconds between two runs: the most that keep what is served young enough."""
    for every in SPANS:
        if ages(every) <= oldest(a):
            return every
    return SHORTEST


def answers(a: Case) -> int:
    """Answers that a run writes where requests are foreseen, at least one."""
    share, whole = MEAN
    return max(1, share * ASKED * a.throughput // (whole * 10**9))


def amount(a: Case) -> str:
    """What a run writes, in words."""
    if a.requests == "unforeseen":
        return "what arrives between two runs"
    return f"an hour's {show_count(answers(a))} answers"


def window(a: Case) -> str:
    """The time that it has, in words."""
    part, whole = WITHIN
    if a.requests == "unforeseen":
        return f"{100 * part // whole}% of the time between two runs"
    between = span(a)
    ours = show_about(part * between // whole)
    return f"{ours} of the {show_duration(between)} between two runs"


def written(billions: int, a: Case, ns: Ns) -> int:
    """Nanoseconds of cores that a run spends on writing, spread over the requests of its window.

    Times the peak they are the cores that it keeps busy.
    """
    if a.requests == "unforeseen":
        return _spread(billions, HOUR // SECOND, HOUR, ns)
    return _spread(billions, ASKED, span(a), ns)


def _spread(billions: int, seconds: int, every: int, ns: Ns) -> int:
    """The same for what is asked for in so many seconds, so many microseconds between two runs."""
    mean, peak = MEAN
    part, whole = WITHIN
    work = writing.answer(billions, "batch", ns) * mean * seconds * whole
    return -(-work // (peak * (every // SECOND) * part))


def enough(left: int, ns: Ns) -> int | None:
    """The shortest time between two runs in which foreseen answers take so many nanoseconds."""
    for every in reversed(SPANS):
        if _spread(1, ASKED, every, ns) <= left:
            return every
    return None
