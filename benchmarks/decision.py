"""Time of a decision, of all its flips and of its conflicts, over random answers.

Run it with `python benchmarks/decision.py`. Each figure is the best of five runs of one set of
answers, so that it is the work that is timed and not the machine's other business.
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

from groundplan.constraints import FIELDS, Answers, parse
from groundplan.constraints.kind import Choice, Flag
from groundplan.decision import conflicts, decide, flips
from groundplan.units import DAY, HOUR, MILLISECOND, SECOND

START = """
[system]
name = "random"
goal = "Time decisions"
output = "score"
[labels]
kind = "explicit"
[latency]
p99 = "100ms"
throughput = "500/s"
[freshness]
predictions = "0s"
features = "1s"
requests = "unforeseen"
[candidates]
per_request = 1
[interpretability]
level = "audit"
"""
NUMBERS: dict[str, tuple[Any, ...]] = {
    "latency.p99": (MILLISECOND, 20 * MILLISECOND, 100 * MILLISECOND, 2 * SECOND, 2 * HOUR),
    "latency.throughput": (10**9, 500 * 10**9, 20_000 * 10**9),
    "freshness.predictions": (0, 30 * SECOND, 5 * HOUR, DAY),
    "freshness.features": (0, 30 * SECOND, 5 * HOUR, DAY),
    "freshness.knowledge": (None, HOUR, 60 * DAY),
    "candidates.per_request": (1, 300, 20_000, 5_000_000),
    "candidates.catalog": (None, 10**9),
    "policy.hosts": (None, 1, 4),
    "policy.cores": (None, 2, 16),
}
"""Values on both sides of what decides something."""


def drawn(random_numbers: random.Random) -> Answers:
    """Answers drawn at random."""
    answers = parse(START, "start")
    for key, field in FIELDS.items():
        kind, optional = field.kind, not field.required and field.default is None
        if isinstance(kind, Choice | Flag):
            words = kind.words if isinstance(kind, Choice) else (True, False)
            values: tuple[Any, ...] = (*words, None) if optional else words
        else:
            values = NUMBERS.get(key, ())
        if values:
            record = getattr(answers, field.table)
            value = {field.name: random_numbers.choice(values)}
            table = {field.table: msgspec.structs.replace(record, **value)}
            answers = msgspec.structs.replace(answers, **table)
    return answers


def microseconds(work: Callable[[Answers], Any], answers: Answers) -> float:
    """The best of five runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter_ns()
        work(answers)
        times.append(time.perf_counter_ns() - start)
    return min(times) / 1000


def main() -> None:
    """Print one line for each: median, 90th, 99th percentile and the slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=500, help="sets of answers (500)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    cases = [drawn(source) for _ in range(options.answers)]
    print(f"{'microseconds':14}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}")
    for work in (decide, flips, conflicts):
        times = sorted(microseconds(work, answers) for answers in cases)
        marks = [times[int(share * (len(times) - 1))] for share in (0.5, 0.9, 0.99, 1)]
        print(f"{work.__name__:14}" + "".join(f"{mark:8.0f}" for mark in marks))


if __name__ == "__main__":
    main()
