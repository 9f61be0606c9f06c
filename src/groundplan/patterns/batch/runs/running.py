"""The run: a snapshot of whom to score, their features, scores and reasons, a version."""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from groundplan.engines import places
from groundplan.errors import BuildError, InputError
from groundplan.features import FeatureSet
from groundplan.features.columns import needed
from groundplan.features.windows.window import EVER
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.definition import Definition, Report, Tables, define
from groundplan.patterns.batch.live import live
from groundplan.patterns.batch.runs import counts
from groundplan.patterns.batch.runs.asking import Asked, asked_for, made
from groundplan.patterns.batch.runs.counts import Counts
from groundplan.patterns.batch.runs.delta import check
from groundplan.patterns.batch.runs.engine import Engine, Place
from groundplan.patterns.batch.runs.kept import keep, kept
from groundplan.patterns.batch.runs.opening import opened
from groundplan.patterns.batch.runs.run import Run, load, moment, name_of, parts, pending, save
from groundplan.patterns.batch.runs.scoring import Loaded, Scoring
from groundplan.patterns.batch.runs.shares import Share, shares
from groundplan.patterns.batch.runs.snapshot import dealt
from groundplan.patterns.batch.runs.writing import write
from groundplan.patterns.batch.stores import open_store
from groundplan.patterns.batch.versions.intent import recover
from groundplan.patterns.batch.versions.publishing import Published
from groundplan.patterns.batch.versions.publishing import publish as announce
from groundplan.patterns.batch.versions.standing import Standing, standing
from groundplan.patterns.batch.versions.turn import turn
from groundplan.patterns.batch.versions.validating import check_allowed
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.scores.version import Code, Version

if TYPE_CHECKING:
    import pyarrow as pa

RUNS: Final = "runs"
LOCK: Final = "score.lock"

PARTITION: Final = 500_000
"""Rows of a partition: what a kill loses at most, on each core."""

