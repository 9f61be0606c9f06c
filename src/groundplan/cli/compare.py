"""`groundplan compare`: what is different between two projects, files or revisions."""

import subprocess
import sys
from pathlib import Path

import click

from groundplan import constraints
from groundplan.cli.arguments import json_option
from groundplan.constraints import Answers
from groundplan.decision import current_costs
from groundplan.errors import ProjectError
from groundplan.project import ANSWERS, Project


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B", default=".")
@click.option("--at", metavar="10x", default="10x", show_default=True, help="As in `plan`.")
@click.option("--prices", "priced", metavar="core=20,...", help="As in `plan`.")
@click.option("--check", is_flag=True, help="Exit with 2 where anything follows that differs.")
@json_option
def compare(
    before: str, after: str, at: str, priced: str | None, check: bool, as_json: bool
) -> None:
    """Show what is different from A to B: patterns, components, budgets, capacity, failures.

    A and B are project folders, .toml files, or either at a revision of git, such as
    groundplan.toml@main or card-fraud@v1.2; B defaults to this folder.

    \b
    Examples:
      groundplan compare card-fraud churn
      groundplan compare groundplan.toml@HEAD groundplan.toml
      groundplan compare .@main --check      has the plan changed since main?

    `groundplan schema --of comparison` prints the schema of the JSON.

    Exit codes: 0 compared, 1 error; with --check, 2 where the plans differ.
    """
    from groundplan.cli.amounts import growths, prices
    from groundplan.cli.changes import print_difference
    from groundplan.cli.tables import console
    from groundplan.plan.difference import difference
    from groundplan.plan.dossier import draw_up

    costs, factors = current_costs(), growths(at)
    paid = None if priced is None else prices(priced)
    one, two = (draw_up(_answers(name), costs, paid, factors) for name in (before, after))
    found = difference(one, two)
    if as_json:
        from groundplan.plan.document import comparison, written

        click.echo(written(comparison(one, two)))
    else:
        out = console()
        patterns = [dossier.decision.pattern or "conflict" for dossier in (one, two)]
        out.print(f"\n- {before}: {patterns[0]}\n+ {after}: {patterns[1]}", markup=False)
        print_difference(out, found)
    sys.exit(2 if check and found.followed else 0)


def _answers(name: str) -> Answers:
    """The answers of a project folder, of a file, or of one of them at a revision."""
    path, at, revision = name.rpartition("@")
    if at and not Path(name).exists():
        return constraints.parse(_at_revision(Path(path or "."), revision), name)
    return Project(Path(name)).answers


def _at_revision(path: Path, revision: str) -> str:
    """The text that git has of a project's answers at a revision.

    Raises:
        ProjectError: git is not there, or has no such revision or file; in git's own words.
    """
    file = path if path.suffix == ".toml" else path / ANSWERS
    where = f"{path}@{revision}"
    # An option in the place of a revision would be one to git.
    if not revision or revision.startswith("-"):
        raise ProjectError(f"{where}: {revision!r} names no revision; write {path}@HEAD")
    try:
        done = subprocess.run(
            ["git", "show", f"{revision}:./{file.name}"],
            cwd=file.parent,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        missing = "git is not installed" if file.parent.is_dir() else f"{file.parent} is not there"
        raise ProjectError(
            f"{where}: {missing}, so it has no revisions; name a folder or a .toml file"
        ) from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        raise ProjectError(
            f"{where}: {reason[0].removeprefix('fatal: ').rstrip('.')}; "
            f"`git log -- {file.name}` in {file.parent} lists the revisions"
        )
    try:
        return done.stdout.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProjectError(f"{where}: byte {error.start} is not UTF-8") from error
