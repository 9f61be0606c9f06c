"""`groundplan verify`: every promise, measured under load."""

import sys

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.project import Project


@click.command()
@project_argument
@click.option("--seconds", default=30.0, show_default=True, help="How long the load lasts.")
@json_option
def verify(project: Project, seconds: float, as_json: bool) -> None:
    """Start a server, load it as promised, and hold every promise against what was measured.

    The load comes at the promised throughput, with Poisson arrivals, from a process of its own;
    latency counts from the moment at which a request was due, so that a stalled server cannot
    hide behind a waiting client.

    Of `realtime`, the load are the events that followed the build's test period, and what was
    served is recomputed offline. Of `batch`, it asks for keys of the live version and for some
    that nobody scored, and what was served is held against the version's archive, bit for bit.

    \b
    Examples:
      groundplan verify card-fraud
      groundplan verify churn --seconds 60 --json

    Exit codes: 0 every promise holds, 2 one does not, 1 it could not be measured.
    """
    import msgspec

    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress
    from groundplan.cli.tables import console, heading, mark, table
    from groundplan.practice.verify import verify as measure

    flow(project)
    with progress() as report:
        found = measure(project, seconds, report)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        sys.exit(0 if found.holds else 2)
    out = console()
    heading(out, "One answer, as a client gets it")
    out.print_json(bytes(found.sample).decode(), highlight=False)
    heading(out, f"Promises of {project.answers.system.name}, {found.served}")
    table(
        out,
        ("answer", "promised", "measured", ""),
        [(p.answer, p.promised, p.measured, mark(p.holds)) for p in found.promises],
        wide=("promised", "measured"),
    )
    broken = sum(not promise.holds for promise in found.promises)
    out.print(f"\non {found.machine}")
    out.print(
        f"{len(found.promises)} promises, all hold"
        if not broken
        else f"{broken} of {len(found.promises)} promises do not hold"
    )
    sys.exit(2 if broken else 0)
