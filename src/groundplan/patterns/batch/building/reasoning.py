"""Why a build scores as it does: its explainer, its words, and which reasons weigh most."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from groundplan.decision import decide
from groundplan.features.category import Category
from groundplan.models import Explainer, Floats, Words, kinds
from groundplan.models.codes import Coded
from groundplan.patterns.batch.definition import Definition
from groundplan.project import Project

SURROGATE_ROWS: Final = 20_000
"""Rows that a surrogate learns from at most, where a model's reasons need one."""

WEIGHED: Final = 2_000
"""Rows at most by which codes are weighed."""


@dataclass(frozen=True)
class Reasoning:
    """What accounts for the scores of a build.

    Args:
        explainer: of the model; None where the answers ask for no reasons.
        words: of the features; None likewise.
        report: the codes and their weights, fit for JSON.
    """

    explainer: Explainer | None
    words: Words | None
    report: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write what scoring reads into the folder of a build."""
        if self.explainer is not None and self.words is not None:
            self.explainer.save(folder)
            self.words.save(folder)


def reasoning(project: Project, definition: Definition, model: kinds.Model, x: Floats) -> Reasoning:
    """What accounts for a model's scores.

    Args:
        project: whose answers say whether there are reasons.
        definition: the features and the reasons.
        model: that serves.
        x: float64[n, F], the rows that trained it.

    Raises:
        DefinitionError: codes do not fit the features.
    """
    monotone = {name: int(way) for name, way in getattr(definition.model, "monotone", {}).items()}
    told: dict[str, Any] = {"codes": [], "monotone": monotone, "faithful": ""}
    if decide(project.answers).components["explainer"].choice == "none":
        return Reasoning(None, None, told)
    inputs = definition.inputs
    known = {
        name: expression.known
        for name, expression in zip(inputs.names, inputs.expressions, strict=True)
        if isinstance(expression, Category)
    }
    words = Words.of(inputs.definitions(), inputs.descriptions, x, known)
    explainer = kinds.explain(model, x[:: max(1, len(x) // SURROGATE_ROWS)])
    coded = Coded(words, definition.reasons)
    weights = coded.sums(explainer.rows(x[:: max(1, len(x) // WEIGHED)]))
    told["faithful"] = explainer.faithful
    told["codes"] = [
        {
            "code": code.code,
            "description": code.description,
            "features": list(code.features),
            "mean": float(np.abs(weights[:, at]).mean()),
            "raised": float((weights[:, at] > 0).mean()),
        }
        for at, code in enumerate(coded.codes)
    ]
    return Reasoning(explainer, words, told)
