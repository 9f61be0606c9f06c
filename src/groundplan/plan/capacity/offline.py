"""What runs before a request: the log, the history, training, the scheduled run."""

from groundplan.constraints import Answers
from groundplan.decision import Costs
from groundplan.decision.work import SHOWN
from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band, each, known
from groundplan.plan.capacity.load import DAY, Load
from groundplan.plan.capacity.need import Need
from groundplan.units import show_count, show_duration, show_rate, show_size

WITHIN = 0.25
"""The share of a schedule's interval that a run may take, so that it can be repeated in time."""

TRAINED = 4 * 3_600.0
"""Seconds that a training may take: a night, with time to do it again."""


def log(load: Load) -> Need:
    """The prediction log."""
    text = load.answers.system.output == "answer"
    shown = SHOWN if load.decision.pattern == "ranking" else 1
    row = factors.LOGGED_TEXT if text else factors.LOGGED.times(float(shown))
    size = load.mean.times(factors.KEPT).times(DAY).times(row, "bytes")
    return Need(
        "log",
        {"storage": size},
        f"{_range(factors.MEAN, 100, '%')} of {show_rate(load.answers.latency.throughput)} on "
        f"average, {_range(row, 1, ' bytes')} a request, kept for "
        f"{_range(factors.KEPT, 1, ' days')}",
    )


def training(load: Load) -> Need | None:
    """What trains the model; None where a pretrained one answers."""
    if load.answers.system.output == "answer":
        return None
    rows = load.learned
    seconds = rows.times(factors.LEARNED.times(1e-6))
    cores = each("cores", lambda time: min(64.0, time / TRAINED), seconds).whole("cores")
    memory = Band(0.5e9, 0.5e9, 1e9, "bytes").plus(rows.times(factors.HELD, "bytes"))
    bands = {
        "cores": cores,
        "memory": memory,
        "storage": load.history.times(factors.EVENT_KEPT, "bytes"),
    }
    if load.answers.labels.kind in {"sparse", "none"}:
        rows_said = _range(factors.FEW, 1, " rows")
        what = f"labels are {load.answers.labels.kind}: learned from {rows_said}"
    else:
        monthly = ", a row of each key a month," if load.decision.pattern == "batch" else ""
        what = (
            f"{_range(factors.HISTORY, 1, ' days')} of history{monthly} are "
            f"{_count(load.history.typical)} rows"
        )
        if load.history.typical > load.trainable:
            what += (
                f", of which {_count(load.trainable)} fit half of "
                f"{show_size(load.memory)}: the rest is sampled"
            )
    return Need("training", bands, what)


def interval(load: Load) -> float:
    """Seconds between two scheduled runs."""
    return 3_600.0 * int(load.chosen("schedule").removesuffix("h"))


def row_us(load: Load, costs: Costs) -> Band:
    """µs of a core for one key in a scheduled run: features, score, and reasons where asked."""
    answers = load.answers
    if answers.system.output == "answer":
        parameters = factors.PARAMETERS.get(load.chosen("generator"))
        if parameters is None:
            return known(costs.us("http"), "us")
        return tokens_us(costs, parameters)
    model = load.chosen("model")
    network = "text" in model or "self" in model
    each_us = costs.us("encoder" if network else "gbm_row")
    if answers.system.output == "ranking":
        each_us = costs.us("vector_probe") + SHOWN * costs.us("gbm_row")
    if answers.interpretability.level != "none" and load.chosen("explainer").startswith("tree"):
        each_us += _explained(answers) * costs.us("attribution_row")
    return factors.COMPUTING.times(each_us, "us").plus(factors.OFFLINE_ROW)


def tokens_us(costs: Costs, parameters: float) -> Band:
    """µs of cores to read a prompt and write an answer with a model of so many parameters.

    A token takes two operations per parameter, so the table's rows, measured with a model of
    124 million in single precision, are scaled by size and precision.
    """
    size = factors.QUANTIZED.times(parameters / factors.MEASURED, "us")
    read = size.times(factors.PROMPT.times(costs.us("prompt_token")))
    return read.plus(size.times(factors.TOKENS.times(costs.us("token"))))


def _explained(answers: Answers) -> float:
    return float(min(SHOWN, answers.candidates.per_request))


def run(load: Load, costs: Costs) -> Need:
    """The scheduled run of a batch."""
    one = row_us(load, costs)
    busy = load.keys.times(one, "us").times(1e-6)
    window = WITHIN * interval(load)
    cores = each("cores", lambda time: time / window, busy).whole("cores")
    memory = factors.RUN.plus(load.keys.times(40.0, "bytes"))
    return Need(
        "run",
        {"cores": cores, "memory": memory},
        f"{keys_because(load)}, {show_duration(float(f'{one.typical:.3g}'))} of a core each, "
        f"within a quarter of the {load.chosen('schedule')} between two runs, so that a run that "
        "failed can be repeated",
    )


def keys_because(load: Load) -> str:
    """How many keys are counted on, and why."""
    answers = load.answers
    if answers.system.output == "score" and answers.candidates.catalog is not None:
        return f"{show_count(answers.candidates.catalog)} keys"
    return (
        f"{_count(load.keys.typical)} keys ({_count(load.keys.low)} to {_count(load.keys.high)}: "
        "no answer counts them, so as many as are asked for in an hour, ten minutes to a day)"
    )


def _count(number: float) -> str:
    """A count in two digits."""
    return show_count(int(float(f"{number:.2g}")))


def _range(band: Band, scale: float, unit: str) -> str:
    return f"{band.low * scale:,.0f}{unit.strip() if unit == '%' else ''} to " + (
        f"{band.high * scale:,.0f}{unit}"
    )
