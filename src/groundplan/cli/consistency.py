"""`groundplan consistency`: served values against recomputed ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from groundplan.cli.arguments import json_option, project_argument, state_option
from groundplan.cli.moment import Moment
from groundplan.project import Project

if TYPE_CHECKING:
    from groundplan.monitoring.consistency import Report


@click.command()
@project_argument
@state_option
@click.option("--since", type=Moment(), default=0, help="Compare answers given from then on only.")
@click.option("--last", type=click.IntRange(1), help="Compare this many of the last answers only.")
@click.option(
    "--history",
    multiple=True,
    metavar="[SOURCE=]FILE",
    help="A Parquet file that was ingested besides the build's history; may be given several "
    "times. Without a source it is the main one's.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as a page, too.",
)
@json_option
def consistency(
    project: Project,
    state: Path | None,
    since: int,
    last: int | None,
    history: tuple[str, ...],
    html: Path | None,
    as_json: bool,
) -> None:
    """Recompute every logged feature value offline, and compare it bit for bit.

    For each feature: how many answers are equal, a mismatch (another number), missing (nothing
    was served) or extra (there is no value); and how many differ only by late events or labels,
    which had not arrived when the answer was given, or came too late to count. Answers whose
    features a fallback gave stand apart. A server may be running meanwhile.

    Exit codes: 0 all equal or late, 2 a value is wrong, 1 it could not be compared.

    \b
    Examples:
      groundplan consistency card-fraud --since 24h
      groundplan consistency card-fraud --html consistency.html
    """
    import sys

    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress
    from groundplan.patterns.realtime.record import record

    flow(project, only="realtime")
    with progress() as report:
        found = record(project, state or project.home, _named(project, history))
        report("recompute what was served", 0, 1)
        compared = found.compared(since, last).report
        report("recompute what was served", 1, 1)
    name, build = project.answers.system.name, found.build.manifest.build
    if html is not None:
        from groundplan.monitoring.page import page

        html.write_text(page(compared, name, build))
    if as_json:
        import msgspec

        plain = {"holds": compared.holds, "build": build, **msgspec.to_builtins(compared)}
        click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2))
    else:
        _show(compared, f"{name}: served against recomputed, build {build}")
    sys.exit(0 if compared.holds else 2)


def _named(project: Project, history: tuple[str, ...]) -> list[tuple[str, Path]]:
    """By the source's name, more files of history."""
    from groundplan.features import FeatureSet

    main = project.define("inputs", FeatureSet, "`inputs = features(...)`").source.name
    pairs = [(*text.rpartition("=")[::2],) for text in history]
    return [(name or main, Path(file)) for name, file in pairs]


def _show(report: "Report", title: str) -> None:
    from groundplan.cli.tables import console, heading, table

    out = console()
    heading(out, title)
    numbers = ("equal", "late", "mismatch", "missing", "extra")
    table(
        out,
        ("feature", *numbers, "largest difference"),
        [
            (
                feature.name,
                *(f"{getattr(feature, name):,}" for name in numbers),
                f"{feature.largest:.6g}" if feature.mismatch else "",
            )
            for feature in report.features
        ],
        right=(*numbers, "largest difference"),
    )
    examples: list[tuple[Any, ...]] = [
        (feature.name, str(e.id), _shown(e.served), _shown(e.recomputed))
        for feature in report.features
        for e in feature.examples
    ]
    if examples:
        heading(out, "Examples")
        table(out, ("feature", "event", "served", "recomputed"), examples)
    out.print(
        f"\n{report.rows:,} answers compared over {report.events:,} events; "
        f"{report.degraded:,} degraded, {report.repeated:,} repeated, "
        f"{report.foreign:,} by other definitions"
    )
    out.print(
        f"{report.late_events:,} events came late and count, {report.beyond:,} came too late to "
        "count"
    )
    if report.unexamined:
        out.print(f"{report.unexamined:,} differences were not looked into for late arrivals")
    out.print("consistent" if report.holds else "NOT consistent")


def _shown(value: float | None) -> str:
    return "none" if value is None else repr(value)
