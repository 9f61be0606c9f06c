"""Stages run within their budgets, or their fallbacks answer and the trace says so."""

import time
from collections.abc import Callable

import pytest

from groundplan.errors import InputError
from groundplan.plan import Fallback, Plan, Retraining, Stage
from groundplan.serving.stages import Pipeline, Refused, Step, Trace, refuse

MS = 1_000


def plan(p99: int, **budgets: int) -> Plan:
    stages = tuple(
        Stage(name, "online", "", "", "", "", "", Fallback("skip", f"{name} left out"), 1, budget)
        for name, budget in budgets.items()
    )
    return Plan(
        "s", "g", "realtime", p99, 1, 0, stages, (), Retraining("", (), ""), (), (), (), "none"
    )


def step(name: str, seen: list[str], run: Callable[[], None] = lambda: None) -> Step[list[str]]:
    def body(request: list[str]) -> None:
        run()
        seen.append(name)

    return Step(body, lambda request: seen.append(f"no {name}"))


def run(pipeline: Pipeline[list[str]], ago_ns: int = 0) -> Trace:
    trace = Trace()
    pipeline.run([], trace, time.perf_counter_ns() - ago_ns)
    return trace


def test_stages_run_in_the_order_of_the_plan() -> None:
    """The plan's order decides, not the order in which steps are given."""
    seen: list[str] = []
    steps = {name: step(name, seen) for name in ("b", "a")}
    trace = run(Pipeline(plan(1_000 * MS, a=MS, b=MS), steps))
    assert seen == ["a", "b"]
    assert list(trace.timings) == ["a", "b"]
    assert trace.degraded == []


def test_a_stage_without_time_is_replaced_and_said_so() -> None:
    """With less left of the deadline than its budget, a stage's fallback answers for it."""
    seen: list[str] = []
    pipeline = Pipeline(
        plan(100 * MS, cheap=1 * MS, dear=60 * MS),
        {"cheap": step("cheap", seen), "dear": step("dear", seen)},
    )
    trace = run(pipeline, ago_ns=50_000_000)
    assert seen == ["cheap", "no dear"]
    (line,) = trace.degraded
    assert line.startswith("dear: ")
    assert line.endswith("ms were left; dear left out")


def test_an_overrun_takes_its_time_from_the_stages_behind_it() -> None:
    """A stage that overruns its budget costs the next one its turn, not the answer."""
    seen: list[str] = []
    pipeline = Pipeline(
        plan(100 * MS, slow=10 * MS, next=60 * MS),
        {"slow": step("slow", seen, lambda: time.sleep(0.05)), "next": step("next", seen)},
    )
    trace = run(pipeline)
    assert seen == ["slow", "no next"]
    assert trace.timings["slow"] >= 50 * MS


def test_a_fault_has_a_fallback_and_the_answer_names_it() -> None:
    """A stage that raises is replaced; the trace names the kind of fault and no more."""

    def fail() -> None:
        raise OSError("/secret/path is gone")

    seen: list[str] = []
    trace = run(Pipeline(plan(1_000 * MS, a=MS), {"a": step("a", seen, fail)}))
    assert seen == ["no a"]
    assert trace.degraded == ["a: failed (OSError); a left out"]


def test_wrong_input_is_the_callers_and_has_no_fallback() -> None:
    """An InputError passes through: no fallback mends a request that is wrong."""

    def fail() -> None:
        raise InputError("amount", "amount is negative")

    with pytest.raises(InputError):
        run(Pipeline(plan(1_000 * MS, a=MS), {"a": step("a", [], fail)}))


def test_a_fallback_may_refuse() -> None:
    """Where the fallback is to refuse, the request ends there."""
    steps: dict[str, Step[list[str]]] = {"a": Step(lambda request: None, refuse("a"))}
    pipeline = Pipeline(plan(100 * MS, a=60 * MS), steps)
    with pytest.raises(Refused, match="a cannot answer in time"):
        run(pipeline, ago_ns=90_000_000)


def test_a_server_must_have_just_the_stages_of_its_plan() -> None:
    """A stage that nobody runs, or a step that no plan names, is an error at the start."""
    with pytest.raises(ValueError, match="the plan has the stages"):
        Pipeline(plan(100 * MS, a=MS), {"b": step("b", [])})
