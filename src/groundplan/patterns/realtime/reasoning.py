"""Why a score is what it is: in the answer, or fetched later from what was logged."""

from typing import Final, Self

import numpy as np

from groundplan.errors import InputError
from groundplan.models import (
    Attribution,
    Explainer,
    Floats,
    Reason,
    Scorer,
    Words,
    load_explainer,
)
from groundplan.patterns.realtime.answers import Explanation
from groundplan.rollout.builds import Build
from groundplan.serving.log import Prediction

REASONS: Final = 4
"""Reasons in an answer: those that move the score most."""


class Reasoning:
    """The explainer of a build and the words for its reasons."""

    def __init__(self, build: str, explainer: Explainer, words: Words) -> None:
        self.explainer = explainer
        self._build = build
        self._words = words

    @classmethod
    def of(cls, build: Build, model: Scorer) -> Self:
        """Read what a build keeps to explain its model.

        Raises:
            BuildError: a file is missing or damaged.
        """
        explainer = load_explainer(build.folder, model)
        return cls(build.manifest.build, explainer, Words.load(build.folder))

    def top(self, attribution: Attribution, row: Floats) -> tuple[tuple[Reason, ...], float]:
        """The reasons of a row and what all other features add, log-odds."""
        contributions = attribution.contributions
        reasons = self._words.top(contributions, row, REASONS)
        return reasons, float(contributions.sum()) - sum(r.contribution for r in reasons)

    def of_logged(self, found: Prediction) -> Explanation:
        """The reasons of an answer that was logged.

        Raises:
            InputError: another build gave it.
        """
        if found.build != self._build:
            raise InputError(
                "id",
                f"build {found.build} answered about {found.id!r}: `groundplan replay` explains it",
            )
        assert found.id is not None  # it was found by it
        row = np.array(found.features, np.float64)
        attribution = self.explainer.row(row)
        reasons, other = self.top(attribution, row)
        return Explanation(
            id=found.id,
            score=found.score,
            reasons=reasons,
            base=attribution.base,
            other=other,
            method=self.explainer.faithful,
            build=found.build,
        )
