"""A plan in depth on the terminal, in the order in which it is read in a review."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from groundplan.decision import PATTERNS, Costs
from groundplan.decision.calibrated import footer
from groundplan.plan import Plan, Stage
from groundplan.plan.amount import show_amount, show_band, show_load
from groundplan.plan.budget import RESERVED
from groundplan.plan.capacity import Capacity
from groundplan.plan.difference import spoken, words
from groundplan.plan.dossier import Dossier
from groundplan.plan.failures import Failure
from groundplan.plan.growth import Growth, Limit, bills, grown_by
from groundplan.plan.served import BUILT, planned
from groundplan.units import show_about, show_duration, show_enough, show_rate

if TYPE_CHECKING:
    from rich.console import Console

_FAILS: Final = "How it fails, and how that shows"
_SHAPES: Final = {pattern.name: pattern.shape for pattern in PATTERNS}


def print_dossier(out: "Console", dossier: Dossier, *, full: bool, grown: bool) -> None:
    """Print what was decided and all that follows from it.

    Args:
        out: where to.
        dossier: the decision with its plan, or with its conflicts.
        full: with the stages' own risks, monitoring, mitigations and the decision log.
        grown: with everything that gives out when traffic, corpus or history grow.
    """
    plan, capacity = dossier.plan, dossier.capacity
    if plan is None:
        _print_conflicts(out, dossier)
    else:
        _print_head(out, plan, planned(dossier.answers, dossier.decision))
        _print_stages(out, plan)
        if capacity is not None:
            _print_capacity(out, capacity, full)
            _print_outgrown(out, dossier)
        _print_growth(out, dossier.growth, grown or full)
        _print_bills(out, dossier)
        _print_failures(out, dossier.failures, full)
        _print_flips(out, dossier)
        _print_retraining(out, plan)
        if full:
            _print_depth(out, plan)
    print_costs(out, dossier.costs)
    if plan is not None and not full:
        out.print(
            "more: --full (risks of each stage, monitoring, decision log), --at 10x, "
            "--what-if KEY=VALUE, --out plan.html",
            style="dim",
        )


def print_costs(out: "Console", costs: Costs) -> None:
    """The last lines: the cost table that the figures come from, and what is to be known of it."""
    out.print("\n" + "\n".join(footer(costs)), style="dim", markup=False)


def _print_head(out: "Console", plan: Plan, planned_only: Sequence[str]) -> None:
    from rich.text import Text

    out.print()
    out.print(Text(f"{plan.name}: {plan.pattern}", style="bold"))
    out.print(plan.goal, markup=False)
    out.print(_SHAPES[plan.pattern])
    if planned_only:
        out.print(
            f"This version plans it and does not build it ({'; '.join(planned_only)}): it builds "
            f"and runs {' and '.join(BUILT)}, one score a request.",
            style="yellow",
            markup=False,
        )


def _print_stages(out: "Console", plan: Plan) -> None:
    from groundplan.cli.tables import heading, table

    heading(out, "Before a request")
    columns = ("stage", "does", "served by", "if it fails")
    table(out, columns, [_offline(stage) for stage in plan.offline], wide=columns[1:])
    heading(out, f"In a request: {show_duration(plan.p99)} p99 at {show_rate(plan.throughput)}")
    rows = [_online(stage) for stage in plan.online]
    spare = ("headroom", "", show_about(plan.headroom), RESERVED, "")
    table(
        out,
        ("stage", "estimate", "budget", "does", "fallback"),
        [*rows, spare],
        right=("estimate", "budget"),
        wide=("does", "fallback"),
    )
    for misfit in plan.misfits:
        out.print(
            f"{misfit.stage} cannot fit: it takes {show_enough(misfit.needs)}, and "
            f"{show_about(misfit.has)} are left. What would make it fit: {misfit.remedy}",
            style="red",
        )


def _offline(stage: Stage) -> tuple[str, ...]:
    return (stage.name, stage.does, stage.served_by, stage.fallback.says)


def _online(stage: Stage) -> tuple[str, ...]:
    estimate, budget = show_about(stage.estimate), show_about(stage.budget)
    return (stage.name, estimate, budget, f"{stage.does} ({stage.served_by})", stage.fallback.says)


def _print_capacity(out: "Console", capacity: Capacity, full: bool) -> None:
    from groundplan.cli.tables import heading, table

    heading(out, "Capacity at the promised throughput")
    columns = ["component", "needs", "low", "typical", "high"]
    rows = list(_needs(capacity, because=full))
    table(
        out,
        [*columns, "because"] if full else columns,
        rows,
        right=("low", "typical", "high"),
        wide=("because",),
    )
    for short in capacity.shortages:
        out.print(
            f"{short.head}: {short.says}",
            style="red" if short.misfit else "yellow",
        )
    if capacity.model and full:
        out.print(capacity.model, style="dim", markup=False)


def _print_outgrown(out: "Console", dossier: Dossier) -> None:
    """What is too small from the start, where nothing is stated that it could fall short of."""
    for limit in dossier.outgrown:
        out.print(
            f"{words(limit.component)} is too small from the start: {limit.because}. What replaces "
            f"it: {limit.replaced_by}",
            style="yellow",
            markup=False,
        )


def _needs(capacity: Capacity, *, because: bool) -> Iterator[Sequence[str]]:
    """One row per resource: of each component, of all, and how one replica answers."""
    groups = [(words(need.component), need.bands, need.because) for need in capacity.needs]
    if len(capacity.needs) > 1:
        groups.append(("in all", capacity.total, ""))
    shares = {show_load(share): band for share, band in capacity.latency.items()}
    groups.append(("one replica", {"saturation": capacity.saturation, **shares}, ""))
    groups += [("cost a month", capacity.cost, "by the prices given")] if capacity.cost else []
    for name, bands, reason in groups:
        first = True
        for resource, band in bands.items():
            unit = "" if band.unit == resource else band.unit  # the row says it already
            figures = [show_amount(v, unit) for v in (band.low, band.typical, band.high)]
            told = [reason if first else ""] if because else []
            yield [name if first else "", words(resource), *figures, *told]
            first = False


def _print_growth(out: "Console", growths: Iterable[Growth], every: bool) -> None:
    from groundplan.cli.tables import heading, table

    rows: list[Sequence[str]] = []
    then, torn = [], []
    for growth in growths:
        name = grown_by(growth)
        gone: dict[str, tuple[str, Limit]] = {}
        for limit in growth.limits:
            if limit.factor is not None:  # what two axes wear out is one limit of each
                at = f"{limit.factor:.3g}x" if limit.factor > 1 else "now"
                gone.setdefault(limit.component, (at, limit))
        for place, (at, limit) in enumerate(list(gone.values())[: None if every else 1]):
            parts = (words(limit.component), at, limit.because, limit.replaced_by)
            rows.append(("" if place else name, *parts))
        if not gone:
            rows.append((name, "nothing gives out", "", growth.idle, ""))
        if growth.pattern is None:
            torn.append(name)
        else:
            then += [f"{name}: {line}" for line in _decided(growth)]
    if torn:
        said = "the answers conflict then: `groundplan plan --what-if` shows what to change"
        then.append(f"{'; '.join(torn)}: {said}")
    if not rows:
        return
    heading(out, "As it grows")
    columns = ("growth", "gives out first", "at", "because", "replaced by")
    table(out, columns, rows, right=("at",), wide=columns[3:])
    for line in then:
        out.print(f"- {line}", markup=False)


def _print_bills(out: "Console", dossier: Dossier) -> None:
    """The money of each size, where prices were given."""
    from groundplan.cli.tables import heading, table

    found = bills(dossier.capacity, dossier.growth)
    if not found:
        return
    heading(out, "Cost a month as it grows, by the prices given")
    rows = []
    for one in found:
        month = one.month
        figures = (month.low, month.typical, month.high) if month else ()
        told = [show_amount(figure, "") for figure in figures] or ["", "a conflict", ""]
        rows.append((one.size, *told, one.ratio))
    numbers = ("low", "typical", "high", "of now")
    table(out, ("size", *numbers), rows, right=numbers)


def _decided(growth: Growth) -> Iterator[str]:
    """What it needs at that size, and what is decided there, where it is something else."""
    if growth.capacity is not None:
        needs = ", ".join(
            show_band(band) + (f" of {name}" if band.unit == "bytes" else "")
            for name, band in growth.capacity.total.items()
        )
        yield f"it then needs {needs}"
    for role, before, after in growth.changes:
        yield f"{words(role)}: {words(before) or 'nothing'} -> {words(after) or 'nothing'}"


def _print_failures(out: "Console", failures: Sequence[Failure], full: bool) -> None:
    from groundplan.cli.tables import heading, table

    if not failures:
        return
    planned = not any(failure.running for failure in failures)
    title = "How it would fail, and what would show that" if planned else _FAILS
    heading(out, title)
    rows = []
    last = ""
    for failure in failures:
        name = failure.named
        signal = failure.signal if planned or failure.running else f"to build: {failure.signal}"
        told = _mode(failure, signal) if full else signal
        rows.append(("" if name == last else name, failure.cause, told))
        last = name
    # The names of metrics are long, and broken they can't be searched for.
    columns = ("component", "cause", "how it goes on" if full else "signal")
    table(out, columns, rows, wide={"cause": 2, columns[2]: 5 if full else 3})


def _mode(failure: Failure, signal: str) -> str:
    lines = {
        "users see": failure.seen,
        "signal": signal,
        "meanwhile": failure.fallback or "nothing",
        "to do": failure.mitigation,
    }
    return "\n".join(f"{what}: {said}" for what, said in lines.items())


def _print_flips(out: "Console", dossier: Dossier) -> None:
    from groundplan.cli.tables import heading, table

    heading(out, "What would change the decision")
    single = [flip for flip in dossier.flips if len(flip.answers) == 1]
    rows = [
        (
            flip.answers[0],
            spoken(flip.answers[0], flip.before[0]),
            spoken(flip.answers[0], flip.after[0]),
            flip.pattern or "conflict",
        )
        for flip in single
    ]
    if rows:
        table(out, ("answer", "from", "to", "decides"), rows)
    else:
        out.print("no single answer")
    pairs = len(dossier.flips) - len(single)
    if pairs:
        out.print(f"and {pairs} pairs of answers: --json lists them")


def _print_retraining(out: "Console", plan: Plan) -> None:
    from groundplan.cli.tables import heading

    heading(out, "Retraining")
    out.print(f"{plan.retraining.cadence}\ngate: {plan.retraining.gate}", markup=False)
    for trigger in plan.retraining.triggers:
        out.print(f"sooner when: {trigger}", markup=False)


def _print_depth(out: "Console", plan: Plan) -> None:
    """What each stage breaks, monitoring and the decision log."""
    from groundplan.cli.tables import heading, table

    for title, columns, rows in (
        (
            "What breaks, and how it shows",
            ("stage", "if it is wrong", "seen in", "at scale"),
            [(s.name, s.breaks, s.detected, s.at_scale) for s in plan.stages],
        ),
        (
            "Monitoring",
            ("signal", "threshold", "then"),
            [(w.signal, w.threshold, w.action) for w in plan.monitoring],
        ),
    ):
        heading(out, title)
        table(out, columns, rows, wide=columns[columns[0] == "stage" :])
    heading(out, "Decision log")
    for number, line in enumerate(plan.summary, 1):
        out.print(f"{number:>2}. {line}", markup=False)


def _print_conflicts(out: "Console", dossier: Dossier) -> None:
    from rich.text import Text

    from groundplan.cli.conflict import print_conflicts

    out.print()
    out.print(Text(f"{dossier.answers.system.name}: conflict", style="bold"))
    out.print("no pattern meets all the answers; `groundplan decide` has every rule that says so")
    print_conflicts(out, dossier.answers, dossier.conflicts, reasons=True)
