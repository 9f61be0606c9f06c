"""`groundplan rollback`: back to the scores and the model before."""

from typing import TYPE_CHECKING

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.project import Project

if TYPE_CHECKING:
    from groundplan.patterns.batch.versions.rolling_back import Listed, RolledBack


@click.command()
@project_argument
@click.option("--to", metavar="VERSION", help="The version  [default: the one before the live one]")
@click.option("--list", "listing", is_flag=True, help="Print the versions, and move nothing.")
@json_option
def rollback(project: Project, to: str | None, listing: bool, as_json: bool) -> None:
    """Make an earlier version of the scores live again, and let its build score next.

    Readers see the old version or the new one, nothing between. The version that is left stays,
    marked as withdrawn; the next `groundplan score` publishes a new one with the build that was
    rolled back to.

    Exit codes: 0 moved or listed, 1 error.

    \b
    Examples:
      groundplan rollback churn
      groundplan rollback churn --list
      groundplan rollback churn --to 20260801-030000-123
    """
    import msgspec

    from groundplan.cli.flows import flow
    from groundplan.patterns.batch.versions import rolling_back

    flow(project, only="batch")
    if listing:
        found = rolling_back.listed(project)
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        else:
            _list(found)
        return
    moved = rolling_back.rollback(project, to)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(moved), indent=2))
    else:
        _show(moved)


def _show(moved: "RolledBack") -> None:
    from groundplan.units import show_duration

    click.echo(f"{moved.version} is live again, as of {_moment(moved.as_of)}")
    click.echo(f"{moved.before} stays, withdrawn")
    if moved.build == moved.build_before:
        click.echo(f"build {moved.build} scores next, as before")
    else:
        click.echo(f"build {moved.build} scores next, not {moved.build_before}")
    click.echo(f"the pointers moved in {show_duration(round(moved.swapped_us))}")


def _list(found: "tuple[Listed, ...]") -> None:
    from groundplan.cli.tables import console, table

    if not found:
        click.echo("nothing is published yet: run `groundplan score` first")
        return
    table(
        console(),
        ("version", "as of", "age", "rows", "build", "mean score", ""),
        [
            (
                each.name,
                _moment(each.as_of),
                _age(each.age),
                f"{each.rows:,}",
                each.build,
                f"{each.mean:.4f}",
                "live" if each.live else "withdrawn" if each.withdrawn else "",
            )
            for each in found
        ],
        right=("age", "rows", "mean score"),
    )


def _moment(us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(sep=" ", timespec="seconds")


def _age(us: int) -> str:
    """In the largest unit that it fills twice: `26h`, `3d`, `50m`."""
    from groundplan.units import DAY, HOUR, MINUTE, SECOND

    units = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))
    unit, length = next((each for each in units if us >= 2 * each[1]), units[-1])
    return f"{us // length}{unit}"
