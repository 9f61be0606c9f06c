"""A file of DAGs for Airflow, one DAG a job."""

import re

from groundplan.schedule.definitions.commands import commands
from groundplan.schedule.definitions.name import plain
from groundplan.schedule.scheduler import RETRIES
from groundplan.schedule.timetable import Timetable
from groundplan.units import SECOND


def airflow(table: Timetable) -> dict[str, str]:
    """A Python file for the folder of DAGs; Airflow 2.9 and later, and 3.

    An exit code of 2 is an honest no, which another attempt would not change: it fails the task
    at once, with the last words of the command.
    """
    name = plain(table.system)
    return {
        f"groundplan_{re.sub(r'[^A-Za-z0-9]', '_', name).lower()}.py": f'''\
"""What {name} has scheduled, printed by `groundplan schedule --print airflow`."""

import os
import subprocess
from datetime import datetime, timedelta, timezone

from airflow.timetables.trigger import CronTriggerTimetable

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

try:
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:
    from airflow.exceptions import AirflowFailException

JOBS = {{
{commands(table)}
}}
FOLDER = {str(table.file.parent)!r}
LOCK = {str(table.home / "airflow.lock")!r}  # one command of the project at a time


def run(commands):
    for command in commands:  # a delta run that cannot be made, then one in full
        code, said = tried(command)
        if code in (0, 2):
            break
    if code == 2:
        raise AirflowFailException(f"an honest no: {{'; '.join(said)}}")
    if code:
        raise RuntimeError(f"exit code {{code}}: {{'; '.join(said)}}")


def tried(command):
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    locked = ["flock", "--no-fork", LOCK, *command]
    said = []
    with subprocess.Popen(
        locked, cwd=FOLDER, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in process.stdout:
                print(line, end="")
                said = [*said, line.strip()][-5:]
        except BaseException:  # the time limit, or somebody cleared the task
            process.terminate()
            raise
    return process.returncode, said


for name, (cron, commands) in JOBS.items():
    with DAG(
        {f"groundplan-{name}-"!r} + name,
        schedule=CronTriggerTimetable(cron, timezone={table.rules.time_zone!r}),
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        tags=["groundplan"],
    ) as dag:
        task(
            run,
            task_id=name,
            retries={len(RETRIES)},
            retry_delay=timedelta(seconds={RETRIES[0] // SECOND}),
            retry_exponential_backoff=True,
            execution_timeout=timedelta(seconds={table.rules.timeout // SECOND}),
        )(commands)
    globals()[dag.dag_id] = dag
'''
    }
