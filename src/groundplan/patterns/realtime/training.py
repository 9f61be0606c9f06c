"""The offline flow: point-in-time features, training, figures, thresholds, a build."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan import __version__
from groundplan.decision import current_costs, decide
from groundplan.engines.table import offline as engine
from groundplan.errors import ProjectError
from groundplan.features import FeatureSet, offline
from groundplan.models import (
    Bools,
    Costs,
    Floats,
    Indices,
    Linear,
    Logistic,
    Majority,
    Thresholds,
    Words,
    evaluate,
    kinds,
)
from groundplan.patterns.realtime.definition import Definition, Report, define
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.rollout import builds, channels
from groundplan.rollout.builds import Build, Manifest
from groundplan.units import DAY

HISTORY: Final = "history.parquet"
"""The events that the online state starts from; those of another source are in `history-NAME`."""

BASELINE: Final = "baseline"
"""The folder of the simpler model that stands in where the model fails."""

REPLAY: Final = "replay.parquet"
"""Events that came after the test period: what `verify` sends."""

REPLAYED: Final = 100_000
"""Events kept to replay."""

BESIDE: Final = ("logistic regression", "majority class")
"""What is trained and judged beside the model that serves."""

FAMILIES: Final = {
    "BoostedTrees": "boosted trees",
    "XGBoost": "XGBoost trees",
    "Logistic": "logistic regression (serving)",
    "Onnx": "ONNX model",
    "OfSklearn": "scikit-learn pipeline",
    "Function": "function",
    "Remote": "remote model",
}
"""What the families of models are called in a report."""

SURROGATE_ROWS: Final = 20_000
"""Rows that a surrogate learns from at most, where a model's reasons need one."""

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


@dataclass(frozen=True)
class Past:
    """The events to train on.

    Args:
        file: those of the main source, Parquet.
        others: those of the other sources, by name.
    """

    file: Path
    others: Mapping[str, Path]


