"""`groundplan build`: from past events to a build that can serve."""

from pathlib import Path
from typing import Any

import click

from groundplan.cli.arguments import json_option, project_argument, sources_option
from groundplan.project import Project


class _Data(click.ParamType[Path | str]):
    """A file or folder that is there, or a URL."""

    name = "place"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        if isinstance(value, Path) or "://" in value:
            found: Path | str = value
            return found
        if not Path(value).exists():
            self.fail(f"{value!r} is not there: name a file, a folder or a URL", param, ctx)
        return Path(value)


@click.command()
@project_argument
@click.option(
    "--data",
    type=_Data(),
    metavar="PLACE",
    help="Past events or labelled rows, with the columns of the source in any case and order: a "
    "Parquet file; where rows are scored in a batch, also a CSV file, a folder or a URL such as "
    "postgres://host/database?table=t. Without it, system.py says where they are.",
)
@sources_option
@click.option("--no-live", is_flag=True, help="Leave the channel `live` where it points.")
@json_option
def build(
    project: Project,
    data: Path | str | None,
    sources: tuple[tuple[str, Path], ...],
    no_live: bool,
    as_json: bool,
) -> None:
    """Compute features, train, judge, choose thresholds and write an immutable build.

    The build goes to PROJECT/.groundplan/builds; the channel `live` then points at it, if it
    passes its gate. Where scores are made in a batch, report.html and model_card.md in it show
    how good it is. Exit codes: 0 built, 2 built but not good enough to go live, 1 error.

    \b
    Examples:
      groundplan build card-fraud
      groundplan build card-fraud --data transactions.parquet
      groundplan build telco-churn --data customers.csv
    """
    import json
    import sys

    from groundplan.cli.figures import show
    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress

    pattern, others = flow(project), dict(sources)
    if isinstance(data, str) and not hasattr(pattern, "score"):
        raise click.BadParameter(f"{data} is a URL, and past events are read from a Parquet file")
    with progress() as report:
        made = pattern.build(project, data, report, live=not no_live, others=others)
    if as_json:
        click.echo(json.dumps(made.manifest.report, indent=2))
    else:
        show(made)
    sys.exit(0 if made.manifest.report["gate"]["passed"] else 2)
