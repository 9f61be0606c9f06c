"""One measured thing, and the clock that measures it."""

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import cycle
from statistics import median, quantiles
from typing import Final, NamedTuple, TypeVar

from groundplan.decision.costs import Cost

Input = TypeVar("Input")

ROUNDS: Final = 9
LEAST: Final = 3
"""Rounds at the least, where a single call takes longer than a round should."""
MOST: Final = 10_000
"""Calls in a round: more would not make its median steadier."""
LONG: Final = 1_000.0
"""Microseconds, in which a scheduler may well give the processor to somebody else."""
PATIENCE: Final = 3
"""Times its seconds that a row may take before rounds are left out."""

_NAMES: Final = {"faiss": "faiss-cpu", "lignum": "pylignum"}
"""Libraries that are installed under another name than they are imported."""


class Timing(NamedTuple):
    """Microseconds of one call in steady state.

    Args:
        median: of the rounds, each of which is the median of its calls.
        low, high: the quartiles of the rounds.
    """

    median: float
    low: float
    high: float

    @staticmethod
    def of(rounds: Sequence[float]) -> "Timing":
        """The timing that these rounds make."""
        low, _, high = quantiles(rounds, n=4, method="inclusive")
        return Timing(median(rounds), low, high)

    def per(self, parts: int) -> "Timing":
        """The same for one of so many parts of a call."""
        return Timing(self.median / parts, self.low / parts, self.high / parts)

    def cost(self, what: str, model: str = "") -> Cost:
        """The row of a cost table, with three digits: more than a machine repeats."""
        middle, low, high = (float(f"{value:.3g}") for value in self)
        return Cost(middle, "us", what, spread=(low, high), model=model)


class Clock:
    """Measures for some seconds, after a quarter of them to warm up.

    Args:
        seconds: of measuring each row; a row takes longer where three calls do.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def each(self, call: Callable[[Input], object], inputs: Sequence[Input]) -> Timing:
        """The time of one call, over inputs that take turns.

        A call that takes longer than `LONG` is timed by the processor time of this thread: what
        else the machine does meanwhile does not count. Shorter ones are seldom interrupted, and
        that clock would take a part of their time.
        """
        turns = cycle(inputs)
        clock = time.perf_counter_ns

        def once() -> float:
            argument = next(turns)
            begun = clock()
            call(argument)
            return (clock() - begun) / 1000

        if once() > LONG and time.get_clock_info("thread_time").resolution < 1e-6:
            clock = time.thread_time_ns
        return self.rounds(lambda until: median(_repeated(once, until)))

    def rounds(self, measure: Callable[[float], float]) -> Timing:
        """What `measure` makes of rounds: microseconds, measured until a time of `perf_counter`."""
        begun = time.perf_counter()
        measure(begun + self.seconds / 4)
        found: list[float] = []
        last = time.perf_counter() + PATIENCE * self.seconds
        while len(found) < LEAST or (len(found) < ROUNDS and time.perf_counter() < last):
            found.append(measure(time.perf_counter() + self.seconds / ROUNDS))
        return Timing.of(found)


def _repeated(once: Callable[[], float], until: float) -> list[float]:
    took = [once()]
    while time.perf_counter() < until and len(took) < MOST:
        took.append(once())
    return took


class Measure(NamedTuple):
    """How one row of the cost table is measured.

    Args:
        row: its name.
        what: the step, as the table describes it.
        run: prepares and measures; raises where this machine cannot.
        needs: modules that must be installed.
    """

    row: str
    what: str
    run: Callable[[Clock], Timing]
    needs: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """The libraries that are not installed, by the names to install them by."""
        return [_NAMES.get(name, name) for name in self.needs if find_spec(name) is None]


def measure(row: str, what: str, *needs: str) -> Callable[[Callable[[Clock], Timing]], Measure]:
    """Make a measure of a function."""
    return lambda run: Measure(row, what, run, needs)