def build(
    project: Project,
    data: Path | None,
    report: Report,
    *,
    live: bool = True,
    others: Mapping[str, Path] | None = None,
) -> Build:
    """Train a realtime system and write it as a build.

    Args:
        project: the answers and `system.py`.
        data: a Parquet file of past events; without one, `system.py` makes them.
        report: told the progress.
        live: whether the channel `live` points at the build afterwards, if it passes its gate.
        others: Parquet files of the other sources, by name.

    Raises:
        ProjectError: `system.py` lacks something, or there is no data.
        InputError: the data lacks a column, or a period of the split has no rows.
        BuildError: there are too few rows of either class.
    """
    costs = current_costs()
    plan = draw(project.answers, costs)
    definition = define(project)
    with TemporaryDirectory(prefix="groundplan-") as scratch:
        past = _past(definition, data, others or {}, Path(scratch), report)
        categories = definition.inputs.learn(past.file, past.others)
        definition = replace(definition, inputs=definition.inputs.fitted(categories))
        inputs = definition.inputs
        events = offline.events(inputs, past.file)
        values = offline.matrix(_features(project, inputs, events, past, report), inputs.names)
        rows = _rows(definition, events, values)
        train, test = definition.split.apply(rows.time, rows.group, rows.y)
        fitted = _fit(definition, rows, train, report)
        manifest = Manifest(
            build="",
            system=project.answers.system.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            groundplan=__version__,
            plan=plan,
            data=_provenance(past.file, rows),
            features={
                "fingerprint": inputs.fingerprint(),
                "names": list(inputs.names),
                "definitions": inputs.definitions(),
                "categories": categories,
            },
            model={"kind": kinds.kind(fitted.model), "spec": repr(definition.model)},
            thresholds=msgspec.to_builtins(fitted.thresholds),
            report=_report(definition, rows, (train, test), fitted, report),
            files={},
            costs=costs,
        )

        def fill(folder: Path, name: str) -> Manifest:
            kinds.save(fitted.model, folder)
            (folder / BASELINE).mkdir()
            fitted.logistic.save(folder / BASELINE)
            if decide(project.answers).components["explainer"].choice != "none":
                some = train[:: max(1, len(train) // SURROGATE_ROWS)]
                kinds.explain(fitted.model, rows.x[some]).save(folder)
                Words.of(inputs.definitions(), inputs.descriptions, rows.x[train]).save(folder)
            _keep(folder, definition, events, rows, test, past)
            return msgspec.structs.replace(manifest, build=name)

        made = builds.write(project.home, datetime.now(UTC), fill)
    if live and made.manifest.report["gate"]["passed"]:
        channels.point(project.home, channels.LIVE, made)
    report("write the build", 1, 1)
    return made


def history(folder: Path, inputs: FeatureSet) -> list[Path]:
    """The files that the online state starts from, one for each source, in their order."""
    others = (folder / f"history-{source.name}.parquet" for source in inputs.sources[1:])
    return [folder / HISTORY, *others]


@dataclass(frozen=True)
class _Fitted:
    """What training gives: the model that serves, the two beside it, and the thresholds."""

    model: kinds.Model
    logistic: Linear
    majority: Majority
    thresholds: Thresholds


def _fit(definition: Definition, rows: Rows, train: Indices, report: Report) -> _Fitted:
    names = definition.inputs.names
    x, y = rows.x[train], rows.y[train]
    called = FAMILIES[type(definition.model).__name__]
    return _Fitted(
        thresholds=_thresholds(definition, rows, train, names, report),
        model=definition.model.train(x, y, names, _step(report, called)),
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
    models = (fitted.model, fitted.logistic, fitted.majority)
    judged = _judge(definition, rows, test, models, report)
    amount = None if rows.amount is None else rows.amount[test]
    decided = (fitted.model.scores(rows.x[test]), rows.y[test], amount)
    tiers = fitted.thresholds.report(*decided)
    bill = None
    if isinstance(definition.tiers, Costs):
        bill = definition.tiers.bill(fitted.thresholds, *decided)
    return {
        "rows": _counts(rows, train, test),
        "models": judged,
        "published": {name: list(figures) for name, figures in definition.published.items()},
        "tiers": msgspec.to_builtins(tiers),
        "bill": msgspec.to_builtins(bill),
        "gate": _gate(judged),
    }


def _past(
    definition: Definition,
    data: Path | None,
    others: Mapping[str, Path],
    scratch: Path,
    report: Report,
) -> Past:
    """The files that were named, or what `system.py` makes."""
    if data is not None:
        return Past(data, others)
    if definition.data is None:
        raise ProjectError(
            "there is nothing to train on: name a Parquet file with --data, or define "
            "`data(progress)` in system.py"
        )
    made = definition.data(_step(report, "make events"))
    tables = made if isinstance(made, Mapping) else {definition.inputs.source.name: made}
    files = {}
    for name, table in tables.items():
        files[name] = scratch / f"{name}.parquet"
        pq.write_table(table, files[name])
    main = files.pop(definition.inputs.source.name)
    return Past(main, {**files, **others})


def _features(
    project: Project, inputs: FeatureSet, events: pa.Table, past: Past, report: Report
) -> pa.Table:
    """The point-in-time table, computed where the answers say."""
    progress = _share(report, "point-in-time features")
    with engine(project.answers.engines.get("offline")) as found:
        made: pa.Table = found.table(inputs, events, progress=progress, others=past.others)
    return made


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
    amount = None if rows.amount is None else rows.amount[train]
    return definition.tiers.choose(scores, rows.y[train], amount)


def _judge(
    definition: Definition, rows: Rows, test: Indices, models: tuple[Any, ...], report: Report
) -> list[dict[str, Any]]:
    """Figures of each model on the test period, with intervals over resampled groups."""
    judged = []
    names = (FAMILIES[type(definition.model).__name__], *BESIDE)
    for name, model in zip(names, models, strict=True):
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
    folder: Path,
    definition: Definition,
    events: pa.Table,
    rows: Rows,
    test: Indices,
    past: Past,
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
    for source, file in zip(inputs.sources[1:], history(folder, inputs)[1:], strict=True):
        pq.write_table(pq.read_table(past.others[source.name]), file, compression="zstd")


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
