"""`groundplan build`: from past events to a build that can serve."""

from pathlib import Path

import click

from groundplan.cli.arguments import json_option, project_argument, sources_option
from groundplan.project import Project


@click.command()
@project_argument
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Past events, a Parquet file with the columns of the source in any case and order. "
    "Without it, system.py makes them.",
)
@sources_option
@click.option("--no-live", is_flag=True, help="Leave the channel `live` where it points.")
@json_option
def build(
    project: Project,
    data: Path | None,
    sources: tuple[tuple[str, Path], ...],
    no_live: bool,
    as_json: bool,
) -> None:
    """Compute features, train, judge, choose thresholds and write an immutable build.

    The build goes to PROJECT/.groundplan/builds; the channel `live` then points at it, if it
    passes its gate. Exit codes: 0 built, 2 built but not good enough to go live, 1 error.

    \b
    Examples:
      groundplan build card-fraud
      groundplan build card-fraud --data transactions.parquet
    """
    import json
    import sys

    from groundplan.cli.figures import show
    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress

    with progress() as report:
        others = dict(sources)
        made = flow(project).build(project, data, report, live=not no_live, others=others)
    if as_json:
        click.echo(json.dumps(made.manifest.report, indent=2))
    else:
        show(made)
    sys.exit(0 if made.manifest.report["gate"]["passed"] else 2)