MEMORY: Final = 4_000_000_000
"""Bytes to stay within where the answers state none."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a run came to.

    Args:
        run: its record.
        folder: with its parts; None where it is gone after publication.
        done: partitions that an earlier, cut run had done.
        counts: of its rows.
        gone: of a delta run, keys of the last version that are not in the population.
        decisions: how many rows each took, by position.
        codes: reasons by position.
        published: what became of it; None where it was not to be published.
        out: where the scores were written as well, and how many.
        seconds: that each step took.
    """

    run: Run
    folder: Path | None
    done: int
    counts: Counts
    gone: int
    decisions: tuple[Share, ...]
    codes: tuple[Code, ...]
    published: Published | None
    out: tuple[str, int] | None
    seconds: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether nothing refused it, and a delta run equals a full one as far as was looked."""
        return not self.counts.unequal and (self.published is None or self.published.passed)


def score(
    project: Project,
    *,
    report: Report,
    population: Tables | None = None,
    others: Mapping[str, "str | Path | pa.Table"] | None = None,
    at: int | None = None,
    delta: bool = False,
    compare: bool = False,
    fresh: bool = False,
    out: str | Path | None = None,
    publish: bool = True,
    allow: Sequence[str] = (),
    partitions: int | None = None,
    memory: int | None = None,
) -> Outcome:
    """Score everybody who will be asked about, and publish the answers as a version.

    A run that was cut goes on where it stopped, if it was asked for the same, its build still
    scores, system.py and the files that it read are as they were, and not half of the promised
    age has passed since.

    Args:
        project: the answers and `system.py`.
        report: told the progress.
        population: whom to score: a place or a function; None for what `system.py` says.
        others: places of the other sources, by name; for those that the population has not.
        at: us since 1970, as of which the features of all rows are computed; None for now. A
            time that a row has of its own says when it was recorded, and may not be later.
        delta: take over the answers of the last version where inputs did not change.
        compare: with it, score those as well and count what would have come out otherwise.
        fresh: begin anew, whatever was cut.
        out: a place to write the scores to as well.
        publish: whether the parts become a version; else they stay in the run's folder.
        allow: checks that may fail this once, of `validating.JUDGED`.
        partitions: how many; None for one in half a million rows.
        memory: bytes to stay within; None for what the answers say, else 4 GB.

    Raises:
        ProjectError: nothing says whom to score.
        InputError: a place cannot be read, or a row breaks a rule; nothing was written.
        BuildError: there is no live build, or nothing that a delta could be taken from; or somebody
            rolled back meanwhile, and nothing was published.
        EngineError: another run is on its way, or an engine did not do its work.
    """
    check_allowed(allow)
    definition = define(project)
    recover(project)
    began = standing(project) if publish else None
    build, inputs = live(project)
    asked = asked_for(project, definition, population, others or {}, at, delta, compare, publish)
    limit = memory or project.answers.policy.memory or MEMORY
    with (
        turn(project.home / LOCK, "scoring", wait=0),
        opened(project.answers.engines.get("batch"), limit) as engine,
    ):
        loaded = Loaded(project, build)
        before = _before(project, build, loaded) if delta else None
        work = _Work(project, definition, build, inputs, engine, report, before, began)
        run, folder, done = work.begin(asked, fresh, partitions)
        work.compute(run, folder, compare)
        return work.finish(run, folder, done, loaded, allow, out)


class _Work:
    """One run, step by step."""

    def __init__(
        self,
        project: Project,
        definition: Definition,
        build: Build,
        inputs: FeatureSet,
        engine: Engine,
        report: Report,
        before: Version | None,
        began: Standing | None,
    ) -> None:
        self._project, self._definition, self._build = project, definition, build
        self._inputs, self._engine, self._report, self._before = inputs, engine, report, before
        self._began = began  # None: nothing is to be published
        self._runs = project.home / RUNS
        self._seconds: dict[str, float] = {}

    def begin(self, asked: Asked, fresh: bool, partitions: int | None) -> tuple[Run, Path, int]:
        """The run to go on with or a new one, its folder, and the partitions that are done."""
        for folder in self._folders():
            run = load(folder) if not fresh else None
            if run is not None and Archive(self._project.home).has(run.name):
                run = None  # it became a version, and was cut before its folder was cleared away
            if run is not None and self._same(run, asked):
                done = run.partitions - len(pending(run, folder))
                step = f"go on with run {run.name}: {done} of {run.partitions} partitions were done"
                self._report(step, 1, 1)
                return run, folder, done
            if fresh or run is None:
                shutil.rmtree(folder)
        began = time.monotonic()
        run, folder = self._new(asked, partitions)
        self._seconds["snapshot"] = time.monotonic() - began
        return run, folder, 0

    def compute(self, run: Run, folder: Path, compare: bool) -> None:
        """Compute the partitions that are missing."""
        began = time.monotonic()
        missing = pending(run, folder)
        scoring = Scoring(
            project=self._project.file,
            build=self._build.folder,
            run=folder,
            delta=run.delta_of is not None,
            compare=compare,
            kept=kept(self._project.home, run.delta_of) if run.delta_of else None,
        )
        if missing:
            self._engine.compute(self._inputs, folder, scoring, missing, self._progress("score"))
        self._seconds["score"] = time.monotonic() - began

    def finish(
        self,
        run: Run,
        folder: Path,
        done: int,
        loaded: Loaded,
        allow: Sequence[str],
        out: str | Path | None,
    ) -> Outcome:
        """Publish the parts, write them elsewhere as well, and clear away what is not needed."""
        found = counts.of_parts(parts(folder))
        published = None
        if self._began is not None and not found.unequal:
            start = time.monotonic()
            about = (self._project, self._definition, self._build, run, folder, self._report)
            published = announce(*about, allow=allow, began=self._began)
            self._seconds["publish"] = time.monotonic() - start
        written = None
        if out is not None and (published is None or published.passed):
            place = places.absolute(out, Path.cwd())
            rows = write(parts(folder), place, run, loaded.cuts.names, loaded.codes)
            written = (places.shown(place), rows)
        if published is not None:
            self._clear(run, folder, published.passed)
        return Outcome(
            run=run,
            folder=folder if published is None else None,
            done=done,
            counts=found,
            gone=self._before.rows - found.unchanged - found.changed if self._before else 0,
            decisions=shares(self._build, found),
            codes=loaded.codes,
            published=published,
            out=written,
            seconds=self._seconds,
        )

    def _folders(self) -> list[Path]:
        """The folders of runs, the latest first."""
        found = self._runs.iterdir() if self._runs.is_dir() else ()
        return sorted((folder for folder in found if folder.is_dir()), reverse=True)

    def _same(self, run: Run, asked: Asked) -> bool:
        """Whether a run is what is asked for now, and still of use."""
        # Half the promise: the other half is for the version to be read in.
        usable = self._project.answers.freshness.predictions // 2
        young = asked.at is not None or 0 <= time.time_ns() // 1_000 - run.as_of < usable
        return (
            asked.said is not None
            and run.asked == asked.said
            and run.build == self._build.manifest.build
            and run.delta_of == (self._before.name if self._before else None)
            and run.engine == self._engine.name
            and young
        )

    def _new(self, asked: Asked, partitions: int | None) -> tuple[Run, Path]:
        now = time.time_ns() // 1_000
        as_of = now if asked.at is None else asked.at
        if as_of > now:
            raise InputError("at", f"{moment(as_of)} is yet to come: score as of now or earlier")
        before = Archive(self._project.home).whole(self._before) if self._before else []
        source = self._inputs.source
        population, others = made(self._inputs, asked, self._report)
        rows = self._engine.count(population)
        if not rows:
            raise InputError(
                "population", f"{places.shown(population)} has no rows: there is nobody to score"
            )
        count = partitions or self._partitions(rows)
        folder = self._runs / name_of(now)
        (folder / "out").mkdir(parents=True)
        try:
            data = self._snapshot(folder, population, others, as_of, count)
            kind = source.id_kind if self._definition.key == source.id else None
            name = (kind or source.fields[self._definition.key]).name
            run = Run(
                name=folder.name,
                build=self._build.manifest.build,
                as_of=as_of,
                key="int" if name == "int" else "str",
                partitions=count,
                population=data[source.name]["rows"],
                data=data,
                delta_of=self._before.name if self._before else None,
                engine=self._engine.name,
                asked=asked.said or {},
            )
            self._deal_before(before, folder, count)
            save(run, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return run, folder

    def _partitions(self, rows: int) -> int:
        """How many: as the last run where they still fit, since a delta compares them."""
        last = kept(self._project.home, self._before.name) if self._before else None
        fits = last is not None and rows <= 1.5 * PARTITION * last.run.partitions
        return last.run.partitions if last and fits else ceil(rows / PARTITION)

    def _snapshot(
        self, folder: Path, population: Place, others: Mapping[str, Place], as_of: int, count: int
    ) -> dict[str, Any]:
        """Take the rows of all sources into the folder; what they were."""
        inputs, definition = self._inputs, self._definition
        source, *rest = inputs.sources
        taken = self._engine.population(
            source,
            population,
            folder / "in" / source.name,
            columns=[name for name in needed(inputs) if name in source.fields],
            key=definition.key,
            segment=definition.segment,
            as_of=as_of,
            partitions=count,
            progress=self._progress(f"take in {source.name}"),
        )
        data = {source.name: {"place": _shown(population), **taken._asdict()}}
        for at, other in enumerate(rest, 1):
            taken = self._engine.history(
                other,
                others[other.name],
                folder / "in" / other.name,
                columns=needed(inputs, at),
                by=_by(inputs, at, definition.key),
                since=_since(inputs, at, as_of),
                as_of=as_of,
                partitions=count,
                progress=self._progress(f"take in {other.name}"),
            )
            data[other.name] = {"place": _shown(others[other.name]), **taken._asdict()}
        return data

    def _deal_before(self, before: Sequence[Path], folder: Path, count: int) -> None:
        """Lay the last version's rows beside the partitions of this run."""
        if not before:
            return
        with places.connected() as connection:
            dealt(connection, before, folder / "before", count)

    def _progress(self, step: str) -> Any:
        return lambda done, total: self._report(step, done, total)

    def _clear(self, run: Run, folder: Path, passed: bool) -> None:
        """Keep what the next delta is told by; remove the rest, and runs that nobody finished."""
        if passed and (folder / "features").is_dir():
            keep(self._project.home, run, folder)
        for each in self._folders() if passed else [folder]:
            shutil.rmtree(each)


def _before(project: Project, build: Build, loaded: Loaded) -> Version:
    """The version whose unchanged answers are taken over.

    Raises:
        BuildError: there is none that fits.
    """
    with closing(open_store(project)) as store:
        version = check(store.live(), build, loaded)
    if not Archive(project.home).parts(version.name):
        raise BuildError(
            f"--delta takes over what version {version.name} has, whose parts are not in "
            f"{Archive(project.home).folder}: run `groundplan score` without --delta once"
        )
    return version


def _by(inputs: FeatureSet, at: int, key: str) -> str | None:
    """The field of a source that names whom a score is about, where all windows go by it."""
    windows = inputs.windows_of(at)
    names = {window.key for window in windows}
    return names.pop() if len(names) == 1 and all(w.on == key for w in windows) else None


def _since(inputs: FeatureSet, at: int, as_of: int) -> int | None:
    """The moment before which events of a source count nowhere; None where all may count."""
    if inputs.sources[at].versioned or any(w.length == EVER for w in inputs.windows_of(at)):
        return None
    return as_of - inputs.reach(at)


def _shown(place: Place) -> str:
    return places.shown(place) if isinstance(place, str | Path) else "system.py"
