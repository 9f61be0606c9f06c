"""The promises of a server of published scores, beside what was measured."""

from collections.abc import Mapping

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.plan import Plan
from groundplan.practice.promises import promise
from groundplan.practice.promises.promise import Promise
from groundplan.practice.results import Percentiles, Summary
from groundplan.units import HOUR, MINUTE, SECOND, show_duration


class Measured(Struct, frozen=True):
    """What `verify` observed of a server of published scores.

    Args:
        load: the load's figures, as the client saw them.
        stages: µs per stage of every answer under load, as the server states them.
        versions: by version, how many answers were of it.
        oldest: µs, the age of the oldest answer at the moment at which it arrived; None where
            nothing was answered.
        unmarked: answers older than promised that do not say so, or younger that say it.
        scored: answers for keys of the live version, under load.
        uncovered: those of them that a fallback stood in for.
        unequal: answers whose score, decision or reasons are not those of the archived version
            that they name, bit for bit.
        damaged: archived part files whose checksum is not that of the version's record.
        needing: answers whose decision needs reasons.
        bare: those of them for which the version found none; 0 at the level `audit`, at which no
            version with such rows is published.
        unexplained: those without that are not among these.
        cold: answers for keys that were never scored.
        unsaid: those of them that do not say what stood in, or are not the average that they name.
        mixed: requests for many keys whose answers are of more than one version.
        many: requests for many keys.
        foreign: answers that are not about the request that they came for.
        degraded: answers in which a stage's fallback stood in.
        unlogged: answers that the prediction log does not hold.
        rate: the share of positive labels in the data that was trained on.
        checks: of the live version: what was found, by the check's name.
    """

    load: Summary
    stages: Mapping[str, Percentiles]
    versions: Mapping[str, int]
    oldest: int | None
    unmarked: int
    scored: int
    uncovered: int
    unequal: int
    damaged: int
    needing: int
    bare: int
    unexplained: int
    cold: int
    unsaid: int
    mixed: int
    many: int
    foreign: int
    degraded: int
    unlogged: int
    rate: float
    checks: Mapping[str, tuple[bool, str]]


def promises(answers: Answers, plan: Plan, measured: Measured) -> tuple[Promise, ...]:
    """Every promise that the answers and the plan make of published scores."""
    return (
        promise.labels(answers, measured.rate),
        promise.latency(plan, measured.load),
        *(promise.stage(plan, name, spent) for name, spent in measured.stages.items()),
        promise.throughput(plan, measured.load),
        *_freshness(answers, measured),
        *_scores(measured),
        _candidates(answers, measured),
        *_reasons(answers, measured),
        Promise(
            "plan.fallbacks",
            "no stage needs its fallback",
            f"{measured.degraded:,} of {measured.load.answered:,} answers degraded",
            measured.degraded == 0,
        ),
        Promise(
            "plan.log",
            "every answer is in the prediction log",
            f"{measured.unlogged:,} answers missing",
            measured.unlogged == 0,
        ),
    )


def _freshness(answers: Answers, measured: Measured) -> tuple[Promise, ...]:
    limit, oldest = answers.freshness.predictions, measured.oldest
    age = "nothing was answered" if oldest is None else f"the oldest answer was {_age(oldest)} old"
    marks = f"; {measured.unmarked:,} answers mark it wrongly" if measured.unmarked else ""
    kept = oldest is not None and measured.unmarked == 0
    return (
        Promise(
            "freshness.predictions",
            f"at most {show_duration(limit)} old, and marked where older",
            age + marks,
            kept and (oldest or 0) <= limit,
        ),
        Promise(
            "freshness.features",
            f"at most {show_duration(answers.freshness.features)} old",
            f"{age}, and its features are as old as it is",
            oldest is not None and oldest <= answers.freshness.features,
        ),
    )


def _scores(measured: Measured) -> tuple[Promise, ...]:
    versions = len(measured.versions)
    return (
        Promise(
            "freshness.requests",
            "whoever was foreseen is answered from a score",
            f"{measured.uncovered:,} of {measured.scored:,} answers fell back; at publication: "
            f"{_check(measured, 'coverage')[1]}",
            measured.scored > 0 and measured.uncovered == 0,
        ),
        Promise(
            "freshness.requests",
            "whoever was not gets an average, and it says which",
            f"{measured.unsaid:,} of {measured.cold:,} cold keys did not",
            measured.cold > 0 and measured.unsaid == 0,
        ),
        Promise(
            "scores",
            "served answers equal the archived version, bit for bit",
            f"{measured.unequal:,} of {measured.scored:,} differ, from {versions} "
            f"version{'s' * (versions != 1)}; {measured.damaged:,} parts damaged",
            measured.scored > 0 and measured.unequal == 0 and measured.damaged == 0,
        ),
        Promise(
            "scores",
            "the answers of one request are of one version",
            f"{measured.mixed:,} of {measured.many:,} requests for many keys mixed them",
            measured.many > 0 and measured.mixed == 0,
        ),
        Promise(
            "features",
            "a sample recomputed from raw data is equal",
            f"at publication: {_check(measured, 'sample')[1]}",
            _check(measured, "sample")[0],
        ),
    )


def _candidates(answers: Answers, measured: Measured) -> Promise:
    return Promise(
        "candidates.per_request",
        f"{answers.candidates.per_request:,} scored for each request",
        f"{measured.foreign:,} of {measured.load.answered:,} answers are not about their request",
        measured.load.answered > 0 and measured.foreign == 0,
    )


def _reasons(answers: Answers, measured: Measured) -> tuple[Promise, ...]:
    level = answers.interpretability.level
    if level == "none":
        return ()
    has = "has them" if level == "audit" else "has those that there are"
    bare = f"; for {measured.bare:,} the version found none" if measured.bare else ""
    return (
        Promise(
            "interpretability.level",
            f"{level}: every scored answer whose decision needs reasons {has}",
            f"{measured.unexplained:,} of {measured.needing:,} answers without{bare}",
            measured.unexplained == 0,
        ),
    )


def _check(measured: Measured, name: str) -> tuple[bool, str]:
    return measured.checks.get(name, (False, "nobody checked"))


def _age(microseconds: int) -> str:
    """An age in whole seconds, minutes or hours."""
    unit = next((unit for unit in (HOUR, MINUTE) if microseconds >= 2 * unit), SECOND)
    return show_duration(microseconds // unit * unit)
