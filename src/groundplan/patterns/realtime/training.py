"""The offline flow: point-in-time features, training, figures, thresholds, a build."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan import __version__
from groundplan.errors import ProjectError
from groundplan.features import offline
from groundplan.models import (
    Bools,
    Floats,
    Indices,
    Linear,
    Logistic,
    Majority,
    Thresholds,
    Trees,
    evaluate,
)
from groundplan.patterns.realtime.definition import Definition, Report, define
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.rollout import builds, channels
from groundplan.rollout.builds import Build, Manifest
from groundplan.units import DAY

HISTORY: Final = "history.parquet"
"""The events that the online state starts from."""

REPLAY: Final = "replay.parquet"
"""Events that came after the test period: what `verify` sends."""

REPLAYED: Final = 100_000
"""Events kept to replay."""

MODELS: Final = ("boosted trees", "logistic regression", "majority class")
"""What is always trained and judged, the one that serves first."""

FOLDS: Final = 5
"""Parts of the training period that thresholds are chosen on, each unseen by its model."""


@dataclass(frozen=True)
class Rows:
    """The rows of a table as training needs them, in the table's order.

    Args:
        x: float64[n, F], the features.
        y: bool[n], the label.
        time: int64[n], µs since 1970.
        group: int64[n], numbers of the entity that figures are counted by.
        amount: float64[n], the first decimal field; None where the source has none.
    """

    x: Floats
    y: Bools
    time: Indices
    group: Indices
    amount: Floats | None


def build(project: Project, data: Path | None, report: Report, *, live: bool = True) -> Build:
    """Train a realtime system and write it as a build.

    Args:
        project: the answers and `system.py`.
        data: a Parquet file of past events; without one, `system.py` makes them.
        report: told the progress.
        live: whether the channel `live` points at the build afterwards, if it passes its gate.

    Raises:
        ProjectError: `system.py` lacks something, or there is no data.
        InputError: the data lacks a column, or a period of the split has no rows.
        BuildError: there are too few rows of either class.
    """
    plan = draw(project.answers)
    definition = define(project)
    inputs = definition.inputs
    with TemporaryDirectory(prefix="groundplan-") as scratch:
        file = data or _made(definition, Path(scratch), report)
        events = offline.events(inputs, file)
        table = offline.table(inputs, events, progress=_share(report, "point-in-time features"))
        rows = _rows(definition, events, offline.matrix(table, inputs.names))
        train, test = definition.split.apply(rows.time, rows.group, rows.y)
        fitted = _fit(definition, rows, train, report)
        manifest = Manifest(
            build="",
            system=project.answers.system.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            groundplan=__version__,
            plan=plan,
            data=_provenance(file, rows),
            features={
                "fingerprint": inputs.fingerprint(),
                "names": list(inputs.names),
                "definitions": inputs.definitions(),
            },
            model={"boosted_trees": msgspec.to_builtins(definition.model)},
            thresholds=msgspec.to_builtins(fitted.thresholds),
            report=_report(definition, rows, (train, test), fitted, report),
            files={},
        )

        def fill(folder: Path, name: str) -> Manifest:
            fitted.trees.save(folder)
            fitted.logistic.save(folder)
            _keep(folder, definition, events, rows, test)
            return msgspec.structs.replace(manifest, build=name)

        made = builds.write(project.home, datetime.now(UTC), fill)
    if live and made.manifest.report["gate"]["passed"]:
        channels.point(project.home, channels.LIVE, made)
    report("write the build", 1, 1)
    return made


@dataclass(frozen=True)
class _Fitted:
    """What training gives: the model that serves, the two beside it, and the thresholds."""

    trees: Trees
    logistic: Linear
    majority: Majority
    thresholds: Thresholds


def _fit(definition: Definition, rows: Rows, train: Indices, report: Report) -> _Fitted:
    names = definition.inputs.names
    x, y = rows.x[train], rows.y[train]
    return _Fitted(
        thresholds=_thresholds(definition, rows, train, names, report),
        trees=definition.model.train(x, y, names, _step(report, "boosted trees")),
        logistic=Logistic().train(x, y, names),
        majority=Majority.train(y, names),
    )


def _report(
    definition: Definition,
    rows: Rows,
    parts: tuple[Indices, Indices],
    fitted: _Fitted,
    report: Report,
) -> dict[str, Any]:
    """The figures that a build is judged by, fit for JSON."""
    train, test = parts
    models = (fitted.trees, fitted.logistic, fitted.majority)
    judged = _judge(definition, rows, test, models, report)
    tiers = fitted.thresholds.report(
        fitted.trees.scores(rows.x[test]),
        rows.y[test],
        None if rows.amount is None else rows.amount[test],
    )
    return {
        "rows": _counts(rows, train, test),
        "models": judged,
        "published": {name: list(figures) for name, figures in definition.published.items()},
        "tiers": msgspec.to_builtins(tiers),
        "gate": _gate(judged),
    }


def _made(definition: Definition, scratch: Path, report: Report) -> Path:
    if definition.data is None:
        raise ProjectError(
            "there is nothing to train on: name a Parquet file with --data, or define "
            "`data(progress)` in system.py"
        )
    file = scratch / "events.parquet"
    pq.write_table(definition.data(_step(report, "simulate events")), file)
    return file


def _step(report: Report, name: str) -> Callable[[int, int], None]:
    return lambda done, total: report(name, done, total)


def _share(report: Report, name: str) -> Callable[[float], None]:
    return lambda done: report(name, round(100 * done), 100)


def _rows(definition: Definition, events: pa.Table, x: Floats) -> Rows:
    source = definition.inputs.source
    money = next((name for name, kind in source.fields.items() if kind.name == "decimal"), None)
    labels = events.column(definition.label).fill_null(False)
    keys = events.column(definition.group.key).combine_chunks().dictionary_encode()
    return Rows(
        x=x,
        y=labels.to_numpy().astype(np.bool_),
        time=events.column(source.time.column).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(),
        group=keys.indices.to_numpy().astype(np.int64),
        amount=None if money is None else events.column(money).to_numpy().astype(np.float64),
    )


def _thresholds(
    definition: Definition, rows: Rows, train: Indices, names: tuple[str, ...], report: Report
) -> Thresholds:
    """Chosen on the training period, each part of it scored by a model that did not see it.

    Whole groups go to one part, so that no card helps to score itself.
    """
    part = np.random.default_rng(0).integers(FOLDS, size=int(rows.group.max()) + 1)
    part = part[rows.group[train]]
    scores = np.empty(len(train))
    for fold in range(FOLDS):
        seen, unseen = train[part != fold], part == fold
        model = definition.model.train(rows.x[seen], rows.y[seen], names)
        scores[unseen] = model.scores(rows.x[train[unseen]])
        report("thresholds, out of fold", fold + 1, FOLDS)
    return definition.tiers.choose(scores, rows.y[train])


def _judge(
    definition: Definition, rows: Rows, test: Indices, models: tuple[Any, ...], report: Report
) -> list[dict[str, Any]]:
    """Figures of each model on the test period, with intervals over resampled groups."""
    judged = []
    for name, model in zip(MODELS, models, strict=True):
        figures = evaluate(
            model.scores(rows.x[test]),
            rows.y[test],
            rows.group[test],
            rows.time[test] // DAY,
            progress=_step(report, f"judge the {name}"),
        )
        judged.append({"name": name, **msgspec.to_builtins(figures)})
    return judged


def _gate(judged: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether the trees beat the base rate, and whether a simpler model would have done."""
    trees, logistic, majority = (model["average_precision"] for model in judged)
    passed = trees["low"] > majority["high"]
    return {
        "passed": passed,
        "rule": "average precision above that of the base rate, intervals apart",
        "simpler_would_do": logistic["value"] >= trees["value"],
    }


