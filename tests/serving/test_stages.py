"""Stages run within their budgets, or their fallbacks answer and the trace says so."""

import math
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from endpoint import MS, plan
from groundplan.errors import InputError
from groundplan.serving.stages import BLOCK, QUANTILE, Need, Pipeline, Refused, Step, Trace, refuse


def step(name: str, seen: list[str], run: Callable[[], None] = lambda: None) -> Step[list[str]]:
    def body(request: list[str]) -> None:
        run()
        seen.append(name)

    return Step(body, lambda request: seen.append(f"no {name}"))


def run(pipeline: Pipeline[list[str]], ago_ns: int = 0, timeout_us: int | None = None) -> Trace:
    trace = Trace()
    pipeline.run([], trace, time.perf_counter_ns() - ago_ns, timeout_us)
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


def test_what_a_stage_takes_here_decides_not_what_it_may_take() -> None:
    """Measured to be fast, a stage runs with less left than its budget; unmeasured, it does not."""
    seen: list[str] = []
    pipeline = Pipeline(plan(100 * MS, a=80 * MS), {"a": step("a", seen)})
    assert run(pipeline, ago_ns=50_000_000).degraded
    for _ in range(BLOCK):
        assert not run(pipeline).degraded
    assert not run(pipeline, ago_ns=50_000_000).degraded


def test_an_optional_stage_gives_way_to_those_behind_it() -> None:
    """With too little left for both, the reasons are left out and the score is not."""
    seen: list[str] = []
    names = ("score", "explain", "log")
    budgets = {"score": 10 * MS, "explain": 30 * MS, "log": 30 * MS}
    steps = {name: step(name, seen) for name in names}
    for left, ran in ((75, ["score", "explain", "log"]), (55, ["score", "no explain", "log"])):
        seen.clear()
        score, explain, log = (design := plan(100 * MS, **budgets)).stages
        design = replace(design, stages=(score, replace(explain, optional=True), log))
        trace = run(Pipeline(design, steps), ago_ns=(100 - left) * 1_000_000)
        assert seen == ran
        assert len(trace.degraded) == ran.count("no explain")
    assert "for it and the stages behind it" in trace.degraded[0]
    seen.clear()
    assert not run(Pipeline(plan(100 * MS, **budgets), steps), ago_ns=45_000_000).degraded


def test_the_clients_timeout_shortens_the_deadline() -> None:
    """A client that waits for 5 ms gets what can be had in 5 ms; a longer one changes nothing."""
    seen: list[str] = []
    pipeline = Pipeline(plan(100 * MS, a=20 * MS), {"a": step("a", seen)})
    assert run(pipeline, timeout_us=5 * MS).degraded
    assert not run(pipeline, timeout_us=1_000 * MS).degraded
    assert run(pipeline, ago_ns=95_000_000, timeout_us=1_000 * MS).degraded


def test_a_stage_knows_what_it_may_still_take() -> None:
    """Its budget, or the deadline less what the stages behind it need: an engine's timeout."""
    left: list[int] = []

    def body(trace: Trace) -> None:
        left.append(trace.left_us)

    def nothing(trace: Trace) -> None:
        pass

    def run_with(ago_ns: int) -> None:
        trace = Trace()
        steps = {"a": Step(body, body), "b": Step(nothing, nothing)}
        pipeline = Pipeline(plan(1_000 * MS, a=300 * MS, b=200 * MS), steps)
        pipeline.run(trace, trace, time.perf_counter_ns() - ago_ns)

    run_with(0)
    run_with(600_000_000)
    full, short = left
    assert 0 < full <= 300 * MS
    assert 0 < short <= 200 * MS
    assert Trace(until_ns=time.perf_counter_ns() - 1_000_000).left_us == 1


def test_an_answer_after_the_deadline_says_so() -> None:
    """A stage that overruns what was left cannot be undone, but it is not hidden."""
    steps = {"a": step("a", [], lambda: time.sleep(0.03))}
    trace = run(Pipeline(plan(20 * MS, a=10 * MS), steps))
    assert trace.degraded[-1].startswith("late: ")


def test_a_stage_that_was_slow_once_is_tried_again() -> None:
    """Passed over for lack of time again and again, it gets a trial, and its time is learnt."""
    seen: list[str] = []
    pipeline = Pipeline(plan(100 * MS, a=80 * MS), {"a": step("a", seen)})
    tries = 0
    while not seen or seen[-1] == "no a":
        run(pipeline, ago_ns=40_000_000)
        tries += 1
    assert 10 < tries < 200


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=5 * BLOCK))
def test_a_need_is_the_quantile_of_the_latest_timings(timings: list[int]) -> None:
    """The nearest-rank quantile of the latest two whole blocks, and never above the budget."""
    need = Need(1_000)
    for timing in timings:
        need.took(timing)
    whole = len(timings) // BLOCK * BLOCK
    latest = sorted(timings[max(0, whole - 2 * BLOCK) : whole])
    expected = latest[math.ceil(QUANTILE * len(latest)) - 1] if latest else 1_000
    assert need.us == min(1_000, expected)


def test_a_need_lowered_too_far_is_taken_back() -> None:
    """One run that takes longer than the lowered need restores what was known."""
    need = Need(1_000)
    for _ in range(10):
        need.passed_over()
    assert need.us < 950
    need.took(900)
    assert need.us < 950
    need.took(960)
    assert need.us == 1_000
