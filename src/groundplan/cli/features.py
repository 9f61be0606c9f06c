"""`groundplan features`: the point-in-time feature table of a file."""

from pathlib import Path

import click

from groundplan.cli.arguments import sources_option
from groundplan.project import SYSTEM, Project

_PARQUET = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=_PARQUET, required=True, help="The Parquet file to write.")
@click.option(
    "--project",
    "folder",
    type=click.Path(path_type=Path),
    default=".",
    help="The project whose system.py defines the features  [default: this folder]",
)
@sources_option
def features(file: Path, out: Path, folder: Path, sources: tuple[tuple[str, Path], ...]) -> None:
    """Compute the features of every event in FILE as they stood at its time.

    FILE is a Parquet file with the columns of the source, in any case and order. OUT gets one
    row per event in the same order: the event's identifier and its features. They are computed
    by DuckDB, or by the engine that `[engines] offline` names in groundplan.toml.

    \b
    Example:
      groundplan features transactions.parquet --out features.parquet --project card-fraud
    """
    from groundplan.cli.progress import progress
    from groundplan.engines.table import offline
    from groundplan.features import FeatureSet

    project = Project(folder)
    inputs = project.define("inputs", FeatureSet, "`inputs = features(...)`")
    url = project.answers.engines.get("offline") if project.file.is_file() else None
    with progress() as report, offline(url) as engine:
        rows = engine.write(
            inputs,
            file,
            out,
            progress=lambda done: report("point-in-time features", round(100 * done), 100),
            others=dict(sources),
        )
    click.echo(f"{out}: {rows:,} rows, {len(inputs.names)} features ({SYSTEM} of {folder})")
