"""Timetables for tests, and a clock that jumps from one sleep to the next."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from groundplan.constraints import Schedule
from groundplan.schedule.attempt import Ended
from groundplan.schedule.clock import Clock
from groundplan.schedule.timetable import Job, Timetable
from groundplan.units import SECOND


def at(text: str) -> int:
    """Microseconds since 1970 of a moment in UTC: `2027-01-01T03:00`."""
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp()) * SECOND


def made(
    folder: Path,
    *,
    rules: Schedule | None = None,
    command: tuple[str, ...] = ("true",),
    **crons: str,
) -> Timetable:
    """A timetable whose jobs all run one command."""
    rules = rules or Schedule()
    jobs = tuple(Job(name, cron, rules.time_zone, command) for name, cron in crons.items())
    file = folder / "groundplan.toml"
    return Timetable("churn", jobs, rules, file, folder / ".groundplan" / "schedule")


@dataclass
class Pretended:
    """A clock that a test moves, and commands that take and answer what the test says.

    Args:
        time: µs since 1970.
        takes: by job, seconds that a run takes.
        codes: by job, the codes of its next attempts; 0 afterwards.
        ran: the attempts: job and when each began.
    """

    time: int
    takes: dict[str, int] = field(default_factory=dict)
    codes: dict[str, list[int]] = field(default_factory=dict)
    ran: list[tuple[str, int]] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    until: int = 2**62
    stop: object = None

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)

    def sleep(self, seconds: float) -> None:
        # Half a second at a time would make a pretended month slow.
        self._pass(max(round(seconds * SECOND), 30 * SECOND))

    def _pass(self, us: int) -> None:
        self.time += us
        if self.time >= self.until:
            self.stop()  # type: ignore[operator]

    def attempt(self, command: tuple[str, ...], log: Path, timeout: int, **rest: object) -> Ended:
        job = log.name.split("-")[0]
        self.ran.append((job, self.time))
        self.commands.append(command)
        log.write_text(f"words of {job}\n")
        self._pass(self.takes.get(job, 10) * SECOND)
        rest["meanwhile"]()  # type: ignore[operator]
        codes = self.codes.get(job)
        return Ended(codes.pop(0) if codes else 0)
