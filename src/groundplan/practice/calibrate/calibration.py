"""Measuring the cost table of this machine, row by row."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from groundplan.decision.calibrated import SCRIPT, package, processor
from groundplan.decision.costs import FURTHER, NOT_ASKED, ROWS, Cost, Costs, completed, reference
from groundplan.errors import ProjectError
from groundplan.practice import machine
from groundplan.practice.calibrate import (
    http,
    joins,
    layers,
    lookups,
    networks,
    serialisation,
    texts,
    trees,
    vectors,
)
from groundplan.practice.calibrate.measure import Clock, Measure
from groundplan.practice.calibrate.model import Model

Report = Callable[[str, int, int], None]

SECONDS: Final = 0.75
"""Of measuring a row: with all libraries installed, all of it stays below two minutes."""

NAME: Final = "your calibration"
LIBRARIES: Final = ("numpy", "lightgbm", "lmdb", "faiss-cpu", "hnswlib", "torch", "uvicorn")
ELSEWHERE: Final = "a hosted model's, as published"

MEASURES: Final[Mapping[str, tuple[Measure, ...]]] = {
    "requests": (http.http, http.round_trip, serialisation.json_in, serialisation.json_out),
    "lookups": (lookups.value, lookups.item_list, lookups.published_score),
    "features": (joins.windows, joins.candidates),
    "boosted trees": (trees.batch, trees.single, trees.attribution, trees.attribution_row),
    "dense layers": (
        *(layers.linear, layers.perceptron, layers.perceptron_batch),
        layers.tower,
    ),
    "vectors": (
        *(vectors.flat, vectors.scan, vectors.probe, vectors.large),
        *(vectors.small, vectors.wide, vectors.wide_probe, vectors.graph),
    ),
    "texts": (texts.match,),
    "networks": (
        *(networks.encoder, networks.pair, networks.heavy_network),
        *(networks.token, networks.prompt_token),
    ),
}
"""In the order of measuring; of several that measure one row, the first that can."""


def calibrate(
    report: Report,
    only: Collection[str] = (),
    seconds: float = SECONDS,
    before: Costs | None = None,
    models: Sequence[Model] = (),
) -> Costs:
    """Measure this machine.

    Where some rows or models are named, those are measured, and the others are kept as they were.
    Where none is, all are, but for those that a model of the user's own was measured for.

    Args:
        report: told how far each group of rows is.
        only: rows to measure.
        seconds: of measuring a row, beside what prepares it.
        before: the user's table so far; what it has of this machine can be kept.
        models: measured for their rows, in place of the public sizes.

    Raises:
        ProjectError: a name in `only` is no row that can be measured.
        EngineError: a model cannot be loaded or run.
    """
    wanted = _wanted(only)
    rows, left = _kept(before, every=bool(only or models))
    if not only:
        wanted = set() if models else wanted - set(rows)
    clock = Clock(seconds)
    # First, so that one that fails costs no two minutes.
    for model in models:
        report(model.name, 0, 1)
        rows |= model.measured(clock)
        wanted -= set(model.rows)
        report(model.name, 1, 1)
    for group, measures in MEASURES.items():
        asked = [measure for measure in measures if measure.row in wanted]
        for row in {measure.row for measure in asked}:
            rows.pop(row, None)
        for number, one in enumerate(asked):
            report(group, number, len(asked))
            if one.row not in rows:
                found = measured(one, clock)
                if isinstance(found, Cost):
                    rows[one.row] = found
                else:
                    left[one.row] = found
        if asked:
            report(group, len(asked), len(asked))
    return _table(rows, left)


def _table(rows: Mapping[str, Cost], left: dict[str, str]) -> Costs:
    """The table of this machine, now."""
    for row in ROWS:
        if reference().rows[row].source:
            left[row] = ELSEWHERE
    return completed(
        Costs(
            name=_name(rows),
            machine=describe(),
            measured_at=datetime.now(UTC).date().isoformat(),
            script=SCRIPT,
            rows={row: rows[row] for row in (*ROWS, *FURTHER) if row in rows},
            left={row: left[row] for row in (*ROWS, *FURTHER) if row not in rows},
            processor=processor(),
            package=package(),
        )
    )


def measured(measure: Measure, clock: Clock) -> Cost | str:
    """One row, or why this machine cannot measure it."""
    if missing := measure.missing:
        return f"needs {', '.join(missing)}"
    try:
        timing = measure.run(clock)
    except Exception as error:  # each library has its own for a full disk; it costs one row
        return f"failed: {str(error) or type(error).__name__}".splitlines()[0]
    return timing.cost(measure.what)


def busy() -> str | None:
    """A warning where others use this machine: figures would be too high."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= 0.3 * cores:
        return None
    return (
        f"something else runs on this machine (load {load:.1f} on {cores} cores): the figures may "
        "be too high; calibrate again when it is quiet"
    )


def describe() -> str:
    """This machine with the versions of the libraries that were measured."""
    found = []
    for library in LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    return ", ".join([machine.describe(), *found])


def _wanted(only: Collection[str]) -> set[str]:
    known = {measure.row for measures in MEASURES.values() for measure in measures}
    for row in only:
        if row not in known:
            raise ProjectError(
                f"{row!r} is no row that can be measured: name some of {', '.join(sorted(known))}"
            )
    return set(only) or known


def _kept(before: Costs | None, *, every: bool) -> tuple[dict[str, Cost], dict[str, str]]:
    """The rows to start from, every one or the models' only, and why the others are not there.

    Those of another machine say nothing of this one; those of the package's own steps nothing of
    another version.
    """
    left = dict.fromkeys((*ROWS, *FURTHER), NOT_ASKED)
    if before is None or before.processor != processor():
        return {}, left
    rows = {name: cost for name, cost in before.rows.items() if name not in before.left}
    if every and before.package == package():
        return rows, left | before.left
    return {name: cost for name, cost in rows.items() if cost.model}, left


def _name(rows: Mapping[str, Cost]) -> str:
    """The user's table, how much of it the user measured, and whose rows are a model's."""
    ours = [row for row in ROWS if reference().rows[row].source is None]
    count = sum(row in rows for row in ours)
    told = []
    if count < len(ours):
        told.append(f"{count} of {len(ours)} rows; the others from the reference")
    by: dict[str, list[str]] = {}
    for row in ours:
        if row in rows and rows[row].model:
            by.setdefault(rows[row].model, []).append(row)
    told += [f"{', '.join(theirs)} by {model}" for model, theirs in by.items()]
    return f"{NAME} ({'; '.join(told)})" if told else NAME
