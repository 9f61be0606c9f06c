"""Verify a realtime server: events at the promised rate, then probes, then the log recomputed."""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.parquet as pq

from groundplan.errors import BuildError
from groundplan.features import FeatureSet
from groundplan.monitoring import consistency
from groundplan.patterns.realtime.opening import live
from groundplan.patterns.realtime.record import record
from groundplan.patterns.realtime.replay import replay
from groundplan.patterns.realtime.training import REPLAY
from groundplan.practice import load, machine, traffic
from groundplan.practice.promises.realtime import Measured, promises
from groundplan.practice.results import Percentiles, Results
from groundplan.practice.verify.server import post, server
from groundplan.practice.verify.verification import LEAST, WARMUP, Report, Verification
from groundplan.project import Project
from groundplan.rollout.builds import Build

PROBES: Final = 100
"""Events sent to see how soon they show."""

_AWAY: Final = ("EngineError", "Open")
"""The faults by which an answer says that an engine did not answer."""


class Realtime(Verification, frozen=True):
    """What was promised of a realtime server and what was found.

    Args:
        consistency: served against recomputed, feature by feature.
    """

    consistency: consistency.Report


def verify(project: Project, seconds: float, report: Report) -> Realtime:
    """Serve the live build from a state of its own, send it the load that was promised, judge.

    The load are the events that followed the build's test period, in their order, at the
    promised throughput with Poisson arrivals, from a separate process. State and log of the run
    stay in `.groundplan/verify` until the next one.

    Raises:
        BuildError: there is no live build, answers or definitions have changed since, or it keeps
            too few events to send.
        EngineError: the server did not start, or died.
    """
    build, inputs = live(project)
    plan = build.manifest.plan
    rate = plan.throughput / 1e9
    bodies = _bodies(build, inputs, rate, seconds)
    state = project.home / "verify"
    shutil.rmtree(state, ignore_errors=True)
    with server(project, state) as url:
        report("start a server", 1, 1)
        sample = post(f"{url}/predict?features=true", bodies[0])
        results = load.in_process_of_its_own(
            f"{url}/predict",
            bodies[1:-PROBES],
            rate,
            warmup=WARMUP,
            progress=lambda done, total: report(f"load at {rate:,.0f}/s", done, total),
        )
        probes = _probe(url, bodies[-PROBES:], inputs, report)
    report("recompute what was served", 0, 1)
    run = _Run(build, inputs, state, bodies[1:-PROBES], results, probes)
    recomputed = _recompute(project, state, report)
    measured = _measure(run, recomputed)
    report("recompute what was served", 1, 1)
    verification = Realtime(
        build=build.manifest.build,
        machine=machine.describe(),
        sample=msgspec.Raw(sample),
        promises=promises(project.answers, plan, measured),
        load=measured.load,
        consistency=recomputed.report,
    )
    (state / "report.json").write_bytes(msgspec.json.encode(verification))
    return verification


def _bodies(build: Build, inputs: FeatureSet, rate: float, seconds: float) -> list[bytes]:
    """Requests made of the events that the build keeps to replay: a sample, a load, probes."""
    table = pq.read_table(build.folder / REPLAY)
    least = 1 + math.ceil(rate * (WARMUP + LEAST)) + PROBES
    if len(table) < least:
        raise BuildError(
            f"{build.folder / REPLAY} has {len(table):,} events, and at {rate:,.0f}/s it takes "
            f"{least:,} to verify: build from data that goes on longer after the test period"
        )
    count = 1 + math.ceil(rate * (WARMUP + max(seconds, LEAST))) + PROBES
    return traffic.bodies(table.slice(0, count), inputs.source)


@dataclass(frozen=True)
class _Probe:
    """The identifier of a request that should reflect an event, and the µs since that was sent."""

    request: int | str
    age: int


def _probe(url: str, bodies: Sequence[bytes], inputs: FeatureSet, report: Report) -> list[_Probe]:
    """Send an event, then at once ask for the same entities a second later in event time."""
    source = inputs.source
    taken = [msgspec.json.decode(body)[source.id] for body in bodies]
    probes = []
    for done, body in enumerate(bodies):
        name = f"{taken[done]}-again" if source.id_kind.name == "str" else max(taken) + 1 + done
        later = traffic.shifted(body, source, timedelta(seconds=1), name)
        began = time.perf_counter_ns()
        post(f"{url}/events", body)
        post(f"{url}/predict", later)
        probes.append(_Probe(name, (time.perf_counter_ns() - began) // 1_000))
        report("freshness probes", done + 1, len(bodies))
    return probes


@dataclass(frozen=True)
class _Run:
    """What a verification sent and got back: the load in order, then the probes."""

    build: Build
    inputs: FeatureSet
    state: Path
    sent: Sequence[bytes]
    results: Results
    probes: Sequence[_Probe]


@dataclass(frozen=True)
class _Recomputed:
    """The log of a run held against the definitions and the model.

    Args:
        report: served against recomputed values.
        wrong: identifiers of requests that were served with other values.
        unreproduced: logged answers that the build does not give again.
    """

    report: consistency.Report
    wrong: frozenset[int | str]
    unreproduced: int


def _measure(run: _Run, recomputed: _Recomputed) -> Measured:
    manifest, source = run.build.manifest, run.inputs.source
    counted = run.results.measured & run.results.answered
    pairs = [
        (msgspec.json.decode(sent)[source.id], msgspec.json.decode(body))
        for sent, body, good in zip(run.sent, run.results.bodies, counted, strict=True)
        if good
    ]
    answers = [answer for _, answer in pairs]
    explained = any(stage.name == "explain" for stage in manifest.plan.online)
    rows = manifest.report["rows"]
    report = recomputed.report
    logged = report.rows + report.degraded + report.foreign
    return Measured(
        load=run.results.summary(),
        stages={
            stage.name: Percentiles.of(np.array([a["timings_us"][stage.name] for a in answers]))
            for stage in manifest.plan.online
            if answers
        },
        freshness=[
            None if probe.request in recomputed.wrong else probe.age for probe in run.probes
        ],
        consistency=report,
        degraded=sum(bool(answer["degraded"]) for answer in answers),
        away=sum(_engine_was_away(answer) for answer in answers),
        unexplained=sum(not answer["reasons"] for answer in answers) if explained else 0,
        unaccounted=sum(not _adds_up(answer) for answer in answers) if explained else 0,
        unlogged=int(run.results.answered.sum()) + 1 + len(run.probes) - logged,
        foreign=sum(asked != answer["id"] for asked, answer in pairs),
        unreproduced=recomputed.unreproduced,
        rate=rows["train_positive"] / rows["train"],
    )


def _recompute(project: Project, state: Path, report: Report) -> _Recomputed:
    compared = record(project, state).compared()
    replayed = replay(project, state, report)
    return _Recomputed(compared.report, compared.wrong, replayed.answers - replayed.equal)


def _engine_was_away(answer: dict[str, Any]) -> bool:
    """Whether all that is degraded is a stage whose engine did not answer."""
    lines = answer["degraded"]
    return bool(lines) and all(any(f"failed ({name})" in line for name in _AWAY) for line in lines)


def _adds_up(answer: dict[str, Any]) -> bool:
    """Whether base, reasons and the rest are the score's log-odds, within 1e-6."""
    if not answer["reasons"]:
        return False
    raw = answer["base"] + answer["other"] + sum(r["contribution"] for r in answer["reasons"])
    return math.isclose(1 / (1 + math.exp(-raw)), answer["score"], abs_tol=1e-6)
