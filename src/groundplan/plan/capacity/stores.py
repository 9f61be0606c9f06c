"""What requests read: online state, published versions, lists, indexes, language models."""

from groundplan.decision import Costs
from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band, known, total
from groundplan.plan.capacity.load import SHARE, Load
from groundplan.plan.capacity.need import Need
from groundplan.plan.capacity.offline import keys_because, question, tokens_us
from groundplan.plan.capacity.request import Request
from groundplan.plan.queueing import in_flight
from groundplan.units import show_count, show_duration, show_rate, show_size


def state(load: Load) -> Need:
    """The online state of live features, and a row of each thing to choose among."""
    rows = _things(load)
    if load.events:
        size = load.remembered.times(factors.EVENT, "bytes")
        why = (
            f"windows of {factors.WINDOW.low:.0f} to {factors.WINDOW.high:.0f} days remember "
            f"{_count(load.remembered.typical)} events of {factors.EVENT.typical:.0f} bytes"
        )
    else:
        size = load.keys.times(8.0 * factors.FEATURES, "bytes")
        why = f"{factors.FEATURES} values of {keys_because(load)}"
    if rows.high:
        why += f", and {factors.FEATURES} values of {show_count(int(rows.typical))} things"
    things = rows.times(8.0 * factors.FEATURES, "bytes")
    return Need(
        "store",
        {"memory": size.times(factors.WARM, "bytes").plus(things), "storage": size.plus(things)},
        why,
    )


def _things(load: Load) -> Band:
    """Things whose features a request joins."""
    if load.answers.candidates.per_request == 1 and load.decision.pattern != "ranking":
        return known(0, "things")
    return load.corpus


def published(load: Load) -> Need:
    """Published versions of a batch."""
    output = load.answers.system.output
    one = {"score": factors.SCORE, "ranking": factors.LIST, "answer": factors.TEXT}[output]
    version = load.keys.times(one, "bytes")
    size = version.times(factors.VERSIONS, "bytes")
    return Need(
        "store",
        {"memory": version.times(factors.WARM, "bytes"), "storage": size},
        f"{keys_because(load)}, {one.low:,.0f} to {one.high:,.0f} bytes each, "
        f"{factors.VERSIONS.low:.0f} to {factors.VERSIONS.high:.0f} versions",
    )


def lists(load: Load) -> Need:
    """Candidate lists that are prepared beforehand."""
    count = load.corpus if load.chosen("retrieval") == "item_lists" else load.keys
    size = count.times(factors.LIST, "bytes")
    whose = (
        f"{show_count(int(load.corpus.typical))} things"
        if load.chosen("retrieval") == "item_lists"
        else keys_because(load)
    )
    return Need(
        "lists",
        {"memory": size.times(factors.WARM, "bytes"), "storage": size.times(2.0, "bytes")},
        f"a list for each of {whose}, in two versions while one is made",
    )


def index(load: Load) -> Need:
    """The vector index, and with passages their text and words."""
    vectors = load.corpus.times(load.vector, "bytes")
    memory, storage = vectors.times(factors.SLACK, "bytes"), vectors.times(2.0, "bytes")
    stated = "" if load.stated is not None else " (no answer counts them)"
    what = "passages" if load.decision.pattern == "rag" else "things"
    why = (
        f"{show_count(int(load.corpus.typical))} {what}{stated}, "
        f"{load.vector:,.0f} bytes each by {load.chosen('index').replace('_', ' ')}"
    )
    if load.decision.pattern == "rag":
        text = load.corpus.times(factors.PASSAGE, "bytes")
        words = text.times(factors.WORDS, "bytes")
        memory, storage = memory.plus(words), storage.plus(text).plus(words)
        why += f", their text of {show_size(text.typical)} and its word index"
    return Need("index", {"memory": memory, "storage": storage}, why)


def generator(load: Load, request: Request, costs: Costs) -> Need:
    """The language model: answers under way at once where it is hosted, cores where it is local."""
    choice = load.chosen("generator")
    parameters = factors.PARAMETERS.get(choice)
    peak = show_rate(load.answers.latency.throughput)
    if parameters is None:
        each = factors.TOKENS.times(costs.us("token_hosted")).times(factors.HOSTED)
        each = each.plus(factors.HOSTED.times(costs.us("first_token_hosted")))
        flights = Band(
            in_flight(load.peak, each.low)[0],
            in_flight(load.peak, each.typical)[0],
            in_flight(load.peak, each.high)[1],
            "answers",
        )
        tokens = factors.TOKENS.plus(question(load)).times(load.mean, "tokens/s")
        return Need(
            "generator",
            {"in flight": flights, "tokens": tokens},
            f"{peak}, {factors.TOKENS.low:.0f} to {factors.TOKENS.high:.0f} tokens an answer of "
            f"{show_duration(costs.us('token_hosted'))} at most: so many answers are under way at "
            "once, the high one in 99 of 100 moments; it runs elsewhere, so no cores are counted",
        )
    one = tokens_us(costs, parameters, question(load))
    cores = one.times(load.peak / SHARE / 1e6, "cores").whole("cores")
    copies = cores.times(1 / 8).whole("replicas")
    return Need(
        "generator",
        {
            "cores": cores,
            "memory": copies.times(_weights(parameters), "bytes"),
            "replicas": copies,
        },
        f"{show_count(int(parameters))} parameters at 4 bits, {peak}: the cost table's tokens, "
        "scaled by size, on cores alone; a copy for every 8 cores; an accelerator does the work of "
        "hundreds of cores, and none was measured",
    )


def writer(load: Load) -> Need:
    """The language model of a scheduled run, whose cores are the run's."""
    parameters = factors.PARAMETERS.get(load.chosen("generator"))
    if parameters is None:
        tokens = factors.TOKENS.plus(factors.QUESTION).times(load.keys)
        every = load.pause if load.arriving else load.interval
        return Need(
            "generator",
            {"tokens": tokens.times(1 / every, "tokens/s")},
            f"{keys_because(load)}, {factors.TOKENS.low:.0f} to {factors.TOKENS.high:.0f} tokens "
            "an answer beside its question; it runs elsewhere, so no cores are counted",
        )
    return Need(
        "generator",
        {"memory": _weights(parameters)},
        f"{show_count(int(parameters))} parameters at 4 bits, which all cores of the run share",
    )


def _weights(parameters: float) -> Band:
    """Bytes of a model at four bits a parameter, with its contexts."""
    size = parameters / 2
    return Band(size, 1.2 * size, 2 * size, "bytes")


def sum_of(needs: list[Need]) -> dict[str, Band]:
    """Cores, memory and storage of all."""
    units = {"cores": "cores", "memory": "bytes", "storage": "bytes"}
    return {
        name: total([need.bands[name] for need in needs if name in need.bands], unit)
        for name, unit in units.items()
    }


def _count(number: float) -> str:
    return show_count(int(float(f"{number:.2g}")))
