"""The HTTP side of every server: bodies with a bound, errors that name the field, the routes."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from time import perf_counter_ns
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from groundplan.errors import EngineError, InputError
from groundplan.plan import Plan
from groundplan.serving.breaker import Open
from groundplan.serving.metrics import CONTENT_TYPE, Metrics
from groundplan.serving.overload import Overloaded, Queue
from groundplan.serving.stages import Refused
from groundplan.serving.turns import Turns

BODY: Final = 64 * 1024
"""Bytes of a request body, unless an endpoint allows more."""

TIMEOUT: Final = b"x-request-timeout-ms"
"""The header by which a client says how long it waits for the answer, in whole ms."""

_FOREVER: Final = 2**62  # ns; the deadline of who did not say how long it waits
_NO_TIMEOUT: Final = 86_400_000  # ms; whoever waits longer than a day has no deadline

_logger: Final = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


Got: TypeAlias = tuple[int, Any]
"""A status and an answer fit for JSON."""


class Fault(Struct, frozen=True):
    """What was wrong with a request: the field (empty for the body as a whole) and the rule."""

    field: str
    message: str


class Problem(Struct, frozen=True):
    """The body of every answer that is not 2xx."""

    error: Fault


class TooLarge(InputError):
    """A body is larger than its endpoint takes."""


class Call(Struct, frozen=True, gc=False):
    """A request, read to its end.

    Args:
        body: the body as it was sent.
        path: parameters of the path.
        query: the query string as it was sent.
        started_ns: when its head arrived, by `time.perf_counter_ns`.
        timeout_us: how long its client waits from then on, if it said so.
    """

    body: bytes
    path: Mapping[str, str]
    query: bytes
    started_ns: int
    timeout_us: int | None = None


class Reply(NamedTuple):
    """A status, headers without the body's length, and the body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Endpoint:
    """An ASGI application that answers requests with a function from a call to bytes.

    Args:
        answer: takes the call and returns a JSON body.
        path: the route, as metrics name it.
        metrics: counts answers.
        limit: bytes of the largest body.
    """

    def __init__(
        self, answer: Callable[[Call], bytes], path: str, metrics: Metrics, limit: int = BODY
    ) -> None:
        self._answer = answer
        self.path = path
        self._metrics = metrics
        self.limit = limit
        self.turns: Turns | None = None
        """Whose turns the answers wait for; without, each is answered as it comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, answer when it is its turn, count."""
        started = perf_counter_ns()
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        try:
            timeout = timeout_us(scope["headers"])
            body = await read_body(scope, receive, self.limit)
        except InputError as error:
            self._count(answered.set_result, self._faulty(error), started)
        else:
            path = scope.get("path_params", {})
            call = Call(body, path, scope["query_string"], started, timeout)

            def deliver(reply: Reply) -> None:
                if not answered.done():  # it is where the server was told to stop meanwhile
                    answered.set_result(reply)

            self.submit(call, deliver)
        status, headers, body = await answered
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    def submit(self, call: Call, deliver: Callable[[Reply], object]) -> None:
        """Answer a call when its turn comes, or refuse it now; the answer goes to `deliver`."""
        started, turns = call.started_ns, self.turns
        if turns is None:
            self._count(deliver, self.reply(call), started)
            return
        until = _FOREVER if call.timeout_us is None else started + call.timeout_us * 1_000
        refused = turns.submit(
            lambda: self._count(deliver, self.reply(call), started),
            self.path,
            len(call.body),
            until,
        )
        if refused is not None:
            self._count(deliver, _busy(refused), started)

    def refusal(self, started_ns: int) -> Reply | None:
        """The answer to a request that need not even be read; None where it may wait."""
        full = None if self.turns is None else self.turns.queue.full()
        if full is None:
            return None
        reply = _busy(full)
        self._metrics.answered(self.path, reply.status, (perf_counter_ns() - started_ns) // 1_000)
        return reply

    def reply(self, call: Call) -> Reply:
        """The answer to a call, whatever becomes of it."""
        try:
            return Reply(200, _JSON, self._answer(call))
        except InputError as error:
            return self._faulty(error)
        except Refused as error:
            return Reply(503, _later(error.after), problem("", str(error)))
        except Open as error:
            return Reply(503, _later(error.after), problem("", "an engine does not answer now"))
        except (EngineError, OSError):
            _logger.exception("%s could not write", self.path)
            return Reply(503, _later(1), problem("", "nothing was recorded; try again"))
        except Exception:
            _logger.exception("%s failed", self.path)
            return Reply(500, _JSON, problem("", "the server failed; its own log says how"))

    def _faulty(self, error: InputError) -> Reply:
        body = problem(error.field, error.message)
        if isinstance(error, TooLarge):
            return Reply(413, _CLOSE, body)
        return Reply(422 if error.field else 400, _JSON, body)

    def _count(self, deliver: Callable[[Reply], object], reply: Reply, started_ns: int) -> None:
        deliver(reply)
        spent = (perf_counter_ns() - started_ns) // 1_000
        self._metrics.answered(self.path, reply.status, spent)


class Lookup(NamedTuple):
    """Answers a GET of a path that ends with its one parameter, slashes in it included.

    Args:
        start: what the path begins with: `/scores/`.
        name: of the parameter.
        endpoint: answers.
    """

    start: str
    name: str
    endpoint: Endpoint


def timeout_us(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """How long a client waits, µs, by its header `x-request-timeout-ms`; None if it has none.

    Raises:
        InputError: the header is no whole number of ms above 0.
    """
    for name, sent in headers:
        if name == TIMEOUT:
            value = sent.strip(b" \t")  # no part of it, though not every parser takes it off
            if not value.isdigit() or len(value) > 18 or not int(value):
                shown = value[:20].decode("latin-1")
                raise InputError(
                    TIMEOUT.decode(), f"{TIMEOUT.decode()} is {shown!r}: write whole ms above 0"
                )
            return min(int(value), _NO_TIMEOUT) * 1_000
    return None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """A request's body.

    Raises:
        InputError: the client left before it was all there; a part of it must not count.
        TooLarge: it has more than `limit` bytes, by its own head or as it arrives.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise TooLarge("", f"the body has {int(value):,} bytes, at most {limit:,} are taken")
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InputError("", "the client was gone before its body had come")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise TooLarge("", f"the body has more than the {limit:,} bytes that are taken")
    if len(body) > limit:
        raise TooLarge("", f"the body has {len(body):,} bytes, at most {limit:,} are taken")
    return body


def problem(field: str, message: str) -> bytes:
    """The body of an answer that is not 2xx."""
    return _encode(Problem(Fault(field, message)))


def application(
    posts: Mapping[str, Endpoint],
    gets: Mapping[str, Callable[[Request], Got | Awaitable[Got]]],
    metrics: Metrics,
    openapi: Mapping[str, Any],
    lifespan: Callable[[Starlette], Any],
    plan: Plan | None = None,
    pages: Mapping[str, Callable[[], str]] | None = None,
    lookups: Sequence[Lookup] = (),
) -> "Application":
    """One server's routes.

    Args:
        posts: endpoints by path.
        gets: functions by path, coroutines too, that return a status and a JSON-able answer, or
            raise InputError where there is none and EngineError where it cannot be read now.
        metrics: served at `/metrics`.
        openapi: the document served at `/openapi.json`.
        lifespan: an async context manager around the server's life.
        plan: bounds how long a post or a lookup may wait for its turn; without it, nothing does.
        pages: functions by path that return HTML, or raise InputError where there is none.
        lookups: answer a GET of a path that ends with a parameter.
    """
    document = json.dumps(openapi).encode()

    def get(answer: Callable[[Request], Got | Awaitable[Got]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            found = answer(request)
            status, content = await found if isinstance(found, Awaitable) else found
            return _response(status, content)

        return _told(endpoint)

    async def page(_: Request) -> Response:
        return Response(metrics.page(), headers={"content-type": CONTENT_TYPE})

    async def describe(_: Request) -> Response:
        return Response(document, media_type="application/json")

    def html(render: Callable[[], str]) -> Callable[[Request], Any]:
        async def endpoint(_: Request) -> Response:
            return Response(render(), media_type="text/html")

        return _told(endpoint)

    starlette = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            *(Route(path, get(answer), methods=["GET"]) for path, answer in gets.items()),
            *(Route(f"{o.start}{{{o.name}:path}}", o.endpoint, methods=["GET"]) for o in lookups),
            *(Route(path, html(render), methods=["GET"]) for path, render in (pages or {}).items()),
            Route("/metrics", page, methods=["GET"]),
            Route("/openapi.json", describe, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )

    turns = None if plan is None else Turns(Queue.of(plan))
    for endpoint in (*posts.values(), *(lookup.endpoint for lookup in lookups)):
        endpoint.turns = turns
    if turns is not None:
        metrics.show_queue(turns.queue)
    return Application(posts, starlette, lookups)


class Application:
    """A server's routes as an ASGI application.

    Args:
        posts: endpoints by path.
        pages: answers everything else.
        lookups: answer a GET of a path that ends with a parameter.
    """

    def __init__(
        self, posts: Mapping[str, Endpoint], pages: ASGIApp, lookups: Sequence[Lookup] = ()
    ) -> None:
        self.posts = posts
        self.lookups = tuple(lookups)
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the server's life."""
        if scope["type"] == "http":
            # Neither needs the router, which costs as much as a score, and for which a line ends
            # within a parameter.
            method, path = scope["method"], scope["path"]
            if method == "POST" and path in self.posts:
                await self.posts[path](scope, receive, send)
                return
            for start, name, endpoint in self.lookups if method == "GET" else ():
                if path.startswith(start):
                    inside = {"path_params": {name: path[len(start) :]}}
                    await endpoint({**scope, **inside}, receive, send)
                    return
        await self._pages(scope, receive, send)


def _told(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """What a page or a GET raises, as an answer."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except InputError as error:
            return _response(404, Problem(Fault(error.field, error.message)))
        except (EngineError, OSError):
            _logger.exception("%s could not be read", request.url.path)
            response = _response(503, Problem(Fault("", "it cannot be read now; try again")))
            response.headers["retry-after"] = "1"
            return response

    return endpoint


def _response(status: int, content: Any) -> Response:
    return Response(_encode(content), status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        404: f"there is no {request.url.path}: /openapi.json lists what there is",
        405: f"{request.url.path} does not take {request.method}",
    }.get(error.status_code, error.detail)
    response = _response(error.status_code, Problem(Fault("", message)))
    response.headers.update(error.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    response = _response(500, Problem(Fault("", "the server failed; its own log says how")))
    response.headers["connection"] = "close"  # as happens when the error goes on to the log
    return response


_JSON: Final = ((b"content-type", b"application/json"),)
_CLOSE: Final = (*_JSON, (b"connection", b"close"))


def _later(seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    return (*_JSON, (b"retry-after", b"%d" % seconds))


@lru_cache(64)  # nothing is made for each of the many refusals of an overload
def _busy(overloaded: Overloaded) -> Reply:
    return Reply(503, _later(overloaded.after), problem("", overloaded.message))
