"""The time that a scheduler goes by, so that a year of it can pass in a test."""

import time
from collections.abc import Callable
from dataclasses import dataclass


def _now() -> int:
    return time.time_ns() // 1_000


@dataclass(frozen=True)
class Clock:
    """A clock.

    Args:
        now: µs since 1970, UTC.
        sleep: waits for so many seconds.
    """

    now: Callable[[], int] = _now
    sleep: Callable[[float], None] = time.sleep
