"""The routes of a realtime server, over a scorer."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp

from groundplan import __version__
from groundplan.errors import EngineError
from groundplan.patterns.realtime.scoring import Accepted, Answer, Scorer
from groundplan.serving import inference, openapi
from groundplan.serving.http import Call, Endpoint, application
from groundplan.serving.metrics import Metrics

_logger: Final = logging.getLogger(__name__)

EVENTS: Final = 8_000_000
"""Bytes of the largest body of events."""

SYNC: Final = 5.0
"""Seconds between writes of the state to the disk; what a power loss can take."""


def service(scorer: Scorer) -> ASGIApp:
    """The application of one scorer: predictions, events, the bare model, health, metrics."""
    manifest = scorer.build.manifest
    metrics = Metrics(manifest.plan, manifest.build)
    model = inference.Model(
        manifest.system,
        manifest.build,
        scorer.inputs.names,
        {"score": scorer.trees.scores, "contributions": scorer.contributions},
    )

    def predict(call: Call) -> bytes:
        show = b"features=true" in call.query
        answer, trace, decision = scorer.predict(call.body, call.started_ns, show=show)
        metrics.predicted(trace, decision)
        return answer

    def events(call: Call) -> bytes:
        return msgspec.json.encode(scorer.take(call.body))

    def infer(call: Call) -> bytes:
        model.check(call.path["name"])
        return model.infer(call.body)

    def live(_: Request) -> tuple[int, Any]:
        return 200, {"live": True}

    def ready(_: Request) -> tuple[int, Any]:
        fault = scorer.fault()
        if fault:
            return 503, {"ready": False, "why": fault}
        return 200, {"ready": True, "build": manifest.build}

    def server(_: Request) -> tuple[int, Any]:
        return 200, {"name": "groundplan", "version": __version__, "extensions": []}

    def metadata(request: Request) -> tuple[int, Any]:
        model.check(request.path_params["name"])
        return 200, model.metadata()

    def model_ready(request: Request) -> tuple[int, Any]:
        model.check(request.path_params["name"])
        return 200, {"name": model.name, "ready": True}

    return application(
        posts={
            "/predict": Endpoint(predict, "/predict", metrics),
            "/events": Endpoint(events, "/events", metrics, EVENTS),
            "/v2/models/{name}/infer": Endpoint(infer, "/v2/infer", metrics, EVENTS),
        },
        gets={
            "/health/live": live,
            "/health/ready": ready,
            "/v2": server,
            "/v2/health/live": live,
            "/v2/health/ready": ready,
            "/v2/models/{name}": metadata,
            "/v2/models/{name}/ready": model_ready,
        },
        metrics=metrics,
        openapi=_document(scorer),
        lifespan=_lifespan(scorer),
    )


def _lifespan(scorer: Scorer) -> Any:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_sync(scorer))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        scorer.close()

    return lifespan


async def _sync(scorer: Scorer) -> None:
    while True:
        await asyncio.sleep(SYNC)
        try:
            await asyncio.to_thread(scorer.store.sync)
        except EngineError:  # /health/ready says so too; the next round may find it mended
            _logger.exception("the state could not be written to the disk")


def _document(scorer: Scorer) -> dict[str, Any]:
    show = {
        "name": "features",
        "in": "query",
        "description": "Whether the answer includes the feature values.",
        "schema": {"type": "boolean", "default": False},
    }
    return openapi.document(
        scorer.build.manifest.system,
        {
            "/predict": openapi.post(
                "Score an event; it becomes part of the history of the next.",
                "Event",
                "Answer",
                parameters=[show],
            ),
            "/events": openapi.post(
                "Take events and labels into the history, all of a body or none.",
                "EventOrLabel",
                "Accepted",
                also={"application/x-ndjson": "Lines"},
            ),
        },
        [Answer, Accepted],
        {
            "Event": scorer.schema.json_schema(),
            "EventOrLabel": scorer.schema.events_json_schema(),
            "Lines": {"type": "string", "description": "One event or label a line."},
        },
    )
