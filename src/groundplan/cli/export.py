"""`groundplan export`: the same features for other systems."""

from pathlib import Path

import click

from groundplan.cli.arguments import project_argument, sources_option
from groundplan.project import Project


@click.group()
def export() -> None:
    """Hand the features of a project to another system.

    \b
    Example:
      groundplan export feast card-fraud --out feast-repo
    """


@export.command()
@project_argument
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder to write; it must not hold anything yet.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Past events, a Parquet file  [default: the history of the live build]",
)
@click.option(
    "--online",
    metavar="URL",
    help="Feast's online store, redis://host:port/db  [default: SQLite in the folder]",
)
@sources_option
@click.option("--push", is_flag=True, help="Register the repository and push the newest values.")
def feast(
    project: Project,
    out: Path,
    data: Path | None,
    online: str | None,
    sources: tuple[tuple[str, Path], ...],
    push: bool,
) -> None:
    """Write a Feast repository with the same features, their values computed here.

    Feast has no windows, so Groundplan computes them: OUT gets a view for each entity, a view of
    the events, and Parquet files with the values at the time of every past event. Feast joins
    these for training and serves the newest. With --push (it needs groundplan[feast]) the
    newest values of every entity go to Feast's online store at once.

    \b
    Examples:
      groundplan export feast card-fraud --out feast-repo
      groundplan export feast card-fraud --out feast-repo --online redis://localhost:6379 --push
    """
    from groundplan.cli.flows import flow
    from groundplan.engines import feast as repository

    inputs, history, others = flow(project, only="realtime").past(project, data, dict(sources))
    views = repository.write(
        inputs, history, out, project=project.answers.system.name, online=online, others=others
    )
    for view in views:
        click.echo(f"{out}: view {view.name} by {view.key}, {len(view.features)} features")
    if push:
        repository.apply(out)
        for name, count in repository.push(out).items():
            click.echo(f"pushed {count:,} newest rows of {name}")
    else:
        click.echo(f"Register it with: feast -c {out} apply")
