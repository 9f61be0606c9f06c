"""A lock that several hosts share: held for a while, renewed, and checked where it matters."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from secrets import token_hex
from threading import Event, Thread
from typing import Any, Final

from groundplan.engines.redis.server import Server
from groundplan.errors import EngineError
from groundplan.units import show_duration

_POLL: Final = 0.05


@contextlib.contextmanager
def held(server: Server, prefix: str, wait: float, lease: float) -> Iterator[str]:
    """The lock, as the token by which its holder is known; let go at the end.

    A holder that dies lets go after the lease. One that was asleep longer finds the lock lost: the
    steps that name the token are refused, inside the server, once another has it.

    Args:
        server: where it lies.
        prefix: of the store's keys.
        wait: seconds to wait for another holder.
        lease: seconds after which a dead holder has lost it.

    Raises:
        EngineError: another holds it still.
    """
    token = _taken(server, prefix, wait, lease)
    done = Event()

    def renew() -> None:
        while not done.wait(lease / 3):
            with contextlib.suppress(EngineError):  # once more in a third of the lease
                server.run(prefix, ["renew", token, int(lease * 1_000)])

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield token
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(EngineError):  # then it lapses
            server.run(prefix, ["unlock", token])


def _taken(server: Server, prefix: str, wait: float, lease: float) -> str:
    end = time.monotonic() + wait
    who = f"process {os.getpid()} on {socket.gethostname()} ({token_hex(4)})"
    while True:
        token: bytes = server.run(prefix, ["lock", who, int(lease * 1_000)])
        if token:
            return token.decode()
        if time.monotonic() >= end:
            break
        time.sleep(_POLL)
    with server.reached():
        holder: Any = server.client.get(f"{prefix}lock")
    name = (holder or b"? another").decode().partition(" ")[2]
    raise EngineError(
        f"{name} publishes to {server.name}: waited {show_duration(int(wait * 1e6))}; try again "
        "when it has ended"
    )
