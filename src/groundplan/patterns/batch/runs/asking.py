"""What a run is asked for: whom to score, from where, as of when; and what tells runs apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from glob import glob
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from groundplan.engines import places
from groundplan.engines.places import GLOB
from groundplan.errors import InputError, ProjectError
from groundplan.features import FeatureSet
from groundplan.patterns.batch.definition import Definition, Report, Tables
from groundplan.patterns.batch.runs.engine import Place
from groundplan.project import SYSTEM, Project


@dataclass(frozen=True)
class Asked:
    """What was asked for, before it is read.

    Args:
        population: whom to score.
        stated: places by source that system.py names, where `population` is another one.
        others: places by source, whatever the population says.
        folder: from which relative paths of the population count.
        at: us, or None.
        said: what tells runs apart, fit for JSON; None where nothing can.
    """

    population: Tables
    stated: Mapping[str, Place]
    others: Mapping[str, Place]
    folder: Path
    at: int | None
    said: dict[str, Any] | None


def asked_for(
    project: Project,
    definition: Definition,
    population: Tables | None,
    others: Mapping[str, Place],
    at: int | None,
    delta: bool,
    compare: bool,
    publish: bool,
) -> Asked:
    """What was asked for, with what tells it from other runs.

    Places of other sources that system.py names beside its population stay, whoever else is scored.

    Raises:
        ProjectError: nothing says whom to score.
    """
    given = definition.population if population is None else population
    if given is None:
        raise ProjectError(
            "nothing says whom to score: name a place with --population, or define `population` "
            "in system.py: a file or URL, or a function that makes a table"
        )
    folder = project.folder if population is None else Path.cwd()
    found = {name: places.absolute(place, Path.cwd()) for name, place in others.items()}
    main = definition.inputs.source.name
    named = {} if callable(given) else _by_name(given, main, folder)
    stated: dict[str, Place] = {}
    if population is not None and isinstance(definition.population, Mapping):
        stated = _by_name(definition.population, main, project.folder)
        stated.pop(main, None)
    read = {**stated, **named, **found}
    told = all(isinstance(each, str | Path) for each in read.values())
    if callable(population):  # nothing tells it from another function
        told = False
    said = {
        "population": [places.shown(named[main])] if main in named else ["system.py"],
        "others": {name: places.shown(read[name]) for name in sorted(read) if name != main},
        "stamps": [_stamp(read[name]) for name in sorted(read)],
        "at": at,
        "delta": delta,
        "compare": compare,
        "publish": publish,  # what nobody wanted to publish was read for something else
        "system": sha256((project.folder / SYSTEM).read_bytes()).hexdigest(),
    }
    return Asked(given, stated, found, folder, at, said if told else None)


def made(inputs: FeatureSet, asked: Asked, report: Report) -> tuple[Place, dict[str, Place]]:
    """The population and the places of the other sources.

    Raises:
        InputError: one is missing, or a file that system.py reads.
    """
    given: Any = asked.population
    if callable(given):
        try:
            given = given(lambda done, total: report("make the population", done, total))
        except OSError as error:  # where its data are is no fault of its code
            raise InputError(
                "population",
                f"`population` in system.py ended with {type(error).__name__}: {error}; see that "
                "what it reads is there",
            ) from error
    main = inputs.source.name
    tables = {**asked.stated, **_by_name(given, main, asked.folder), **asked.others}
    for source in inputs.sources:
        if source.name not in tables:
            raise InputError(
                "",
                f"the features read {source.name}, and nothing says where it is: name its place, "
                f"as in --source {source.name}={source.name}.parquet, or have `population` in "
                "system.py return it by its name",
            )
    for name in tables:
        if name not in [source.name for source in inputs.sources]:
            known = ", ".join(source.name for source in inputs.sources)
            raise InputError("", f"{name} is no source of the features: they read {known}")
    return tables.pop(main), tables


def _by_name(given: Any, main: str, folder: Path) -> dict[str, Place]:
    """Places by source, of one place for the main source or of several; paths from a folder."""
    tables = given if isinstance(given, Mapping) else {main: given}
    return {name: places.absolute(place, folder) for name, place in tables.items()}


def _stamp(place: Place) -> list[list[Any]]:
    """What changes when a local file does: name, size and time of each."""
    if not isinstance(place, str | Path):
        return []
    url = urlsplit(str(place)) if "://" in str(place) else None
    if url is not None and url.scheme not in {"duckdb", "sqlite"}:
        return []
    path = Path(url.path if url is not None else place)
    if GLOB.search(str(path)) and not path.exists():
        files = sorted(map(Path, glob(str(path), recursive=True)))
    else:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [
        [each.name, each.stat().st_size, each.stat().st_mtime_ns]
        for each in files
        if each.is_file()
    ]
