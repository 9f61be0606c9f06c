"""`groundplan decide`: the simplest pattern left standing, and why the others are out."""

import json
import sys
from typing import Any

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.constraints import FIELDS
from groundplan.decision import PATTERNS, conflicts, current_costs, report
from groundplan.decision import decide as decided
from groundplan.decision.calibrated import footer
from groundplan.project import Project


@click.command()
@project_argument
@json_option
def decide(project: Project, as_json: bool) -> None:
    """Derive the simplest architecture that meets the five answers, with the reasons.

    Each rule reads answers and rules a pattern out; of what is left standing, the simplest wins.
    Flips say at which value of an answer the decision would change. Rules count the work alone;
    where `groundplan plan` refuses what they decide, for waiting, cores or memory, it is said.

    Exit codes: 0 decided, 2 the answers conflict, 1 they cannot be read.
    """
    found = report(project.answers)
    found["refused"] = _refused(project)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print(project, found)
    sys.exit(0 if found["pattern"] else 2)


def _refused(project: Project) -> list[dict[str, str]]:
    """Why the plan does not hold what was decided; empty where it does, and in a conflict.

    A rule is exact, and this an estimate: it comes with the decision and does not change it.
    """
    from groundplan.plan.capacity import capacity

    costs = current_costs()
    decision = decided(project.answers, costs)
    if decision.pattern is None:
        return []
    return [
        {
            "component": shortage.component,
            "resource": shortage.resource,
            "because": shortage.because,
            "remedy": shortage.remedy,
        }
        for shortage in capacity(project.answers, decision, costs).shortages
        if shortage.misfit
    ]


def _print(project: Project, found: dict[str, Any]) -> None:
    from groundplan.cli.conflict import print_conflicts
    from groundplan.cli.tables import console, heading, table

    out = console()
    system = project.answers.system
    pattern = found["pattern"]
    out.print()
    out.print(f"[bold]{system.name}: {pattern or 'conflict'}[/bold]")
    shapes = {known.name: known.shape for known in PATTERNS}
    out.print(shapes.get(pattern, "no pattern meets all the answers"))
    heading(out, "Ruled out")
    rows = []
    last = ""
    for ruling in found["rulings"]:
        name = ruling["rules_out"]
        rows.append(("" if name == last else name, ruling["because"], _keys(ruling["answers"])))
        last = name
    rows += [(name, because, "") for name, because in found["more_complex"].items()]
    table(out, ("pattern", "because", "answers"), rows, wide=("because",))
    if pattern:
        heading(out, "Components")
        table(
            out,
            ("role", "choice", "because"),
            [
                (_words(role), _words(part["choice"]), part["because"])
                for role, part in found["components"].items()
            ],
            wide=("because",),
        )
        heading(out, "What would change the decision")
        single = [flip for flip in found["flips"] if isinstance(flip["answer"], str)]
        pairs = len(found["flips"]) - len(single)
        if single:
            table(out, ("answer", "from", "to", "decides"), [_change(flip) for flip in single])
            turned = {flip["answer"] for flip in single}
            if "latency.p99" in turned:
                out.print(
                    "a p99 here is the work alone: `groundplan plan` adds waiting at the peak"
                )
            if turned & {"policy.cores", "policy.hosts"}:
                out.print(
                    "cores here are the least that can carry the pattern: `groundplan plan` adds "
                    "what components and scheduled work take, and may ask for more"
                )
        else:
            out.print("no single answer")
        if pairs:
            out.print(f"and {pairs} pairs of answers: --json lists them")
        if found["refused"]:
            heading(out, "`groundplan plan` refuses this")
            table(
                out,
                ("short of", "because", "what would make it fit"),
                [(one["resource"], one["because"], one["remedy"]) for one in found["refused"]],
                wide=("because", "what would make it fit"),
            )
    else:
        sets = conflicts(project.answers, current_costs())
        print_conflicts(out, project.answers, sets, reasons=False)  # the rulings above have them
    out.print("\n" + "\n".join(footer(current_costs())), style="dim", markup=False)


def _keys(answers: list[str]) -> str:
    return "\n".join(answers)


def _words(text: str) -> str:
    return text.replace("_", " ")


def _change(change: dict[str, Any]) -> tuple[str, ...]:
    """A row of the flips of one answer."""
    key, decides = change["answer"], change["pattern"] or "conflict"
    return (key, *(_spoken(key, change[end]) for end in ("from", "to")), decides)


def _spoken(key: str, plain: Any) -> str:
    from groundplan.plan.difference import spoken

    return spoken(key, None if plain is None else FIELDS[key].kind.read(plain))
