"""The online flow: validate, join features, score, explain, decide, log."""

import time
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct, UnsetType

from groundplan import __version__
from groundplan.errors import BuildError, EngineError, InputError
from groundplan.features import Event, FeatureSet, Label, OnlineStore, Schema
from groundplan.features.state import unknown
from groundplan.models import (
    Action,
    Attributions,
    Floats,
    Linear,
    Reason,
    Thresholds,
    Trees,
    top_reasons,
)
from groundplan.plan import Stage
from groundplan.rollout.builds import Build
from groundplan.serving.log import Log, Prediction, Taken
from groundplan.serving.stages import Pipeline, Step, Trace, refuse

REASONS: Final = 4
"""Reasons in an answer: those that move the score most."""

_encode: Final = msgspec.json.Encoder().encode


class Versions(Struct, frozen=True):
    """What answered: the build, the fingerprint of its feature definitions, the library."""

    build: str
    features: str
    groundplan: str


class Answer(Struct, frozen=True):
    """The answer to a request for a score.

    Args:
        id: the transaction's identifier.
        score: the probability of the label, 0..1.
        decision: the tier: approve, step_up or decline.
        reasons: what moved the score most, in log-odds, the strongest first; null where the
            plan has no reasons, or where they were left out (`degraded` says so).
        base: log-odds of the average training row; base + reasons + other are the score's.
        other: log-odds of all features that are not among the reasons.
        versions: what answered.
        timings_us: µs per stage.
        degraded: what a fallback answered, and why; empty when all is well.
        features: the values that the model saw, when the request asked with `?features=true`.
    """

    id: int | str
    score: float
    decision: str
    reasons: tuple[Reason, ...] | None
    base: float | None
    other: float | None
    versions: Versions
    timings_us: dict[str, int]
    degraded: list[str]
    features: dict[str, float | None] | UnsetType = UNSET


class Accepted(Struct, frozen=True):
    """What became of the events and labels of a body.

    Args:
        accepted: how many there were; all of a body are taken, or none.
        repeated: events that were known already, and count once.
        unknown: labels of events that are not, or no longer, remembered.
    """

    accepted: int
    repeated: int
    unknown: int


class _Request:
    """One request on its way: each stage fills in its part."""

    __slots__ = ("body", "contributions", "decision", "event", "row", "score", "trace")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.trace = Trace()
        self.event: Event
        self.row: Floats
        self.score: float
        self.contributions: tuple[Floats, float] | None = None
        self.decision: Action


