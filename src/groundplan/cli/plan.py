"""`groundplan plan`: the pattern made concrete."""

import json
import sys

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.plan import Plan, Stage, draw
from groundplan.project import Project
from groundplan.units import DAY, show_duration, show_rate, show_size


@click.command()
@project_argument
@json_option
def plan(project: Project, as_json: bool) -> None:
    """Make the decision concrete: stages, budgets, fallbacks, retraining, monitoring, risks.

    The budgets of the online stages add up to the p99 less a headroom; a server of this project
    holds itself to them, and `groundplan verify` measures them.

    Exit codes: 0 planned, 2 a stage cannot fit its budget or the answers conflict, 1 error.
    """
    from groundplan.decision import decide

    if decide(project.answers).pattern is None:
        click.echo("the answers conflict: `groundplan decide` says which and what to change")
        sys.exit(2)
    drawn = draw(project.answers)
    if as_json:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(drawn), indent=2))
    else:
        _print(drawn)
        _print_state(project)
    sys.exit(2 if drawn.misfits else 0)


def _print(plan: Plan) -> None:
    from groundplan.cli.tables import console, heading, table

    out = console()
    heading(out, f"{plan.name}: {plan.pattern}")
    out.print(plan.goal)
    heading(out, "Before a request")
    table(out, _OFFLINE, [_offline(stage) for stage in plan.offline], wide=_OFFLINE[1:])
    heading(out, f"In a request: {show_duration(plan.p99)} p99 at {show_rate(plan.throughput)}")
    table(
        out,
        _ONLINE,
        [
            *(_online(stage) for stage in plan.online),
            ("headroom", "", show_duration(plan.headroom), "queueing, the network", ""),
        ],
        right=("estimate", "budget"),
        wide=("does", "fallback"),
    )
    for misfit in plan.misfits:
        out.print(
            f"{misfit.stage} cannot fit: it takes {show_duration(misfit.needs)}, and "
            f"{show_duration(misfit.has)} are left. What would make it fit: {misfit.remedy}",
            style="red",
        )
    heading(out, "What breaks, and how it shows")
    table(
        out,
        ("stage", "if it is wrong", "seen in", "at scale"),
        [(s.name, s.breaks, s.detected, s.at_scale) for s in plan.stages],
        wide=("if it is wrong", "seen in", "at scale"),
    )
    heading(out, "Retraining")
    out.print(f"{plan.retraining.cadence}\ngate: {plan.retraining.gate}")
    for trigger in plan.retraining.triggers:
        out.print(f"sooner when: {trigger}")
    heading(out, "Monitoring")
    table(
        out,
        ("signal", "threshold", "then"),
        [(w.signal, w.threshold, w.action) for w in plan.monitoring],
        wide=("signal", "threshold", "then"),
    )
    heading(out, "Risks")
    table(
        out,
        ("risk", "seen in", "answer to it"),
        [(r.risk, r.signal, r.mitigation) for r in plan.risks],
        wide=("risk", "seen in", "answer to it"),
    )
    heading(out, "Decision log")
    for number, line in enumerate(plan.summary, 1):
        out.print(f"{number:>2}. {line}")
    out.print(f"\nestimates from the cost table: {plan.costs}", style="dim")


def _print_state(project: Project) -> None:
    """How the online state grows, where `system.py` has features to tell it from."""
    from groundplan.cli.tables import console, heading, table
    from groundplan.errors import ProjectError

    out = console()
    try:
        from groundplan.features import FeatureSet
        from groundplan.features.state import state_per_key

        inputs = project.find("inputs")
    except (ImportError, ProjectError):  # planning needs neither the libraries nor a system.py
        return
    if not isinstance(inputs, FeatureSet) or not inputs.windows:
        return
    heading(out, "Online state of one key: at most its events within the retention")
    table(
        out,
        ("history", "bytes per event", "kept for", "a thousand events"),
        [
            (
                f"{size.source} of a {size.key.removesuffix('_id')}",
                f"{size.bytes_per_event}",
                "the newest version" if size.retention_us is None else _days(size.retention_us),
                show_size(1_000 * size.bytes_per_event),
            )
            for size in state_per_key(inputs)
        ],
        right=("bytes per event", "kept for", "a thousand events"),
    )


def _days(us: int) -> str:
    """Some days and the rest: a longest window and the lateness."""
    days, rest = divmod(us, DAY)
    parts = [show_duration(days * DAY)] if days else []
    return " ".join([*parts, show_duration(rest)] if rest else parts)


_OFFLINE = ("stage", "does", "served by", "if it fails")
_ONLINE = ("stage", "estimate", "budget", "does", "fallback")


def _offline(stage: Stage) -> tuple[str, ...]:
    return (stage.name, stage.does, stage.served_by, stage.fallback.says)


def _online(stage: Stage) -> tuple[str, ...]:
    return (
        stage.name,
        show_duration(stage.estimate),
        show_duration(stage.budget),
        f"{stage.does} ({stage.served_by})",
        stage.fallback.says,
    )
