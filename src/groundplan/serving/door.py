"""What stands between clients and an application: keys, rates, TLS, limits, and its siblings."""

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext

from starlette.types import ASGIApp

from groundplan.serving import server
from groundplan.serving.access import Guard
from groundplan.serving.connection import Limits
from groundplan.serving.keys import Keys
from groundplan.serving.lane import Lane
from groundplan.serving.pages import Counted
from groundplan.serving.processes import Child, answers
from groundplan.serving.rates import Rates


@dataclass(frozen=True)
class Door:
    """How one process lets clients in.

    Args:
        listener: a bound socket.
        keys: who may ask; None on loopback without keys.
        rates: how often each key, or without keys each address, may ask; None does not limit.
        tls: speaks TLS with this; None speaks plain HTTP.
        limits: of what is taken from clients.
        child: what this process was told, where it is one of several.
    """

    listener: socket.socket
    keys: Keys | None = None
    rates: Rates | None = None
    tls: SSLContext | None = None
    limits: Limits | None = None
    child: Child | None = None

    def serve(self, app: ASGIApp, build: str, started: Callable[[str], None]) -> None:
        """Let clients in until the process is told to stop.

        Args:
            app: answers them; its `posts` and `lookups`, where it has some, also by the short way.
            build: what it answers with.
            started: called once with the build, when requests are answered; of several
                processes, their parent calls it.
        """
        refused = Counter[int]()
        child = self.child
        counted = Counted(app, refused, child.pages if child else None)
        guard = Guard(counted, keys=self.keys, rates=self.rates, refused=refused)
        channel = socket.socket(fileno=child.channel) if child else None
        server.run(
            guard,
            self.listener,
            lambda: answers(channel, build) if channel else started(build),
            tls=self.tls,
            limits=self.limits,
            lane=Lane(getattr(app, "posts", {}), guard.check, getattr(app, "lookups", ())),
            channel=channel,
            every=counted.leave if child else None,
        )
