"""Listen on an address, and run an application there until it is told to stop."""

import asyncio
import gc
import ipaddress
import resource
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from ssl import SSLContext
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from groundplan.errors import EngineError
from groundplan.serving.connection import Connection, Limits
from groundplan.serving.lane import Lane, LaneConnection

COLLECT: Final = 20_000
"""Objects that are made before the youngest are looked at: requests leave hardly any behind."""

SWITCH: Final = 0.0005
"""Seconds after which a thread in the background lets requests have their turn."""

BACKLOG = 2_048
"""Connections that wait to be accepted."""


def bind(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket on an address, not listening yet.

    Args:
        port: 0 takes a free one.
        host: an address of this machine, IPv4 or IPv6, or a name that stands for one.

    Raises:
        EngineError: it is no address of this machine, or something else listens there.
    """
    if not 0 <= port <= 65_535:
        raise EngineError(f"port {port} is none: write one from 1 to 65535, or 0 for any free one")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise EngineError(
            f"{host!r} is no address: write one of this machine, such as 127.0.0.1, 0.0.0.0 for "
            "all of them, or ::"
        ) from error
    family, _, _, _, place = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
    except OSError as error:
        listener.close()
        raise EngineError(
            f"port {port} on {host} cannot be had ({error.strerror}): choose another with "
            "--port, or --port 0 for any free one"
        ) from error
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only programs of this machine reach it."""
    found = ipaddress.ip_address(listener.getsockname()[0])
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def address(listener: socket.socket, *, tls: bool) -> str:
    """Where clients find it, as a URL."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def run(
    app: ASGIApp,
    listener: socket.socket,
    started: Callable[[], None],
    *,
    tls: SSLContext | None = None,
    limits: Limits | None = None,
    lane: Lane | None = None,
    channel: socket.socket | None = None,
    every: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are answered first.

    Args:
        app: what to serve.
        listener: a bound socket; not used with a channel.
        started: called once, when requests are answered.
        tls: speaks TLS with this; None speaks plain HTTP.
        limits: of what is taken from clients.
        lane: the short way for plain requests; it goes past `app`, so its check must be as strict.
        channel: where the process that started this one hands over connections; its end is that
            of the server too.
        every: called once a second.
    """
    bounds = limits or Limits()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        proxy_headers=False,
        # Called as a class would be.
        http=partial(LaneConnection, limits=bounds, lane=lane or Lane({})),  # type: ignore[arg-type]
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=bounds.idle_s,
        backlog=BACKLOG,
        server_header=False,
        callback_notify=every,
        timeout_notify=1,
    )
    _allow_files(bounds.connections)
    server = _Server(config, started, tls, channel)
    # What is loaded by now lives as long as the process: collections need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT, 20, 20)
    sys.setswitchinterval(SWITCH)
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn's server, with a bound on TLS handshakes and a look at slow clients."""

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        tls: SSLContext | None,
        channel: socket.socket | None,
    ) -> None:
        super().__init__(config)
        self._callback = started
        self._channel = channel
        self._tls: dict[str, Any] = {}
        if tls is not None:
            self._tls = {"ssl": tls, "ssl_handshake_timeout": 10.0, "ssl_shutdown_timeout": 5.0}
        self._orphaned = False
        self._opening: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen.

        Uvicorn's own would wait a minute for each client that does not finish its handshake.
        """
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(3)
        loop = asyncio.get_running_loop()
        self.servers = []
        if self._channel is not None:
            self._channel.setblocking(False)
            loop.add_reader(self._channel, self._take)
        else:
            for listener in sockets or []:
                self.servers.append(
                    await loop.create_server(
                        self._connection, sock=listener, backlog=BACKLOG, **self._tls
                    )
                )
        self.started = True
        self._callback()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has come, and go."""
        if self._channel is not None and not self._orphaned:
            self._take()  # what was handed over before; the parent finds other takers from now on
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.shutdown(socket.SHUT_RD)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second; every second, close what is overdue."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Connection)
                connection.review(now)
        return await super().on_tick(counter)

    def _connection(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _take(self) -> None:
        """Open the connections that were handed over."""
        assert self._channel is not None
        loop = asyncio.get_running_loop()
        while True:
            try:
                said, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
            except BlockingIOError:
                return
            except ConnectionError:
                said = b""
            if not said:  # the parent is gone
                loop.remove_reader(self._channel)
                self._orphaned = self.should_exit = True
                return
            for descriptor in descriptors:
                self._channel.send(b"t")  # taken: the parent may let go of it
                client = socket.socket(fileno=descriptor)
                client.setblocking(False)
                task = loop.create_task(self._open(client))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    async def _open(self, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection, client, **self._tls
            )
        except OSError:  # it left, or spoke no TLS
            client.close()


def _allow_files(connections: int) -> None:
    """Let the process open that many files, and those of the store and the log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
