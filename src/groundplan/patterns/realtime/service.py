"""The routes of a realtime server, over a scorer."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request

from groundplan import __version__
from groundplan.models import Floats
from groundplan.monitoring.watch import Watch
from groundplan.patterns.realtime.answers import Accepted, Answer, Explanation
from groundplan.patterns.realtime.scoring import Scorer
from groundplan.serving import inference, openapi
from groundplan.serving.feed import Feed
from groundplan.serving.http import Application, Call, Endpoint, application
from groundplan.serving.metrics import Metrics
from groundplan.serving.rounds import again

_logger: Final = logging.getLogger(__name__)

EVENTS: Final = 8_000_000
"""Bytes of the largest body of events."""

SYNC: Final = 5.0
"""Seconds between writes of the state to the disk; what a power loss can take."""

DRAIN: Final = 0.5
"""Seconds between tries to hand the store what waits for it."""

UNWRITTEN: Final = "the state cannot be written"
UNDRAINED: Final = "the store does not take what waits for it"
"""What the log says of a round that failed."""


def service(scorer: Scorer, metrics: Metrics, watch: Watch) -> Application:
    """The application of one scorer: predictions, events, the bare model, health, metrics.

    Args:
        scorer: answers.
        metrics: what the server tells Prometheus.
        watch: recomputes recent answers beside the server.
    """
    manifest = scorer.build.manifest
    outputs: dict[str, Callable[[Floats], Floats]] = {"score": scorer.model.scores}
    if scorer.reasoning is not None:
        outputs["contributions"] = scorer.contributions
    model = inference.Model(manifest.system, manifest.build, scorer.inputs.names, outputs)
    _show(scorer, metrics)
    metrics.watched = watch.figures

    def predict(call: Call) -> bytes:
        show = b"features=true" in call.query
        answer, trace, decision = scorer.predict(
            call.body, call.started_ns, call.timeout_us, show=show
        )
        metrics.predicted(trace, decision)
        return answer

    def events(call: Call) -> bytes:
        found = parse_qs(call.query.decode("latin-1")).get("source")
        return msgspec.json.encode(scorer.take(call.body, found[0] if found else None))

    def infer(call: Call) -> bytes:
        model.check(call.path["name"])
        return model.infer(call.body)

    async def explain(request: Request) -> tuple[int, Any]:
        id = request.path_params["id"]
        # A log is long to search: beside the loop, in which requests are answered.
        return 200, scorer.explain(await asyncio.to_thread(scorer.logged, id))

    def live(_: Request) -> tuple[int, Any]:
        return 200, {"live": True}

    def ready(_: Request) -> tuple[int, Any]:
        fault = scorer.fault()
        if fault:
            _logger.error("not ready: %s", fault)
            return 503, {"ready": False, "why": "the online store or the model does not answer"}
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
            "/explanations/{id:path}": explain,
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
        lifespan=_lifespan(scorer, watch),
        plan=manifest.plan,
        pages={"/consistency": lambda: watch.page(manifest.system, manifest.build)},
    )


def _show(scorer: Scorer, metrics: Metrics) -> None:
    """What the state side tells Prometheus."""
    joining = scorer.joining
    metrics.show("outbox_bytes", "Events that wait for the store.", lambda: joining.outbox.size)
    feed = joining.feed
    if feed is None:
        return
    metrics.show(
        "feed_staleness_seconds",
        "How far the state is behind its stream.",
        lambda: feed.staleness_us(time.time_ns() // 1_000) / 1e6,
    )
    for name in ("records", "poison", "late", "parked"):
        metrics.show(f"feed_{name}", f"Of the stream so far: {name}.", _count_of(feed, name))


def _count_of(feed: Feed, name: str) -> Callable[[], float]:
    return lambda: float(getattr(feed.done, name))


def _lifespan(scorer: Scorer, watch: Watch) -> Any:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if scorer.joining.feed is not None:
            scorer.joining.feed.start()
        tasks = [
            asyncio.create_task(again(SYNC, scorer.joining.store.sync, UNWRITTEN)),
            asyncio.create_task(again(DRAIN, scorer.joining.drain, UNDRAINED)),
            asyncio.create_task(watch.run()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            scorer.close()

    return lifespan


def _document(scorer: Scorer) -> dict[str, Any]:
    show = {
        "name": "features",
        "in": "query",
        "description": "Whether the answer includes the feature values.",
        "schema": {"type": "boolean", "default": False},
    }
    source = {
        "name": "source",
        "in": "query",
        "description": "Whose events they are; the main source where it is left out.",
        "schema": {"type": "string", "enum": [one.name for one in scorer.inputs.sources]},
    }
    return openapi.document(
        scorer.build.manifest.system,
        {
            "/predict": openapi.post(
                "Score an event; it becomes part of the history of the next.",
                "Event",
                "Answer",
                parameters=[show, openapi.TIMEOUT],
            ),
            "/events": openapi.post(
                "Take events and labels into the history, all of a body or none.",
                "EventOrLabel",
                "Accepted",
                parameters=[source],
                also={"application/x-ndjson": "Lines"},
            ),
            "/explanations/{id}": openapi.get(
                "The reasons of an answer that was given before.", ["id"], answer="Explanation"
            ),
            "/consistency": openapi.page("Served against recomputed values, as last checked."),
        },
        [Answer, Accepted, Explanation],
        {
            "Event": scorer.schema.json_schema(),
            "EventOrLabel": scorer.schema.events_json_schema(),
            "Lines": {"type": "string", "description": "One event or label a line."},
        },
    )
