"""Answers for tests: written as a file's values, drawn at random, and changed key by key."""

from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.answers import RECORDS
from groundplan.constraints.cron import Cron, Zone, longest_gap
from groundplan.constraints.kind import Choice, Count, Duration, Flag, Fraction, Rate, Size
from groundplan.decision.case import Case
from groundplan.decision.costs import Cost, Costs, reference
from groundplan.decision.patterns import NAMES
from groundplan.decision.rules import RULES
from groundplan.decision.ruling import Rule
from groundplan.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND

PER_SECOND: Final = 10**9
"""One request per second, in nanohertz."""

_FRAUD: Final[dict[str, Any]] = {
    "system.name": "card-fraud",
    "system.goal": "Score every card transaction inside payment authorization",
    "system.output": "score",
    "labels.kind": "explicit",
    "latency.p99": "100ms",
    "latency.throughput": "500/s",
    "freshness.predictions": "0s",
    "freshness.features": "1s",
    "freshness.requests": "unforeseen",
    "candidates.per_request": 1,
    "interpretability.level": "audit",
}


def given_answers(**changes: Any) -> Answers:
    """The fraud answers with some changed, by the last part of their key: `p99="20ms"`."""
    keys = {key.split(".")[1]: key for key in FIELDS}
    engines = changes.pop("engines", {})
    plain = _FRAUD | {keys[name]: value for name, value in changes.items()}
    return _answers({key: FIELDS[key].kind.read(value) for key, value in plain.items()}, engines)


def _answers(values: dict[str, Any], engines: dict[str, str]) -> Answers:
    tables: dict[str, Any] = {
        table: record(
            **{key.split(".")[1]: v for key, v in values.items() if key.startswith(f"{table}.")}
        )
        for table, record in RECORDS.items()
    }
    return Answers(**tables, engines=engines)


def changed(answers: Answers, key: str, value: Any) -> Answers:
    """The answers with one value replaced, as the program holds it."""
    table, name = key.split(".")
    record = msgspec.structs.replace(getattr(answers, table), **{name: value})
    return msgspec.structs.replace(answers, **{table: record})


def value_of(answers: Answers, key: str) -> Any:
    """The value of one key."""
    table, name = key.split(".")
    return getattr(getattr(answers, table), name)


NEAR: Final[dict[str, tuple[Any, ...]]] = {
    "latency.p99": (
        1,
        30,
        100,
        1000,
        3 * MILLISECOND,
        20 * MILLISECOND,
        100 * MILLISECOND,
        460 * MILLISECOND,
        2 * SECOND,
        90 * SECOND,
        HOUR - 1,
        HOUR,
        DAY,
    ),
    "latency.throughput": (1, PER_SECOND, 500 * PER_SECOND, 20_000 * PER_SECOND, 10**18),
    "freshness.predictions": (0, MINUTE, HOUR - 1, HOUR, 5 * HOUR, DAY, 30 * DAY),
    "freshness.features": (0, SECOND, HOUR - 1, HOUR, 5 * HOUR, DAY, 30 * DAY),
    "freshness.knowledge": (None, 0, 10 * MINUTE, 30 * DAY - 1, 30 * DAY, 365 * DAY),
    "candidates.per_request": (1, 2, 50, 300, 5_000, 20_000, 999_999, 1_000_000, 10**9),
    "candidates.catalog": (None, 10**9, 10**10),
    "policy.hosts": (None, 1, 2, 7),
    "policy.cores": (None, 1, 2, 64),
    "policy.memory": (None, 10**9, 24 * 10**9),
    "labels.delay": (None, 0, 7 * DAY, 90 * DAY),
    "labels.positive_rate": (None, 0.0, 0.008, 0.5, 1.0),
}
"""Values on both sides of what decides something, for each answer that is a number."""


def _values(key: str) -> st.SearchStrategy[Any]:
    field = FIELDS[key]
    kind = field.kind
    if isinstance(kind, Choice):
        drawn: st.SearchStrategy[Any] = st.sampled_from(kind.words)
    elif isinstance(kind, Flag):
        drawn = st.booleans()
    elif isinstance(kind, Fraction):
        drawn = st.floats(0, 1)
    elif isinstance(kind, Duration | Rate | Count | Size):
        drawn = st.integers(kind.least, kind.most)
    elif isinstance(kind, Cron):
        drawn = st.sampled_from(("0 3 * * *", "*/5 8-18 * JAN-MAR MON-FRI", "* * * * *"))
    elif isinstance(kind, Zone):
        drawn = st.sampled_from(("UTC", "Europe/Berlin", "America/New_York"))
    else:
        drawn = st.just("something")
    if key in NEAR:
        drawn = st.sampled_from(NEAR[key]) | drawn
    return drawn if field.required or field.default is not None else st.none() | drawn


@st.composite
def random_answers(draw: st.DrawFn) -> Answers:
    """Any answers that a file may state; numbers are often near what decides something."""
    values = {key: draw(_values(key)) for key in FIELDS}
    if values["candidates.catalog"] is not None:
        values["candidates.catalog"] = max(
            values["candidates.catalog"], values["candidates.per_request"]
        )
    if values["system.output"] != "answer":
        values |= {"latency.streamed": False, "freshness.knowledge": None}
    score = values["schedule.score"]
    if score is not None and longest_gap(score) > values["freshness.predictions"]:
        values["schedule.score"] = None
    engines = draw(st.sampled_from([{}, {}, {"scores": "redis://a"}, {"language_model": "m"}]))
    return _answers(values, engines)


def patterns_left(
    answers: Answers, costs: Costs, rules: tuple[Rule, ...] = RULES
) -> tuple[str, ...]:
    """What is left standing, by asking every rule: the naive twin of all cleverer ways."""
    case = Case(answers)
    out = {rule.out for rule in rules if rule.when(case, costs.work)}
    return tuple(name for name in NAMES if name not in out)


def first_left(answers: Answers, costs: Costs) -> str | None:
    """The naive twin of the decided pattern."""
    return next(iter(patterns_left(answers, costs)), None)


def possible(answers: Answers) -> bool:
    """Does the catalog hold what a request chooses among?"""
    catalog = answers.candidates.catalog
    return catalog is None or answers.candidates.per_request <= catalog


def scaled(factor: float) -> Costs:
    """The reference on a machine that is so many times slower; the figures are awkward."""
    rows = {
        name: Cost(row.value * factor, "us", row.what) for name, row in reference().rows.items()
    }
    return Costs(f"x{factor}", "none", "2025-01-01", "none", rows)
