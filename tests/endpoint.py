"""A server of one endpoint on a real socket, and what a client reads from it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from uvicorn.server import ServerState

from groundplan.plan import Fallback, Plan, Retraining, Stage
from groundplan.serving.connection import Connection, Limits
from groundplan.serving.http import Application, Call, Endpoint, Got, Lookup, application
from groundplan.serving.lane import Check, Lane, LaneConnection
from groundplan.serving.metrics import Metrics

MS = 1_000


def plan(p99: int = 100 * MS, headroom: int = 20 * MS, **budgets: int) -> Plan:
    """A plan with these budgets, µs, of stages that may be left out."""
    stages = tuple(
        Stage(name, "online", "", "", "", "", "", Fallback("skip", f"{name} left out"), 1, budget)
        for name, budget in budgets.items()
    )
    cadence = Retraining("", (), "")
    return Plan("s", "g", "realtime", p99, 1, headroom, stages, (), cadence, (), (), (), "none")


@dataclass
class Answered:
    """An answer as it came over the socket."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


@dataclass
class Running:
    """A server under test."""

    app: Application
    lane: Lane
    port: int
    connections: set[Connection]
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection to it, closed with it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(writer)
        return reader, writer

    async def send(self, *parts: bytes) -> Answered:
        """Send the parts one after the other, and read one answer."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        return await read(reader)


def post(body: bytes, *headers: bytes, path: bytes = b"/predict", host: bytes = b"h") -> bytes:
    """A plain post as a client library sends it."""
    lines = [b"host: " + host, b"content-length: %d" % len(body), *headers]
    return b"POST " + path + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(target: bytes, *headers: bytes, host: bytes = b"h") -> bytes:
    """A plain GET as a client library sends it."""
    lines = [b"host: " + host, *headers]
    return b"GET " + target + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"


async def read(reader: asyncio.StreamReader) -> Answered:
    """The next answer on a connection."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).split(b"\r\n")
    pairs = (line.split(b": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers[b"content-length"]))
    return Answered(int(head[0].split()[1]), headers, body)


@asynccontextmanager
async def serving(
    answer: Callable[[Call], bytes],
    *,
    check: Check | None = None,
    limits: Limits | None = None,
    headroom: int = 20 * MS,
    short: bool = True,
    gets: Mapping[str, Callable[[Request], Got]] | None = None,
) -> AsyncIterator[Running]:
    """A server whose `/predict` and `/scores/{key}` answer with a function, on the test's loop.

    Args:
        answer: from a call to the body.
        check: asked before it, on the short way.
        limits: of connections.
        headroom: how long a request may wait behind a queue that stands, µs.
        short: whether plain requests take the short way.
        gets: what answers at further paths.
    """
    design = plan(headroom=headroom, a=MS)
    metrics = Metrics(design, "b")
    endpoints = {"/predict": Endpoint(answer, "/predict", metrics)}
    lookups = [Lookup("/scores/", "key", Endpoint(answer, "/scores/{key}", metrics))]
    app = application(
        endpoints, gets or {}, metrics, {}, lifespan=_no_lifespan, plan=design, lookups=lookups
    )
    lane, state, bounds = Lane(app.posts, check, app.lookups), ServerState(), limits or Limits()
    config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=bounds.idle_s)
    config.load()
    made: set[Connection] = set()

    def connection() -> Connection:
        if short:
            one: Connection = LaneConnection(config, state, {}, limits=bounds, lane=lane)
        else:
            one = Connection(config, state, {}, limits=bounds)
        made.add(one)
        return one

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    running = Running(app, lane, server.sockets[0].getsockname()[1], made)
    try:
        yield running
    finally:
        server.close()
        for writer in running.clients:
            writer.close()
        for one in made:
            one.transport.abort()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def _no_lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
