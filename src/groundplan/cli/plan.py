"""`groundplan plan`: the pattern made concrete."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.decision import current_costs
from groundplan.errors import ProjectError
from groundplan.project import Project

if TYPE_CHECKING:
    from groundplan.plan.dossier import Dossier

_FORMATS: Final = ("text", "md", "json", "html")
_SUFFIXES: Final = {
    "": "text",
    ".txt": "text",
    ".md": "md",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
}


@click.command()
@project_argument
@click.option(
    "--what-if",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Show what would change with another answer, such as latency.p99=20ms or "
    "candidates.per_request=10M; repeatable, and an empty value leaves an optional answer out.",
)
@click.option(
    "--at",
    metavar="10x",
    help="How much traffic, corpus and history grow: 10x for all, or traffic=10x,corpus=100x; "
    "shows everything that gives out on the way.",
)
@click.option(
    "--prices",
    "priced",
    metavar="core=20,...",
    help="Prices per month, for the cost of the capacity, now and grown: of a core, a gb of "
    "memory, a gb_disk; and of a million_tokens of a hosted model.",
)
@click.option("--full", is_flag=True, help="Everything: mitigations, monitoring, decision log.")
@click.option(
    "--per-key",
    is_flag=True,
    help="How the online state of a key grows, by the features in system.py.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="Text, a decision record (md), JSON or one HTML page  [default: as --out ends, or text].",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead."
)
@json_option
def plan(
    project: Project,
    changes: tuple[str, ...],
    at: str | None,
    priced: str | None,
    full: bool,
    per_key: bool,
    form: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make the decision concrete: stages, budgets, capacity, growth, failure modes, retraining.

    The budgets of the online stages add up to the p99 less a headroom; a server of this project
    holds itself to them, and `groundplan verify` measures them.

    \b
    Examples:
      groundplan plan --what-if latency.p99=20ms --what-if candidates.per_request=300
      groundplan plan --at traffic=10x --prices core=20,gb=3,gb_disk=0.1
      groundplan plan --out plan.html

    With --what-if, text is the difference and JSON has both plans and the difference; Markdown
    and HTML are of the plan as it would be. `groundplan schema --of plan` prints the JSON's
    schema, and `--of comparison` that of a difference.

    Exit codes: 0 planned, 2 the answers conflict, or the plan does not fit: a stage its budget, the
    capacity the promised p99 or the cores and memory that are stated; 1 error.
    """
    from groundplan.cli.amounts import growths, prices
    from groundplan.cli.changes import print_difference
    from groundplan.cli.output import printing, save
    from groundplan.cli.sheet import print_dossier
    from groundplan.cli.state import print_state
    from groundplan.constraints.supposed import supposed
    from groundplan.plan.difference import difference
    from groundplan.plan.dossier import TEN, draw_up

    chosen = "json" if as_json else form or _form(out)
    factors = TEN if at is None else growths(at)
    paid = None if priced is None else prices(priced)
    answers, costs = project.answers, current_costs()
    before = draw_up(answers, costs, paid, factors)
    after = draw_up(supposed(answers, changes), costs, paid, factors) if changes else before
    if chosen == "text":
        with printing(out) as sheet:
            if changes:
                print_difference(sheet, difference(before, after))
            else:
                print_dossier(sheet, after, full=full, grown=at is not None)
            if per_key:
                print_state(sheet, project)
    else:
        whole = (
            _compared(before, after) if changes and chosen == "json" else _rendered(after, chosen)
        )
        save(whole, out)
    if out is not None:
        click.echo(f"{out}: written")
    sys.exit(0 if after.holds else 2)


def _form(out: Path | None) -> str:
    """The format that the name of a file asks for; text where there is no file.

    Raises:
        ProjectError: its ending names none, so that nobody finds text in a .pdf.
    """
    found = _SUFFIXES.get(out.suffix.lower() if out else "")
    if found is None:
        known = ", ".join(filter(None, _SUFFIXES))
        raise ProjectError(
            f"--out {out}: a plan is written as {known}; write for instance "
            f"{out and out.with_suffix('.html')}, or say which with --format"
        )
    return found


def _rendered(dossier: "Dossier", form: str) -> str:
    """A dossier in one of the formats but text."""
    if form == "json":
        from groundplan.plan.document import document, written

        return written(document(dossier))
    if form == "md":
        from groundplan.plan.record import record

        return record(dossier)
    from groundplan.plan.page import page

    return page(dossier)


def _compared(before: "Dossier", after: "Dossier") -> str:
    from groundplan.plan.document import comparison, written

    return written(comparison(before, after))
