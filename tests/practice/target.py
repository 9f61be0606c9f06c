"""The server that the load tests aim at: `python target.py KEEP_ALIVE_SECONDS` prints its port.

Like the one that `groundplan serve` starts, it is Starlette on uvicorn with one worker.
"""

import asyncio
import os
import signal
import socket
import sys
import time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


async def echo(request: Request) -> Response:
    return Response(await request.body(), headers={"x-seen": request.headers.get("x-sent", "")})


async def path(request: Request) -> Response:
    """Answer a GET with its path as it was sent, and what came with it."""
    sent = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    return Response(sent + await request.body() + request.headers.get("content-type", "").encode())


async def chunked(request: Request) -> Response:
    body = await request.body()
    return StreamingResponse(iter([body[:3], body[3:]]))


async def header(request: Request) -> Response:
    return Response(request.headers["x-sent"])


async def peer(request: Request) -> Response:
    """Answer after 50 ms with the port of the connection that the request came on."""
    await asyncio.sleep(0.05)
    assert request.client is not None
    return Response(str(request.client.port))


async def obey(request: Request) -> Response:
    """Do what the body says."""
    match await request.body():
        case b"stall":
            time.sleep(1.0)
        case b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"hang":
            await asyncio.sleep(60)
        case b"fail":
            return Response(status_code=503)
        case b"close":
            return Response(b"bye", headers={"connection": "close"})
    return Response(b"done")


if __name__ == "__main__":
    app = Starlette(
        routes=[
            Route(f"/{endpoint.__name__}", endpoint, methods=["POST"])
            for endpoint in (echo, chunked, header, peer, obey)
        ]
        + [Route("/path/{rest:path}", path)]
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="error", timeout_keep_alive=int(sys.argv[1]))
    uvicorn.Server(config).run(sockets=[listener])
