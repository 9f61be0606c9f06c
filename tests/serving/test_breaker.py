"""A breaker opens by rates over a window, lets one call try, and never serialises calls."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from groundplan.errors import EngineError, InputError
from groundplan.serving.breaker import Attempt, Breaker, Open, State

WINDOW, LEAST, SLOW_US, OPEN_US, MOST_US = 6, 3, 10, 100, 360


class Clock:
    def __init__(self) -> None:
        self.us = 0

    def __call__(self) -> int:
        return self.us * 1_000


def breaker(clock: Clock | None = None, **changes: Any) -> Breaker:
    settings = {
        **{"window": WINDOW, "least": LEAST, "slow_us": SLOW_US},
        **{"open_us": OPEN_US, "most_us": MOST_US, "draw": lambda: 0.0},
        **({"clock": clock} if clock else {}),
        **changes,
    }
    return Breaker("engine", **settings)


def fail() -> None:
    raise OSError("gone")


def trip(one: Breaker) -> None:
    for _ in range(LEAST):
        with pytest.raises(OSError, match="gone"):
            one.call(fail)
    assert one.state == "open"


class Naive:
    """A breaker that keeps every outcome and looks at all of them each time."""

    def __init__(self) -> None:
        self.epoch = 0  # one for each time of being closed and for each trial
        self.state: State = "closed"
        self.known: list[tuple[bool, bool]] = []
        self.retry = self.trials = 0
        self.trial: int | None = None

    def enter(self, now: int) -> int | None:
        if self.state == "closed":
            return self.epoch
        if now < self.retry:
            return None
        self.epoch += 1
        self.state, self.trial = "half open", self.epoch
        self.retry = now + min(OPEN_US * 2**self.trials, MOST_US)
        return self.epoch

    def finish(self, epoch: int, failed: bool, slow: bool, now: int) -> None:
        if epoch != self.epoch or self.state == "open":
            return
        if self.state == "half open":
            if failed or slow:
                self.trials += 1
                self._open(now)
            else:
                self.epoch += 1
                self.state, self.trials, self.known = "closed", 0, []
            return
        self.known.append((failed, slow))
        latest = self.known[-WINDOW:]
        for rate in (sum(f for f, _ in latest), sum(s for _, s in latest)):
            if len(latest) >= LEAST and rate >= 0.5 * len(latest):
                self._open(now)
                return

    def forgive(self, epoch: int, now: int) -> None:
        if epoch == self.epoch and self.state == "half open":
            self.state, self.retry = "open", now

    def _open(self, now: int) -> None:
        self.state = "open"
        self.retry = now + min(OPEN_US * 2**self.trials, MOST_US)


class Machine(RuleBasedStateMachine):
    """Calls begin, time passes, calls end in any order; both breakers must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.real = breaker(self.clock)
        self.naive = Naive()
        self.calls: list[tuple[Attempt, int, int]] = []

    @rule()
    def begin(self) -> None:
        epoch = self.naive.enter(self.clock.us)
        attempt = self.real.attempt()
        if epoch is None:
            with pytest.raises(Open):
                attempt.__enter__()
        else:
            attempt.__enter__()
            self.calls.append((attempt, epoch, self.clock.us))

    @rule(us=st.sampled_from([1, 9, 10, 60, 100, 400]))
    def wait(self, us: int) -> None:
        self.clock.us += us

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 1_000), failed=st.booleans())
    def end(self, which: int, failed: bool) -> None:
        attempt, epoch, began = self.calls.pop(which % len(self.calls))
        error = OSError() if failed else None
        attempt.__exit__(type(error) if error else None, error, None)
        slow = self.clock.us - began >= SLOW_US
        self.naive.finish(epoch, failed, slow, self.clock.us)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 1_000))
    def end_by_the_callers_fault(self, which: int) -> None:
        attempt, epoch, _ = self.calls.pop(which % len(self.calls))
        attempt.__exit__(InputError, InputError("", ""), None)
        self.naive.forgive(epoch, self.clock.us)

    @rule(failed=st.booleans(), times=st.integers(1, 8))
    def call_at_once(self, failed: bool, times: int) -> None:
        for _ in range(times):
            self.begin()
            if self.calls:
                self.end(len(self.calls) - 1, failed)

    @invariant()
    def agree(self) -> None:
        expected = self.naive.state
        if expected == "open" and self.clock.us >= self.naive.retry:
            expected = "half open"
        assert self.real.state == expected


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBreakerIsTheNaiveOne = Machine.TestCase
"""Through any history of calls, a breaker's state is that of one that keeps every outcome."""


