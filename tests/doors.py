"""A real server around a small application: `python doors.py '{"keys": "...", ...}'`.

It prints its address. The application says which process answered, counts its answers at
`/metrics`, and does with a body what the path says.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from groundplan.serving import server, tls
from groundplan.serving.connection import Limits
from groundplan.serving.door import Door
from groundplan.serving.keys import Keys
from groundplan.serving.processes import Child, supervise
from groundplan.serving.rates import Rates


class Settings(msgspec.Struct, frozen=True):
    """What the server is started with."""

    keys: str = ""
    certificate: str = ""
    key: str = ""
    rate: int = 0
    burst: int = 1
    processes: int = 1
    host: str = "127.0.0.1"
    python: str = sys.executable
    limits: dict[str, float] = {}


@contextmanager
def door(errors: Path | None = None, verify: Any = True, **settings: Any) -> Iterator[httpx.Client]:
    """A server with these settings in a process of its own, and a client of it.

    Args:
        errors: a file for what it prints to standard error.
        verify: as `httpx.Client` takes it.
        settings: those of `Settings`.
    """
    with (
        (errors or Path("/dev/null")).open("w") as stream,
        subprocess.Popen(
            [sys.executable, __file__, json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            with httpx.Client(base_url=address, timeout=20, verify=verify) as client:
                client.headers["x-pid"] = str(process.pid)
                yield client
        finally:
            process.terminate()
            process.wait(30)


def application() -> Starlette:
    count = 0

    async def answer(request: Request) -> Response:
        nonlocal count
        count += 1
        return PlainTextResponse(f"{os.getpid()} {len(await request.body())}")

    async def slow(request: Request) -> Response:
        """Begins at once, ends a second later."""
        size = len(await request.body())

        async def parts() -> AsyncIterator[str]:
            yield f"{os.getpid()} "
            await asyncio.sleep(1)
            yield str(size)

        return StreamingResponse(parts())

    async def page(_: Request) -> Response:
        return PlainTextResponse(
            "# HELP answers_total Answers.\n# TYPE answers_total counter\n"
            f'answers_total{{by="all"}} {count}\n# TYPE age_seconds gauge\nage_seconds {count}\n'
        )

    async def fail(_: Request) -> Response:
        raise RuntimeError("of the kind that nobody expected")

    paths = (
        *("/predict", "/events", "/health/live", "/health/ready", "/v2/models/m/infer", "/other"),
        *("/scores", "/scores/k", "/versions"),
    )
    return Starlette(
        routes=[
            *(Route(path, answer, methods=["GET", "POST"]) for path in paths),
            Route("/slow", slow, methods=["GET", "POST"]),
            Route("/fail", fail),
            Route("/metrics", page),
        ]
    )


def main(settings: Settings, child: str | None) -> None:
    me = Child.read(child) if child else None
    bound = socket.socket(fileno=me.listener) if me else server.bind(0, settings.host)
    secure = (
        tls.context(Path(settings.certificate), Path(settings.key))[0] if settings.key else None
    )
    address = server.address(bound, tls=secure is not None)
    if settings.processes > 1 and me is None:
        command = [settings.python, *sys.argv]
        supervise(command, bound, settings.processes, lambda _: print(address, flush=True))
        return
    keys = Keys(Path(settings.keys)) if settings.keys else None
    table = me.rates if me else None
    rates = Rates(settings.rate, settings.burst, table) if settings.rate else None
    limits = msgspec.convert(settings.limits, Limits, strict=False)
    inside = Door(bound, keys, rates, secure, limits, me)
    inside.serve(application(), "b", lambda _: print(address, flush=True))


if __name__ == "__main__":
    main(
        msgspec.json.decode(sys.argv[1], type=Settings),
        sys.argv[3] if len(sys.argv) > 3 else None,
    )
