"""The HTTP side of every server: bodies with a bound, errors that name the field, the routes."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from groundplan.errors import EngineError, InputError
from groundplan.serving.metrics import CONTENT_TYPE, Metrics
from groundplan.serving.stages import Refused

BODY: Final = 64 * 1024
"""Bytes of a request body, unless an endpoint allows more."""

_logger: Final = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class Fault(Struct, frozen=True):
    """What was wrong with a request: the field (empty for the body as a whole) and the rule."""

    field: str
    message: str


class Problem(Struct, frozen=True):
    """The body of every answer that is not 2xx."""

    error: Fault


class TooLarge(InputError):
    """A body is larger than its endpoint takes."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read to its end.

    Args:
        body: the body as it was sent.
        path: parameters of the path.
        query: the query string as it was sent.
        started_ns: when its head arrived, by `time.perf_counter_ns`.
    """

    body: bytes
    path: Mapping[str, str]
    query: bytes
    started_ns: int


class Endpoint:
    """An ASGI application that answers POST requests with a function from bytes to bytes.

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
        self._path = path
        self._metrics = metrics
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, answer, count."""
        started = perf_counter_ns()
        status, extra = 200, _JSON
        try:
            body = await read_body(scope, receive, self._limit)
            call = Call(body, scope.get("path_params", {}), scope["query_string"], started)
            answer = self._answer(call)
        except TooLarge as error:
            status, extra, answer = 413, _CLOSE, problem(error.field, error.message)
        except InputError as error:
            status, answer = 422 if error.field else 400, problem(error.field, error.message)
        except Refused as error:
            status, extra, answer = 503, _LATER, problem("", str(error))
        except (EngineError, OSError):
            _logger.exception("%s could not write", self._path)
            status, extra, answer = 503, _LATER, problem("", "nothing was recorded; try again")
        except Exception:
            _logger.exception("%s failed", self._path)
            status, answer = 500, problem("", "the server failed; its own log says how")
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": status, "headers": [*extra, length]})
        await send({"type": "http.response.body", "body": answer})
        self._metrics.answered(self._path, status, (perf_counter_ns() - started) // 1_000)


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """A request's body.

    Raises:
        TooLarge: it has more than `limit` bytes, by its own head or as it arrives.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise TooLarge("", f"the body has {int(value):,} bytes, at most {limit:,} are taken")
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
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
    gets: Mapping[str, Callable[[Request], tuple[int, Any]]],
    metrics: Metrics,
    openapi: Mapping[str, Any],
    lifespan: Callable[[Starlette], Any],
) -> ASGIApp:
    """One server's routes.

    Args:
        posts: endpoints by path.
        gets: functions by path that return a status and a JSON-able answer.
        metrics: served at `/metrics`.
        openapi: the document served at `/openapi.json`.
        lifespan: an async context manager around the server's life.
    """
    document = json.dumps(openapi).encode()

    def get(answer: Callable[[Request], tuple[int, Any]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                status, content = answer(request)
            except InputError as error:
                return _response(404, Problem(Fault(error.field, error.message)))
            return _response(status, content)

        return endpoint

    async def page(_: Request) -> Response:
        return Response(metrics.page(), headers={"content-type": CONTENT_TYPE})

    async def describe(_: Request) -> Response:
        return Response(document, media_type="application/json")

    pages = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            *(Route(path, get(answer), methods=["GET"]) for path, answer in gets.items()),
            Route("/metrics", page, methods=["GET"]),
            Route("/openapi.json", describe, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # A post to a path without parameters needs no router, which costs as much as a score.
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in posts:
            await posts[scope["path"]](scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app


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
    return _response(500, Problem(Fault("", "the server failed; its own log says how")))


_JSON: Final = [(b"content-type", b"application/json")]
_CLOSE: Final = [*_JSON, (b"connection", b"close")]
_LATER: Final = [*_JSON, (b"retry-after", b"1")]
