"""The online flow: validate, join features, score, explain, decide, log."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import quote

import msgspec
import numpy as np
from msgspec import UNSET

from groundplan import __version__
from groundplan.errors import BuildError, EngineError, InputError
from groundplan.features import Event, FeatureSet, Schema
from groundplan.models import Action, Attribution, Floats, Linear, Thresholds, load
from groundplan.models.reasons import FILE as WORDS
from groundplan.patterns.realtime.answers import Accepted, Answer, Explanation, Versions
from groundplan.patterns.realtime.joining import Joining
from groundplan.patterns.realtime.reasoning import Reasoning
from groundplan.patterns.realtime.training import BASELINE
from groundplan.plan import Stage
from groundplan.rollout.builds import Build
from groundplan.serving import log
from groundplan.serving.breaker import Breaker
from groundplan.serving.log import Log, Prediction
from groundplan.serving.stages import Pipeline, Step, Trace, refuse

WARM: Final = 50
"""Rehearsals before the first request."""

_encode: Final = msgspec.json.Encoder().encode


@runtime_checkable
class Remote(Protocol):
    """A model on another server, which is given a time to answer in."""

    def score(self, row: Floats, timeout_us: int | None = None) -> float:
        """The probability of a row.

        Raises:
            EngineError: the server fails, or does not answer in time.
        """
        ...

    def fault(self) -> str:
        """Why it cannot answer; empty when it can."""
        ...


class _Request:
    """One request on its way: each stage fills in its part."""

    __slots__ = ("attribution", "body", "decision", "event", "later", "row", "score", "trace")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.trace = Trace()
        self.event: Event
        self.row: Floats
        self.score: float
        self.attribution: Attribution | None = None
        self.later = False
        self.decision: Action


class Scorer:
    """A build that answers.

    Args:
        build: what was trained.
        inputs: the feature definitions that it was trained with.
        joining: the online state.
        written: the prediction log.
        find: an object of `system.py` by its name, for a model that is a function.
        breaker: around a model on another server.

    Raises:
        BuildError: a file of the build is damaged, or its plan names a stage or a fallback that
            this server does not know.
    """

    def __init__(
        self,
        build: Build,
        inputs: FeatureSet,
        joining: Joining,
        written: Log,
        find: Callable[[str], Any] | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.build = build
        self.inputs = inputs
        self.schema = Schema(inputs)
        self.joining = joining
        self.log = written
        self.model = load(build.folder, find)
        self._breaker = breaker or Breaker("model")
        plan = build.manifest.plan
        explained = (build.folder / WORDS).exists()
        self.reasoning = Reasoning.of(build, self.model) if explained else None
        self._baseline = Linear.load(build.folder / BASELINE)
        self._thresholds = Thresholds(**build.manifest.thresholds)
        self._versions = Versions(build.manifest.build, inputs.fingerprint(), __version__)
        self._sample = self.schema.decode(msgspec.json.encode(self.schema.example()))
        self.pipeline = Pipeline(plan, {stage.name: self._step(stage) for stage in plan.online})

    def predict(
        self,
        body: bytes,
        started_ns: int,
        timeout_us: int | None = None,
        *,
        show: bool = False,
    ) -> tuple[bytes, Trace, Action]:
        """Answer one request; the event becomes part of the history of the next.

        Args:
            body: a JSON object with the fields of the source.
            started_ns: when it arrived, by `time.perf_counter_ns`.
            timeout_us: how long its client waits from then on, if it said so.
            show: whether the answer includes the feature values.

        Returns:
            The answer as JSON, what became of the stages, and the decision.

        Raises:
            InputError: the body breaks the schema; nothing was recorded.
            Refused: there was no time to begin.
        """
        request = _Request(body)
        self.pipeline.run(request, request.trace, started_ns, timeout_us)
        return _encode(self._answer(request, show)), request.trace, request.decision

    def take(self, body: bytes, source: str | None = None) -> Accepted:
        """Take events and labels into the history, all of a body or none.

        Args:
            body: one JSON object, or one a line.
            source: whose events they are, by name; the main one where it is left out.

        Raises:
            InputError: one of them breaks the schema; the message names its line and field.
        """
        rows = self.schema.decode_events(body, _now(), source=source)
        position = self.inputs.position(source or self.inputs.source.name)
        done = self.joining.take(rows, log.lines(body), position)
        counted = done.added + done.known + done.late + done.labelled + done.parked
        return Accepted(
            accepted=len(rows),
            added=done.added,
            repeated=done.known,
            late=done.late,
            labelled=done.labelled,
            parked=done.parked,
            waiting=0 if counted else len(rows),
        )

    def logged(self, id: str) -> Prediction:
        """The newest answer about an event; it searches the log, and may be called beside others.

        Raises:
            InputError: the log has no answer about it.
        """
        found = log.find(self.log.folder, id)
        if found is None:
            raise InputError("id", f"the log has no answer about {id!r}")
        return found

    def explain(self, answer: Prediction) -> Explanation:
        """The reasons of an answer that was logged.

        Raises:
            InputError: another build gave it, or this one has no reasons.
        """
        if self.reasoning is None:
            raise InputError("id", "the plan of this server has no reasons")
        return self.reasoning.of_logged(answer)

    def contributions(self, matrix: Floats) -> Floats:
        """Contributions to many rows, float64[n, F] to float64[n, F], in log-odds."""
        assert self.reasoning is not None
        explainer = self.reasoning.explainer
        return np.stack([explainer.row(row).contributions for row in matrix])

    def warm(self) -> None:
        """Go the way of a request some times without recording it: the first ways are long."""
        for _ in range(WARM):
            request = _Request(msgspec.json.encode(self.schema.example()))
            self._validate(request)
            request.row = self.joining.unknown(request.event)
            with suppress(InputError, EngineError):  # the sample may be too old for the store
                request.row = self.joining.store.peek(request.event)
            with suppress(EngineError):
                request.score = self.model.score(request.row)
            request.score = self._baseline.score(request.row)
            if self.reasoning is not None:
                self._explain(request)
            self._decide(request)
            _encode(self._answer(request, show=True))

    def fault(self) -> str:
        """Why this scorer cannot answer; empty when it can."""
        try:
            self.joining.store.peek(self._sample)
        except EngineError as error:
            return str(error)
        except InputError:
            pass  # the sample is older than what the store remembers: it answers all the same
        return self.model.fault() if isinstance(self.model, Remote) else ""

    def close(self) -> None:
        """Write state and log to the disk."""
        self.joining.close()
        self.log.close()

    def _step(self, stage: Stage) -> Step[_Request]:
        """What a stage of the plan runs, and the fallback that the plan names for it."""
        runs: dict[str, Callable[[_Request], None]] = {
            "validate": self._validate,
            "features": self._join,
            "score": self._score_remotely if isinstance(self.model, Remote) else self._score,
            "explain": self._explain,
            "decide": self._decide,
            "log": self._log,
        }
        fallbacks: dict[tuple[str, str], Callable[[_Request], None]] = {
            ("features", "defaults"): self._join_unknown,
            ("score", "baseline"): self._score_baseline,
            ("explain", "skip"): self._explain_skipped,
            ("explain", "later"): self._explain_later,
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
        request.row = self.joining.join(request.event)
        stale = self.joining.stale_by()
        if stale:
            request.trace.degraded.append(f"features: {stale}")

    def _join_unknown(self, request: _Request) -> None:
        request.row = self.joining.without_state(request.event, request.body)

    def _score(self, request: _Request) -> None:
        request.score = self.model.score(request.row)

    def _score_remotely(self, request: _Request) -> None:
        assert isinstance(self.model, Remote)
        left = request.trace.left_us
        request.score = self._breaker.call(self.model.score, request.row, left)

    def _score_baseline(self, request: _Request) -> None:
        request.score = self._baseline.score(request.row)

    def _explain(self, request: _Request) -> None:
        assert self.reasoning is not None
        request.attribution = self.reasoning.explainer.row(request.row)

    def _explain_skipped(self, request: _Request) -> None:
        request.attribution = None

    def _explain_later(self, request: _Request) -> None:
        request.attribution = None
        request.later = True

    def _decide(self, request: _Request) -> None:
        request.decision = self._thresholds.decide(request.score)

    def _decide_cautiously(self, request: _Request) -> None:
        request.decision = "step_up"

    def _log(self, request: _Request) -> None:
        self.log.append(
            Prediction(
                at=_now(),
                event=request.body,
                features=tuple(request.row.tolist()),
                score=request.score,
                decision=request.decision,
                build=self._versions.build,
                timings=request.trace.timings,
                degraded=request.trace.degraded,
                id=request.event.id,
            )
        )

    def _log_skipped(self, request: _Request) -> None:
        pass

    def _answer(self, request: _Request, show: bool) -> Answer:
        reasons = base = other = None
        if request.attribution is not None and self.reasoning is not None:
            reasons, other = self.reasoning.top(request.attribution, request.row)
            base = request.attribution.base
        later = f"/explanations/{quote(str(request.event.id), safe='')}"
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
            explanation=later if request.later else UNSET,
            features=self._shown(request.row) if show else UNSET,
        )

    def _shown(self, row: Floats) -> dict[str, float | None]:
        values = (None if math.isnan(value) else value for value in row.tolist())
        return dict(zip(self.inputs.names, values, strict=True))


def _now() -> int:
    return time.time_ns() // 1_000
