"""What runs before a request: the log, the history, training, the scheduled run."""

from groundplan.constraints import Answers
from groundplan.decision import Costs
from groundplan.decision import run as planned
from groundplan.decision.work import SHOWN
from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band, each, known
from groundplan.plan.capacity.load import DAY, Load, later
from groundplan.plan.capacity.need import Need
from groundplan.units import show_about, show_count, show_duration, show_rate, show_size

WITHIN = planned.WITHIN[0] / planned.WITHIN[1]
"""The share of a schedule's interval that a run may take, so that it can be repeated in time."""

TRAINED = 4 * 3_600.0
"""Seconds that a training may take: a night, with time to do it again."""


def log(load: Load) -> Need:
    """The prediction log."""
    text = load.answers.system.output == "answer"
    shown = SHOWN if load.decision.pattern == "ranking" else 1
    row = factors.LOGGED_TEXT if text else factors.LOGGED.times(float(shown))
    kept = later(factors.KEPT, load.delay)
    size = load.mean.times(kept).times(DAY).times(row, "bytes")
    delay = load.answers.labels.delay
    waits = f", the {show_duration(delay)} until a label is known included" if delay else ""
    return Need(
        "log",
        {"storage": size},
        f"{_range(factors.MEAN, 100, '%')} of {show_rate(load.answers.latency.throughput)} on "
        f"average, {_range(row, 1, ' bytes')} a request, kept for "
        f"{_range(kept, 1, ' days')}{waits}",
    )


def training(load: Load) -> Need | None:
    """What trains the model; None where a pretrained one answers."""
    if load.answers.system.output == "answer":
        return None
    rows = load.learned
    cores = trained(load).whole("cores")
    memory = factors.TRAINING.plus(rows.times(factors.HELD, "bytes"))
    bands = {
        "cores": cores,
        "memory": memory,
        "storage": load.stored.times(factors.EVENT_KEPT, "bytes"),
    }
    if load.few:
        rows_said = _range(factors.FEW, 1, " rows")
        what = f"labels are {load.answers.labels.kind}: learned from {rows_said}"
    else:
        by_key = load.decision.pattern == "batch" and not load.arriving
        monthly = ", a row of each key a month," if by_key else ""
        what = (
            f"{_range(factors.HISTORY, 1, ' days')} of history{monthly} are "
            f"{_count(load.history.typical)} rows"
        )
        if load.history.typical > load.trainable:
            what += f", of which {_count(load.trainable)} {fitting(load)}: the rest is sampled"
    if load.delay:
        young = show_duration(load.answers.labels.delay or 0)
        what += f"; the history that is stored is {young} longer, with labels not known yet"
    return Need("training", bands, what)


def fitting(load: Load) -> str:
    """What the rows that are learned from fit."""
    if load.left - factors.TRAINING.typical >= load.memory / 2:
        return f"fit half of {show_size(load.memory)}"
    return "fit what the rest of the plan leaves of the memory stated"


def trained(load: Load) -> Band:
    """Cores that a training keeps busy for a night."""
    seconds = load.learned.times(factors.LEARNED.times(1e-6))
    return each("cores", lambda time: min(64.0, time / TRAINED), seconds)


def row_us(load: Load, costs: Costs) -> Band:
    """µs of a core for one key in a scheduled run: features, score, and reasons where asked."""
    answers = load.answers
    if answers.system.output == "answer":
        parameters = factors.PARAMETERS.get(load.chosen("generator"))
        if parameters is None:
            return known(costs.us("http"), "us")
        return tokens_us(costs, parameters, question(load))
    model = load.chosen("model")
    network = "text" in model or "self" in model
    each_us = costs.us("encoder" if network else "gbm_row")
    if answers.system.output == "ranking":
        each_us = costs.us("vector_probe") + SHOWN * costs.us("gbm_row")
    if answers.interpretability.level != "none" and load.chosen("explainer").startswith("tree"):
        each_us += _explained(answers) * costs.us("attribution_row")
    return factors.COMPUTING.times(each_us, "us").plus(factors.OFFLINE_ROW)


def question(load: Load) -> Band:
    """Tokens that a language model reads before it answers."""
    return factors.PROMPT if load.decision.pattern == "rag" else factors.QUESTION


