"""The background check of a server: recent answers, recomputed every so often beside it."""

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from groundplan.errors import EngineError
from groundplan.monitoring.consistency import Report
from groundplan.monitoring.page import page

_logger: Final = logging.getLogger(__name__)

EVERY: Final = 60.0
"""Seconds between the ends of two checks and the beginning of the next, at least."""

SHARE: Final = 0.05
"""The share of the time that checks may run: after a long one there is a long pause."""

ANSWERS: Final = 2_000
"""How many of the last answers a check compares."""


class Figure(NamedTuple):
    """One figure for the metrics page: a gauge.

    Args:
        name: without the prefix of all our metrics.
        says: what it is.
        labels: label and value.
        value: the figure.
    """

    name: str
    says: str
    labels: dict[str, str]
    value: float


def command(project: Path, state: Path, answers: int = ANSWERS) -> list[str]:
    """The check of a project as a process of its own, which steps behind all others."""
    check = ["-m", "groundplan", "consistency", str(project), "--state", str(state)]
    return ["nice", "-n", "19", sys.executable, *check, "--last", str(answers), "--json"]


class Watch:
    """Runs a check again and again, and keeps the last report.

    Args:
        command: prints a report as JSON and exits with 0 or 2.
        every: seconds between checks, at least.
        share: of the time that checks may run at most.
    """

    def __init__(self, command: Sequence[str], every: float = EVERY, share: float = SHARE) -> None:
        self._command = command
        self._every = every
        self._share = share
        self.report: Report | None = None
        self.failures = 0
        self._checked = 0.0

    async def run(self) -> None:
        """Check until cancelled; a check that fails is counted, and the next one tries again."""
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            await self.check()
            pause = max(self._every, (time.monotonic() - began) / self._share)

    async def check(self) -> None:
        """Check once."""
        try:
            self.report = await self._reported()
        except (EngineError, OSError, msgspec.DecodeError) as error:
            self.failures += 1
            _logger.error("the consistency check failed: %s", error)
        else:
            self._checked = time.time()

    async def _reported(self) -> Report:
        """What the check prints.

        Raises:
            OSError: it cannot be started.
            DecodeError: it printed something else.
            EngineError: it failed.
        """
        process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode not in (0, 2):
            raise EngineError(errors.decode(errors="replace")[-2_000:])
        return msgspec.json.decode(out, type=Report)

    def figures(self) -> Iterator[Figure]:
        """The last report as gauges; none before the first check."""
        yield Figure(
            "consistency_failures", "Consistency checks that failed.", {}, float(self.failures)
        )
        if self.report is None:
            return
        report = self.report
        yield Figure("consistency_checked_seconds", "When it was checked.", {}, self._checked)
        yield Figure("consistency_answers", "Answers compared.", {}, float(report.rows))
        yield Figure("consistency_beyond", "Events too late to count.", {}, float(report.beyond))
        for feature in report.features:
            for outcome in ("mismatch", "missing", "extra", "late"):
                yield Figure(
                    "consistency_differing",
                    "Recent answers whose value differs from the recomputed one.",
                    {"feature": feature.name, "outcome": outcome},
                    float(getattr(feature, outcome)),
                )

    def page(self, system: str, build: str) -> str:
        """The last report as a page."""
        return page(self.report or Report(0, ()), system, build)
