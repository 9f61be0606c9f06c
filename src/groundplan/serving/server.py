"""Run an application on loopback until it is told to stop."""

import gc
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from groundplan.errors import EngineError


def bind(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes a free one.

    Raises:
        EngineError: something else listens there.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise EngineError(
            f"port {port} on 127.0.0.1 cannot be had ({error.strerror}): choose another with "
            "--port, or --port 0 for any free one"
        ) from error
    return listener


def run(app: ASGIApp, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are answered first.

    Args:
        app: what to serve.
        listener: a bound socket.
        started: called once, when requests are answered.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop",
        proxy_headers=False,
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    server = _Server(config)
    server.started_callback = started
    # What is loaded by now lives as long as the process: collections need not look at it again.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    started_callback: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.started_callback()