def tokens_us(costs: Costs, parameters: float, prompt: Band) -> Band:
    """µs of cores to read a prompt and write an answer with a model of so many parameters.

    A token takes two operations per parameter, so the table's rows, measured with a model of
    124 million in single precision, are scaled by size and precision.
    """
    size = factors.QUANTIZED.times(parameters / factors.MEASURED, "us")
    read = size.times(prompt.times(costs.us("prompt_token")))
    return read.plus(size.times(factors.TOKENS.times(costs.us("token"))))


def embedding(load: Load, costs: Costs) -> Need:
    """What turns things or passages into vectors: what has changed, or all for new towers."""
    what = "passages" if load.decision.pattern == "rag" else "things"
    one = _short(_embeds(load, costs))
    whole = long(load.corpus.typical * _embeds(load, costs))
    count = _count(load.corpus.typical)
    low, high = 100 * factors.CHANGED.low, 100 * factors.CHANGED.high
    if load.text:
        why = (
            f"{one} of a core each; {low:g}% to {high:g}% of {count} {what} are "
            f"embedded anew each day, within six hours; all of them once, before the first "
            f"request, take {whole} of a core"
        )
    else:
        why = (
            f"{one} of a core each; all {count} {what} are embedded anew with each new model, "
            f"{whole} of a core, within four hours"
        )
    return Need("embedding", {"cores": embedded(load, costs).whole("cores")}, why)


def embedded(load: Load, costs: Costs) -> Band:
    """Cores that embedding keeps busy for as long as it may take."""
    seconds = load.corpus.times(1e-6 * _embeds(load, costs), "cores")
    if not load.text:
        return seconds.times(1 / TRAINED)
    return seconds.times(factors.CHANGED, "cores").times(1 / (WITHIN * DAY))


def _embeds(load: Load, costs: Costs) -> float:
    """µs of a core to embed one thing."""
    return costs.us("encoder" if load.text else "user_tower")


def _explained(answers: Answers) -> float:
    return float(min(SHOWN, answers.candidates.per_request))


def run(load: Load, costs: Costs) -> Need:
    """The scheduled run of a batch."""
    one = row_us(load, costs)
    cores = running(load, costs).whole("cores")
    memory = factors.RUN.plus(load.keys.times(40.0, "bytes"))
    return Need(
        "run",
        {"cores": cores, "memory": memory},
        f"{keys_because(load)}, {_short(one.typical)} of a core each, "
        f"within a quarter of the {between(load)} between two runs, so that a run that "
        "failed can be repeated",
    )


def between(load: Load) -> str:
    """The time between two runs, the shortest where the project's own schedule has several."""
    return show_duration(round(load.interval * 1e6))


def running(load: Load, costs: Costs) -> Band:
    """Cores that a scheduled run keeps busy for as long as it may take."""
    busy = load.keys.times(row_us(load, costs), "us")
    return busy.times(1e-6 / (WITHIN * load.interval), "cores")


def keys_because(load: Load) -> str:
    """How many keys are counted on, and why."""
    if load.listed:
        return f"{show_count(int(load.keys.typical))} keys"
    if load.arriving:
        pause = show_duration(round(load.pause * 1e6))
        return (
            f"{_count(load.keys.typical)} keys ({_count(load.keys.low)} to "
            f"{_count(load.keys.high)}: what arrives in the {pause} between two "
            f"runs, {_range(factors.MEAN, 100, '%')} of "
            f"{show_rate(load.answers.latency.throughput)} on average)"
        )
    would = ""
    if load.decision.pattern == "batch" and load.answers.system.output == "score":
        would = " (candidates.catalog would)"
    elif load.answers.candidates.catalog is not None:
        would = " (candidates.catalog counts what is chosen among)"
    return (
        f"{_count(load.keys.typical)} keys ({_count(load.keys.low)} to {_count(load.keys.high)}: "
        f"no answer counts them{would}, so as many as are asked for in an hour, ten minutes to a "
        "day)"
    )


def _short(us: float) -> str:
    return show_about(us)


def long(us: float) -> str:
    """A long time in two digits, of the largest unit that leaves a number from 2."""
    for unit, whole in (("days", 86_400e6), ("hours", 3_600e6), ("minutes", 60e6)):
        if us >= 2 * whole:
            return f"{float(f'{us / whole:.2g}'):,.10g} {unit}"
    return _short(us)


def _count(number: float) -> str:
    """A count in two digits."""
    return show_count(int(float(f"{number:.2g}")))


def _range(band: Band, scale: float, unit: str) -> str:
    return f"{band.low * scale:,.0f}{unit.strip() if unit == '%' else ''} to " + (
        f"{band.high * scale:,.0f}{unit}"
    )
