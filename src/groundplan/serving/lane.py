"""A short way for plain requests: from the socket to the endpoint, without a task and a scope.

It takes what client libraries send, HTTP/1.1: a POST to a path without parameters, with the
length of its body; a GET, without a body, of a path that ends with its one parameter. All else,
from chunked bodies to what is no HTTP, goes the long way, whose answers are the same. Beyond what
it saves each request, it makes a refusal cheap: under overload most requests are refused, and
what that costs is taken from those that are answered.
"""

import math
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from groundplan.serving.connection import Connection, Limits
from groundplan.serving.head import GET, POST, Fields, Head, Headers, read
from groundplan.serving.http import Call, Endpoint, Lookup, Reply, problem

K = TypeVar("K")
V = TypeVar("V")

Lines = tuple[tuple[bytes, bytes], ...]

HEADS: Final = 512
"""Heads that are remembered: a client's next one often differs in the length alone."""

_AHEAD: Final = 64 * 1024  # bytes that a client may send before it has its answer
_NEVER: Final = math.inf


class Refusal(Protocol):
    """An answer given before the endpoint is asked."""

    @property
    def status(self) -> int:
        """Of HTTP."""

    @property
    def message(self) -> str:
        """What is wrong and what to do."""

    @property
    def headers(self) -> Lines:
        """Beside content type and length."""


Check = Callable[[dict[str, Any]], Refusal | None]


class Lane:
    """What all connections of a server share.

    Args:
        posts: endpoints by path.
        check: what is asked before an endpoint, with the request's scope; None lets all through.
        lookups: answer a GET of a path that ends with a parameter.
    """

    def __init__(
        self,
        posts: Mapping[str, Endpoint],
        check: Check | None = None,
        lookups: Sequence[Lookup] = (),
    ) -> None:
        self._posts = {path.encode(): endpoint for path, endpoint in posts.items()}
        self._lookups = tuple(lookups)
        self.check = check
        self._heads: dict[bytes, Head] = {}
        self._fields: dict[bytes, Fields] = {}
        self._lines: dict[Lines, bytes] = {}
        self._always: tuple[Headers, bytes] = ([], b"")

    def always(self, headers: Headers) -> bytes:
        """The headers of every answer as they are sent; once a second they are another list."""
        if headers is not self._always[0]:
            self._always = headers, _sent(headers)
        return self._always[1]

    def lines(self, headers: Lines) -> bytes:
        """Headers as they are sent."""
        known = self._lines.get(headers)
        if known is None:
            known = _kept(self._lines, headers, _sent(headers))
        return known

    def head(self, data: bytes | bytearray, limits: Limits) -> Head | None:
        """The head that bytes begin with; None where it is not one for the lane, or not whole."""
        get = self._lookups and data.startswith(b"GET ")
        if not get and not data.startswith(b"POST "):
            return None
        end = data.find(b"\r\n\r\n", 0, limits.head) + 4
        if end < 4:
            return None
        raw = bytes(data[:end])
        if get:
            return self._get(raw, limits)
        known = self._heads.get(raw)
        if known is None:
            known = self._post(raw, limits)
            if known is not None:
                _kept(self._heads, raw, known)
        return known

    def _post(self, raw: bytes, limits: Limits) -> Head | None:
        line, _, rest = raw[:-2].partition(b"\r\n")
        target = POST.fullmatch(line)
        endpoint = self._posts.get(target[1]) if target else None
        if target is None or endpoint is None:
            return None
        fields = read(rest, limits)
        if fields is None or fields.length > endpoint.limit:
            return None
        return Head(len(raw), endpoint, target[1].decode(), target[2] or b"", *fields)

    def _get(self, raw: bytes, limits: Limits) -> Head | None:
        """Each has a path of its own, while the lines below are those of the client's last."""
        line, _, rest = raw[:-2].partition(b"\r\n")
        target = GET.fullmatch(line)
        if target is None:
            return None
        path = target[1].decode()
        if "%" in path:
            path = unquote(path)
        for lookup in self._lookups:
            if path.startswith(lookup.start):
                break
        else:
            return None
        fields = self._fields.get(rest)
        if fields is None:
            fields = read(rest, limits)
            if fields is None or fields.length:
                return None
            _kept(self._fields, rest, fields)
        parameters = {lookup.name: path[len(lookup.start) :]}
        query = target[2] or b""
        return Head(len(raw), lookup.endpoint, path, query, *fields, "GET", parameters)


