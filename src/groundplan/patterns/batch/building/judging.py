"""How a model of a batch project is judged: on rows that it did not see."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.models import Floats, Indices, Logistic, Split
from groundplan.models.bands import Cuts
from groundplan.models.folds import Folds
from groundplan.models.probabilities import judged
from groundplan.patterns.batch.building.curves import curves
from groundplan.patterns.batch.building.repeating import repeated
from groundplan.patterns.batch.building.rows import Rows
from groundplan.patterns.batch.definition import Definition, Report

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

BESIDE: Final = ("logistic regression", "majority class")
"""What is trained and judged beside the model that serves."""


@dataclass(frozen=True)
class Judged:
    """What judging gives.

    Args:
        train: int64[n], the rows that the model which serves is trained on.
        cuts: its decisions.
        report: the figures, fit for JSON.
    """

    train: Indices
    cuts: Cuts
    report: dict[str, Any]


@dataclass(frozen=True)
class Scored:
    """Rows with the scores of models that did not see them.

    Args:
        rows: int64[m], which.
        scores: by model, float64[m]; first the one that serves.
        decided: uint8[m], positions of decisions whose cuts were chosen on other rows.
        cuts: those of the build.
    """

    rows: Indices
    scores: dict[str, Floats]
    decided: npt.NDArray[np.uint8]
    cuts: Cuts

    @property
    def own(self) -> Floats:
        """The scores of the model that serves."""
        return next(iter(self.scores.values()))


def judge(definition: Definition, rows: Rows, report: Report) -> Judged:
    """Score rows by models that did not see them, choose the cuts, and tell how good both are.

    By folds, every row is judged, and the model that serves is trained on all of them. By periods
    (`Split`), the test period is judged, and the model that serves is that of the training period.
    """
    names = definition.inputs.names
    if isinstance(definition.judge, Split):
        train, test = definition.judge.apply(rows.time, rows.key, rows.y)
        folds = Folds()
    else:
        train = test = np.arange(len(rows.y))
        folds = definition.judge
    x, y, key = rows.x[train], rows.y[train], rows.key[train]
    called = FAMILIES[type(definition.model).__name__]
    own = folds.scores(definition.model, x, y, key, names, _step(report, f"judge the {called}"))
    cuts = definition.decisions.choose(own, y)
    if isinstance(definition.judge, Split):
        model = definition.model.train(x, y, names)
        own = model.scores(rows.x[test])
        beside = Logistic().train(x, y, names).scores(rows.x[test])
        decided = cuts.decide(own)
    else:
        beside = folds.scores(Logistic(), x, y, key, names, _step(report, f"judge the {BESIDE[0]}"))
        decided = _crossed(definition, folds, own, rows)
    scores = {called: own, BESIDE[0]: beside, BESIDE[1]: np.full(len(test), y.mean())}
    scored = Scored(test, scores, decided, cuts)
    return Judged(train, cuts, _report(definition, rows, train, scored, report))


def _crossed(
    definition: Definition, folds: Folds, scores: Floats, rows: Rows
) -> npt.NDArray[np.uint8]:
    """The decision of each row by cuts that were chosen on the other folds."""
    decided = np.empty(len(scores), dtype=np.uint8)
    for others, own in folds.parts(rows.y, rows.key):
        cuts = definition.decisions.choose(scores[others], rows.y[others])
        decided[own] = cuts.decide(scores[own])
    return decided


def _report(
    definition: Definition, rows: Rows, train: Indices, scored: Scored, report: Report
) -> dict[str, Any]:
    """The figures that a build is judged by, fit for JSON."""
    label, key = rows.y[scored.rows], rows.key[scored.rows]
    names = (next(iter(scored.scores)), BESIDE[0])
    models = []
    for name, scores in scored.scores.items():
        told = judged(scores, label, key, progress=_step(report, f"intervals of the {name}"))
        models.append({"name": name, **msgspec.to_builtins(told)})
    return {
        "judge": _says(definition),
        "rows": {
            "train": len(train),
            "train_positive": int(rows.y[train].sum()),
            "test": len(scored.rows),
            "test_positive": int(label.sum()),
        },
        "models": models,
        "published": {name: list(figures) for name, figures in definition.published.items()},
        "repeated": (repeated(definition, rows, names, report) if definition.published else None),
        **curves(definition, rows, scored.rows, scored.own, scored.decided, scored.cuts),
        "gate": _gate(models),
    }


def _says(definition: Definition) -> str:
    """How rows were judged, in words."""
    judge = definition.judge
    if isinstance(judge, Split):
        first, length = judge.train
        return f"trained on {length} from {first}, tested on the {judge.test} after {judge.delay}"
    return f"{judge.folds} stratified folds, each scored by a model of the others"


def _gate(models: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether the model beats the base rate, and whether a simpler one would have done."""
    ours, logistic, majority = (model["average_precision"] for model in models)
    return {
        "passed": ours["low"] > majority["high"],
        "rule": "average precision above that of the base rate, intervals apart",
        "simpler_would_do": logistic["value"] >= ours["value"],
    }


def _step(report: Report, name: str) -> Callable[[int, int], None]:
    return lambda done, total: report(name, done, total)
