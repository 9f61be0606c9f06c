"""`groundplan dataset`: the log joined with the labels that came later."""

from pathlib import Path

import click

from groundplan.cli.arguments import json_option, project_argument, state_option
from groundplan.cli.moment import Moment
from groundplan.project import Project


@click.command()
@project_argument
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The Parquet file to write.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="More labels: a Parquet file with the identifier, the label and, where it is known, "
    "known_at.",
)
@state_option
@click.option(
    "--until",
    type=Moment(),
    help="The moment of the join: what became known later does not count  [default: now]",
)
@json_option
def dataset(
    project: Project,
    out: Path,
    labels: Path | None,
    state: Path | None,
    until: int | None,
    as_json: bool,
) -> None:
    """Write the next training set: logged answers with the labels that came later.

    A row has the features as they were served, the label, when it became known, score, decision
    and build. It is there once the label's delay has passed; what nobody reported by then is
    negative. Each event is there once, with its first answer whose features no fallback gave.

    \b
    Example:
      groundplan dataset card-fraud --out served.parquet --labels chargebacks.parquet
    """
    import time

    import msgspec

    from groundplan.cli.flows import flow
    from groundplan.patterns.realtime.record import label, record

    flow(project, only="realtime")
    now = time.time_ns() // 1_000 if until is None else until
    found = record(project, state or project.home)
    name = label(project)
    joined = found.joined(name, out, now, labels)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(joined), indent=2))
        return
    click.echo(
        f"{out}: {joined.rows:,} rows of {joined.answers:,} answers, {joined.positive:,} with "
        f"{name}; {joined.told:,} labels were told"
    )
    click.echo(
        f"left out: {joined.waiting:,} whose label may still come, {joined.degraded:,} degraded, "
        f"{joined.repeated:,} repeated, {joined.foreign:,} by other definitions"
    )