class LaneConnection(Connection):
    """A connection on which plain requests take the lane, one at a time; all else does not."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        limits: Limits,
        lane: Lane,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, limits=limits)
        self._lane = lane
        self._rest = bytearray()
        """What came before its turn: the beginning of a body, or what follows a request."""
        self._partial: Head | None = None
        """The head of the request whose body is not whole yet."""
        self._current: Head | None = None
        """The head of the request that waits for its answer."""
        self._began_ns = 0
        self._idle = _NEVER
        """When to close for want of requests, by the loop's clock."""
        self._last = False
        """Whether the connection ends with the answer that is due."""

    def data_received(self, data: bytes) -> None:
        """Take a plain request, or pass on what came."""
        if self._current is not None:
            self._rest += data
            if len(self._rest) > _AHEAD:
                self.flow.pause_reading()
            return
        if self._partial is not None:
            self._rest += data
            if len(self._rest) >= self._partial.size + self._partial.length:
                self._take(self._partial, self._rest)
            return
        if self._elsewhere:
            super().data_received(data)
            return
        self._began_ns = perf_counter_ns()
        self._dispatch(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not begun."""
        self._rest.clear()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close, after the answer that is due."""
        if self._current is not None:
            self._last = True
        else:
            super().shutdown()

    def resume_writing(self) -> None:
        """Go on, once the client has read what it was sent."""
        super().resume_writing()
        if self._rest and self._current is None and self._partial is None:
            self._next()

    def review(self, now: float) -> None:
        """Close where the client is overdue, or gone quiet; called once a second."""
        if now > self._idle:
            self.transport.close()
        else:
            super().review(now)

    @property
    def _elsewhere(self) -> bool:
        """Whether a request that went the long way is not over."""
        return bool(self._part or self._answering or self.pipeline or self.transport.is_closing())

    def _dispatch(self, data: bytes | bytearray) -> None:
        self._unset_keepalive_if_required()
        self._idle = self._due = _NEVER
        head = self._lane.head(data, self.limits)
        if head is None:
            super().data_received(bytes(data))
            return
        end = head.size + head.length
        if len(data) == end:
            refusal = head.endpoint.refusal(self._began_ns)
            if refusal is not None:
                self._write(refusal, last=head.close)
                return
        if not self._admitted(head, data):
            return
        if len(data) >= end:
            self._take(head, data)
        else:
            self._partial = head
            self._rest += data
            self._due = self.loop.time() + self.limits.body_s

    def _admitted(self, head: Head, data: bytes | bytearray) -> bool:
        """Whether the check lets a request through; where it does not, it is answered."""
        if self._lane.check is None:
            return True
        scope = {
            **{"type": "http", "method": head.method, "path": head.path},
            **{"headers": head.headers, "client": self.client},
        }
        refusal = self._lane.check(scope)
        if refusal is None:
            return True
        end = head.size + head.length
        self._rest += data[end:]
        self._current = head
        self._last = self._last or len(data) < end  # nobody wants the rest of the body
        headers = ((b"content-type", b"application/json"), *refusal.headers)
        self._deliver(Reply(refusal.status, headers, problem("", refusal.message)))
        return False

    def _take(self, head: Head, data: bytes | bytearray) -> None:
        """Submit a whole request; what follows it waits."""
        end = head.size + head.length
        body = bytes(data[head.size : end])
        if data is self._rest:
            del self._rest[:end]
        elif len(data) > end:
            self._rest += data[end:]
        self._partial, self._current, self._due = None, head, _NEVER
        call = Call(body, head.parameters, head.query, self._began_ns, head.timeout_us)
        head.endpoint.submit(call, self._deliver)

    def _deliver(self, reply: Reply) -> None:
        head, self._current = self._current, None
        if head is None or self.transport.is_closing():
            return
        self._write(reply, last=head.close or self._last)
        if self._rest and not self.transport.is_closing():
            # Not at once: a client that sends many at a time is not served before the others.
            self._current = head
            self.loop.call_soon(self._next)

    def _write(self, reply: Reply, *, last: bool) -> None:
        parts = (
            STATUS_LINE[reply.status],
            self._lane.always(self.server_state.default_headers),
            self._lane.lines(reply.headers),
            b"connection: close\r\n" if last else b"",
            b"content-length: %d\r\n\r\n" % len(reply.body),
            reply.body,
        )
        self.transport.write(b"".join(parts))
        if last:
            self.transport.close()
        else:
            self._idle = self.loop.time() + self.limits.idle_s

    def _next(self) -> None:
        """Go on with what came while another request was answered."""
        self._current = None
        if self._last:
            self.transport.close()
        if self.flow.write_paused or self.transport.is_closing():
            return
        data, self._rest = bytes(self._rest), bytearray()
        self.flow.resume_reading()
        if data:
            self._began_ns = perf_counter_ns()
            self._dispatch(data)


def _sent(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)


def _kept(known: dict[K, V], key: K, value: V) -> V:
    """Remember something, of which there are many but few at a time."""
    if len(known) >= HEADS:
        known.clear()
    known[key] = value
    return value
