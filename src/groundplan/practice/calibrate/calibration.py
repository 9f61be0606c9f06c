"""Measuring the cost table of this machine, row by row."""

import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from sqlite3 import Error
from typing import Final

from groundplan.decision.calibrated import SCRIPT, package, processor
from groundplan.decision.costs import FURTHER, ROWS, Cost, Costs, completed, reference
from groundplan.errors import GroundplanError, ProjectError
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
from groundplan.practice.calibrate.measure import Clock, Measure, Timing

Report = Callable[[str, int, int], None]

SECONDS: Final = 0.75
"""Of measuring a row: with all libraries installed, all of it stays below two minutes."""

NAME: Final = "your calibration"
LIBRARIES: Final = ("numpy", "lightgbm", "lmdb", "faiss-cpu", "hnswlib", "torch", "uvicorn")
NOT_ASKED: Final = "not asked for"
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
) -> Costs:
    """Measure this machine.

    Args:
        report: told how far each group of rows is.
        only: rows to measure; empty is all of them.
        seconds: of measuring a row, beside what prepares it.
        before: a table of this machine, whose other rows are kept where only some are measured.

    Raises:
        ProjectError: a name in `only` is no row that can be measured.
    """
    wanted = _wanted(only)
    rows: dict[str, Cost] = {}
    left = dict.fromkeys((*ROWS, *FURTHER), NOT_ASKED)
    if only and before is not None and _same(before):
        rows = {name: cost for name, cost in before.rows.items() if name not in before.left}
        left |= before.left
    clock = Clock(seconds)
    for group, measures in MEASURES.items():
        asked = [measure for measure in measures if measure.row in wanted]
        done: set[str] = set()
        for number, one in enumerate(asked):
            report(group, number, len(asked))
            if one.row not in done:
                found = measured(one, clock)
                if isinstance(found, Cost):
                    done.add(one.row)
                    rows[one.row] = found
                else:
                    left[one.row] = found
        if asked:
            report(group, len(asked), len(asked))
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
    except (GroundplanError, ImportError, OSError, MemoryError, Error) as error:
        return f"failed: {str(error) or type(error).__name__}".splitlines()[0]
    return Cost(rounded(timing.median), "us", measure.what, spread=_spread(timing))


def rounded(value: float) -> float:
    """Three digits: more than a machine repeats."""
    return float(f"{value:.3g}")


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


def _spread(timing: Timing) -> tuple[float, float]:
    return rounded(timing.low), rounded(timing.high)


def _wanted(only: Collection[str]) -> set[str]:
    known = {measure.row for measures in MEASURES.values() for measure in measures}
    for row in only:
        if row not in known:
            raise ProjectError(
                f"{row!r} is no row that can be measured: name some of {', '.join(sorted(known))}"
            )
    return set(only) or known


def _same(before: Costs) -> bool:
    """Whether a table's other rows still say something of this machine."""
    return before.processor == processor() and before.package == package()


def _name(rows: Collection[str]) -> str:
    """The user's table, and how much of it the user measured."""
    ours = [row for row in ROWS if reference().rows[row].source is None]
    count = sum(row in rows for row in ours)
    if count == len(ours):
        return NAME
    return f"{NAME} ({count} of {len(ours)} rows; the others from the reference)"
