"""Runs of the small project up to their parts, as publishing finds them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.definition import Definition, define
from groundplan.patterns.batch.live import live
from groundplan.patterns.batch.runs import opening, run
from groundplan.patterns.batch.runs.run import Run
from groundplan.patterns.batch.runs.scoring import Scoring
from groundplan.patterns.batch.versions.publishing import Published, publish
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.scores.embedded import EmbeddedScores
from patterns.batch.projects import AS_OF

MEMORY = 500_000_000


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@dataclass(frozen=True)
class Scored:
    """A run with all its parts."""

    project: Project
    definition: Definition
    build: Build
    run: Run
    folder: Path

    def publish(self, **options: Any) -> Published:
        """Publish it."""
        arguments = (self.project, self.definition, self.build, self.run, self.folder, quiet)
        return publish(*arguments, **options)

    def limited(self, **limits: Any) -> "Scored":
        """The same with other limits of the checks."""
        publication = msgspec.structs.replace(self.definition.publication, **limits)
        return replace(self, definition=replace(self.definition, publication=publication))

    def answers(self) -> dict[str, tuple[float, int]]:
        """Score and position of the decision, by key, as the parts have them."""
        rows = pq.read_table(self.folder / "out").to_pylist()
        return {row["key"]: (row["score"], row["decision"]) for row in rows}


def opened(folder: Path, number: int, **limits: Any) -> Scored:
    """A run of a project, as another process finds it."""
    project = Project(folder)
    place = project.home / "runs" / name_of(number)
    about = run.load(place)
    assert about is not None
    build = Build(project.home / "builds" / about.build)
    return Scored(project, define(project), build, about, place).limited(**limits)


def name_of(number: int) -> str:
    """What the run of a number is called."""
    return f"20260701-030000-{number:03d}"


def published(project: Project) -> dict[str, tuple[float, int]]:
    """Score and position of the decision of every key that the live version has, as readers get
    them."""
    version = Archive(project.home).read(reader(project).current().version.name)
    keys = [
        key
        for part in Archive(project.home).parts(version.name)
        for key in pq.read_table(part, columns=["key"]).column("key").to_pylist()
    ]
    found = reader(project).get_many(keys)
    assert all(each is not None and each.version == version.name for each in found)
    names = version.decisions
    return {str(each.key): (each.score, names.index(each.decision)) for each in found if each}


def reader(project: Project) -> EmbeddedScores:
    """A new handle on what is published."""
    return EmbeddedScores(project.home / "scores")


def scored(
    project: Project,
    number: int,
    partitions: int = 2,
    rows: slice = slice(None),
    as_of: int = AS_OF,
) -> Scored:
    """Score some of the population, as a run of the live build.

    Args:
        project: of `projects.small`, built.
        number: names the run, in order.
        partitions: how many parts.
        rows: of the population.
        as_of: us since 1970; another moment, other charges, other scores.
    """
    build, inputs = live(project)
    definition = define(project)
    name = name_of(number)
    folder = project.home / "runs" / name
    source, charges = inputs.sources
    table = pq.read_table(project.folder / "population.parquet")
    first, last, _ = rows.indices(table.num_rows)
    population = table.slice(first, last - first)
    folder.mkdir(parents=True)
    with opening.opened(None, MEMORY) as computes:
        taken = computes.population(
            source,
            population,
            folder / "in" / source.name,
            columns=["tenure", "monthly", "contract", "customer"],
            key=definition.key,
            segment=definition.segment,
            as_of=as_of,
            partitions=partitions,
            progress=lambda done, of: None,
        )
        computes.history(
            charges,
            project.folder / "charges.parquet",
            folder / "in" / charges.name,
            columns=["charge", "charged", "customer", "amount"],
            by="customer",
            since=None,
            as_of=as_of,
            partitions=partitions,
            progress=lambda done, of: None,
        )
        about = Run(
            name=name,
            build=build.manifest.build,
            as_of=as_of,
            key="str",
            partitions=partitions,
            population=taken.rows,
            data={source.name: {"place": "population.parquet", "rows": taken.rows}},
        )
        run.save(about, folder)
        scoring = Scoring(project.folder, build.folder, folder)
        computes.compute(inputs, folder, scoring, range(partitions), lambda done, of: None)
    return Scored(project, definition, build, about, folder)
