"""The routes of a server of published scores."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request

from groundplan.errors import EngineError, InputError
from groundplan.patterns.batch.lookups.answering import Answering, shown
from groundplan.patterns.batch.lookups.answers import Answer, Answers, Asked, Published, Versions
from groundplan.patterns.batch.lookups.following import Following
from groundplan.patterns.batch.lookups.lookup import age_us, stale
from groundplan.plan import Plan
from groundplan.scores.scored import Live
from groundplan.scores.version import Version
from groundplan.serving import openapi
from groundplan.serving.http import Application, Call, Endpoint, Lookup, application
from groundplan.serving.metrics import Metrics
from groundplan.serving.rounds import again

_logger: Final = logging.getLogger(__name__)

BODY: Final = 1_000_000
"""Bytes of the largest request for many keys."""

LOOK: Final = 1.0
"""Seconds between looks at which version is live."""

UNSEEN: Final = "the live version could not be looked at"
"""What the log says of a look that failed."""

REPORT: Final = "report.html"
"""The page of a build's figures."""


def service(
    plan: Plan, answering: Answering, following: Following, metrics: Metrics, builds: Path
) -> Application:
    """The application of a store of published scores: lookups, versions, health, metrics.

    Args:
        plan: names the stages, and bounds how long a request may wait.
        answering: answers.
        following: notices new versions.
        metrics: what the server tells Prometheus.
        builds: the folder of the project's builds, for the report.
    """
    lookups = metrics.counter("lookups", "Keys by what answered for them.", "outcome")

    def get(call: Call) -> bytes:
        answer, trace, one = answering.get(call)
        metrics.predicted(trace, one.decision)
        lookups[one.fallback or "scored"] += 1
        return answer

    def get_many(call: Call) -> bytes:
        answer, trace, found = answering.get_many(call)
        metrics.predicted(trace, *[one.decision for one in found])
        for one in found:
            lookups[one.fallback or "scored"] += 1
        return answer

    async def versions(_: Request) -> tuple[int, Any]:
        try:
            return 200, await asyncio.to_thread(_versions, answering)
        except EngineError as error:
            _logger.error("the versions cannot be read: %s", error)
            return 503, {"error": {"field": "", "message": "the versions cannot be read"}}

    def live(_: Request) -> tuple[int, Any]:
        return 200, {"live": True}

    async def ready(_: Request) -> tuple[int, Any]:
        return await asyncio.to_thread(_ready, answering, following)

    def report() -> str:
        last = answering.last
        file = builds / last.version.build / REPORT if last is not None else None
        if file is None or not file.is_file():
            raise InputError("", "the build that scored has no report here")
        return file.read_text()

    return application(
        posts={"/scores": Endpoint(get_many, "/scores", metrics, BODY)},
        gets={"/versions": versions, "/health/live": live, "/health/ready": ready},
        metrics=metrics,
        openapi=_document(plan, answering),
        lifespan=_lifespan(answering, following),
        plan=plan,
        pages={"/report": report},
        lookups=[Lookup("/scores/", "key", Endpoint(get, "/scores/{key}", metrics))],
    )


def _versions(answering: Answering) -> Versions:
    """What the store has, as far as it can be read."""
    live = answering.store.pointed()
    found = answering.store.versions()
    return Versions(live, [_published(one, live) for one in reversed(found)])


def _published(version: Version, live: str | None) -> Published:
    return Published(
        name=version.name,
        live=version.name == live,
        build=version.build,
        as_of=shown(version.as_of),
        age_s=age_us(Live(version)) / 1e6,
        created=shown(version.created),
        rows=version.rows,
        score=version.overall.score,
    )


def _ready(answering: Answering, following: Following) -> tuple[int, Any]:
    try:
        live = answering.ready()
    except EngineError as error:
        _logger.error("not ready: %s", error)
        return 503, {"ready": False, "why": "there are no scores yet, or they cannot be read"}
    version = live.version
    return 200, {
        "ready": True,
        "version": version.name,
        "build": version.build,
        "as_of": shown(version.as_of),
        "age_s": age_us(live) / 1e6,
        "stale": stale(live),
        "newest": not following.fault(),
    }


def _lifespan(answering: Answering, following: Following) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(again(LOOK, following.look, UNSEEN))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            answering.log.close()
            answering.store.close()

    return lifespan


def _document(plan: Plan, answering: Answering) -> dict[str, Any]:
    segment: dict[str, Any] = {
        "name": answering.segment,
        "in": "query",
        "description": "Whose average answers, where the key was not scored.",
        "schema": {"type": "string"},
    }
    parameters = [*([segment] if answering.segment else []), openapi.TIMEOUT]
    return openapi.document(
        plan.name,
        {
            "/scores/{key}": openapi.lookup(
                "The published answer for a key, or what stands in where it was not scored.",
                "key",
                "Answer",
                parameters,
            ),
            "/scores": openapi.post(
                "The published answers for many keys, all of one version.",
                "Asked",
                "Answers",
                parameters=[openapi.TIMEOUT],
            ),
            "/versions": openapi.get(
                "The complete versions, and which of them answers.", answer="Versions"
            ),
            "/report": openapi.page("The figures of the build that scored.", missing=True),
        },
        [Asked, Answer, Answers, Versions],
        {},
        model=False,
    )
