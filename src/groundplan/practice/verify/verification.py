"""What every verification says, and how long its load lasts."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from groundplan.practice.promises import Promise
from groundplan.practice.results import Summary

Report = Callable[[str, int, int], None]

WARMUP: Final = 2.0
"""Seconds of load that no figure counts."""

LEAST: Final = 1.0
"""Seconds of load that a verification counts at least."""


class Verification(Struct, frozen=True):
    """What was promised and what was found.

    Args:
        build: the build that served.
        machine: what it ran on.
        sample: one answer, as the client got it.
        promises: each promise with its figure.
        load: the load in a few figures.
    """

    build: str
    machine: str
    sample: msgspec.Raw
    promises: tuple[Promise, ...]
    load: Summary

    @property
    def holds(self) -> bool:
        """Whether every promise holds."""
        return all(promise.holds for promise in self.promises)

    @property
    def served(self) -> str:
        """What answered, for a heading."""
        return f"build {self.build}"
