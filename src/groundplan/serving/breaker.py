"""A circuit breaker: an engine that fails or dawdles is left alone for a while, then asked once.

The pattern is Nygard's ("Release It!", 2007). Closed, calls go through and their outcomes are
counted over a window of the latest ones. Open, calls are refused at once. Half open, one call
goes through: where it does well the breaker closes, else it opens for longer.
"""

import functools
import inspect
import math
import random
from collections.abc import Callable
from threading import Lock
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, TypeVar

from groundplan.errors import EngineError, InputError
from groundplan.units import SECOND, show_duration

P = ParamSpec("P")
R = TypeVar("R")

State = Literal["closed", "open", "half open"]
Listener = Callable[[str, State], None]

JITTER: Final = 0.25
"""The part of an open time that is drawn, so that many processes do not come back at once."""

_FAILED, _SLOW = 1, 2
_NOBODY: Final = -1  # the ticket of no call


class Open(EngineError):
    """The call was not made: the breaker is open, or another call is just trying.

    Args:
        message: which engine, and when it will be tried again.
        after: s after which it is worth trying again, at least 1.
    """

    def __init__(self, message: str, after: int) -> None:
        super().__init__(message)
        self.after = after


class Breaker:
    """Decides before each call whether to make it, and learns from how it went.

    For threads and for coroutines alike: a lock is held while an outcome is counted, never while
    a call runs. An outcome that comes after the breaker has changed its state is not counted.

    Args:
        name: the engine, as errors and metrics name it.
        window: calls that the rates are taken over: the latest ones since it closed.
        least: calls that must be known before a rate counts.
        failures: it opens at this share of failed calls, above 0; above 1 for never.
        slow_us: a call that takes this long is slow, µs.
        slow: it opens at this share of slow calls, above 0; above 1 for never.
        open_us: how long it stays open at first, µs; twice as long after each failed trial.
        most_us: how long it stays open at most, µs, before `JITTER` is added.
        forgiven: exceptions that are the caller's fault, and say nothing about the engine.
        listener: told the name and the new state after each change; it must not raise.
        clock: ns from any fixed moment on.
        draw: a number in 0..1 for the jitter.

    Raises:
        ValueError: a number is out of its range.
    """

    __slots__ = (
        *("_clock", "_draw", "_failed", "_failures", "_forgiven", "_least", "_listener", "_lock"),
        *("_most_ns", "_next", "_open_ns", "_outcomes", "_retry_ns", "_slow", "_slow_ns"),
        *("_slowed", "_ticket", "_tickets", "_trial", "_trials", "_why", "_window", "name"),
    )

    def __init__(
        self,
        name: str,
        *,
        window: int = 100,
        least: int = 20,
        failures: float = 0.5,
        slow_us: int = SECOND,
        slow: float = 0.5,
        open_us: int = SECOND,
        most_us: int = 30 * SECOND,
        forgiven: tuple[type[BaseException], ...] = (InputError,),
        listener: Listener | None = None,
        clock: Callable[[], int] = perf_counter_ns,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not 1 <= least <= window:
            raise ValueError(f"least is {least}: it must be within 1 and the window of {window}")
        if failures <= 0 or slow <= 0:
            raise ValueError(f"failures is {failures}, slow {slow}: both must be above 0")
        if not 0 < open_us <= most_us:
            raise ValueError(f"open_us is {open_us}: it must be within 1 and most_us ({most_us})")
        self.name = name
        self._window, self._least = window, least
        self._failures, self._slow, self._slow_ns = failures, slow, slow_us * 1_000
        self._open_ns, self._most_ns = open_us * 1_000, most_us * 1_000
        self._forgiven = forgiven
        self._listener = listener
        self._clock, self._draw = clock, draw
        self._lock = Lock()
        self._tickets = 0  # one for each time of being closed and for each trial
        self._ticket = 0  # of the calls whose outcomes count while closed, else _NOBODY
        self._trial = _NOBODY  # the ticket of the call that is trying
        self._trials = 0  # failed ones since it was closed
        self._retry_ns = 0  # while not closed: when the next trial may be made
        self._why = ""
        self._outcomes = bytearray()
        self._next = self._failed = self._slowed = 0

    @property
    def state(self) -> State:
        """Closed, open or half open; half open from the moment at which a trial is due."""
        if self._ticket != _NOBODY:
            return "closed"
        return "half open" if self._trial != _NOBODY or self._due() else "open"

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a function returns, if it is called.

        Raises:
            Open: it was not called.
        """
        ticket = self._ticket
        if ticket == _NOBODY:
            ticket = self._try()
        began = self._clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self._raised(ticket, error, self._clock() - began)
            raise
        self._count(ticket, _SLOW if self._clock() - began >= self._slow_ns else 0)
        return result

    def attempt(self) -> "Attempt":
        """The same for a block of statements: `with breaker.attempt(): ...`.

        The block may await; entering it raises `Open` where no call should be made.
        """
        return Attempt(self)

    def wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        """The same for every call of a function or a coroutine function; a decorator."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Attempt(self):
                    return await function(*args, **kwargs)

            return awaited  # type: ignore[return-value]  # R is the coroutine's type here

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.call(function, *args, **kwargs)

        return wrapped

    def _due(self) -> bool:
        return self._clock() >= self._retry_ns

    def _try(self) -> int:
        """The ticket of a trial, if it is time for one and nobody else tries."""
        with self._lock:
            now = self._clock()
            if self._ticket != _NOBODY:  # closed by now
                return self._ticket
            if now < self._retry_ns:
                wait = self._retry_ns - now
                raise Open(
                    f"{self.name} was not called: {self._why}"
                    + (
                        ", and one call is finding out whether it still is so"
                        if self._trial != _NOBODY
                        else f"; it is tried again in {show_duration(max(1, wait // 1_000))}"
                    ),
                    max(1, math.ceil(wait / 1e9)),
                )
            # A trial that never comes back must not keep the breaker open for good: after another
            # open time the next caller may try, and the lost trial's outcome counts no more.
            self._tickets += 1
            self._trial = self._tickets
            self._retry_ns = now + self._pause_ns()
            ticket = self._trial
        self._tell("half open")
        return ticket

    def _raised(self, ticket: int, error: BaseException, took_ns: int) -> None:
        slow = _SLOW if took_ns >= self._slow_ns else 0
        if isinstance(error, self._forgiven):
            self._abandon(ticket)
        elif isinstance(error, Exception):
            self._count(ticket, _FAILED | slow)
        elif slow:  # cancelled by somebody who has waited long enough
            self._count(ticket, slow)
        else:
            self._abandon(ticket)

    def _abandon(self, ticket: int) -> None:
        """Forget a call that says nothing; where it was the trial, the next call tries."""
        if ticket == self._ticket:
            return
        with self._lock:
            if ticket == self._trial:
                self._trial = _NOBODY
                self._retry_ns = self._clock()

    def _count(self, ticket: int, outcome: int) -> None:
        change: State | None = None
        with self._lock:
            if ticket == self._ticket:
                change = self._closed(outcome)
            elif ticket == self._trial:
                change = self._tried(outcome)
        if change:
            self._tell(change)

    def _closed(self, outcome: int) -> State | None:
        """Count an outcome while closed; the new state, if it is another."""
        place = self._next
        before = self._outcomes[place % self._window] if place >= self._window else 0
        self._next = place + 1
        if not outcome and not before:
            # Nothing was counted here and nothing is: most calls end so.
            if place < self._window:
                self._outcomes.append(0)
            return self._judge() if place + 1 == self._least else None
        if place < self._window:
            self._outcomes.append(outcome)
        else:
            self._outcomes[place % self._window] = outcome
        self._failed += (outcome & _FAILED) - (before & _FAILED)
        self._slowed += ((outcome & _SLOW) - (before & _SLOW)) // _SLOW
        return self._judge()

    def _judge(self) -> State | None:
        known = min(self._next, self._window)
        if known < self._least:
            return None
        if self._failed >= self._failures * known:
            return self._open(f"{self._failed} of its last {known} calls failed")
        if self._slowed >= self._slow * known:
            return self._open(
                f"{self._slowed} of its last {known} calls took "
                f"{show_duration(self._slow_ns // 1_000)} or more"
            )
        return None

    def _tried(self, outcome: int) -> State:
        """The verdict of a trial; the new state."""
        self._trial = _NOBODY
        if not outcome:
            self._trials = 0
            self._tickets += 1
            self._ticket = self._tickets
            self._outcomes = bytearray()
            self._next = self._failed = self._slowed = 0
            return "closed"
        self._trials += 1
        return self._open("it failed again" if outcome & _FAILED else "it was slow again")

    def _open(self, why: str) -> State:
        self._why = why
        self._ticket = _NOBODY
        self._retry_ns = self._clock() + self._pause_ns()
        return "open"

    def _pause_ns(self) -> int:
        longer = min(self._open_ns << min(self._trials, 40), self._most_ns)
        return int(longer * (1 + JITTER * self._draw()))

    def _tell(self, state: State) -> None:
        if self._listener is not None:
            self._listener(self.name, state)


class Attempt:
    """One call as a block of statements; made by `Breaker.attempt`."""

    __slots__ = ("_began", "_breaker", "_ticket")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        """Ask whether the call may be made."""
        breaker = self._breaker
        ticket = breaker._ticket
        self._ticket = breaker._try() if ticket == _NOBODY else ticket
        self._began = breaker._clock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Count how it went."""
        breaker = self._breaker
        took = breaker._clock() - self._began
        if error is None:
            breaker._count(self._ticket, _SLOW if took >= breaker._slow_ns else 0)
        else:
            breaker._raised(self._ticket, error, took)
