"""Stages under a deadline: each runs within its budget, or its fallback answers for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Generic, TypeVar

from groundplan.errors import GroundplanError, InputError
from groundplan.plan import Plan

R = TypeVar("R")


class Refused(GroundplanError, RuntimeError):
    """A stage could not finish and its fallback is to refuse: try again later."""


@dataclass(frozen=True, slots=True)
class Step(Generic[R]):
    """What a stage runs, and what stands in for it; both work on the request in place."""

    run: Callable[[R], None]
    fallback: Callable[[R], None]


@dataclass(slots=True)
class Trace:
    """What became of one request's stages: µs spent in each, and what was replaced and why."""

    timings: dict[str, int] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)


class Pipeline(Generic[R]):
    """The online stages of a plan, in its order, under its deadline.

    Before a stage starts, what is left of the deadline is compared with its budget. A stage that
    cannot finish in time, or that raises, is replaced by its fallback, and the trace says so.

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
        self._stages = [
            (stage.name, stage.budget * 1_000, steps[stage.name], stage.fallback.says)
            for stage in plan.online
        ]

    def run(self, request: R, trace: Trace, started_ns: int) -> None:
        """Take a request through every stage.

        Args:
            request: whatever the steps work on.
            trace: filled in as the stages go by.
            started_ns: when it arrived, by `time.perf_counter_ns`.

        Raises:
            InputError: a stage found the request itself to be wrong; no fallback mends that.
            Refused: a fallback refused.
        """
        deadline = started_ns + self.deadline_us * 1_000
        now = perf_counter_ns()
        for name, budget, step, says in self._stages:
            left = deadline - now
            if left < budget:
                trace.degraded.append(f"{name}: {max(0, left) / 1e6:.1f} ms were left; {says}")
                step.fallback(request)
            else:
                try:
                    step.run(request)
                except (InputError, Refused):
                    raise
                except Exception as error:  # a fault has a fallback, and the answer says so
                    trace.degraded.append(f"{name}: failed ({type(error).__name__}); {says}")
                    step.fallback(request)
            then, now = now, perf_counter_ns()
            trace.timings[name] = (now - then) // 1_000


def refuse(stage: str) -> Callable[[object], None]:
    """A fallback that refuses.

    Returns:
        A function that raises `Refused`, naming the stage.
    """

    def fallback(request: object) -> None:
        raise Refused(f"{stage} cannot answer in time; try again in a second")

    return fallback
