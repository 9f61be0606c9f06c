"""The answers of a system that has grown."""

import difflib
from collections.abc import Mapping
from math import ceil, isfinite

from msgspec.structs import replace

from groundplan.constraints import FIELDS, Answers
from groundplan.errors import ConstraintError
from groundplan.plan.growth.limit import AXES, Axis


def scaled(answers: Answers, factors: Mapping[Axis, float] | Mapping[str, float]) -> Answers:
    """The answers with more traffic and a larger corpus.

    No answer counts the history. One candidate stays one: a transaction to be scored does not
    become ten when the corpus grows. What grows beyond the largest number that an answer may have
    stays there.

    Raises:
        ConstraintError: an unknown axis, or a factor that is no number above 0.
    """
    grow: dict[str, float] = {str(axis): factor for axis, factor in factors.items()}
    _check(grow)
    traffic, corpus = grow.get("traffic", 1.0), grow.get("corpus", 1.0)
    latency, candidates = answers.latency, answers.candidates
    rate = _grown(latency.throughput, traffic, FIELDS["latency.throughput"].kind.most)  # type: ignore[attr-defined]
    most = FIELDS["candidates.catalog"].kind.most  # type: ignore[attr-defined]
    catalog, each = candidates.catalog, candidates.per_request
    if catalog is not None:
        catalog = _grown(catalog, corpus, most)
    if each > 1:
        each = _grown(each, corpus, most)
    if catalog is not None:
        each = min(each, catalog)
    return replace(
        answers,
        latency=replace(latency, throughput=rate),
        candidates=replace(candidates, per_request=each, catalog=catalog),
    )


def _grown(amount: int, factor: float, most: int) -> int:
    return min(most, max(1, ceil(amount * factor - 1e-6)))


def _check(factors: Mapping[str, float]) -> None:
    problems = []
    for axis, factor in factors.items():
        if axis not in AXES:
            near = difflib.get_close_matches(axis, AXES, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{axis} does not grow here: write one of {', '.join(AXES)}{hint}")
        elif not (isfinite(factor) and factor > 0):
            problems.append(f"{axis} = {factor}x must be a number above 0, such as {axis}=10x")
    if problems:
        raise ConstraintError(problems)
