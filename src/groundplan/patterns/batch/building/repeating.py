"""The published protocol: repeated 80/20 splits, so that figures can stand beside others'."""

from typing import Any, Final

import numpy as np

from groundplan.models import Logistic
from groundplan.models.folds import holdouts
from groundplan.models.metrics import roc_auc
from groundplan.patterns.batch.building.rows import Rows
from groundplan.patterns.batch.definition import Definition, Report

TIMES: Final = 10
"""How often rows are split anew."""


def repeated(definition: Definition, rows: Rows, names: tuple[str, str], report: Report) -> Any:
    """The ROC AUC of repeated 80/20 splits: its mean and its spread over the splits.

    Args:
        definition: what is trained.
        rows: all of them.
        names: what our model and the logistic regression are called.
        report: told the progress.

    Returns:
        Fit for JSON: `splits`, `says`, and by model its mean and its standard deviation.
    """
    specs = dict(zip(names, (definition.model, Logistic()), strict=True))
    found: dict[str, list[float]] = {name: [] for name in names}
    for done, (train, test) in enumerate(holdouts(TIMES, rows.y, rows.key)):
        for name, spec in specs.items():
            model = spec.train(rows.x[train], rows.y[train], definition.inputs.names)
            found[name].append(roc_auc(rows.y[test], model.scores(rows.x[test])))
        report("repeated 80/20 splits", done + 1, TIMES)
    return {
        "splits": TIMES,
        "says": f"{TIMES} stratified 80/20 splits: mean and standard deviation",
        "models": {
            name: [float(np.mean(each)), float(np.std(each, ddof=1))]
            for name, each in found.items()
        },
    }
