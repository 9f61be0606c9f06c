"""How fast keys are looked up, one at a time and a hundred at once, and whether all are right."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

HUNDRED = 100
DRAWN = 100_000

Answer = Callable[[Any], tuple[float, str]]
"""The score and the decision of what a lookup gives."""


def looked_up(
    one: Callable[[int], Any],
    many: Callable[[Sequence[int]], Sequence[Any]],
    answer: Answer,
    scored: Path,
    seconds: float,
) -> dict[str, Any]:
    """Figures of both lookups, and how many keys of a scored table have other bits.

    Args:
        one: looks one key up.
        many: looks a hundred up at once.
        answer: reads what they give for a key.
        scored: the table of keys, scores and decisions that they must agree with.
        seconds: that each is measured for.
    """
    table = pq.read_table(scored)
    keys = table.column("person").to_numpy()
    wrong = _wrong(many, answer, table)  # and so every page has been touched
    drawn = np.random.default_rng(0).choice(keys, DRAWN).tolist()
    hundreds = [drawn[at : at + HUNDRED] for at in range(0, DRAWN, HUNDRED)]
    return {
        "one": _paced(one, drawn, 1, seconds),
        "hundred": _paced(many, hundreds, HUNDRED, seconds),
        "wrong": wrong,
    }


def _wrong(many: Callable[[Sequence[int]], Sequence[Any]], answer: Answer, table: Any) -> int:
    """How many answers differ from the table, be it in one bit of the score."""
    wrong = 0
    for batch in table.to_batches(HUNDRED * 10):
        keys, scores, decisions = (
            batch.column(name).to_pylist() for name in ("person", "score", "decision")
        )
        for found, *expected in zip(many(keys), scores, decisions, strict=True):
            wrong += answer(found) != tuple(expected)
    return wrong


def _paced(
    call: Callable[[Any], Any], asked: Sequence[Any], each: int, seconds: float
) -> dict[str, float]:
    """Keys a second, and us of a call; `each` is how many keys a call asks for."""
    clock = time.perf_counter_ns
    took, at, began = [], 0, clock()
    until = began + int(seconds * 1e9)
    ended = began
    while ended < until:
        begun = clock()
        call(asked[at])
        ended = clock()
        took.append(ended - begun)
        at = (at + 1) % len(asked)
    p50, p99 = np.percentile(took, [50, 99]) / 1e3
    return {"rate": len(took) * each / (ended - began) * 1e9, "p50": p50, "p99": p99}
