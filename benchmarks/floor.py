"""The floor: an endpoint that parses a small JSON body and answers with one, and does no more.

`python benchmarks/floor.py` serves it by the very server that runs a project, and prints where.
"""

from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from groundplan.serving import server


async def predict(request: Request) -> Response:
    body: dict[str, Any] = msgspec.json.decode(await request.body())
    answer = {"id": body.get("transaction_id"), "score": 0.5, "decision": "approve"}
    return Response(msgspec.json.encode(answer), media_type="application/json")


if __name__ == "__main__":
    listener = server.bind(0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    server.run(app, listener, lambda: print(f"serving the floor on {address}", flush=True))
