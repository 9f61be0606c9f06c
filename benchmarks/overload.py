"""What a server still answers in time when more is asked of it than it can do.

    .venv/bin/python benchmarks/overload.py --data TRANSACTIONS.parquet --project PROJECT

The server (`groundplan serve`, one process) has the first core, the load the other. First its peak
is found with as many clients as keep it busy; then open-loop loads (Poisson arrivals) offer from
half to two and a half times that. Goodput is what was answered with 200 within the plan's p99,
counted from the moment at which a request was due. At the end a load of 0.6 times the peak runs
throughout while a second one of 1.4 times comes and goes: the table shows the first, second by
second. The peak is that of the machine at that moment: where it has other work to do, so has the
server, and the shares stray.
"""

import argparse
import select
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from groundplan.practice import load, machine
from groundplan.practice.results import Results
from groundplan.project import Project
from groundplan.rollout import channels
from serving import Server, cpu_seconds, running, transactions

FACTORS = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5)
CLIENTS = 16
SETTLE = 1.0  # seconds at the start of a load that are not counted


def peak(url: str, bodies: list[bytes], seconds: float) -> float:
    """Answers per second when a fixed number of clients each send as soon as they are answered."""
    host, port = url.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n"
    waiting = iter([head.format(host, len(body)).encode() + body for body in bodies])
    poll, clients = select.epoll(), {}
    for _ in range(CLIENTS):
        client = socket.create_connection((host, int(port)))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[client.fileno()] = client
        poll.register(client, select.EPOLLIN)
        client.send(next(waiting))
    began, answered = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for file, _ in poll.poll(1.0):
            answered += clients[file].recv(65_536).startswith(b"HTTP/1.1 200")
            clients[file].send(next(waiting))
    spent = time.perf_counter() - began
    for client in clients.values():
        client.close()
    return answered / spent


def in_time(results: Results, p99: int) -> np.ndarray:
    """Which requests were answered with 200 within the p99, µs, of when they were due."""
    return (results.status == 200) & (results.done - results.intended <= p99)


def offer(url: str, bodies: Iterator[bytes], rate: float, seconds: float, seed: int) -> Results:
    wanted = list(islice(bodies, round(rate * seconds)))
    if len(wanted) < round(rate * seconds):
        raise SystemExit("there are too few transactions for these rates and seconds")
    return load.in_process_of_its_own(
        f"{url}/predict", wanted, rate, seed=seed, warmup=SETTLE, timeout=5.0, connections=480
    )


def table(
    url: str, pid: int, bodies: Iterator[bytes], top: float, seconds: float, p99: int
) -> None:
    print(
        f"\n{'offered':>8} {'/s':>6} {'goodput/s':>10} {'of peak':>8} {'503':>7} {'late':>6} ",
        end="",
    )
    print(f"{'lost':>5} {'p50 ms':>7} {'p99 ms':>7} {'refused p99':>11} {'CPU':>5} {'lag p99':>8}")
    for number, factor in enumerate(FACTORS):
        before, began = cpu_seconds(pid), time.perf_counter()
        results = offer(url, bodies, factor * top, seconds + SETTLE, number)
        busy = (cpu_seconds(pid) - before) / (time.perf_counter() - began)
        due = results.measured
        good = in_time(results, p99) & due
        answered, refused = due & (results.status == 200), due & (results.status == 503)
        spent = (results.done - results.intended) / 1_000
        rate = good.sum() / (np.ptp(results.intended[due]) / 1e6)
        first, last = np.percentile(spent[answered], [50, 99])
        away = np.percentile(spent[refused], 99) if refused.any() else 0.0
        lost = due.sum() - answered.sum() - refused.sum()
        lag = np.percentile((results.taken - results.intended)[due], 99) / 1_000
        print(
            f"{factor:7.1f}x {factor * top:6.0f} {rate:10.0f} {rate / top:8.0%} "
            f"{refused.sum() / due.sum():7.1%} {answered.sum() - good.sum():6} {lost:5} "
            f"{first:7.1f} {last:7.1f} {away:11.1f} {busy:5.0%} {lag:8.1f}",
            flush=True,
        )


def surge(url: str, bodies: Iterator[bytes], top: float, p99: int) -> None:
    needed = list(islice(bodies, round(top * 17)))
    # Two loads at a time cannot send transactions in their order, so all have the time of the last.
    latest = msgspec.json.decode(needed[-1])["tx_datetime"]
    bodies = iter(
        [msgspec.json.encode({**msgspec.json.decode(b), "tx_datetime": latest}) for b in needed]
    )
    print("\n0.6x throughout, and 1.4x more from second 5 to 10: the former, second by second\n")
    with ThreadPoolExecutor(2) as pool:
        base = pool.submit(offer, url, islice(bodies, round(top * 9.7)), 0.6 * top, 16.0, 100)
        time.sleep(5.0)
        more = pool.submit(offer, url, bodies, 1.4 * top, 5.0, 101)
        results, _ = base.result(), more.result()
    good, spent = in_time(results, p99), (results.done - results.intended) / 1_000
    print(f"{'second':>7} {'due':>6} {'in time':>8} {'503':>7} {'p99 ms':>7}")
    for second in range(16):
        due = (results.intended >= second * 1e6) & (results.intended < (second + 1) * 1e6)
        answered = due & (results.status == 200)
        last = np.percentile(spent[answered], 99) if answered.any() else float("nan")
        refused = (due & (results.status == 503)).sum() / due.sum()
        share = (good & due).sum() / due.sum()
        print(f"{second:7} {due.sum():6} {share:8.1%} {refused:7.1%} {last:7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="published transactions")
    parser.add_argument("--project", type=Path, required=True, help="a fraud project, built")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load")
    parser.add_argument("--count", type=int, default=200_000, help="transactions to draw from")
    arguments = parser.parse_args()
    plan = channels.read(Project(arguments.project).home, channels.LIVE).manifest.plan
    bodies = iter(transactions(arguments.data, arguments.count))
    serve = ["serve", str(arguments.project), "--port", "0", "--state", "{fresh}"]
    print(f"{machine.describe()}, {datetime.now(UTC).date()}")
    with running(Server("groundplan", [sys.executable, "-m", "groundplan", *serve])) as (url, pid):
        peak(url, list(islice(bodies, 20_000)), 1.0)
        top = peak(url, list(islice(bodies, 30_000)), 4.0)
        print(f"peak with {CLIENTS} clients: {top:.0f}/s; p99 of the plan: {plan.p99 / 1000:g} ms")
        table(url, pid, bodies, top, arguments.seconds, plan.p99)
        surge(url, bodies, top, plan.p99)


if __name__ == "__main__":
    main()
