"""`groundplan schedule`: run commands when they are due."""

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.errors import ProjectError
from groundplan.project import Project

if TYPE_CHECKING:
    from groundplan.schedule.scheduler import Age, Scheduler
    from groundplan.schedule.state import Outcome
    from groundplan.schedule.timetable import Timetable

_JOBS = ("build", "score", "verify")
_SCHEDULERS = ("cron", "systemd", "airflow", "dagster")


@click.command()
@project_argument
@click.option("--list", "listed", is_flag=True, help="Print the next times and the last outcomes.")
@click.option(
    "--count", type=click.IntRange(1, 1_000), default=3, show_default=True, help="Times to list."
)
@click.option("--once", is_flag=True, help="Run what is due now, and end.")
@click.option("--run", "job", type=click.Choice(_JOBS), help="Run one job now, and end.")
@click.option(
    "--print",
    "scheduler",
    type=click.Choice(_SCHEDULERS),
    help="Print definitions for another scheduler.",
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --print: a folder to write them to.",
)
@json_option
def schedule(
    project: Project,
    listed: bool,
    count: int,
    once: bool,
    job: str | None,
    scheduler: str | None,
    to: Path | None,
    as_json: bool,
) -> None:
    """Run what [schedule] in groundplan.toml says, when it says so.

    One schedule of a project runs at a time, and one of its commands. A run that ends with an
    error is tried again after 1, 5 and 15 minutes; one that ends with a no (2) is not. Output
    goes to PROJECT/.groundplan/schedule/logs, which keeps the last 30 logs of each command.

    The first Ctrl-C or SIGTERM lets the running command finish, the second one ends it; a run
    of `groundplan score` that was ended goes on later from where it was.

    Exit codes of --once and --run: the command's, where several ran the highest of them.

    \b
    [schedule]
    score = "0 3 * * *"            # minute, hour, day of the month, month, day of the week
    build = "0 1 * * 0"            # and verify
    time_zone = "Europe/Berlin"    # default UTC
    missed = "run"                 # or skip: times that passed while nothing ran the schedule
    timeout = "6h"
    alarm = 'mail -s "$GROUNDPLAN_SYSTEM" ops@example.com'    # the reason is its input

    \b
    Examples:
      groundplan schedule churn --list
      groundplan schedule churn
      groundplan schedule churn --print systemd --to ~/.config/systemd/user
    """
    from groundplan.schedule.timetable import timetable

    if sum((listed, once, job is not None, scheduler is not None)) > 1:
        raise click.UsageError("--list, --once, --run and --print exclude each other: choose one")
    if to is not None and scheduler is None:
        raise click.UsageError("--to says where --print writes: name both")
    table = timetable(project)
    _check(project, table)
    if listed:
        _list(project, table, count, as_json)
    elif scheduler is not None:
        _print(table, scheduler, to)
    else:
        _run(project, table, once, job)


def _check(project: Project, table: "Timetable") -> None:
    """Refuse what the project's pattern cannot do.

    Raises:
        ProjectError: the schedule scores, and the answers decide a pattern without a batch run.
    """
    from groundplan.decision import decide

    scores = any(job.name == "score" for job in table.jobs)
    if scores and decide(project.answers).pattern != "batch":
        raise ProjectError(
            f"{table.file} schedules score, and its answers decide a pattern that scores each "
            "request as it comes: remove score from [schedule]"
        )


def _run(project: Project, table: "Timetable", once: bool, job: str | None) -> None:
    from groundplan.schedule.instance import SCHEDULER, single
    from groundplan.schedule.scheduler import Scheduler

    wanted = None if job is None else table.job(job)
    what = f"groundplan {wanted.name}" if wanted else SCHEDULER
    with single(table.home, what, table.rules.timeout if wanted else 0) as lock:
        running = Scheduler(table, lock, _say, None if wanted else _age(project))
        with _signals(running):
            if wanted is not None:
                _end([running.run_now(wanted)])
            _warn(project, table)
            if once:
                _end(running.once())
            _say(f"{table.system}: " + ", ".join(f"{one.name} {one.cron}" for one in table.jobs))
            _say(f"in {table.rules.time_zone}; Ctrl-C ends it after the running command")
            running.run()


def _end(outcomes: "list[Outcome]") -> None:
    if not outcomes:
        _say("nothing is due")
    for outcome in outcomes:
        if outcome.code:
            click.echo(f"{outcome.log} {outcome.says}", err=True)
    sys.exit(max((1 if one.code not in {0, 2} else one.code for one in outcomes), default=0))


@contextmanager
def _signals(running: "Scheduler") -> Iterator[None]:
    """Let signals stop a scheduler; afterwards they do what they did before."""

    def heard(number: int, frame: object) -> None:
        running.stop()

    before = {one: signal.signal(one, heard) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _age(project: Project) -> "Age | None":
    """How to see the age of the live scores, in a project that publishes scores."""
    from groundplan.decision import decide
    from groundplan.schedule.scheduler import Age

    if decide(project.answers).pattern != "batch":
        return None
    from groundplan.patterns.batch.stores import open_store

    def as_of() -> int | None:
        with closing(open_store(project)) as store:
            version = store.live()
        return None if version is None else version.as_of

    return Age(as_of, project.answers.freshness.predictions)


def _warn(project: Project, table: "Timetable") -> None:
    line = _warning(project, table)
    if line:
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(line, err=True)


def _warning(project: Project, table: "Timetable") -> str | None:
    import time

    from groundplan.schedule import freshness, state

    for job in table.jobs:
        if job.name == "score":
            lasted = state.read(table.home).lasted.get(job.name)
            promised = project.answers.freshness.predictions
            return freshness.warning(job, lasted, promised, time.time_ns() // 1_000)
    return None


def _list(project: Project, table: "Timetable", count: int, as_json: bool) -> None:
    import time

    from groundplan.cli.tables import console, heading
    from groundplan.cli.tables import table as print_table
    from groundplan.constraints.cron import shown
    from groundplan.schedule import state

    now, zone, last = time.time_ns() // 1_000, table.rules.time_zone, state.read(table.home).last
    if as_json:
        import msgspec

        rows = [
            {
                "job": job.name,
                "cron": job.cron,
                "time_zone": zone,
                "next": [shown(at) for at in job.next(now, count)],
                "last": last.get(job.name),
            }
            for job in table.jobs
        ]
        found = {"jobs": rows, "warning": _warning(project, table)}
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    out = console()
    heading(out, f"The next times of {table.system}")
    times = sorted((at, job.name) for job in table.jobs for at in job.next(now, count))
    columns = ("command", "UTC") if zone == "UTC" else ("command", zone, "UTC")
    print_table(
        out, columns, [(name, *dict.fromkeys((shown(at, zone), shown(at)))) for at, name in times]
    )
    if last:
        heading(out, "The last runs")
        print_table(
            out,
            ("command", "due", "tries", "what came of it", "log"),
            [
                (name, shown(one.due, zone), f"{one.attempts}", one.says, one.log)
                for name, one in last.items()
            ],
            right=("tries",),
            wide=("what came of it",),
        )
    _warn(project, table)


def _print(table: "Timetable", scheduler: str, to: Path | None) -> None:
    from groundplan.schedule.definitions import DEFINITIONS

    files = DEFINITIONS[scheduler](table)
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if to is not None:
            (to / name).write_text(text)
            click.echo(f"{to / name}")
        else:
            click.echo((f"# ---- {name}\n" if len(files) > 1 else "") + text)


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()
