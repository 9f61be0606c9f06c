"""From the parts of a run to the version that readers see: validated, complete, then announced."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.parquet as pq
from msgspec import Struct

from groundplan.errors import BuildError, EngineError
from groundplan.features.category import Category
from groundplan.features.expressions import Constant, Expression
from groundplan.features.moment import TimePart
from groundplan.models import kinds
from groundplan.models.bands import Cuts
from groundplan.monitoring.distribution import FOOTER, Sketch, together, unpacked
from groundplan.patterns.batch.archive import Archive, digest, sketches
from groundplan.patterns.batch.definition import Definition, Report
from groundplan.patterns.batch.live import agreeing
from groundplan.patterns.batch.runs.run import Run, parts
from groundplan.patterns.batch.runs.scoring import Loaded
from groundplan.patterns.batch.versions import intent, measuring, standing
from groundplan.patterns.batch.versions.candidate import Before, Candidate
from groundplan.patterns.batch.versions.intent import Intent
from groundplan.patterns.batch.versions.measuring import Database, Measured
from groundplan.patterns.batch.versions.recomputing import Recomputing
from groundplan.patterns.batch.versions.retention import current, following, previous, retain
from groundplan.patterns.batch.versions.standing import Standing
from groundplan.patterns.batch.versions.validating import check_allowed, validate
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.scores.store import ScoreStore, Verifiable
from groundplan.scores.version import Average, Check, Version

ROUNDED: Final = ("onnx", "function", "remote")
"""Kinds of models whose score of a row alone may round otherwise than among others."""

ROUNDING: Final = 1e-6
"""How far those may be apart."""


class Published(Struct, frozen=True):
    """What became of a run.

    Args:
        version: its record, with the checks.
        previous: the name of the version that was live before; None where there was none.
        passed: whether it went live.
        refused: the folder in which a version that did not can be looked at.
        swapped_us: us until readers saw the new version; None where there was none. That a loss
            of power cannot take it back is seen to afterwards.
        seconds: in all.
        allowed: checks that failed and were allowed to.
    """

    version: Version
    previous: str | None
    passed: bool
    refused: Path | None
    swapped_us: float | None
    seconds: float
    allowed: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        """What was checked."""
        return self.version.checks


def publish(
    project: Project,
    definition: Definition,
    build: Build,
    run: Run,
    folder: Path,
    report: Report,
    *,
    allow: Sequence[str] = (),
    wait: float = intent.WAIT,
    began: Standing | None = None,
) -> Published:
    """Validate the parts of a run, make them a complete version, and move the pointer to it.

    One publication at a time; a `kill -9` at any point leaves one complete version live, and the
    next publication clears away what was left. A run whose version is live already is done.

    Args:
        project: the answers.
        definition: what `system.py` says.
        build: the build that scored.
        run: what was run.
        folder: of the run: `in/` is its snapshot, `out/` its parts.
        report: told the progress.
        allow: checks that may fail this once, of `validating.JUDGED`.
        wait: seconds to wait for another publication.
        began: what stood when the run began; None where nobody could roll back since.

    Returns:
        What became of it; `passed` is False where a check failed and nothing was announced.

    Raises:
        InputError: a check may not be allowed to fail, or the parts cannot be read.
        BuildError: the build is not the one that the run scored with, or somebody rolled back
            since it began.
        EngineError: the store did not do its work, or another publication takes too long.
    """
    start = time.monotonic()
    _check(build, run, allow)
    with (
        intent.announcing(project, f"publishing {run.name}", wait) as store,
        measuring.database(folder) as database,
    ):
        archive = Archive(project.home)
        live = current(archive, store)
        if live is not None and live.name == run.name:  # cut after the pointer had moved
            retain(archive, store, definition.publication.keep, run.name)
            before = previous(archive, store, run.name)
            return Published(live, before, True, None, None, time.monotonic() - start)
        if began is not None:
            standing.check(project, store, run, began)
        candidate, version = _candidate(project, definition, build, run, folder, database, report)
        last = _before(archive, live)
        checks = validate(
            candidate,
            last,
            definition.publication,
            definition.reasons,
            lambda done, of: report("validate", done, of),
        )
        figures = {**version.figures, "inputs_changed": _differing(candidate, last)}
        version = msgspec.structs.replace(
            version, checks=checks, figures=figures, serial=following(archive, store)
        )
        failed = [check.name for check in checks if not check.passed]
        name = live.name if live else None
        if set(failed) - set(allow):
            aside = archive.refuse(version, candidate.parts, candidate.sketches)
            return Published(version, name, False, aside, None, time.monotonic() - start)
        took = _announce(project.home, archive, store, version, candidate, name, report)
        retain(archive, store, definition.publication.keep, version.name)
    return Published(version, name, True, None, took, time.monotonic() - start, tuple(failed))


def _announce(
    home: Path,
    archive: Archive,
    store: ScoreStore,
    version: Version,
    candidate: Candidate,
    before: str | None,
    report: Report,
) -> float:
    """Make a version complete, then live; the us that the move of the pointer took."""
    intent.begin(home, Intent("publish", version.name, before))
    try:
        archive.keep(version, candidate.parts, candidate.sketches)
        kept = archive.parts(version.name)
        store.load(version, kept, lambda done, of: report("load the scores", done, of))
        if isinstance(store, Verifiable):
            store.verify(version.name)
        began = time.perf_counter_ns()
        store.point(version.name)
        took = (time.perf_counter_ns() - began) / 1e3
        store.sync()
    except BaseException:
        with suppress(OSError, EngineError):  # then the next command does it
            intent.settle(home, store)
        raise
    intent.end(home)
    report("announce", 1, 1)
    return took


def _check(build: Build, run: Run, allow: Sequence[str]) -> None:
    if build.folder.name != run.build:
        raise BuildError(
            f"the run {run.name} scored with the build {run.build}, not with {build.folder.name}: "
            "score again"
        )
    check_allowed(allow)


def _candidate(
    project: Project,
    definition: Definition,
    build: Build,
    run: Run,
    folder: Path,
    database: Database,
    report: Report,
) -> tuple[Candidate, Version]:
    """What is to be checked, and the record that it will have."""
    files = parts(folder)
    loaded = Loaded(project, build)
    report("measure the scores", 0, 2)
    sha256 = {part.name: digest(part) for part in files}
    report("measure the scores", 1, 2)
    measured = measuring.measure(database, files, len(loaded.cuts.names))
    inputs = agreeing(project, build)
    named = dict(zip(inputs.names, inputs.expressions, strict=True))
    report("measure the scores", 2, 2)
    candidate = Candidate(
        run=run,
        parts=files,
        measured=measured,
        sketches=_sketches(files),
        trained=sketches(build.folder),
        decisions=loaded.cuts.names,
        codes=len(loaded.codes),
        sha256=sha256,
        recompute=Recomputing(folder, inputs, loaded),
        rounding=ROUNDING if kinds.kind(loaded.model) in ROUNDED else 0.0,
        database=database,
        categories={name: each.known for name, each in named.items() if isinstance(each, Category)},
        moments=frozenset(name for name, each in named.items() if _timed(each)),
        audit=project.answers.interpretability.level == "audit",
    )
    return candidate, _version(project, definition, candidate, loaded)


def _timed(feature: Expression) -> bool:
    """Whether it reads the time alone: a run asks what holds at one moment."""
    return all(isinstance(leaf, TimePart | Constant) for leaf in feature.leaves())


def _version(
    project: Project, definition: Definition, candidate: Candidate, loaded: Loaded
) -> Version:
    run, measured = candidate.run, candidate.measured

    def average(rows: int, mean: float) -> Average:
        decided = loaded.cuts.names[int(loaded.cuts.decide(np.array([mean]))[0])]
        return Average(rows, mean, definition.cold or decided)

    return Version(
        name=run.name,
        system=project.answers.system.name,
        build=run.build,
        as_of=run.as_of,
        created=time.time_ns() // 1_000,
        rows=measured.rows,
        key=run.key,
        decisions=loaded.cuts.names,
        codes=loaded.codes,
        overall=average(measured.rows, measured.mean or 0.0),
        segments={
            segment: average(rows, mean) for segment, (rows, mean) in measured.segments.items()
        },
        figures=_figures(measured, loaded.cuts),
        data=run.data,
        delta_of=run.delta_of,
        sha256=dict(candidate.sha256),
        segment=definition.segment,
        cold=definition.cold,
    )


def _figures(measured: Measured, names: Cuts) -> dict[str, Any]:
    """How the scores are distributed, fit for JSON; `log_odds` is a `Sketch`.

    `segments_without` are segments that have no average of their own.
    """
    rows = max(measured.rows, 1)
    shares = (count / rows for count in measured.decisions)
    return {
        "mean": measured.mean,
        "least": measured.least,
        "greatest": measured.greatest,
        "histogram": list(measured.histogram),
        "decisions": dict(zip(names.names, shares, strict=True)),
        "segments_without": measured.others,
        "log_odds": msgspec.json.decode(msgspec.json.encode(measured.scores)),
    }


def _differing(candidate: Candidate, before: Before | None) -> float | None:
    """The share of keys whose inputs are others than in the last version; None: unknown."""
    if before is None or not before.parts or before.version.build != candidate.run.build:
        return None
    return measuring.differing(candidate.database, candidate.parts, before.parts)


def _sketches(files: Sequence[Path]) -> dict[str, Sketch]:
    """The distributions of the features, which the parts have in their footers."""
    found: dict[str, list[Sketch]] = {}
    for file in files:
        text = (pq.read_metadata(file).metadata or {}).get(FOOTER)
        if text is None:
            return {}
        for name, sketch in unpacked(text).items():
            found.setdefault(name, []).append(sketch)
    return {name: together(each) for name, each in found.items()}


def _before(archive: Archive, live: Version | None) -> Before | None:
    """What the live version can be compared by."""
    if live is None:
        return None
    kept, parts = live.figures.get("log_odds"), archive.parts(live.name)
    whole = live.sha256.keys() <= {part.name for part in parts}  # some say nothing of all its keys
    return Before(
        version=live,
        parts=parts if whole else (),
        sketches=archive.sketches(live.name),
        scores=msgspec.convert(kept, Sketch) if kept else None,
    )
