"""Between a build and its first request: open the state, fill it once, connect what feeds it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from groundplan.errors import BuildError
from groundplan.features import EmbeddedStore, FeatureSet
from groundplan.features.stream import Record
from groundplan.monitoring.watch import Watch, command
from groundplan.patterns.breaker import guard
from groundplan.patterns.realtime.definition import Report, define
from groundplan.patterns.realtime.joining import Joining
from groundplan.patterns.realtime.outbox import Outbox
from groundplan.patterns.realtime.scoring import Scorer
from groundplan.patterns.realtime.service import service
from groundplan.patterns.realtime.state import begin, open_feed, open_store
from groundplan.patterns.realtime.training import history
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.rollout.builds import Build
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.http import Application
from groundplan.serving.log import EVERYTHING, Log, Retention, Stored, Taken, lines
from groundplan.serving.metrics import Metrics

LEAST: Final = 0.005
"""Seconds that a store on a server is waited for at least."""

LETTERS: Final = "dead_letters.ndjson"


def serve(
    project: Project,
    home: Path,
    report: Report,
    space: str = "",
    retention: Retention = EVERYTHING,
) -> tuple[Application, str]:
    """The application of a project's live build, and the build's name.

    Args:
        project: the answers and `system.py`.
        home: the folder of the online state and the prediction log.
        report: told the progress of filling the state, which happens once.
        space: for a rehearsal beside servers that share a store: a state apart from theirs, which
            takes nothing from the stream of events and is forgotten at the end.
        retention: how much of the prediction log is kept.

    Raises:
        BuildError: there is no live build, or answers or definitions have changed since.
        EngineError: an engine that the answers name cannot be reached.
    """
    build, inputs = live(project)
    plan = build.manifest.plan
    metrics = Metrics(plan, build.manifest.build)
    timeout = max(plan.stage("features").budget / 1e6, LEAST)
    store = open_store(project, inputs, home, timeout=timeout, space=space)
    begin(
        store,
        history(build.folder, inputs),
        lambda file, done, total: report(f"fill the state from {file}", done, total),
    )
    log = Log(home / "log", inputs.names, retention=retention)
    positions = {source.name: at for at, source in enumerate(inputs.sources)}

    def taken(records: Sequence[Record]) -> None:
        now, name = time.time_ns() // 1_000, build.manifest.build
        for record in records:
            for line in lines(record.body or b""):
                log.append(Taken(now, line, positions[record.source], name, pending=True))

    def stored() -> None:
        log.append(Stored(time.time_ns() // 1_000))

    joining = Joining(
        inputs,
        store,
        Outbox(home / "outbox"),
        DeadLetters(home / LETTERS),
        log,
        breaker=None if isinstance(store, EmbeddedStore) else guard("features", plan, metrics),
        feed=None if space else open_feed(project, inputs, store, home, taken=taken, stored=stored),
        passing=bool(space),
        freshness=project.answers.freshness.features,
    )
    scorer = Scorer(build, inputs, joining, log, project.find, guard("score", plan, metrics))
    scorer.warm()
    watch = Watch(command(project.file, home))
    return service(scorer, metrics, watch), build.manifest.build


def live(project: Project) -> tuple[Build, FeatureSet]:
    """The live build of a project and its definitions, which agree with each other.

    Raises:
        BuildError: there is no live build, or answers or definitions have changed since.
    """
    build = channels.read(project.home, channels.LIVE)
    plan, now = build.manifest.plan, build.manifest.planned(project.answers)
    # When the next model is trained says nothing about how this one serves.
    if msgspec.structs.replace(now, retraining=plan.retraining) != plan:
        raise BuildError(
            f"the answers in {project.file} decide another plan than the one that the live build "
            f"{build.manifest.build} serves by: run `groundplan build` again"
        )
    kept = build.manifest.features
    inputs = define(project).inputs.fitted(kept["categories"])
    if inputs.fingerprint() != kept["fingerprint"]:
        raise BuildError(
            f"system.py defines other features than the live build {build.manifest.build} was "
            "trained with: run `groundplan build` again"
        )
    return build, inputs


def past(
    project: Project, data: Path | None, others: Mapping[str, Path]
) -> tuple[FeatureSet, Path, dict[str, Path]]:
    """The definitions and past events: those that are named, or what the live build keeps.

    Returns:
        The features, a file of the main source's events, and files of the others' by name.

    Raises:
        BuildError: nothing is named and there is no live build.
    """
    if data is not None:
        return define(project).inputs, data, dict(others)
    build, inputs = live(project)
    main, *rest = history(build.folder, inputs)
    kept = {source.name: file for source, file in zip(inputs.sources[1:], rest, strict=True)}
    return inputs, main, {**kept, **others}
