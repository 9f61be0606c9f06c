"""The promises of a realtime server, beside what was measured."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.monitoring.consistency import Report
from groundplan.plan import Plan
from groundplan.practice.promises import promise
from groundplan.practice.promises.promise import Promise
from groundplan.practice.results import Percentiles, Summary
from groundplan.units import show_duration


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
        promise.labels(answers, measured.rate),
        promise.latency(plan, measured.load),
        *(promise.stage(plan, name, spent) for name, spent in measured.stages.items()),
        promise.throughput(plan, measured.load),
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
