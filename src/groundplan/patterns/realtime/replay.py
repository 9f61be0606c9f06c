"""Logged decisions made again: score, decision and reasons from the values that were logged."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from groundplan.errors import BuildError, InputError
from groundplan.models import Floats, Linear, Reason, Thresholds, kinds
from groundplan.patterns.realtime.reasoning import Reasoning
from groundplan.patterns.realtime.training import BASELINE
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.serving import log
from groundplan.serving.log import Prediction

SHOWN: Final = 20
"""Differences that are told one by one."""

_BATCH: Final = 4_096
_CAUTIOUS: Final = "step_up"
"""What is decided where the stage `decide` falls back."""


class Difference(Struct, frozen=True):
    """A logged answer that comes out otherwise.

    Args:
        id: the event's identifier.
        at: when it was answered, µs since 1970.
        build: what answered.
        score: the logged score, and the one made again.
        decision: the logged decision, and the one made again.
    """

    id: int | str | None
    at: int
    build: str
    score: tuple[float, float]
    decision: tuple[str, str]


class Replayed(Struct, frozen=True):
    """What came of making logged decisions again.

    Args:
        answers: how many were made again.
        equal: how many came out bit for bit as they were logged.
        builds: the builds that had answered.
        differences: the first of the others.
    """

    answers: int
    equal: int
    builds: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether all came out as they were logged."""
        return self.answers == self.equal


class Explained(Struct, frozen=True):
    """One logged answer, made again.

    Args:
        answer: as it was logged.
        score: made again.
        decision: made again.
        features: the logged values by name; None is missing.
        reasons: what moved the score, log-odds; None where the build has no reasons.
        base: log-odds of the average training row.
    """

    answer: Prediction
    score: float
    decision: str
    features: dict[str, float | None]
    reasons: tuple[Reason, ...] | None
    base: float | None

    @property
    def holds(self) -> bool:
        """Whether it came out bit for bit as it was logged."""
        logged = self.answer
        return (logged.score, logged.decision) == (self.score, self.decision)


@dataclass(frozen=True)
class _Judge:
    """The part of a build that answers from feature values."""

    build: Build
    model: kinds.Model
    baseline: Linear
    thresholds: Thresholds

    @classmethod
    def of(cls, project: Project, name: str) -> "_Judge":
        folder = project.home / "builds" / name
        if not folder.is_dir():
            raise BuildError(
                f"the log has answers of build {name}, which is no longer there ({folder}): bring "
                "it back, or replay answers of other builds"
            )
        build = Build(folder)
        return cls(
            build,
            kinds.load(folder, project.find),
            Linear.load(folder / BASELINE),
            Thresholds(**build.manifest.thresholds),
        )

    def again(self, rows: list[Prediction]) -> Iterator[tuple[float, str]]:
        """The score and the decision of each, by what answered then: model or fallback."""
        x = np.array([row.features for row in rows], np.float64)
        simple = np.array([_fell_back(row, "score") for row in rows])
        scores = np.empty(len(rows))
        for which, model in ((~simple, self.model), (simple, self.baseline)):
            if which.any():
                scores[which] = model.scores(np.ascontiguousarray(x[which]))
        for row, score in zip(rows, scores.tolist(), strict=True):
            cautious = _fell_back(row, "decide")
            yield score, _CAUTIOUS if cautious else self.thresholds.decide(score)


def replay(
    project: Project,
    state: Path,
    report: Callable[[str, int, int], None],
    last: int | None = None,
) -> Replayed:
    """Make logged decisions again, with the builds that made them, and compare bit for bit.

    Args:
        project: has the builds.
        state: the folder that has the prediction log.
        report: told the progress.
        last: how many of the last answers; all where it is not given.

    Raises:
        BuildError: a build that answered is gone or was altered.
    """
    found = list(_answers(state)) if last is None else list(_answers(state))[-last:]
    judges: dict[str, _Judge] = {}
    equal = 0
    differences: list[Difference] = []
    for start in range(0, len(found), _BATCH):
        for name, rows in _by_build(found[start : start + _BATCH]).items():
            judge = judges.get(name) or _Judge.of(project, name)
            judges[name] = judge
            for row, (score, decision) in zip(rows, judge.again(rows), strict=True):
                if (score, decision) == (row.score, row.decision):
                    equal += 1
                elif len(differences) < SHOWN:
                    pairs = (row.score, score), (row.decision, decision)
                    differences.append(Difference(row.id, row.at, name, *pairs))
        report("replay", min(start + _BATCH, len(found)), len(found))
    return Replayed(len(found), equal, tuple(judges), tuple(differences))


def explain(project: Project, state: Path, id: str) -> Explained:
    """Make the newest answer about an event again, with its reasons.

    Raises:
        InputError: the log has no answer about it.
        BuildError: the build that answered is gone or was altered.
    """
    found = log.find(state / "log", id)
    if found is None:
        raise InputError("id", f"the log in {state / 'log'} has no answer about {id!r}")
    judge = _Judge.of(project, found.build)
    ((score, decision),) = judge.again([found])
    row = np.array(found.features, np.float64)
    reasons, base = _reasons(judge, row)
    names = judge.build.manifest.features["names"]
    values = (None if math.isnan(value) else value for value in found.features)
    shown = dict(zip(names, values, strict=True))
    return Explained(found, score, decision, shown, reasons, base)


def _reasons(judge: _Judge, row: Floats) -> tuple[tuple[Reason, ...] | None, float | None]:
    if all(stage.name != "explain" for stage in judge.build.manifest.plan.online):
        return None, None
    reasoning = Reasoning.of(judge.build, judge.model)
    attribution = reasoning.explainer.row(row)
    return reasoning.top(attribution, row)[0], attribution.base


def _answers(state: Path) -> Iterator[Prediction]:
    return (row for row in log.read(state / "log") if isinstance(row, Prediction))


def _by_build(rows: list[Prediction]) -> dict[str, list[Prediction]]:
    found: dict[str, list[Prediction]] = {}
    for row in rows:
        found.setdefault(row.build, []).append(row)
    return found


def _fell_back(row: Prediction, stage: str) -> bool:
    return any(line.startswith(f"{stage}:") for line in row.degraded)
