"""A request over HTTP: what it takes the server, and how long the client waits."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from groundplan.errors import EngineError
from groundplan.practice.calibrate.measure import Clock, Timing, measure

BODY: Final = (
    b'{"transaction_id": 1, "tx_datetime": "2018-08-15T10:00:00", "customer_id": 1, '
    b'"terminal_id": 1, "tx_amount": 10.0, "channel": "web"}'
)
PREDICT: Final = (
    b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
SPENT: Final = b"GET /spent HTTP/1.1\r\nhost: localhost\r\n\r\n"

_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_NEEDS: Final = ("httptools", "prometheus_client", "starlette", "uvicorn", "uvloop")


@measure(
    "http",
    "server CPU time to parse one JSON request of 6 fields and serialise one JSON answer: "
    "Starlette on uvicorn with uvloop and httptools, one worker, one kept-alive connection",
    *_NEEDS,
)
def http(clock: Clock) -> Timing:
    """The server's own processor time, so that the client beside it does not count."""
    with _floor() as client:

        def one_round(until: float) -> float:
            before, asked = _spent(client), 0
            while not asked or time.perf_counter() < until:
                for _ in range(50):
                    _ask(client, PREDICT)
                asked += 50
            return (_spent(client) - before) / asked / 1000

        return clock.rounds(one_round)


@measure(
    "http_round_trip",
    "the same request and answer over loopback, from sending to having it, one after the other",
    *_NEEDS,
)
def round_trip(clock: Clock) -> Timing:
    """Wall time at a client that does nothing but wait."""
    with _floor() as client:
        return clock.each(lambda request: _ask(client, request), [PREDICT])


@contextmanager
def _floor() -> Iterator[socket.socket]:
    """A connection to an endpoint in a process of its own."""
    command = [sys.executable, "-m", "groundplan.practice.calibrate.floor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().rpartition(b":")[2].strip()
            if not port:
                raise EngineError("the server did not start: its own message is above")
            with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield client
        finally:
            process.terminate()


def _ask(client: socket.socket, request: bytes) -> bytes:
    """The body of the answer."""
    client.sendall(request)
    answer = client.recv(65_536)
    head, found, body = answer.partition(b"\r\n\r\n")
    while not found or len(body) < int(_LENGTH.search(head)[1]):  # type: ignore[index]  # always
        more = client.recv(65_536)
        if not more:
            raise EngineError("the server closed the connection")
        answer += more
        head, found, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise EngineError(f"the server answered {head[:40]!r}")
    return body


def _spent(client: socket.socket) -> int:
    """Nanoseconds of processor time that the server has used."""
    return int(_ask(client, SPENT))
