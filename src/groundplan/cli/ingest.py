"""`groundplan ingest`: history and streams into online state."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.project import Project

if TYPE_CHECKING:
    from groundplan.patterns.realtime.ingesting import Outcome


@click.command()
@project_argument
@click.option(
    "--from",
    "paths",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="A file of events, or a folder of them; may be given several times.",
)
@click.option("--source", default="", help="Whose events they are  [default: the main source]")
@click.option("--follow", is_flag=True, help="Then go on with what comes, until interrupted.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the online state, as for serve  [default: PROJECT/.groundplan]",
)
@json_option
def ingest(
    project: Project,
    paths: tuple[Path, ...],
    source: str,
    follow: bool,
    state: Path | None,
    as_json: bool,
) -> None:
    """Fill the online state from files, then from the stream that the answers name.

    Parquet (.parquet) and CSV (.csv) files are history: taken in bulk, in any order of time,
    with the columns of the source in any case and order. JSON lines (.ndjson, .jsonl) are a
    stream: one event or label a line, taken in their order; a file named after another source,
    such as logins-2024.ndjson, belongs to that one.

    The stream is what `[engines] events` names: a Kafka topic, or a folder of JSON lines. Its
    first run begins where the history ends, less the lateness. An event counts once, however
    often it comes; a run that was killed goes on where it was. What cannot be taken is kept in
    dead_letters.ndjson, with the reason.

    A server follows the stream by itself; --follow is for filling a state before the server is
    there, or in a process of its own.

    \b
    Examples:
      groundplan ingest card-fraud --from transactions.parquet
      groundplan ingest card-fraud --from 2024.parquet --from 2025.parquet
      groundplan ingest card-fraud --from logins.csv --source logins
      groundplan ingest card-fraud --from /var/events --follow
    """
    import json

    import msgspec

    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress
    from groundplan.errors import InputError

    pattern = flow(project, only="realtime")
    if not (paths or follow or "events" in project.answers.engines):
        raise InputError(
            "", "there is nothing to ingest: name files with --from, or a stream in [engines]"
        )
    ingesting = pattern.Ingesting(project, state or project.home)
    try:
        with progress() as report:
            found = list(ingesting.take(paths, source, report, whole=not follow))
            _stop_on_signals(ingesting.stop)  # history is better cut off at once
            caught_up = ingesting.catch_up(report)
            found += [caught_up] if caught_up else []
        for outcome in found:
            click.echo(json.dumps(msgspec.to_builtins(outcome)) if as_json else _line(outcome))
        if any(outcome.poison for outcome in found):
            click.echo(f"what could not be taken: {ingesting.letters}", err=True)
        if follow:
            click.echo("following", err=True)
            ingesting.follow(paths, source, lambda how: click.echo(how, err=True))
    finally:
        ingesting.close()


def _stop_on_signals(stop: Callable[[], None]) -> None:
    """End after the current batch, not amid it; a second signal ends at once."""

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def _line(outcome: "Outcome") -> str:
    """One line for people: the counts that are not zero, and the rate."""
    counts = {
        "known": outcome.known,
        "expired": outcome.expired,
        "late": outcome.late,
        "labels": outcome.labelled,
        "labels ahead of their events": outcome.parked,
        "not taken": outcome.poison,
    }
    more = "".join(f", {count:,} {what}" for what, count in counts.items() if count)
    rate = f"{outcome.records / outcome.seconds:,.0f}/s" if outcome.seconds else "at once"
    return f"{outcome.name}: {outcome.records:,} records: {outcome.added:,} added{more} ({rate})"
