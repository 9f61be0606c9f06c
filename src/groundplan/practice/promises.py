"""Each promise of the five answers, beside what was measured."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.monitoring.consistency import Report
from groundplan.plan import Plan
from groundplan.practice.results import Percentiles, Summary
from groundplan.units import show_duration, show_rate


class Promise(Struct, frozen=True):
    """One promise: the answer that it comes from, what it says, what was measured."""

    answer: str
    promised: str
    measured: str
    holds: bool


class Measured(Struct, frozen=True):
    """What `verify` observed of a running server.

    Args:
        load: the load's figures, as the client saw them.
        stages: µs per stage of every answer under load, as the server states them.
        freshness: µs from the sending of each probe event to the first answer that reflects it;
            None where no answer did.
        consistency: served against recomputed feature values over everything sent.
        degraded: answers in which a fallback stood in.
        away: those of them in which it stood in for an engine that did not answer.
        unexplained: answers without reasons.
        unaccounted: answers whose base and contributions do not add up to the score.
        unlogged: answers that the prediction log does not hold.
        foreign: answers that are not about the request that they came for.
        unreproduced: logged scores that the build's model does not give for the logged values.
        rate: the share of positive labels in the data that was trained on.
    """

    load: Summary
    stages: Mapping[str, Percentiles]
    freshness: Sequence[int | None]
    consistency: Report
    degraded: int
    away: int
    unexplained: int
    unaccounted: int
    unlogged: int
    foreign: int
    unreproduced: int
    rate: float


def promises(answers: Answers, plan: Plan, measured: Measured) -> tuple[Promise, ...]:
    """Every promise that the answers and the plan make of a realtime server."""
    return (
        _labels(answers, measured),
        _latency(plan, measured.load),
        *(_stage(plan, name, spent) for name, spent in measured.stages.items()),
        _throughput(plan, measured.load),
        _predictions(answers, measured),
        _features(answers, measured),
        _consistent(measured.consistency),
        _candidates(answers, measured),
        *_reasons(answers, measured),
        Promise(
            "plan.fallbacks",
            "no stage needs its fallback while its engine answers",
            f"{measured.degraded:,} of {measured.load.requests:,} answers degraded"
            + (f", {measured.away:,} while an engine was away" if measured.away else ""),
            measured.degraded == measured.away,
        ),
        Promise(
            "plan.log",
            "every answer is in the prediction log",
            f"{measured.unlogged:,} answers missing",
            measured.unlogged == 0,
        ),
    )


def _labels(answers: Answers, measured: Measured) -> Promise:
    stated = answers.labels.positive_rate
    if stated is None:
        return Promise(
            "labels.kind", "labels exist", f"{measured.rate:.2%} positive", measured.rate > 0
        )
    return Promise(
        "labels.positive_rate",
        f"{stated:.2%}, within a factor of 2",
        f"{measured.rate:.2%} of the rows trained on",
        stated / 2 <= measured.rate <= stated * 2,
    )


def _latency(plan: Plan, load: Summary) -> Promise:
    spent = load.latency
    return Promise(
        "latency.p99",
        f"{show_duration(plan.p99)}, from the intended send time",
        f"p50 {_shown(spent.p50)}, p99 {_shown(spent.p99)}, p99.9 {_shown(spent.p999)}",
        spent.p99 is not None and spent.p99 <= plan.p99,
    )


def _stage(plan: Plan, name: str, spent: Percentiles) -> Promise:
    budget = plan.stage(name).budget
    return Promise(
        f"plan.{name}",
        f"p99 within its budget of {show_duration(budget)}",
        f"p50 {_shown(spent.p50)}, p99 {_shown(spent.p99)}, p99.9 {_shown(spent.p999)}",
        spent.p99 is not None and spent.p99 <= budget,
    )


def _throughput(plan: Plan, load: Summary) -> Promise:
    # Poisson arrivals: the offered rate itself strays from the promised one by its square root.
    return Promise(
        "latency.throughput",
        f"{show_rate(plan.throughput)}, every request answered",
        f"{load.achieved:,.0f}/s answered of {load.offered:,.0f}/s offered, "
        f"{load.requests - load.answered:,} not answered",
        load.answered == load.requests
        and load.achieved >= 0.97 * min(load.offered, plan.throughput / 1e9),
    )


def _predictions(answers: Answers, measured: Measured) -> Promise:
    limit = answers.freshness.predictions
    return Promise(
        "freshness.predictions",
        "each reflects its very request" if limit == 0 else f"at most {show_duration(limit)} old",
        f"{measured.unreproduced:,} of {measured.consistency.rows:,} scores are not the model's "
        "for the values of their own request",
        measured.consistency.rows > 0 and measured.unreproduced == 0,
    )


def _features(answers: Answers, measured: Measured) -> Promise:
    seen = [age for age in measured.freshness if age is not None]
    missed = len(measured.freshness) - len(seen)
    limit = answers.freshness.features
    oldest = max(seen, default=0)
    return Promise(
        "freshness.features",
        f"an event shows within {show_duration(limit)}",
        f"{len(seen)} events shown within {show_duration(oldest)} at most"
        + (f", {missed} never" if missed else ""),
        bool(seen) and missed == 0 and oldest <= limit,
    )


def _consistent(report: Report) -> Promise:
    wrong = sum(part.mismatch + part.missing + part.extra for part in report.features)
    late = sum(part.late for part in report.features)
    return Promise(
        "features",
        "served values equal recomputed ones, bit for bit",
        f"{report.rows:,} rows x {len(report.features)} features, {wrong:,} differ"
        + (f", {late:,} late arrivals" if late else ""),
        report.rows > 0 and wrong == 0,
    )


def _candidates(answers: Answers, measured: Measured) -> Promise:
    return Promise(
        "candidates.per_request",
        f"{answers.candidates.per_request:,} scored in each request",
        f"{measured.foreign:,} of {measured.load.answered:,} answers are not about their request",
        measured.load.answered > 0 and measured.foreign == 0,
    )


def _reasons(answers: Answers, measured: Measured) -> tuple[Promise, ...]:
    level = answers.interpretability.level
    if level == "none":
        return ()
    return (
        Promise(
            "interpretability.level",
            f"{level}: every answer has its reasons",
            f"{measured.unexplained:,} of {measured.load.answered:,} answers without",
            measured.unexplained == 0,
        ),
        Promise(
            "interpretability.level",
            "base and contributions add up to the score",
            f"{measured.unaccounted:,} answers do not",
            measured.unaccounted == 0,
        ),
    )


def _shown(microseconds: int | None) -> str:
    return "never" if microseconds is None else show_duration(microseconds)
