"""What a project has scheduled: each command, and when it runs."""

import sys
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec import Struct

from groundplan.constraints import Schedule
from groundplan.constraints.cron import longest_gap, times
from groundplan.errors import ProjectError
from groundplan.project import Project
from groundplan.units import DAY

VERBS: Final = ("build", "score", "verify")
"""What can be scheduled, in the order in which those that are due together run."""

FOLDER: Final = "schedule"
"""Where, below a project's home, the lock, the state and the logs are."""


class Job(Struct, frozen=True):
    """A command that is scheduled.

    Args:
        name: its verb, one of `VERBS`.
        cron: the expression of when it runs.
        time_zone: the zone in which the expression is read.
        command: the program with its arguments, every path absolute.
        otherwise: what is run at once where that ends with an error: a run in full after a delta
            run, which cannot be made after a new build; empty where there is nothing else.
    """

    name: str
    cron: str
    time_zone: str
    command: tuple[str, ...]
    otherwise: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """What is run, one after the other until one does not end with an error."""
        return (self.command, self.otherwise) if self.otherwise else (self.command,)

    def next(self, after: int, count: int = 1) -> list[int]:
        """The next times after a moment; µs since 1970, UTC."""
        return list(islice(times(self.cron, self.time_zone, after), count))

    def due(self, after: int, now: int) -> int | None:
        """The latest time after one moment and not after another; None where there is none."""
        # A year of minutes need not be walked: the latest time is within one gap of now, and a
        # day more where clocks change.
        start = max(after, now - longest_gap(self.cron) - DAY)
        found = None
        for time in times(self.cron, self.time_zone, start):
            if time > now:
                break
            found = time
        return found


class Timetable(Struct, frozen=True):
    """Everything that a project has scheduled.

    Args:
        system: the name of the system.
        jobs: in the order of `VERBS`.
        rules: time zone, missed runs, timeout, alarm.
        file: the project's `groundplan.toml`, absolute.
        home: where lock, state and logs are.
    """

    system: str
    jobs: tuple[Job, ...]
    rules: Schedule
    file: Path
    home: Path

    def job(self, name: str) -> Job:
        """A job by its name.

        Raises:
            ProjectError: it is not scheduled.
        """
        for job in self.jobs:
            if job.name == name:
                return job
        scheduled = ", ".join(job.name for job in self.jobs)
        raise ProjectError(
            f"{name} is not scheduled: {self.file} has {scheduled}; add {name} under [schedule]"
        )


def timetable(project: Project, python: str = sys.executable) -> Timetable:
    """What a project has scheduled.

    Args:
        project: the project.
        python: the interpreter that runs the commands, absolute.

    Raises:
        ProjectError: nothing is scheduled.
    """
    rules, file = project.answers.schedule, project.file.resolve()
    jobs = []
    for name in VERBS:
        cron = getattr(rules, name)
        if cron is not None:
            command = (python, "-m", "groundplan", name, str(file))
            first = (*command, "--delta") if name == "score" and rules.delta else command
            otherwise = command if first != command else ()
            jobs.append(Job(name, cron, rules.time_zone, first, otherwise))
    if not jobs:
        raise ProjectError(
            f'{file} schedules nothing: write for instance score = "0 3 * * *" under [schedule]'
        )
    return Timetable(project.answers.system.name, tuple(jobs), rules, file, project.home / FOLDER)
