"""One promise beside what was measured, and those that every pattern makes."""

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.plan import Plan
from groundplan.practice.results import Percentiles, Summary
from groundplan.units import show_duration, show_rate


class Promise(Struct, frozen=True):
    """One promise: the answer that it comes from, what it says, what was measured."""

    answer: str
    promised: str
    measured: str
    holds: bool


def labels(answers: Answers, rate: float) -> Promise:
    """The share of positive labels, where it is stated.

    Args:
        answers: what is stated.
        rate: the share in the data that was trained on.
    """
    stated = answers.labels.positive_rate
    if stated is None:
        return Promise("labels.kind", "labels exist", f"{rate:.2%} positive", rate > 0)
    return Promise(
        "labels.positive_rate",
        f"{stated:.2%}, within a factor of 2",
        f"{rate:.2%} of the rows trained on",
        stated / 2 <= rate <= stated * 2,
    )


def latency(plan: Plan, load: Summary) -> Promise:
    """The p99 of a load."""
    spent = load.latency
    return Promise(
        "latency.p99",
        f"{show_duration(plan.p99)}, from the intended send time",
        f"p50 {_shown(spent.p50)}, p99 {_shown(spent.p99)}, p99.9 {_shown(spent.p999)}",
        spent.p99 is not None and spent.p99 <= plan.p99,
    )


def stage(plan: Plan, name: str, spent: Percentiles) -> Promise:
    """The budget of one stage."""
    budget = plan.stage(name).budget
    return Promise(
        f"plan.{name}",
        f"p99 within its budget of {show_duration(budget)}",
        f"p50 {_shown(spent.p50)}, p99 {_shown(spent.p99)}, p99.9 {_shown(spent.p999)}",
        spent.p99 is not None and spent.p99 <= budget,
    )


def throughput(plan: Plan, load: Summary) -> Promise:
    """The rate of a load, and that nothing of it was refused."""
    # Poisson arrivals: the offered rate itself strays from the promised one by its square root.
    return Promise(
        "latency.throughput",
        f"{show_rate(plan.throughput)}, every request answered",
        f"{load.achieved:,.0f}/s answered of {load.offered:,.0f}/s offered, "
        f"{load.requests - load.answered:,} not answered",
        load.answered == load.requests
        and load.achieved >= 0.97 * min(load.offered, plan.throughput / 1e9),
    )


def _shown(microseconds: int | None) -> str:
    return "never" if microseconds is None else show_duration(microseconds)
