"""The values that each answer may take: where flips are looked for, and conflicts are freed."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from groundplan.constraints import FIELDS
from groundplan.constraints.kind import Choice, Count, Duration, Flag, Rate
from groundplan.decision.case import KEYS, Case


class Domain(NamedTuple):
    """The values of one answer that a pattern can depend on.

    Args:
        key, slot: `latency.p99` and its slot `p99`.
        values: the enumeration, or empty where the answer is a number.
        least, most: the range of a number.
        optional: may it be left out?
        loosest: the value at which no rule of one output is stricter than at any other; see
            `loosen`.
    """

    key: str
    slot: str
    values: tuple[Any, ...]
    least: int
    most: int
    optional: bool
    loosest: Any


_MOST: Final = object()
_LOOSEST: Final[dict[str, Any]] = {
    "system.output": "score",
    "labels.kind": "implicit",
    "latency.p99": _MOST,
    "latency.throughput": 1,
    "latency.streamed": True,
    "freshness.predictions": _MOST,
    "freshness.features": _MOST,
    "freshness.requests": "foreseen",
    "freshness.knowledge": _MOST,
    "candidates.per_request": 1,
    "candidates.catalog": None,
    "interpretability.level": "none",
    "policy.private_corpus": False,
    "policy.fine_tuning": True,
    "policy.external_api": "any",
    "policy.hosts": _MOST,
    "policy.cores": None,
}


def _domain(key: str) -> Domain:
    field, loosest = FIELDS[key], _LOOSEST[key]
    kind, optional = field.kind, not field.required and field.default is None
    if isinstance(kind, Choice | Flag):
        words = kind.words if isinstance(kind, Choice) else (False, True)
        values = (*words, None) if optional else words
        return Domain(key, field.name, values, 0, 0, optional, loosest)
    assert isinstance(kind, Count | Duration | Rate), f"{key} has no order"
    top = kind.most if loosest is _MOST else loosest
    return Domain(key, field.name, (), kind.least, kind.most, optional, top)


DOMAINS: Final = {key: _domain(key) for key in KEYS if key in _LOOSEST}
"""The domains of the answers that a pattern can depend on, in the file's order."""


def loosen(case: Case, domains: Iterable[Domain]) -> None:
    """Put answers at the values where no rule is stricter than elsewhere.

    One answer depends on another there: private knowledge is best old, since it can be tuned in
    then, and knowledge that nobody calls private is best not stated.
    """
    slots = set()
    for domain in domains:
        setattr(case, domain.slot, domain.loosest)
        slots.add(domain.slot)
    if "knowledge" in slots and case.private_corpus is not True:
        case.knowledge = None