def _keep(
    folder: Path, definition: Definition, events: pa.Table, rows: Rows, test: Indices
) -> None:
    """Write what serving starts from, and what came after, for `verify`.

    Where nothing came after the test period, the test period itself is what is replayed.
    """
    order = np.argsort(rows.time, kind="stable")
    time = rows.time[order]
    end = int(rows.time[test].max() // DAY + 1) * DAY
    if np.searchsorted(time, end) == len(time):
        end = int(rows.time[test].min() // DAY) * DAY
    cut = int(np.searchsorted(time, end))
    inputs = definition.inputs
    start = int(np.searchsorted(time, end - inputs.longest - inputs.source.lateness))
    pq.write_table(events.take(order[start:cut]), folder / HISTORY, compression="zstd")
    pq.write_table(events.take(order[cut : cut + REPLAYED]), folder / REPLAY, compression="zstd")


def _counts(rows: Rows, train: Indices, test: Indices) -> dict[str, int]:
    return {
        "train": len(train),
        "train_positive": int(rows.y[train].sum()),
        "test": len(test),
        "test_positive": int(rows.y[test].sum()),
    }


def _provenance(file: Path, rows: Rows) -> dict[str, Any]:
    def shown(us: int) -> str:
        return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds")

    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "file": file.name,
        "sha256": digest,
        "rows": len(rows.y),
        "positive": int(rows.y.sum()),
        "first": shown(int(rows.time.min())),
        "last": shown(int(rows.time.max())),
    }
