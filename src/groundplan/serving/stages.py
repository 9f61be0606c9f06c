"""Stages under a deadline: each runs within its budget, or its fallback answers for it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final, Generic, TypeVar

from msgspec import Struct

from groundplan.errors import GroundplanError, InputError
from groundplan.plan import Plan, Stage

R = TypeVar("R")

BLOCK: Final = 64
"""Timings of a stage between two looks at what it needs here."""

QUANTILE: Final = 0.98
"""The share of its latest timings within which a stage is expected to finish."""

LOWERED: Final = 1 / 128
"""The part that a stage's need loses each time that there is no time for it."""


class Refused(GroundplanError, RuntimeError):
    """The request was not begun, or a stage could not finish and its fallback is to refuse.

    Args:
        message: what the caller should know.
        after: s after which it is worth trying again, at least 1.
    """

    def __init__(self, message: str, after: int = 1) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True, slots=True)
class Step(Generic[R]):
    """What a stage runs, and what stands in for it; both work on the request in place."""

    run: Callable[[R], None]
    fallback: Callable[[R], None]


class Trace(Struct):
    """What became of one request's stages: µs spent in each, and what was replaced and why.

    Args:
        timings: µs per stage, in the order in which they ran.
        degraded: a line per stage that was replaced, `stage: why; what stands in`, and one that
            begins with `late` where the deadline passed all the same.
        until_ns: when the stage that runs must be done, by `time.perf_counter_ns`.
    """

    timings: dict[str, int] = {}
    degraded: list[str] = []
    until_ns: int = 0

    @property
    def left_us(self) -> int:
        """What the running stage may still take, µs, at least 1: the timeout of an engine's call.

        It is the rest of the stage's budget, or of the deadline less what the stages behind need.
        """
        return max(1, (self.until_ns - perf_counter_ns()) // 1_000)


class Need:
    """What a stage takes here: a high quantile of its latest timings, bounded by its budget.

    Until `BLOCK` timings are known, the budget stands in for it; from then on it is the
    nearest-rank quantile of the latest two blocks. A stage that is never run would never be
    measured, and one slow spell would leave it out for good: hence `passed_over`, after some of
    which the stage is tried again, and takes back its need where that shows it to be right.

    Args:
        budget: µs, by the plan.
    """

    __slots__ = ("_block", "_budget", "_known", "_last", "us")

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._block: list[int] = []
        self._last: list[int] = []
        self._known = self.us = float(budget)

    def took(self, us: int) -> bool:
        """Learn of one run; whether the need has changed."""
        block = self._block
        block.append(us)
        if len(block) == BLOCK:
            latest = sorted(self._last + block)
            rank = math.ceil(QUANTILE * len(latest))
            self._known = self.us = float(min(self._budget, latest[rank - 1]))
            self._last, self._block = block, []
            return True
        if us > self.us and self.us < self._known:  # it was lowered, and too far
            self.us = self._known
            return True
        return False

    def passed_over(self) -> None:
        """Lower the need a little, since there was no time for it."""
        self.us -= self.us * LOWERED


class _Running(Generic[R]):
    """One stage as a pipeline runs it."""

    __slots__ = (
        *("behind_ns", "budget_ns", "fallback", "least_ns"),
        *("name", "need", "optional", "run", "says", "took"),
    )

    def __init__(self, stage: Stage, step: Step[R]) -> None:
        self.name = stage.name
        self.budget_ns = stage.budget * 1_000
        self.optional = stage.optional
        self.says = stage.fallback.says
        self.run, self.fallback = step.run, step.fallback
        self.need = Need(stage.budget)
        self.took = self.need.took
        self.behind_ns = 0
        """What the stages behind this one need that are not optional, ns."""
        self.least_ns = 1
        """What must be left of the deadline for it to run, ns."""

    def put_before(self, behind_us: float) -> float:
        """Learn what the stages behind need, µs; what they and this one need."""
        self.behind_ns = round(behind_us * 1_000)
        own = round(self.need.us * 1_000)
        self.least_ns = max(1, own + self.behind_ns if self.optional else own)
        return behind_us if self.optional else behind_us + self.need.us


class Pipeline(Generic[R]):
    """The online stages of a plan, in its order, under its deadline.

    Before a stage starts, what is left of the deadline is compared with what the stage takes here
    (`Need`). A stage that cannot finish in time, or that raises, is replaced by its fallback, and
    the trace says so. An optional stage is replaced, too, where running it would take the time
    that the stages behind it need.

    Args:
        plan: names the stages, their budgets and what their fallbacks say.
        steps: for each stage of the plan, what to run.

    Raises:
        ValueError: plan and steps do not name the same stages.
    """

    def __init__(self, plan: Plan, steps: Mapping[str, Step[R]]) -> None:
        names = [stage.name for stage in plan.online]
        if sorted(names) != sorted(steps):
            raise ValueError(f"the plan has the stages {names}, the server {list(steps)}")
        self.deadline_us = plan.p99
        self._stages = [_Running(stage, steps[stage.name]) for stage in plan.online]
        self._add_up()

    def run(self, request: R, trace: Trace, started_ns: int, timeout_us: int | None = None) -> None:
        """Take a request through every stage.

        Args:
            request: whatever the steps work on.
            trace: filled in as the stages go by; tells the running one its `left_us`.
            started_ns: when it arrived, by `time.perf_counter_ns`.
            timeout_us: how long its client waits from then on; shortens the plan's p99.

        Raises:
            InputError: a stage found the request itself to be wrong; no fallback mends that.
            Refused: a fallback refused.
        """
        deadline_us = self.deadline_us
        if timeout_us is not None and timeout_us < deadline_us:
            deadline_us = timeout_us
        deadline = started_ns + deadline_us * 1_000
        now, timings = perf_counter_ns(), trace.timings
        for stage in self._stages:
            if deadline - now < stage.least_ns:
                self._pass_over(stage, deadline - now, request, trace)
                then, now = now, perf_counter_ns()
                timings[stage.name] = (now - then) // 1_000
                continue
            budgeted, left = now + stage.budget_ns, deadline - stage.behind_ns
            trace.until_ns = budgeted if budgeted < left else left
            try:
                stage.run(request)
            except (InputError, Refused):
                raise
            except Exception as error:  # a fault has a fallback, and the answer says so
                trace.degraded.append(
                    f"{stage.name}: failed ({type(error).__name__}); {stage.says}"
                )
                stage.fallback(request)
            then, now = now, perf_counter_ns()
            timings[stage.name] = spent = (now - then) // 1_000
            if stage.took(spent):
                self._add_up()
        if now > deadline:
            trace.degraded.append(f"late: {(now - deadline) / 1e6:.1f} ms after the deadline")

    def _pass_over(self, stage: _Running[R], left_ns: int, request: R, trace: Trace) -> None:
        whose = " for it and the stages behind it" if stage.optional else ""
        left = max(0, left_ns) / 1e6
        trace.degraded.append(f"{stage.name}: {left:.1f} ms were left{whose}; {stage.says}")
        if left_ns > 0:  # else it says nothing about the stage
            stage.need.passed_over()
            self._add_up()
        stage.fallback(request)

    def _add_up(self) -> None:
        behind = 0.0
        for stage in reversed(self._stages):
            behind = stage.put_before(behind)


def refuse(stage: str) -> Callable[[object], None]:
    """A fallback that refuses.

    Returns:
        A function that raises `Refused`, naming the stage.
    """

    def fallback(request: object) -> None:
        raise Refused(f"{stage} cannot answer in time; try again in a second")

    return fallback
