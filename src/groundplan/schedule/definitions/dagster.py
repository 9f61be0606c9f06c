"""A file of jobs and schedules for Dagster."""

import re

from groundplan.schedule.definitions.commands import commands
from groundplan.schedule.scheduler import RETRIES
from groundplan.schedule.timetable import Timetable
from groundplan.units import SECOND


def dagster(table: Timetable) -> dict[str, str]:
    """A Python file for `dagster dev -f`; it defines jobs and schedules that are running.

    An exit code of 2 is an honest no, which another attempt would not change: it fails the op
    for good, with the last words of the command.
    """
    system = re.sub(r"[^A-Za-z0-9]", "_", table.system).lower()
    return {
        f"groundplan_{system}.py": f'''\
"""What {system} has scheduled, printed by `groundplan schedule --print dagster`."""

import os
import subprocess

from dagster import (
    Backoff,
    DefaultScheduleStatus,
    Definitions,
    Failure,
    RetryPolicy,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

JOBS = {{
{commands(table)}
}}
FOLDER = {str(table.file.parent)!r}
LOCK = {str(table.home / "dagster.lock")!r}  # one command of the project at a time
TIMEOUT = {table.rules.timeout // SECOND}  # seconds, from when the command has its turn


def run(context, commands):
    for command in commands:  # a delta run that cannot be made, then one in full
        code, said = tried(context, command)
        if code in (0, 2):
            break
    if code:
        says = "an honest no" if code == 2 else f"exit code {{code}}"
        raise Failure(f"{{says}}: {{'; '.join(said)}}", allow_retries=code != 2)


def tried(context, command):
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    limited = ["timeout", "--kill-after=30", str(TIMEOUT), *command]
    said = []
    with subprocess.Popen(
        ["flock", "--no-fork", LOCK, *limited],
        cwd=FOLDER,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            for line in process.stdout:
                context.log.info(line.rstrip())
                said = [*said, line.strip()][-5:]
        except BaseException:  # the run was ended
            process.terminate()
            raise
    return process.returncode, said


def scheduled(name, cron, commands):
    @op(
        name=f"{system}_{{name}}",
        retry_policy=RetryPolicy(
            max_retries={len(RETRIES)}, delay={RETRIES[0] // SECOND}, backoff=Backoff.EXPONENTIAL
        ),
    )
    def step(context):
        run(context, commands)

    @job(name=f"groundplan_{system}_{{name}}", executor_def=in_process_executor)
    def made():
        step()

    return ScheduleDefinition(
        job=made,
        cron_schedule=cron,
        execution_timezone={table.rules.time_zone!r},
        default_status=DefaultScheduleStatus.RUNNING,
    )


schedules = [scheduled(name, cron, commands) for name, (cron, commands) in JOBS.items()]
defs = Definitions(jobs=[one.job for one in schedules], schedules=schedules)
'''
    }
