"""What goes on beside the requests: new versions are noticed, and old ones are told of."""

import logging
from collections.abc import Iterator
from typing import Final

from groundplan.errors import EngineError, GroundplanError
from groundplan.patterns.batch.definition import Definition
from groundplan.patterns.batch.lookups.answering import Answering, overdue
from groundplan.patterns.batch.lookups.cold import OnDemand
from groundplan.patterns.batch.lookups.lookup import age_us, stale
from groundplan.project import Project
from groundplan.scores.scored import Live
from groundplan.scores.store import Examining
from groundplan.serving.metrics import Metrics

_logger: Final = logging.getLogger(__name__)


class Following:
    """Looks at the live version from time to time; the store itself follows the pointer.

    Args:
        project: the answers and `system.py`.
        definition: what `system.py` says.
        answering: told of the model of the live version.
        metrics: shows the version, its age, and what was noticed.
    """

    def __init__(
        self, project: Project, definition: Definition, answering: Answering, metrics: Metrics
    ) -> None:
        self._project = project
        self._definition = definition
        self._answering = answering
        self._picked_up = metrics.counter("versions_picked_up", "New versions that were noticed.")
        self._alarms = metrics.counter(
            "stale_alarms", "Times that scores became older than stated."
        )
        self._name = self._build = ""
        self._stale = self._lost = False
        self._whole: Live | None = None  # the version whose bytes were looked at
        self._damage = ""
        metrics.watched = self._figures

    def look(self) -> None:
        """Look once; it may read files and take its time, so it is called beside the loop."""
        try:
            live = self._answering.store.current()
        except EngineError as error:
            if not self._lost:
                _logger.error("the scores cannot be read: %s", error)
            self._lost = True
            return
        self._lost = False
        if live is not self._whole:
            self._whole, self._damage = live, self._damaged()
            if self._damage:
                return  # the next look sees what answers instead
        self._answering.last = live
        version = live.version
        if version.name != self._name:
            if self._name:
                self._picked_up[()] += 1
                _logger.warning(
                    "version %s answers from now on, after %s", version.name, self._name
                )
            self._name = version.name
        if version.build != self._build:
            self._build = version.build
            self._answering.model = self._model(version.build)
        elif self._answering.model is not None and self._slow(self._answering.model):
            self._answering.model.measure()  # the machine may have been busy
        self._alarm(live)

    def fault(self) -> str:
        """Why the newest version is not the one that answers, whole; empty where it is."""
        return self._damage or str(getattr(self._answering.store, "fault", "") or "")

    def damage(self) -> str:
        """What became of the bytes of the version that answers; empty where they are whole."""
        return self._damage

    def _damaged(self) -> str:
        """Have a new version read to its end, where the store can; it goes back if need be."""
        if not isinstance(self._answering.store, Examining):
            return ""
        if found := self._answering.store.examine():
            _logger.error("ALARM: %s", found)
        return found or ""

    def _slow(self, model: OnDemand) -> bool:
        return model.us >= self._answering.budget

    def _model(self, build: str) -> OnDemand | None:
        """The model of a build, for rows that come with a request; None where it cannot be had."""
        try:
            model = OnDemand.of(self._project, self._definition, build)
        except GroundplanError as error:
            _logger.warning("cold keys get averages, since the model cannot be read: %s", error)
            return None
        if model is None:
            _logger.info(
                "cold keys get averages: a feature reads a history, the model is on another "
                "server, or system.py changed since the build %s",
                build,
            )
        elif self._slow(model):
            _logger.warning(
                "cold keys get averages until it is faster: a live score takes %.0f us here, and "
                "a lookup has %d us",
                *(model.us, self._answering.budget),
            )
        return model

    def _alarm(self, live: Live) -> None:
        """Tell once that the scores became older than was promised, and once that they are not."""
        now = stale(live)
        if now and not self._stale:
            self._alarms[()] += 1
            _logger.error(
                "ALARM: %s (version %s): rerun `groundplan score`, and find what stopped it",
                *(overdue(live), live.version.name),
            )
        elif self._stale and not now:
            _logger.warning("the scores are as young as promised again: %s", live.version.name)
        self._stale = now

    def _figures(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        """What is shown of the version that answers."""
        live = self._answering.last
        if live is None:
            return
        version = live.version
        named = {"version": version.name, "build": version.build}
        yield "version_info", "The version that answers.", named, 1.0
        yield "build_info", "The build that serves.", {"build": version.build}, 1.0
        yield "version_rows", "Keys of the version that answers.", {}, float(version.rows)
        yield "scores_age_seconds", "Age of the version that answers.", {}, age_us(live) / 1e6
        yield "scores_stale", "Whether it is older than promised.", {}, float(stale(live))
        changed = version.figures.get("inputs_changed")
        says = "Share of keys whose inputs differ from the version before; NaN: not known."
        yield "scores_inputs_changed_ratio", says, {}, float("nan" if changed is None else changed)
        if live.promised is not None:
            promised = live.promised / 1e6
            yield "promised_age_seconds", "The oldest acceptable answer.", {}, promised
        fault = float(bool(self.fault()))
        yield "scores_fault", "Whether a newer version cannot be read.", {}, fault
