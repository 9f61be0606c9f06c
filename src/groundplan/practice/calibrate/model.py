"""A model that the user has, measured in place of a public size."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from groundplan.decision.costs import Cost
from groundplan.errors import EngineError, GroundplanError
from groundplan.practice.calibrate.measure import Clock, Timing

Steps = Mapping[str, tuple[str, Timing]]
"""By row: what the step is, and its timing."""

LONG: Final = 5.0
"""Seconds of one call that are too many: a large model gets a smaller piece of work."""


class Model(NamedTuple):
    """A model on disk, not loaded yet.

    Args:
        name: of its folder or file: what tables and decisions call it.
        path: where it is.
        rows: those that it is measured for.
        run: loads and measures it.
    """

    name: str
    path: Path
    rows: tuple[str, ...]
    run: Callable[["Model", Clock], Steps]

    def measured(self, clock: Clock) -> dict[str, Cost]:
        """Its rows; the model is in memory for as long as that takes.

        Raises:
            EngineError: the library that reads it cannot load it, or cannot run it.
        """
        try:
            steps = self.run(self, clock)
        except GroundplanError:
            raise
        except Exception as error:  # whatever the library and the model's own classes raise
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EngineError(
                f"{self.path} cannot be measured: {why}; see that its library loads it, or leave "
                "--model out"
            ) from error
        return {row: timing.cost(what, self.name) for row, (what, timing) in steps.items()}


def largest(call: Callable[[int], object], sizes: Sequence[int]) -> int:
    """The largest of these sizes that a call should not take `LONG` for, by calls of the first."""
    least = sizes[0]
    call(least)  # which allocates
    begun = time.thread_time()
    call(least)
    took = time.thread_time() - begun
    return max(size for size in sizes if size == least or took * size / least <= LONG)


def ids(known: int, count: int, start: int = 0) -> list[int]:
    """So many token ids of a vocabulary: what they say does not change the time."""
    return [(start + 7_919 * number) % known for number in range(count)]
