"""The floor: an endpoint that parses a small JSON body and answers with one, and does no more.

`python -m groundplan.practice.calibrate.floor` serves it by the very server that runs a project,
and prints where. `GET /spent` answers the nanoseconds of processor time that it has used.
"""

import time
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from groundplan.serving import server


async def predict(request: Request) -> Response:
    """An answer to one transaction."""
    body: dict[str, Any] = msgspec.json.decode(await request.body())
    answer = {"id": body.get("transaction_id"), "score": 0.5, "decision": "approve"}
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def spent(request: Request) -> Response:
    """User and system time of this process so far, in nanoseconds."""
    return Response(str(time.process_time_ns()))


if __name__ == "__main__":
    listener = server.bind(0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    routes = [Route("/predict", predict, methods=["POST"]), Route("/spent", spent)]
    server.run(
        Starlette(routes=routes),
        listener,
        lambda: print(f"serving the floor on {address}", flush=True),
    )
