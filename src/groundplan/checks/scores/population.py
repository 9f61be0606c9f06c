"""Populations to publish: rows, their part files and the record of their version."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.scores.scored import Because, Scored
from groundplan.scores.store import PART
from groundplan.scores.version import Average, Check, Code, Version

DECISIONS: Final = ("leave", "call", "visit")
CODES: Final = (
    Code("tenure", "length of the contract", ("tenure",)),
    Code("R02", "payments missed within 90 days", ("missed", "missed_90d")),
    Code("größe", "size of the household – “persons”", ("persons",)),
)
START: Final = 1_700_000_000_000_000
"""µs since 1970, UTC."""


class Row(NamedTuple):
    """One row of a part file; `decision` and `reasons` as there."""

    key: int | str
    score: float
    decision: int = 0
    reasons: tuple[int, ...] = ()


def rows(keys: Sequence[int | str], seed: int = 0) -> list[Row]:
    """Random scores, decisions and reasons for these keys."""
    draw = random.Random(seed)
    signed = [sign * n for n in range(1, len(CODES) + 1) for sign in (1, -1)]
    return [
        Row(
            key,
            draw.random(),
            draw.randrange(len(DECISIONS)),
            tuple(draw.sample(signed, draw.randrange(len(CODES) + 1))),
        )
        for key in keys
    ]


def version(name: str, made: Sequence[Row], key: Literal["int", "str"] = "int") -> Version:
    """The record of a version with these rows, every field filled."""
    mean = sum(row.score for row in made) / max(1, len(made))
    overall = Average(len(made), mean, DECISIONS[0])
    return Version(
        name=name,
        system="churn",
        build="20260801-020000-1",
        as_of=START,
        created=START + 60_000_000,
        rows=len(made),
        key=key,
        decisions=DECISIONS,
        codes=CODES,
        overall=overall,
        segments={"Month-to-month": overall, "": overall},
        figures={"histogram": [0, 3, 1], "mean": mean},
        checks=(Check("coverage", True, "100 % of 4", "at least 100 %"),),
        data={"customers": {"place": "customers.parquet", "rows": len(made)}},
        delta_of="20260731-030000-9",
        sha256={"part-00000.parquet": "00" * 32},
    )


def write(
    folder: Path, made: Sequence[Row], key: Literal["int", "str"] = "int", parts: int = 3
) -> list[Path]:
    """Write the rows to this many part files, dealt in turn; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = PART.set(0, pa.field("key", pa.int64() if key == "int" else pa.string(), False))
    paths = []
    for number in range(parts):
        mine = made[number::parts]
        table = pa.table(
            {
                "key": pa.array([row.key for row in mine], schema.field("key").type),
                "score": pa.array([row.score for row in mine], pa.float64()),
                "decision": pa.array([row.decision for row in mine], pa.uint8()),
                "reasons": pa.array([row.reasons for row in mine], pa.list_(pa.int16())),
                "segment": pa.nulls(len(mine), pa.string()),
                "inputs": pa.array(range(len(mine)), pa.uint64()),
            },
            schema=schema,
        )
        paths.append(folder / f"part-{number:05d}.parquet")
        pq.write_table(table, paths[-1])
    return paths


def told(row: Row) -> tuple[float, str, tuple[Because, ...]]:
    """What a reader should be told of a row."""
    because = tuple(
        Because(CODES[abs(n) - 1].code, CODES[abs(n) - 1].description, n > 0) for n in row.reasons
    )
    return row.score, DECISIONS[row.decision], because


def agrees(found: Scored | None, row: Row, name: str) -> bool:
    """Whether an answer is that row's, in that version, bit for bit."""
    if found is None or found.fallback or found.version != name or found.key != row.key:
        return False
    score, decision, because = told(row)
    return (found.score.hex(), found.decision, found.reasons) == (score.hex(), decision, because)