class Scorer:
    """A build that answers.

    Args:
        build: what was trained.
        inputs: the feature definitions that it was trained with.
        store: the online state.
        log: the prediction log.

    Raises:
        BuildError: a file of the build is damaged, or its plan has a stage or a fallback that this
            server does not know.
    """

    def __init__(self, build: Build, inputs: FeatureSet, store: OnlineStore, log: Log) -> None:
        self.build = build
        self.inputs = inputs
        self.schema = Schema(inputs)
        self.store = store
        self.log = log
        self.trees = Trees.load(build.folder)
        self.attributions = Attributions.of(self.trees)
        self._baseline = Linear.load(build.folder)
        self._thresholds = Thresholds(**build.manifest.thresholds)
        self._versions = Versions(build.manifest.build, inputs.fingerprint(), __version__)
        self._words = dict(zip(inputs.names, inputs.descriptions, strict=True))
        self._unknown = unknown(inputs)
        self._sample = self.schema.decode(msgspec.json.encode(self.schema.example()))
        plan = build.manifest.plan
        self.pipeline = Pipeline(plan, {stage.name: self._step(stage) for stage in plan.online})

    def predict(
        self, body: bytes, started_ns: int, *, show: bool = False
    ) -> tuple[bytes, Trace, Action]:
        """Answer one request; the event becomes part of the history of the next.

        Args:
            body: a JSON object with the fields of the source.
            started_ns: when it arrived, by `time.perf_counter_ns`.
            show: whether the answer includes the feature values.

        Returns:
            The answer as JSON, what became of the stages, and the decision.

        Raises:
            InputError: the body breaks the schema; nothing was recorded.
            Refused: there was no time to begin.
        """
        request = _Request(body)
        self.pipeline.run(request, request.trace, started_ns)
        return _encode(self._answer(request, show)), request.trace, request.decision

    def take(self, body: bytes) -> Accepted:
        """Take events and labels into the history, all events of a body or none.

        Args:
            body: one JSON object, or one a line.

        Raises:
            InputError: one of them breaks the schema; the message names its line and field.
        """
        rows = self.schema.decode_events(body, _now())
        events = [row for row in rows if isinstance(row, Event)]
        labels = [row for row in rows if isinstance(row, Label)]
        new = self.store.append(events)
        known = sum(self.store.label(label.id, label.name, label.value) for label in labels)
        for line in [body] if len(rows) == 1 else body.splitlines():
            if line.strip():
                self.log.append(Taken(_now(), Raw(line)))
        return Accepted(len(rows), len(events) - new, len(labels) - known)

    def contributions(self, matrix: Floats) -> Floats:
        """Exact contributions to many rows, float64[n, F] to float64[n, F], in log-odds."""
        return np.stack([self.attributions.row(row).contributions for row in matrix])

    def fault(self) -> str:
        """Why this scorer cannot answer; empty when it can."""
        try:
            self.store.peek(self._sample)
        except EngineError as error:
            return str(error)
        except InputError:
            pass  # the sample is older than what the store remembers: it answers all the same
        return ""

    def close(self) -> None:
        """Write state and log to the disk."""
        self.store.close()
        self.log.close()

    def _step(self, stage: Stage) -> Step[_Request]:
        """What a stage of the plan runs, and the fallback that the plan names for it."""
        runs: dict[str, Callable[[_Request], None]] = {
            "validate": self._validate,
            "features": self._join,
            "score": self._score,
            "explain": self._explain,
            "decide": self._decide,
            "log": self._log,
        }
        fallbacks: dict[tuple[str, str], Callable[[_Request], None]] = {
            ("features", "defaults"): self._join_unknown,
            ("score", "baseline"): self._score_baseline,
            ("explain", "skip"): self._explain_skipped,
            ("decide", "defaults"): self._decide_cautiously,
            ("log", "skip"): self._log_skipped,
        }
        action = stage.fallback.action
        if action == "refuse":
            return Step(runs[stage.name], refuse(stage.name))
        try:
            return Step(runs[stage.name], fallbacks[stage.name, action])
        except KeyError:
            raise BuildError(
                f"the plan of build {self.build.manifest.build} has a stage {stage.name} with the "
                f"fallback {action}, which this server does not know: run `groundplan build` again"
            ) from None

    # The stages, in the order of the plan.

    def _validate(self, request: _Request) -> None:
        request.event = self.schema.decode(request.body, _now())

    def _join(self, request: _Request) -> None:
        request.row = self.store.join(request.event)

    def _join_unknown(self, request: _Request) -> None:
        request.row = self._unknown(request.event)

    def _score(self, request: _Request) -> None:
        request.score = self.trees.score(request.row)

    def _score_baseline(self, request: _Request) -> None:
        request.score = self._baseline.score(request.row)

    def _explain(self, request: _Request) -> None:
        request.contributions = self.attributions.row(request.row)

    def _explain_skipped(self, request: _Request) -> None:
        request.contributions = None

    def _decide(self, request: _Request) -> None:
        request.decision = self._thresholds.decide(request.score)

    def _decide_cautiously(self, request: _Request) -> None:
        request.decision = "step_up"

    def _log(self, request: _Request) -> None:
        self.log.append(
            Prediction(
                at=_now(),
                event=Raw(request.body),
                features=tuple(request.row.tolist()),
                score=request.score,
                decision=request.decision,
                build=self._versions.build,
                timings=request.trace.timings,
                degraded=request.trace.degraded,
            )
        )

    def _log_skipped(self, request: _Request) -> None:
        pass

    def _answer(self, request: _Request, show: bool) -> Answer:
        reasons = base = other = None
        if request.contributions is not None:
            contributions, base = request.contributions
            reasons = top_reasons(
                contributions, request.row, self.inputs.names, self._words, REASONS
            )
            other = float(contributions.sum()) - sum(reason.contribution for reason in reasons)
        return Answer(
            id=request.event.id,
            score=request.score,
            decision=request.decision,
            reasons=reasons,
            base=base,
            other=other,
            versions=self._versions,
            timings_us=request.trace.timings,
            degraded=request.trace.degraded,
            features=dict(zip(self.inputs.names, request.row.tolist(), strict=True))
            if show
            else UNSET,
        )


def _now() -> int:
    return time.time_ns() // 1_000
