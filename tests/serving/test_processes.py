"""Several processes behind one address share the work, and survive one another."""

import os
import re
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from doors import door
from groundplan.errors import EngineError
from groundplan.serving import server
from groundplan.serving.processes import supervise


def ask(client: httpx.Client, path: str = "/other") -> int:
    """A request on a connection of its own; the process that answered."""
    return int(httpx.get(f"{client.base_url}{path}", timeout=20).text.split()[0])


def both(client: httpx.Client) -> set[int]:
    return {ask(client) for _ in range(4)}


def until(happened: Callable[[], bool]) -> None:
    """Wait for what must happen; a minute is for machines that are very busy."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_connections_are_dealt_out_in_turn() -> None:
    """Of any even number of connections, two processes get half each."""
    with door(processes=2) as client:
        for connections in (2, 4, 16):
            held = [httpx.Client(base_url=client.base_url) for _ in range(connections)]
            served = Counter(one.get("/other").text.split()[0] for one in held)
            assert list(served.values()) == [connections / 2] * 2
            for one in held:
                one.close()


def test_requests_go_on_when_a_process_is_killed(tmp_path: Path) -> None:
    """New connections are answered while one of two is dead; then there are two again."""
    errors = tmp_path / "errors"
    with door(errors, processes=2) as client:
        first = both(client)
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        until(lambda: not is_running(victim))
        assert {ask(client) for _ in range(20)} >= first - {victim}
        until(lambda: len(both(client) - {victim}) == 2)
        page = httpx.get(f"{client.base_url}/metrics").text
        assert "groundplan_process_restarts_total 1.0" in page
    assert "process 0 ended (SIGKILL): it is started again" in errors.read_text()


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """Where the machine refuses a process, that is told, and the next try finds it mended."""
    errors, python = tmp_path / "errors", tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    with door(errors, processes=2, python=str(python)) as client:
        first = both(client)
        victim = min(first)
        python.rename(tmp_path / "away")
        os.kill(victim, signal.SIGKILL)
        until(lambda: "cannot be started, and is tried again" in errors.read_text())
        assert {ask(client) for _ in range(4)} == first - {victim}
        (tmp_path / "away").rename(python)
        until(lambda: len(both(client)) == 2)


def test_a_connection_that_a_dying_process_never_took_is_answered_by_another() -> None:
    """What was handed to a process that hangs, and then dies, is not lost with it."""
    with door(processes=2) as client, ThreadPoolExecutor(8) as pool:
        first = both(client)
        victim = min(first)
        os.kill(victim, signal.SIGSTOP)
        asked = [pool.submit(ask, client) for _ in range(8)]
        until(lambda: sum(one.done() for one in asked) == 4)  # the other's half
        os.kill(victim, signal.SIGKILL)
        assert victim not in {one.result() for one in asked}


def test_no_count_falls_when_a_process_dies() -> None:
    """Whoever is asked, the metrics are those of all; those of the dead one stay."""

    def count() -> float:
        page = httpx.get(f"{client.base_url}/metrics").text  # by whichever process's turn it is
        found = re.search(r'answers_total{by="all"} (\S+)', page)
        assert found is not None
        return float(found[1])

    with door(processes=2) as client:
        pids = [ask(client) for _ in range(10)]
        until(lambda: count() == 10)
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: not is_running(pids[0]))
        assert count() == 10
        ask(client)
        until(lambda: count() == 11)


def test_a_rate_is_one_over_all_processes() -> None:
    """Whichever process a client's requests reach, it gets its burst once."""
    with door(processes=2, rate=10**6, burst=6) as client:
        answers = [httpx.get(f"{client.base_url}/other").status_code for _ in range(10)]
    assert Counter(answers) == {200: 6, 429: 4}


def test_the_end_is_handed_on_and_what_is_asked_is_answered() -> None:
    """SIGTERM: no new connection, the slow answers in flight come whole, all processes end."""
    with door(processes=2) as client, ExitStack() as held:
        asked = [
            held.enter_context(httpx.stream("GET", f"{client.base_url}/slow", timeout=20))
            for _ in range(4)
        ]
        texts = [one.iter_text() for one in asked]
        pids = {int(next(text)) for text in texts}
        assert len(pids) == 2
        parent = int(client.headers["x-pid"])
        os.kill(parent, signal.SIGTERM)
        assert ["".join(text) for text in texts] == ["0"] * 4
        until(lambda: not any(map(is_running, [*pids, parent])))
        with pytest.raises(httpx.ConnectError):
            ask(client)


def test_children_do_not_outlive_their_parent() -> None:
    """After kill -9 of the parent nobody is left to answer."""
    with door(processes=2) as client:
        pids = both(client)
        os.kill(int(client.headers["x-pid"]), signal.SIGKILL)
        until(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.abort()"])
def test_a_process_that_cannot_start_ends_the_server(code: str) -> None:
    """At the first start a fault is said, not tried again for ever."""
    listener = server.bind(0)
    with listener, pytest.raises(EngineError, match="ended while it started"):
        supervise([sys.executable, "-c", code], listener, 2, lambda _: None)
    with server.bind(0) as other, pytest.raises(EngineError, match=r"cannot be started: .*nowhere"):
        supervise(["/nowhere/python"], other, 2, lambda _: None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and leaves no handler or loop behind that fails here
