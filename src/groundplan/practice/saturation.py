"""How many requests per second a running server can answer at all.

An open-loop load is raised until part of it is refused or late, and lowered where most of it is:
refusing takes time as well. What is answered in between is the saturation. Where the machine has
other work to do, the server does not get a core to itself, and what it answers says little: so its
CPU time is read too, and requests per second of its own CPU time are what it would answer alone.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from groundplan.errors import EngineError
from groundplan.practice import load

ANSWERED: Final = 0.97
"""The share of answers below which a server counts as saturated."""

STEP: Final = 1.4
"""How much more is offered where all was answered."""

MOSTLY: Final = 0.8
"""The share of answers below which so much is offered that refusing it slows the server."""

ABOVE: Final = 1.1
"""How much more than was answered is offered then."""

TRIES: Final = 8


class Saturation(Struct, frozen=True):
    """What a server could answer.

    Args:
        rate: requests/s that were answered while more were offered.
        cpu_us: µs of CPU that the server used for each answer, those of refusals included.
        share: of one core that the server had.
    """

    rate: float
    cpu_us: float
    share: float

    @property
    def alone(self) -> float:
        """Requests/s that a core of its own would answer."""
        return 1e6 / self.cpu_us


def saturation(
    url: str, process: int, bodies: Sequence[bytes], guess: float, seconds: float
) -> Saturation:
    """Raise the load from a guess until the server answers no more.

    Args:
        url: of the endpoint, as `load.run` takes it.
        process: the identifier of the server's process; it serves with one.
        bodies: as many as are needed are taken in turn; repeated ones may be answered faster.
        guess: requests/s to begin with.
        seconds: of each load.

    Raises:
        EngineError: no end was found: the guess was far too low.
    """
    taken, rate = 0, guess
    most: Saturation | None = None
    for _ in range(TRIES):
        count = max(1, min(round(rate * seconds), len(bodies) // 2))
        sent = [bodies[(taken + at) % len(bodies)] for at in range(count)]
        taken += count
        before = cpu_seconds(process)
        results = load.in_process_of_its_own(url, sent, rate, timeout=5.0)
        used = cpu_seconds(process) - before
        summary = results.summary()
        if summary.answered == 0:
            rate /= 4
            continue
        elapsed = summary.answered / summary.achieved
        found = Saturation(summary.achieved, 1e6 * used / summary.answered, used / elapsed)
        if summary.answered < MOSTLY * summary.requests:
            rate = min(ABOVE * summary.achieved, rate / ABOVE)
        elif summary.answered < ANSWERED * summary.requests or summary.achieved < 0.9 * rate:
            return found
        else:
            rate *= STEP
        most = found if most is None or found.rate > most.rate else most
    if most is None or rate > guess * STEP ** (TRIES - 1):
        raise EngineError(
            f"no end was found between {guess:,.0f} and {rate:,.0f} requests/s: "
            "begin with another guess"
        )
    return most


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
