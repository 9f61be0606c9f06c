"""A queue bounded in time: what waits is answered in time, the rest is told so at once."""

import asyncio
import time
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from endpoint import MS, Answered, plan, post, serving
from groundplan.serving.http import Call
from groundplan.serving.overload import BYTES, LENGTH, Queue

BURST, STANDING, COST = 1_000, 400, 100
NEVER = 2**62


class Clock:
    def __init__(self) -> None:
        self.us = 0

    def __call__(self) -> int:
        return self.us * 1_000


def queue(clock: Clock) -> Queue[int]:
    return Queue(BURST, STANDING, COST, clock)


class Machine(RuleBasedStateMachine):
    """Requests arrive, wait and are answered; a naive queue looks at all of them each time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = queue(self.clock)
        self.waiting: list[tuple[int, str, float]] = []
        self.measured: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.number = 0
        self.last_empty = 0
        self.free: int | None = None

    def cost(self, kind: str) -> float:
        return self.measured.get(kind, COST)

    @rule(kind=st.sampled_from("ab"), patience=st.sampled_from([50, 300, 2_000, NEVER]))
    def arrive(self, kind: str, patience: int) -> None:
        now, wait = self.clock.us, sum(cost for _, _, cost in self.waiting)
        if not self.waiting:
            self.last_empty = now
        allowed = BURST if now - self.last_empty <= BURST else STANDING
        taken = (not self.waiting or wait <= allowed) and wait + self.cost(kind) <= patience
        refused = self.queue.put(self.number, kind, 10, (now + patience) * 1_000)
        assert (refused is None) == taken
        if taken:
            self.waiting.append((self.number, kind, self.cost(kind)))
        else:
            assert refused is not None
            assert refused.after == 1
        self.number += 1

    @rule(us=st.integers(1, 700))
    def idle(self, us: int) -> None:
        self.clock.us += us

    @precondition(lambda self: self.waiting)
    @rule(us=st.integers(1, 700))
    def answer(self, us: int) -> None:
        number, kind, _ = self.waiting.pop(0)
        assert self.queue.take() == number
        began = self.clock.us if self.free is None else self.free
        if not self.waiting:
            self.last_empty = self.clock.us
        self.clock.us += us
        self.queue.done()
        took = min(self.clock.us - began, 2 * us)  # of what lay between, no more than the answer
        usual, known = self.cost(kind), self.counts.get(kind, 0)
        if known < 32:
            self.measured[kind] = (usual * (known + 1) + took) / (known + 2)
        else:
            self.measured[kind] = usual * 31 / 32 + min(took, 4 * usual) / 32
        self.counts[kind] = known + 1
        self.free = self.clock.us if self.waiting else None


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestQueueIsTheNaiveOne = Machine.TestCase
"""Through any history, a queue takes what one takes that adds everything up each time."""


@settings(max_examples=50, deadline=None)
@given(factor=st.floats(1.1, 5.0), burst=st.integers(0, 400))
def test_goodput_holds_whatever_is_offered(factor: float, burst: int) -> None:
    """Above its capacity a server is never idle, and nobody waits longer than a burst may."""
    clock = Clock()
    one, arrived, waits = queue(clock), deque[int](), []
    due = [0.0] * burst
    due += [number * COST / factor for number in range(2_000)]
    upcoming = iter(sorted(due))
    following = next(upcoming)
    answered = 0
    while following is not None:
        while following is not None and following <= clock.us:
            if one.put(0, "a", 10, NEVER) is None:
                arrived.append(int(following))
            following = next(upcoming, None)  # type: ignore[assignment]  # the end
        if one:
            one.take()
            waits.append(clock.us - arrived.popleft())
            clock.us += COST
            one.done()
            answered += 1
        elif following is not None:
            clock.us = max(clock.us, int(following) + 1)
    assert answered >= 0.98 * clock.us / COST
    assert max(waits) <= BURST + 2 * COST


def test_a_burst_may_wait_longer_than_what_stands() -> None:
    """Behind a queue that was empty just now 1000 µs may be waited, behind one that stands 400."""
    clock = Clock()
    one = queue(clock)
    while one.put(0, "a", 10, NEVER) is None:
        pass
    assert len(one) == 11  # the last of them found 1000 µs of work before it
    for _ in range(50):
        one.take()
        clock.us += COST
        one.done()
        one.put(0, "a", 10, NEVER)
    assert len(one) == 5
    clock.us += 1
    while one:
        one.take()
        one.done()
    while one.put(0, "a", 10, NEVER) is None:
        pass
    assert one.wait_us > BURST


def test_there_is_room_for_so_many_and_so_much() -> None:
    """However cheap they are, the number of requests that wait is bounded, and their bytes."""
    many, much = Queue[int](BURST, STANDING, 0, Clock()), Queue[int](BURST, STANDING, 0, Clock())
    while many.put(0, "a", 10, NEVER) is None:
        pass
    assert len(many) == LENGTH
    while much.put(0, "a", BYTES // 3, NEVER) is None:
        pass
    assert len(much) == 3


def test_who_comes_back_is_told_when() -> None:
    """Retry-After is the time in which the queue empties, in whole seconds."""
    slow = Queue[int](10_000_000, 10_000_000, 4_000_000, Clock())
    while (refused := slow.put(0, "a", 10, NEVER)) is None:
        pass
    assert refused.after == 12


def test_one_stall_is_not_a_slow_engine() -> None:
    """A request that takes a thousand times as long once raises the expected cost by a tenth."""
    clock = Clock()
    one = queue(clock)
    for took in [COST] * 40 + [1_000 * COST]:
        one.put(0, "a", 10, NEVER)
        one.take()
        clock.us += took
        one.done()
    assert COST < one.cost_us("a") < 1.1 * COST


def test_the_plan_bounds_the_wait() -> None:
    """What stands may take the plan's headroom, a burst half of its p99."""
    one = Queue[int].of(plan(p99=100 * MS, headroom=20 * MS))
    assert (one._burst_us, one._standing_us) == (50 * MS, 20 * MS)


def test_a_flood_is_answered_or_refused_at_once() -> None:
    """Of 400 requests at a time some are answered, the others get 503 and when to come back."""

    def spin(call: Call) -> bytes:
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        return b"{}"

    async def run() -> list[Answered]:
        async with serving(spin) as server:
            await asyncio.gather(*(server.send(post(b"1")) for _ in range(40)))
            flood = await asyncio.gather(*(server.send(post(b"1")) for _ in range(400)))
            return [*flood, await server.send(post(b"1"))]

    *flood, after = asyncio.run(run())
    answered = sum(one.status == 200 for one in flood)
    refused = [one for one in flood if one.status == 503]
    assert answered + len(refused) == 400
    assert answered >= 10
    assert len(refused) >= 100
    assert all(one.headers[b"retry-after"] == b"1" for one in refused)
    assert all(b"waiting" in one.body for one in refused)
    assert after.status == 200
