"""`groundplan calibrate`: what the steps of an architecture cost on this machine."""

import os

import click

from groundplan.cli.arguments import json_option
from groundplan.decision.calibrated import VARIABLE, forget, own, save, stale
from groundplan.decision.costs import Costs, reference
from groundplan.errors import ProjectError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command()
@click.option("--compare", is_flag=True, help="Show the table beside the shipped reference.")
@click.option(
    "--only",
    multiple=True,
    metavar="ROW",
    help="Measure this row and keep the others; repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=0.75,
    show_default=True,
    help="Measure each row for so long.",
)
@click.option("--forget", "forgotten", is_flag=True, help="Delete the table; use the reference.")
@json_option
def calibrate(
    compare: bool, only: tuple[str, ...], seconds: float, forgotten: bool, as_json: bool
) -> None:
    """Measure this machine, so that decisions and plans count with its figures.

    Trees, networks, vector search, lookups, feature joins, requests: each row is the median of
    one step on one thread, with the quartiles of its rounds. It takes less than two minutes on a
    quiet machine. What needs a library that is not installed is marked, and its figure comes from
    the reference that ships with Groundplan.

    The table is kept in your cache. From then on `groundplan decide`, `groundplan plan` and
    `groundplan build` use it and say so. GROUNDPLAN_COSTS=reference uses the reference
    nevertheless, as tests and other machines do; GROUNDPLAN_COSTS=FILE uses that table.

    With --compare, a table that is there already is shown and nothing is measured.

    \b
    Example:
      groundplan calibrate
      groundplan calibrate --compare
      groundplan calibrate --only gbm_row --only lookup
    """
    if forgotten:
        path = forget()
        click.echo(f"{path} is deleted" if path else "there is no table of your own")
        return
    known = _known()
    if known is None or only or not compare:
        known = _measured(only, seconds, known)
    if as_json:
        _print_json(known, compare)
    else:
        _print(known, compare)


def _known() -> Costs | None:
    """The user's table; what cannot be read is replaced."""
    try:
        return own()
    except ProjectError:
        return None


def _measured(only: tuple[str, ...], seconds: float, before: Costs | None) -> Costs:
    # One thread, as the table says; they are read when NumPy and PyTorch are first imported.
    for name in _THREADS:
        os.environ[name] = "1"
    from groundplan.cli.progress import progress
    from groundplan.practice.calibrate import calibrate as measure
    from groundplan.practice.calibrate import calibration

    warning = calibration.busy()
    with progress() as report:
        costs = measure(report, only, seconds, before)
    path = save(costs)
    for said in (warning, f"written to {path}"):
        if said:
            click.echo(said, err=True)
    return costs


def _print_json(costs: Costs, compared: bool) -> None:
    import msgspec

    from groundplan.practice.calibrate import compare

    shown: object = {"costs": costs, "compared": compare(costs, reference())} if compared else costs
    click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


def _print(costs: Costs, compared: bool) -> None:
    from groundplan.cli.tables import console, heading, table
    from groundplan.practice.calibrate import compare

    out = console()
    heading(out, f"{costs.name}: {costs.measured_at}")
    out.print(costs.machine, style="dim")
    out.print()
    lines = compare(costs, reference())
    if compared:
        table(
            out,
            ("step", "here", "reference", "here / reference", ""),
            [
                (line.row, _us(line.mine), _us(line.reference), _ratio(line.ratio), line.why)
                for line in lines
            ],
            right=("here", "reference", "here / reference"),
            wide=("",),
        )
        out.print(f"reference: {reference().machine}, {reference().measured_at}", style="dim")
    else:
        table(
            out,
            ("step", "median", "quartiles", "what"),
            [
                (
                    line.row,
                    _us(line.mine) if line.mine else "-",
                    _spread(line.spread),
                    line.what if line.mine else line.why,
                )
                for line in lines
            ],
            right=("median", "quartiles"),
            wide=("what",),
        )
        if "token" not in costs.left:
            per_second = 1e6 / costs.us("token")
            out.print(f"one thread generates {per_second:.3g} tokens per second (token)")
    for line in stale(costs):
        out.print(line, style="yellow")
    if chosen := os.environ.get(VARIABLE):
        out.print(f"{VARIABLE}={chosen} is set: decisions use that table", style="yellow")


def _us(value: float | None) -> str:
    """A time with three digits, in the unit that people would say it in."""
    if value is None:
        return ""
    for unit, scale in (("s", 1e6), ("ms", 1e3), ("us", 1.0)):
        if value >= scale:
            return f"{_digits(value / scale)} {unit}"
    return f"{_digits(value * 1000)} ns"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _spread(spread: tuple[float, float] | None) -> str:
    return f"{_us(spread[0])} .. {_us(spread[1])}" if spread else ""


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{_digits(ratio)} x"
