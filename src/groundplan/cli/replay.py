"""`groundplan replay`: logged decisions made again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from groundplan.cli.arguments import json_option, project_argument, state_option
from groundplan.project import Project

if TYPE_CHECKING:
    from groundplan.patterns.realtime.replay import Explained, Replayed


@click.command()
@project_argument
@click.option("--id", "id_", help="One event: its answer with the values and reasons behind it.")
@click.option("--last", type=click.IntRange(1), help="This many of the last answers only.")
@state_option
@json_option
def replay(
    project: Project, id_: str | None, last: int | None, state: Path | None, as_json: bool
) -> None:
    """Make logged decisions again, from the logged values with the build that answered.

    Score and decision must come out as they were logged, bit for bit; where a fallback answered,
    the same fallback answers again.

    Exit codes: 0 all equal, 2 one differs, 1 it could not be replayed.

    \b
    Examples:
      groundplan replay card-fraud
      groundplan replay card-fraud --id 1754155
    """
    import sys

    import msgspec

    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress
    from groundplan.patterns.realtime.replay import explain
    from groundplan.patterns.realtime.replay import replay as run

    flow(project, only="realtime")
    home = state or project.home
    found: Replayed | Explained
    if id_ is not None:
        found = one = explain(project, home, id_)
        if not as_json:
            _show(one)
    else:
        with progress() as report:
            found = several = run(project, home, report, last)
        if not as_json:
            _count(several)
    if as_json:
        plain = {"holds": found.holds, **msgspec.to_builtins(found)}
        click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2))
    sys.exit(0 if found.holds else 2)


def _count(found: "Replayed") -> None:
    for one in found.differences:
        click.echo(
            f"{one.id} at {_moment(one.at)}, build {one.build}: logged {one.decision[0]} "
            f"{one.score[0]!r}, made again {one.decision[1]} {one.score[1]!r}"
        )
    differing = found.answers - found.equal
    builds = f"build{'s' if len(found.builds) != 1 else ''} {', '.join(found.builds) or 'none'}"
    click.echo(
        f"{found.answers:,} answers made again ({builds}), "
        + (f"{differing:,} DIFFER" if differing else "all equal bit for bit")
    )


def _show(found: "Explained") -> None:
    from groundplan.cli.tables import console, heading, table

    out, logged = console(), found.answer
    heading(out, f"{logged.id} at {_moment(logged.at)}, build {logged.build}")
    table(
        out,
        ("", "decision", "score"),
        [
            ("logged", logged.decision, repr(logged.score)),
            ("made again", found.decision, repr(found.score)),
        ],
    )
    for line in logged.degraded:
        out.print(f"degraded: {line}")
    if found.reasons is not None:
        heading(out, "Reasons, in log-odds")
        table(
            out,
            ("reason", "value", "contribution"),
            [(r.description, _value(r.value), f"{r.contribution:+.4f}") for r in found.reasons],
            wide=("reason",),
            right=("value", "contribution"),
        )
    heading(out, "Values")
    table(
        out,
        ("feature", "value"),
        [(name, _value(value)) for name, value in found.features.items()],
        right=("value",),
    )
    out.print("\nequal bit for bit" if found.holds else "\nDIFFERS")


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:,.6g}"


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
