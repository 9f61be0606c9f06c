"""`groundplan calibrate`: what the steps of an architecture cost on this machine."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click

from groundplan.cli.arguments import json_option
from groundplan.decision.calibrated import VARIABLE, forget, own, reserved, save, stale
from groundplan.decision.costs import NOT_ASKED, Costs, reference
from groundplan.errors import ProjectError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_READERS = ("transformers", "llama_cpp")


@click.command()
@click.option("--compare", is_flag=True, help="Show the table beside the shipped reference.")
@click.option(
    "--only",
    multiple=True,
    metavar="ROW",
    help="Measure this row and keep the others; repeatable.",
)
@click.option(
    "--model",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Measure this model for its rows and keep the others; repeatable.",
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
    compare: bool,
    only: tuple[str, ...],
    paths: tuple[Path, ...],
    seconds: float,
    forgotten: bool,
    as_json: bool,
) -> None:
    """Measure this machine, so that decisions and plans count with its figures.

    Trees, networks, vector search, lookups, feature joins, requests: each row is the median of
    one step on one thread, with the quartiles of its rounds. It takes less than two minutes on a
    quiet machine. What needs a library that is not installed is marked, and its figure comes from
    the reference that ships with Groundplan.

    The table is kept in your cache, once all is measured. From then on `groundplan decide`,
    `groundplan plan` and `groundplan build` use it and say so. GROUNDPLAN_COSTS=reference uses the
    reference nevertheless, as tests and other machines do; GROUNDPLAN_COSTS=FILE uses that table.

    Networks have public sizes and random weights. With --model, one that you have takes their
    place: a decoder for the rows token and prompt_token, an encoder for encoder, a cross-encoder
    for pair. PATH is a Hugging Face folder, read by Transformers, or a GGUF file, read by
    llama.cpp, where those are installed. Its figures stay when all is measured again, until --only
    names the row.

    With --compare, a table that is there already is shown and nothing is measured.

    \b
    Example:
      groundplan calibrate
      groundplan calibrate --compare
      groundplan calibrate --only gbm_row --only lookup
      groundplan calibrate --model models/qwen2.5-0.5b
    """
    if forgotten:
        path = forget()
        click.echo(f"{path} is deleted" if path else "there is no table of your own")
        return
    show = _print_json if as_json else _print
    if compare and not only and not paths and (known := _known()):
        show(known, compare)
        return
    with reserved():
        try:
            costs = _measured(only, paths, seconds)
        except KeyboardInterrupt:
            click.echo("\nstopped: nothing is written, and the table is as it was", err=True)
            raise SystemExit(130) from None
        # Before it is written: a disk that has filled up meanwhile does not cost the figures.
        show(costs, compare)
        click.echo(f"written to {save(costs)}", err=True)


def _known() -> Costs | None:
    """The user's table; what cannot be read is replaced."""
    try:
        return own()
    except ProjectError:
        return None


def _measured(only: tuple[str, ...], paths: tuple[Path, ...], seconds: float) -> Costs:
    # One thread, as the table says; they are read when NumPy and PyTorch are first imported.
    for name in _THREADS:
        os.environ[name] = "1"
    from groundplan.cli.progress import progress
    from groundplan.practice.calibrate import calibrate as measure
    from groundplan.practice.calibrate import calibration, models

    named = models(paths)
    if warning := calibration.busy():
        click.echo(warning, err=True)
    with progress() as report:
        return measure(report, only, seconds, _known(), named)


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
                if costs.left.get(line.row) != NOT_ASKED
            ],
            right=("median", "quartiles"),
            wide=("what",),
        )
        if rest := [row for row, why in costs.left.items() if why == NOT_ASKED]:
            out.print(f"not asked for: {', '.join(rest)}", style="dim", markup=False)
    for line in _speeds(costs):
        out.print(line, markup=False)
    for line in stale(costs):
        out.print(line, style="yellow")
    if chosen := os.environ.get(VARIABLE):
        out.print(f"{VARIABLE}={chosen} is set: decisions use that table", style="yellow")


def _speeds(costs: Costs) -> Iterator[str]:
    """Tokens per second, and whose; and how to have those of another model."""
    for row, verb in (("token", "generates"), ("prompt_token", "reads")):
        if row not in costs.left:
            whose = costs.rows[row].model or "a decoder of GPT-2's size"
            speed = _digits(1e6 / costs.us(row))
            yield f"{row}: {whose} {verb} {speed} tokens per second on one thread"
    if any(map(find_spec, _READERS)) and not any(cost.model for cost in costs.rows.values()):
        yield "a model of your own instead: groundplan calibrate --model PATH (folder or GGUF file)"


def _us(value: float | None) -> str:
    """A time with three digits, in the unit that people would say it in."""
    if value is None:
        return ""
    for unit, scale in (("s", 1e6), ("ms", 1e3), ("us", 1.0)):
        if value >= scale:
            return f"{_digits(value / scale)} {unit}"
    return f"{_digits(value * 1000)} ns"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spread(spread: tuple[float, float] | None) -> str:
    return f"{_us(spread[0])} .. {_us(spread[1])}" if spread else ""


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{_digits(ratio)} x"
