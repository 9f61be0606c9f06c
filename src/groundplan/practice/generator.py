"""The generator of a load: one thread that sends each request when it is due."""

import math
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

import httptools
import msgspec
import numpy as np

from groundplan.errors import InputError
from groundplan.practice.results import FAILURES, NEVER, Results
from groundplan.units import SECOND

Progress = Callable[[int, int], None]

_SPIN: Final = 100  # us before a due time in which to poll, since a sleep may end that much late
_STALE: Final = 2 * SECOND  # an idle connection is not trusted longer: servers drop theirs at 5 s
_MOST_CONNECTIONS: Final = 512  # `select` takes file descriptors below 1024
_REPORT: Final = SECOND // 2
_REFUSED, _RESET, _TIMEOUT, _MALFORMED = range(1, len(FAILURES))


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to send, where, how fast.

    Args:
        url: `http://host:port/path`, to which every body is posted; of GETs, what stands before
            each path.
        rate: requests per second, the mean of the Poisson arrivals.
        seed: the same seed gives the same arrival times.
        warmup: seconds at the start that the summary leaves out.
        connections: at most so many at once; opened when one is needed, kept alive after.
        timeout: seconds from the intended time after which a request is given up.
        headers: sent with each request, beside host, content-type and content-length.
        method: with `GET`, the bodies are paths instead, percent-encoded, and nothing is posted.
    """

    url: str
    rate: float
    seed: int = 0
    warmup: float = 0.0
    connections: int = 256
    timeout: float = 10.0
    headers: dict[str, str] = {}
    method: Literal["POST", "GET"] = "POST"

    def checked(self) -> SplitResult:
        """The parts of the URL; InputError where the order cannot be carried out."""
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise InputError("url", f"url is {self.url!r}: write http://host:port/path")
        for field in ("rate", "timeout"):
            value = getattr(self, field)
            if not 0 < value < math.inf:
                raise InputError(field, f"{field} is {value}: it must be above 0")
        if not 0 <= self.warmup < math.inf:
            raise InputError("warmup", f"warmup is {self.warmup}: it must be 0 s or more")
        if not 1 <= self.connections <= _MOST_CONNECTIONS:
            raise InputError(
                "connections",
                f"connections is {self.connections}: it must be within 1 and {_MOST_CONNECTIONS}",
            )
        return parts


class _Connection:
    """One kept-alive connection, and the request on it; httptools calls the `on_` methods."""

    def __init__(self, family: int, address: tuple[Any, ...]) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)  # what goes wrong shows when it is first used
        self.parser = httptools.HttpResponseParser(self)
        self.request = NEVER
        self.unsent = memoryview(b"")
        self.parts: list[bytes] = []
        self.complete = self.reusable = False
        self.idle_since = 0

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.complete = True
        self.reusable = self.parser.should_keep_alive()

    def alive(self, now: int) -> bool:
        """Is the idle connection still open, as far as this side can know?"""
        if now - self.idle_since > _STALE:
            return False
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # closed, or the server spoke out of turn


class Generator:
    """Carries out one order.

    One thread and one `select`, since event loops round their timers to a whole millisecond:
    that would be most of the latency of a fast server.
    """

    def __init__(self, order: Order, bodies: Sequence[bytes], progress: Progress) -> None:
        parts = order.checked()
        self.order = order
        self.progress = progress
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        except OSError as error:
            raise InputError("url", f"url is {order.url!r}: its host has no address") from error
        self.family, self.address = found[0][0], found[0][4]
        lines = {"host": parts.netloc, **order.headers}
        if order.method == "GET":
            self.path = parts.path.rstrip("/")
        else:
            self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            lines = {"content-type": "application/json", **lines}
        self.head = b"".join(
            f"{name}: {value}\r\n".encode("latin-1") for name, value in lines.items()
        )
        self.requests = bodies
        self.timeout = round(order.timeout * SECOND)
        total = len(bodies)
        gaps = np.random.default_rng(order.seed).exponential(SECOND / order.rate, total)
        self.intended: list[int] = np.cumsum(gaps).astype(np.int64).tolist()
        self.taken, self.sent, self.done = [NEVER] * total, [NEVER] * total, [NEVER] * total
        self.status, self.failure = [0] * total, [0] * total
        self.bodies = [b""] * total
        self.settled = self.zero = 0
        self.idle: list[_Connection] = []
        self.busy: dict[socket.socket, _Connection] = {}
        self.writing: dict[socket.socket, _Connection] = {}
        self.queue: deque[int] = deque()  # due, and waiting for a connection
        self.under_way: deque[tuple[int, _Connection]] = deque()  # in order of deadlines

    def run(self) -> Results:
        """Send every request when it is due; the results of all of them."""
        epoch, self.zero = time.time_ns() // 1000, time.perf_counter_ns()
        total, due, reported = len(self.requests), 0, 0
        while self.settled < total:
            now = self._now()
            while due < total and self.intended[due] <= now:
                self.taken[due] = now = self._now()
                self.queue.append(due)
                due += 1
            self._send_queued(now)
            if now - reported >= _REPORT:
                reported = now
                self.progress(self.settled, total)
            wake = min(self.intended[due] - _SPIN if due < total else now + _REPORT, self._expiry())
            self._attend(max(0, min(wake - now, _REPORT)))
            self._expire(self._now())
        for connection in self.idle:
            connection.socket.close()
        self.progress(total, total)
        return self._results(epoch)

    def _now(self) -> int:
        """Microseconds since the start."""
        return (time.perf_counter_ns() - self.zero) // 1000

    def _attend(self, patience: int) -> None:
        """Read and write whatever is ready within so many microseconds."""
        readable, writable, _ = select.select(
            list(self.busy), list(self.writing), (), patience / SECOND
        )
        for ready in writable:
            if connection := self.writing.get(ready):
                self._write(connection)
        for ready in readable:
            if connection := self.busy.get(ready):
                self._read(connection)

    def _send_queued(self, now: int) -> None:
        while self.queue and (connection := self._connection(now)) is not None:
            request = self.queue.popleft()
            body = self.requests[request]
            connection.request, connection.complete, connection.parts = request, False, []
            connection.unsent = memoryview(self._request(body))
            self.busy[connection.socket] = connection
            self.under_way.append((request, connection))
            self._write(connection)

    def _request(self, body: bytes) -> bytes:
        """The bytes of a request; of a GET, the body is its path."""
        path = self.path.encode("latin-1")
        if self.order.method == "GET":
            return b"GET %s%s HTTP/1.1\r\n%s\r\n" % (path, body, self.head)
        length = b"content-length: %d\r\n\r\n" % len(body)
        return b"POST %s HTTP/1.1\r\n%s%s%s" % (path, self.head, length, body)

    def _connection(self, now: int) -> _Connection | None:
        """The most recently used idle one, else a new one, else None: the bound is reached."""
        while self.idle:
            connection = self.idle.pop()
            if connection.alive(now):
                return connection
            connection.socket.close()
        if len(self.busy) >= self.order.connections:
            return None
        return _Connection(self.family, self.address)

    def _write(self, connection: _Connection) -> None:
        try:
            while connection.unsent:
                written = connection.socket.send(connection.unsent)
                connection.unsent = connection.unsent[written:]
        except BlockingIOError:  # still connecting, or the buffers are full
            self.writing[connection.socket] = connection
        except ConnectionRefusedError:
            self._fail(connection, _REFUSED)
        except OSError:  # an answer may have come before the connection was closed
            self.writing.pop(connection.socket, None)
        else:
            self.writing.pop(connection.socket, None)
            self.sent[connection.request] = self._now()

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(65_536)
            if data:
                connection.parser.feed_data(data)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            self._fail(connection, _REFUSED)
        except OSError:
            self._fail(connection, _RESET)
        except httptools.HttpParserError:
            self._fail(connection, _MALFORMED)
        else:
            if connection.complete:
                self._answer(connection)
            elif not data:
                self._fail(connection, _RESET)

    def _answer(self, connection: _Connection) -> None:
        now, request = self._now(), connection.request
        self.done[request] = now
        self.status[request] = connection.parser.get_status_code()
        self.bodies[request] = b"".join(connection.parts)
        reusable = connection.reusable and not connection.unsent
        self._settle(connection, now, reusable=reusable)

    def _fail(self, connection: _Connection, failure: int) -> None:
        self.failure[connection.request] = failure
        self._settle(connection, self._now(), reusable=False)

    def _settle(self, connection: _Connection, now: int, *, reusable: bool) -> None:
        self.settled += 1
        self.busy.pop(connection.socket, None)
        self.writing.pop(connection.socket, None)
        connection.request = NEVER
        if reusable:
            connection.idle_since = now
            self.idle.append(connection)
        else:
            connection.socket.close()

    def _expiry(self) -> int:
        """When the next request must be given up; in the far future where none is under way."""
        while self.under_way and self.under_way[0][1].request != self.under_way[0][0]:
            self.under_way.popleft()  # settled since
        if self.under_way:
            return self.intended[self.under_way[0][0]] + self.timeout
        return self.intended[self.queue[0]] + self.timeout if self.queue else sys.maxsize

    def _expire(self, now: int) -> None:
        while self._expiry() <= now:
            if self.under_way:
                self._fail(self.under_way[0][1], _TIMEOUT)
            else:
                self.failure[self.queue.popleft()] = _TIMEOUT
                self.settled += 1

    def _results(self, epoch: int) -> Results:
        return Results(
            started=epoch,
            warmup=round(self.order.warmup * SECOND),
            intended=np.array(self.intended, dtype=np.int64),
            taken=np.array(self.taken, dtype=np.int64),
            sent=np.array(self.sent, dtype=np.int64),
            done=np.array(self.done, dtype=np.int64),
            status=np.array(self.status, dtype=np.int16),
            failure=np.array(self.failure, dtype=np.int8),
            bodies=tuple(self.bodies),
        )
