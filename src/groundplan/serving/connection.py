"""One HTTP connection with bounds: on the size of heads, on slow clients, on their number."""

import math
from asyncio import AbstractEventLoop
from dataclasses import dataclass
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from groundplan.serving.http import problem


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes from its clients before it hangs up.

    Args:
        head: bytes of a request's line and headers.
        headers: their number.
        connections: open at once in one process.
        head_s: seconds from the first byte of a request, or from connecting, to its last header.
        body_s: seconds from there to the end of its body.
        idle_s: seconds without a request on a connection that is kept open.
        write_s: seconds in which an answer must be taken.
    """

    head: int = 16 * 1024
    headers: int = 64
    connections: int = 1_000
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: int = 75
    write_s: float = 30.0


_NEVER: Final = math.inf
_NOTHING, _HEAD, _BODY = range(3)


class _Unfit(Exception):
    """The head of a request breaks a limit."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Connection(HttpToolsProtocol):
    """Uvicorn's protocol, which bounds neither heads nor slow clients.

    One look a second at all connections of a process closes those that are overdue: a timer for
    each request would cost more than the rest of this class.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits = limits
        self._due = _NEVER
        """When the client must have sent what we wait for, by the loop's clock."""
        self._stuck = _NEVER
        """When the client must have taken what we sent."""
        self._part = _NOTHING
        """What is being received."""
        self._head = 0
        """Bytes of the head so far."""
        self._unfit: _Unfit | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are too many already."""
        full = len(self.connections) >= self.limits.connections
        super().connection_made(transport)
        self._due = self.loop.time() + self.limits.head_s
        if full:
            self._refuse(503, "too many connections: try again later", b"retry-after: 1\r\n")

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            unfit = self._unfit or _Unfit(400, "this is not HTTP")
            self._refuse(unfit.status, unfit.message)
            return
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # there is no other protocol to go on with
        if self._part == _HEAD:
            # A header without an end gives the parser nothing to report, so bytes count as well.
            self._head += len(data)
            if self._head > 2 * self.limits.head:
                self._refuse(431, f"the head has more than {self.limits.head:,} bytes")
        elif self._part == _NOTHING and self._due == _NEVER and not self._answering:
            self._due = self.loop.time() + self.limits.head_s  # blank lines are no request

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._part = _HEAD
        self._head = 0
        self._due = self.loop.time() + self.limits.head_s

    def on_url(self, url: bytes) -> None:
        """Take the target, as far as it came."""
        super().on_url(url)
        self._check(len(self.url) > self.limits.head, 414, "the path is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        super().on_header(name, value)
        self._head += len(name) + len(value) + 4
        limits = self.limits
        self._check(self._head > limits.head, 431, f"the head has more than {limits.head:,} bytes")
        self._check(
            len(self.headers) > limits.headers, 431, f"there are more than {limits.headers} headers"
        )

    def on_headers_complete(self) -> None:
        """Answer, or wait for the body."""
        super().on_headers_complete()
        self._part = _BODY
        self._due = self.loop.time() + self.limits.body_s

    def on_message_complete(self) -> None:
        """The request is here: from now on it is the server that takes its time."""
        super().on_message_complete()
        self._part = _NOTHING
        self._due = _NEVER

    def review(self, now: float) -> None:
        """Close where the client is overdue; called once a second.

        Args:
            now: by the loop's clock.
        """
        if not self.transport.get_write_buffer_size():
            self._stuck = _NEVER
        elif self._stuck == _NEVER:
            self._stuck = now + self.limits.write_s
        elif now > self._stuck:
            self.transport.abort()
            return
        if self.transport.is_closing():
            if self._due == _NEVER:
                self._due = now + self.limits.write_s
            elif now > self._due:
                self.transport.abort()
        elif now > self._due:
            self._due = now + self.limits.write_s
            self._refuse(408, "the request took too long to arrive")

    def _check(self, broken: bool, status: int, message: str) -> None:
        if broken:
            self._unfit = _Unfit(status, message)
            raise self._unfit  # ends the parsing; `data_received` answers

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, message: str, headers: bytes = b"") -> None:
        """Close, with an answer where it cannot be taken for that to an earlier request."""
        mine = self._part == _BODY and not self.pipeline and not self.cycle.response_started
        if mine or not self._answering:
            body = problem("", message)
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: application/json\r\nconnection: close\r\n"
                + headers
                + b"content-length: %d\r\n\r\n" % len(body)
                + body
            )
        self.transport.close()