def test_one_of_fifty_callers_tries() -> None:
    """When the open time is over and fifty threads call, one reaches the engine."""
    clock, reached, gate = Clock(), [], threading.Barrier(50)
    one = breaker(clock)
    trip(one)
    clock.us += OPEN_US
    release = threading.Event()

    def engine() -> None:
        reached.append(1)
        release.wait(10)

    def caller() -> bool:
        gate.wait(10)
        try:
            one.call(engine)
        except Open:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        calls = [pool.submit(caller) for _ in range(50)]
        while sum(call.done() for call in calls) < 49:
            time.sleep(0.001)
        release.set()
        went = [call.result() for call in calls]
    assert (len(reached), sum(went)) == (1, 1)
    assert one.state == "closed"


def test_one_of_fifty_coroutines_tries() -> None:
    """The same for coroutines of one loop."""
    clock, reached = Clock(), []
    one = breaker(clock)
    trip(one)
    clock.us += OPEN_US

    async def engine() -> None:
        reached.append(1)
        await asyncio.sleep(0.01)

    async def run() -> list[object]:
        call = one.wrap(engine)
        return await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)

    results = asyncio.run(run())
    assert len(reached) == 1
    assert sum(isinstance(result, Open) for result in results) == 49


def test_calls_are_not_serialised() -> None:
    """Eight calls that wait for each other all return: nothing is locked while they run."""
    one, together = breaker(slow_us=60_000_000), threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(one.call, together.wait, 10) for _ in range(8)]
        assert sorted(call.result() for call in calls) == list(range(8))


def test_no_outcome_is_lost_between_threads() -> None:
    """After eight threads made calls of which some failed, the window holds all of them."""
    one = breaker(window=8_000, failures=2.0, slow=2.0)

    def caller(number: int) -> None:
        for turn in range(1_000):
            if turn % 8 == number:
                with pytest.raises(OSError, match="gone"):
                    one.call(fail)
            else:
                one.call(int)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(caller, range(8)))
    assert (one._next, one._failed) == (8_000, 1_000)


def test_a_trial_that_never_returns_is_given_up() -> None:
    """After another open time somebody else may try, and the lost trial's outcome is ignored."""
    clock = Clock()
    one = breaker(clock)
    trip(one)
    clock.us += OPEN_US
    lost = one.attempt()
    lost.__enter__()
    with pytest.raises(Open, match="one call is finding out"):
        one.call(int)
    clock.us += OPEN_US
    assert one.call(lambda: 7) == 7
    assert one.state == "closed"
    lost.__exit__(OSError, OSError(), None)
    assert one.state == "closed"


def test_each_failed_trial_doubles_the_open_time_up_to_a_bound() -> None:
    """100, 200 and from then on 360 µs; jitter adds a quarter at most."""
    for draw, more in ((0.0, 1.0), (1.0, 1.25)):
        clock = Clock()
        one = breaker(clock, draw=lambda draw=draw: draw)
        trip(one)
        for pause in (100, 200, 360, 360):
            clock.us += int(pause * more) - 1
            with pytest.raises(Open, match=r"3 of its last 3|again"):
                one.call(int)
            clock.us += 1
            with pytest.raises(OSError, match="gone"):
                one.call(fail)


def test_a_refusal_says_when_to_come_back() -> None:
    """The error is an engine's, names it, why it is left alone, and the seconds to wait."""
    clock = Clock()
    one = breaker(clock, open_us=2_500_000, most_us=2_500_000)
    trip(one)
    with pytest.raises(EngineError, match=r"engine was not called: 3 of its last 3 .* in 2.5") as e:
        one.call(int)
    assert isinstance(e.value, Open)
    assert e.value.after == 3


def test_a_cancelled_call_counts_only_when_it_was_slow() -> None:
    """A client that hangs up says nothing about the engine, unless it had waited long enough."""
    clock = Clock()
    one = breaker(clock)
    for us, state in ((SLOW_US - 1, "closed"), (SLOW_US, "open")):
        for _ in range(LEAST):
            attempt = one.attempt()
            attempt.__enter__()
            clock.us += us
            attempt.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None)
        assert one.state == state


def test_a_listener_hears_every_change_in_order() -> None:
    """Open, half open, open, half open, closed: what a metric needs."""
    heard: list[tuple[str, State]] = []
    clock = Clock()
    one = breaker(clock, listener=lambda name, state: heard.append((name, state)))
    trip(one)
    clock.us += OPEN_US
    with pytest.raises(OSError, match="gone"):
        one.call(fail)
    clock.us += 2 * OPEN_US
    one.wrap(int)()
    states = ["open", "half open", "open", "half open", "closed"]
    assert heard == [("engine", state) for state in states]


@pytest.mark.parametrize(
    "wrong", [{"least": 0}, {"least": 7}, {"failures": 0}, {"slow": -1}, {"open_us": 400}]
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    """A breaker that could never open, or never close, is an error where it is made."""
    with pytest.raises(ValueError, match="must be"):
        breaker(**wrong)
