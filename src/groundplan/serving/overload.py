"""A queue that is bounded in time: whoever could not be answered in time is told so at once.

One thread answers, so requests wait behind one another and a longer queue answers no more of them
in a second, only all of them later. What is bounded is therefore the wait (Nichols and Jacobson,
"Controlling Queue Delay", 2012), by two bounds as Maurer gives them for servers ("Fail at Scale",
2015): a burst may wait long, but a queue that has not been empty for that long is no burst, and
new arrivals may then wait less. How many may wait follows from what one takes (Little's law),
which is measured as it goes: the limit adapts to the machine and to its engines.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import perf_counter_ns
from typing import Final, Generic, TypeVar

from groundplan.plan import Plan

T = TypeVar("T")

LENGTH: Final = 1_024
"""Requests that may wait, however fast they are."""

BYTES: Final = 64_000_000
"""Bytes that the bodies of waiting requests may have together."""

BURST: Final = 0.5
"""The part of the p99 that a request of a burst may wait."""

LEARNT: Final = 32
"""Requests over which a cost is averaged; a longer memory would follow an engine too slowly."""

_STALL: Final = 4  # a cost above so many times the usual one counts as that: it may be a stall


@dataclass(frozen=True, slots=True)
class Overloaded:
    """Why a request is not taken, and the s after which it is worth sending again, at least 1."""

    message: str
    after: int


class Queue(Generic[T]):
    """Requests that wait for their turn, first come, first served.

    Args:
        burst_us: how long a request may wait, µs, where the queue was empty less than that ago.
        standing_us: how long it may wait otherwise, µs; not more.
        cost_us: what a request takes until that is measured, µs.
        clock: ns, the clock of arrivals and deadlines.
    """

    __slots__ = (
        *(
            "_began_ns",
            "_burst_us",
            "_bytes",
            "_clock",
            "_costs",
            "_empty_ns",
            "_first_us",
            "_free_ns",
        ),
        *("_items", "_kind", "_known", "_refused", "_standing_us", "_taken_ns", "_work_us"),
    )

    def __init__(
        self,
        burst_us: int,
        standing_us: int,
        cost_us: int,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        self._burst_us = burst_us
        self._standing_us = standing_us
        self._first_us = float(cost_us)
        self._clock = clock
        self._items: deque[tuple[T, str, int, float]] = deque()
        self._costs: dict[str, float] = {}
        self._known: dict[str, int] = {}  # measurements in a cost, up to LEARNT
        self._bytes = 0
        self._work_us = 0.0  # what those that wait will take together
        self._empty_ns = self._free_ns = self._taken_ns = self._began_ns = clock()
        self._kind = ""
        self._refused = Overloaded("", 1)

    @classmethod
    def of(cls, plan: Plan) -> "Queue[T]":
        """The queue of a plan: what stands may take the headroom, with which no stage plans."""
        burst = max(plan.headroom, round(plan.p99 * BURST))
        return cls(burst, plan.headroom, sum(stage.estimate for stage in plan.online))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def wait_us(self) -> float:
        """How long a request that came now would wait, µs."""
        return self._work_us

    def cost_us(self, kind: str) -> float:
        """What a request of this kind takes, µs, with all that is done between two of them."""
        return self._costs.get(kind, self._first_us)

    def full(self) -> Overloaded | None:
        """Why whatever came now would be refused; None where it would not."""
        if not self._items:
            return None
        standing = self._clock() - self._empty_ns > self._burst_us * 1_000
        if self._work_us > (self._standing_us if standing else self._burst_us):
            return self._refuse("more requests are waiting than can be answered in time")
        if len(self._items) >= LENGTH:
            return self._refuse("more requests are waiting than there is room for")
        return None

    def put(self, item: T, kind: str, size: int, until_ns: int) -> Overloaded | None:
        """Let a request wait for its turn, or say why not.

        Args:
            item: what `take` returns.
            kind: what it is; requests of one kind take about the same time.
            size: bytes that it keeps while it waits.
            until_ns: when its answer is of no use any more.
        """
        full = self.full()
        if full is not None:
            return full
        now, wait, cost = self._clock(), self._work_us, self.cost_us(kind)
        if not self._items:
            self._empty_ns = now
        elif self._bytes + size > BYTES:
            return self._refuse("more bytes are waiting than there is room for")
        if now + (wait + cost) * 1_000 > until_ns:
            return self._refuse("it could not be answered within its deadline")
        self._items.append((item, kind, size, cost))
        self._bytes += size
        self._work_us = wait + cost
        return None

    def take(self) -> T:
        """The request whose turn it is; `done` must follow."""
        item, self._kind, size, cost = self._items.popleft()
        now = self._clock()
        self._bytes -= size
        if self._items:
            self._work_us -= cost
        else:
            self._work_us = 0.0
            self._empty_ns = now
        # What passed since the one before went into reading and refusing others: part of the cost
        # of answering one, unless nobody was waiting for it.
        self._taken_ns = self._free_ns or now
        self._began_ns = now
        return item

    def done(self) -> None:
        """The request that was taken last is answered."""
        now, known = self._clock(), self._known.get(self._kind, 0)
        # But never above what the answer itself took: the more was refused, the dearer would an
        # answer look, and the more would be refused.
        took_ns = min(now - self._taken_ns, 2 * (now - self._began_ns))
        took, usual = took_ns / 1_000, self.cost_us(self._kind)
        if known < LEARNT:
            # A plain mean at first, in which what was assumed counts as one measurement.
            self._known[self._kind] = known = known + 1
            self._costs[self._kind] = usual + (took - usual) / (known + 1)
        else:
            self._costs[self._kind] = usual + (min(took, usual * _STALL) - usual) / LEARNT
        self._free_ns = now if self._items else 0

    def _refuse(self, message: str) -> Overloaded:
        after, last = max(1, ceil(self._work_us / 1e6)), self._refused
        if last.after != after or last.message != message:
            self._refused = last = Overloaded(message, after)
        return last
