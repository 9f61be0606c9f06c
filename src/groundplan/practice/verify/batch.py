"""Verify a server of published scores: keys at the promised rate, held against the archive."""

import math
import shutil
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import numpy as np

from groundplan.errors import BuildError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.definition import Definition, define
from groundplan.patterns.batch.live import live
from groundplan.patterns.batch.stores import open_store
from groundplan.plan import draw
from groundplan.practice import load, machine
from groundplan.practice.archived import Archived, Key
from groundplan.practice.promises.batch import promises
from groundplan.practice.verify.answered import Asked, Run, measure
from groundplan.practice.verify.server import get, post, server
from groundplan.practice.verify.verification import LEAST, WARMUP, Report, Verification
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.scores.version import Version

COLD: Final = 0.01
"""The share of requests for keys that nobody scored."""

MANY: Final = 20
"""Requests for many keys at once, after the load."""

KEYS: Final = 100
"""Keys of each of them."""


class Batch(Verification, frozen=True):
    """What was promised of published scores and what was found.

    Args:
        version: the version that was live when it began.
    """

    version: str

    @property
    def served(self) -> str:
        """What answered, for a heading."""
        return f"version {self.version} of build {self.build}"


def verify(project: Project, seconds: float, report: Report) -> Batch:
    """Serve the live version, ask for its keys and a few that nobody scored, judge the answers.

    Keys are drawn uniformly from the live version, one in a hundred is made up; they are asked
    for at the promised throughput with Poisson arrivals, from a separate process. The log of the
    run stays in `.groundplan/verify` until the next one.

    Raises:
        BuildError: there is no live build, answers or definitions have changed since, or no
            version is live, or the archive does not have it.
        EngineError: the server did not start, or died.
    """
    live(project)  # refuses a build that no longer agrees with the project
    plan, definition = draw(project.answers), define(project)
    archive = Archive(project.home)
    archived = Archived(archive, _live(project).name)
    asked = _requests(archived, definition, plan.throughput / 1e9, seconds)
    state = project.home / "verify"
    shutil.rmtree(state, ignore_errors=True)
    with server(project, state) as url:
        report("start a server", 1, 1)
        sample = get(f"{url}{asked[0].path}")
        rate = plan.throughput / 1e9
        results = load.in_process_of_its_own(
            url,
            [one.path.encode() for one in asked],
            rate,
            warmup=WARMUP,
            method="GET",
            progress=lambda done, total: report(f"load at {rate:,.0f}/s", done, total),
        )
        many = _ask_many(url, asked, report)
    report("hold answers against the archive", 0, 1)
    run = Run(
        answers=project.answers,
        needing=definition.reasons.decisions,
        archive=archive,
        archived=archived,
        asked=asked,
        results=results,
        many=many,
        log=state / "log",
        rate=_trained(project, archived.version),
    )
    measured = measure(run)
    report("hold answers against the archive", 1, 1)
    verification = Batch(
        build=archived.version.build,
        machine=machine.describe(),
        sample=msgspec.Raw(sample),
        promises=promises(project.answers, plan, measured),
        load=measured.load,
        version=archived.version.name,
    )
    (state / "report.json").write_bytes(msgspec.json.encode(verification))
    return verification


def _live(project: Project) -> Version:
    store = open_store(project)
    try:
        found = store.live()
    finally:
        store.close()
    if found is None:
        raise BuildError(
            f"{project.folder} has no live version: `groundplan score` publishes one to verify"
        )
    return found


def _trained(project: Project, version: Version) -> float:
    """The share of positive labels that the build of a version was trained on."""
    rows = Build(project.home / "builds" / version.build).manifest.report["rows"]
    return float(rows["train_positive"] / rows["train"])


def _requests(
    archived: Archived, definition: Definition, rate: float, seconds: float
) -> list[Asked]:
    """As many requests as the load takes, in the order in which they are sent."""
    count = math.ceil(rate * (WARMUP + max(seconds, LEAST))) + 1
    generator = np.random.default_rng(0)
    strange = iter(archived.cold(max(1, math.ceil(count * COLD)), generator))
    # Evenly spread, so that each stretch of the load has some.
    at = set(range(count - 1, 0, -max(1, round(1 / COLD))))
    field = definition.segment
    segments = sorted(archived.version.segments) if field is not None else []
    asked = []
    for number, key in enumerate(archived.drawn(count, generator)):
        cold = next(strange, None) if number in at else None
        if cold is None:
            asked.append(Asked(key, False, None, _path(key)))
            continue
        segment = segments[number % len(segments)] if segments and number % 2 else None
        query = f"?{urlencode({str(field): segment})}" if segment is not None else ""
        asked.append(Asked(cold, True, segment, _path(cold) + query))
    return asked


def _path(key: Key) -> str:
    return f"/scores/{quote(str(key), safe='')}"


def _ask_many(url: str, asked: Sequence[Asked], report: Report) -> list[list[dict[str, Any]]]:
    """Ask for many keys at once, again and again; the answers of each request."""
    keys = iter([one.key for one in asked] * (1 + MANY * KEYS // len(asked)))
    found = []
    for number in range(MANY):
        body = msgspec.json.encode({"keys": list(islice(keys, KEYS))})
        found.append(msgspec.json.decode(post(f"{url}/scores", body))["answers"])
        report("requests for many keys", number + 1, MANY)
    return found
