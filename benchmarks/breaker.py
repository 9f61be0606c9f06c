"""What a circuit breaker costs a call, and what it does when fifty callers find it half open.

    python -m venv /tmp/breakers
    /tmp/breakers/bin/pip install pybreaker circuitbreaker aiobreaker purgatory
    .venv/bin/python benchmarks/breaker.py --peer-python /tmp/breakers/bin/python

Each library does the same thing in its own process: call a function that does nothing, of which
the bare cost is taken off (the least of seven rounds, CPU time); then, its breaker open and its
time over, fifty callers at once, of whom one should reach the engine; then eight calls of 50 ms
from eight threads, which take 50 ms together unless they are serialised.
"""

import argparse
import asyncio
import inspect
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CALLS, ROUNDS, CALLERS = 100_000, 7, 50
OPEN = 0.3  # seconds
PEERS = ("pybreaker", "circuitbreaker", "purgatory", "aiobreaker")


class Down(Exception):
    pass


def ours() -> Callable[..., Any]:
    from groundplan.serving.breaker import Breaker

    breaker = Breaker("engine", least=5, window=5, open_us=round(OPEN * 1e6), draw=lambda: 0.0)
    return breaker.call


def pybreaker() -> Callable[..., Any]:
    import pybreaker

    return pybreaker.CircuitBreaker(fail_max=5, reset_timeout=OPEN).call


def circuitbreaker() -> Callable[..., Any]:
    import circuitbreaker

    breaker = circuitbreaker.CircuitBreaker(failure_threshold=5, recovery_timeout=OPEN)
    return breaker.call


def purgatory() -> Callable[..., Any]:
    import purgatory

    factory = purgatory.SyncCircuitBreakerFactory(default_threshold=5, default_ttl=OPEN)
    breaker = factory.get_breaker("engine")

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        with breaker:
            return function(*arguments)

    return call


def aiobreaker() -> Callable[..., Any]:
    from datetime import timedelta

    import aiobreaker

    return aiobreaker.CircuitBreaker(fail_max=5, timeout_duration=timedelta(seconds=OPEN)).call


def nothing() -> None:
    pass


def cost(call: Callable[..., Any] | None) -> float:
    """The least CPU time of a call, in nanoseconds; of the bare function where it is None."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        if call is None:
            for _ in range(CALLS):
                nothing()
        else:
            for _ in range(CALLS):
                call(nothing)
        best = min(best, (time.process_time_ns() - began) / CALLS)
    return best


def trials(call: Callable[..., Any]) -> int:
    """How many of fifty callers reach an engine whose breaker has just become half open."""
    reached: list[int] = []
    release, gate = threading.Event(), threading.Barrier(CALLERS)

    def down() -> None:
        raise Down

    def attempt(function: Callable[[], None]) -> None:
        try:
            outcome = call(function)
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
        except Exception:  # the library's own, or ours
            return

    def engine() -> None:
        reached.append(1)
        release.wait(2)

    for _ in range(8):
        attempt(down)
    time.sleep(OPEN * 1.5)

    def caller() -> None:
        gate.wait()
        attempt(engine)

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    found = len(reached)
    release.set()
    for thread in threads:
        thread.join(5)
    return found


def together(call: Callable[..., Any]) -> float:
    """Milliseconds that eight calls of 50 ms take from eight threads."""
    with ThreadPoolExecutor(8) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: call(time.sleep, 0.05), range(8)))
        return (time.perf_counter() - began) * 1_000


def measure(name: str) -> dict[str, float]:
    make: Callable[[], Callable[..., Any]] = globals()[name]
    return {
        "bare": cost(None),
        "call": cost(make()),
        "trials": trials(make()),
        "together": together(make()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer-python", help="python of an environment with the peers")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    from groundplan.practice import machine

    print(f"{machine.describe()}, {datetime.now(UTC).date()}\n")
    print(f"{'':16}{'us a call':>10}{'reach the engine of 50':>24}{'8 x 50 ms, ms':>15}")
    pythons = {"ours": sys.executable}
    if arguments.peer_python:
        pythons |= dict.fromkeys(PEERS, arguments.peer_python)
    for name, python in pythons.items():
        command = [python, str(Path(__file__)), "--measure", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:16}{done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        spent = (found["call"] - found["bare"]) / 1_000
        print(f"{name:16}{spent:10.2f}{found['trials']:24}{found['together']:15.0f}", flush=True)


if __name__ == "__main__":
    main()
