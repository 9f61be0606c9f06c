"""Spark scores a Parquet file with LightGBM and writes the scores in place into Redis keys.

    python batch_spark.py '{"people": ..., "model": ..., "url": ..., ...}'

As it is usually wired: `mapInArrow` loads the model once a task, predicts batch by batch, and
sets `score:KEY` to a small JSON text by a pipeline of SETs. There is no version and no check, so
readers see the old and the new scores side by side until the job ends, and for good where it
fails half-way. With `explained`, the rows decided otherwise than by default get their strongest
attributions by LightGBM's `pred_contrib`.

Prints the seconds of each step; those of the tasks are divided by the cores that they shared. What
is left of the job is reading, handing batches to Python, and the start of the workers.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import redis
from pyspark.sql import SparkSession

TOP = 4
STEPS = ("scores", "reasons", "write")


def scored(given: dict[str, Any]) -> Any:
    """What a task does with its batches; gives one row, the seconds of each step."""

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        booster = lightgbm.Booster(model_file=given["model"])
        names, client = booster.feature_name(), redis.Redis.from_url(given["url"])
        spent = dict.fromkeys(STEPS, 0.0)
        rows = 0
        for batch in batches:
            begun = time.perf_counter()
            columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
            matrix = np.column_stack(columns)
            scores = booster.predict(matrix, num_threads=1)
            decided = np.searchsorted(np.array(given["above"]), scores, side="left")
            predicted = time.perf_counter()
            reasons: list[Any] = [None] * len(scores)
            if given["explained"]:
                for at, told in explained(booster, matrix, np.flatnonzero(decided)):
                    reasons[at] = told
            told_at = time.perf_counter()
            pipeline = client.pipeline(transaction=False)
            people = batch.column("person").to_pylist()
            for person, score, at, told in zip(
                people, scores.tolist(), decided.tolist(), reasons, strict=True
            ):
                value = {"score": score, "decision": given["decisions"][at]}
                pipeline.set(
                    f"score:{person}", json.dumps(value | {"reasons": told} if told else value)
                )
            pipeline.execute()
            written = time.perf_counter()
            for step, seconds in zip(
                STEPS,
                (predicted - begun, told_at - predicted, written - told_at),
                strict=True,
            ):
                spent[step] += seconds
            rows += len(people)
        yield pa.RecordBatch.from_pylist([{"rows": rows, **spent}])

    return task


def explained(booster: Any, matrix: Any, rows: Any) -> Iterator[tuple[int, list[str]]]:
    """The strongest attributions of some rows, signed."""
    if not len(rows):
        return
    names = booster.feature_name()
    added = booster.predict(matrix[rows], pred_contrib=True, num_threads=1)[:, :-1]
    strongest = np.argsort(-np.abs(added), axis=1)[:, :TOP]
    for row, values, order in zip(rows.tolist(), added, strongest.tolist(), strict=True):
        yield row, [("-" if values[at] < 0 else "+") + names[at] for at in order]


def main(given: dict[str, Any]) -> None:
    cores = len(os.sched_getaffinity(0))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    begun = time.perf_counter()
    session = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.warehouse.dir", given["scratch"])
        .config("spark.local.dir", given["scratch"])
        .getOrCreate()
    )
    started = time.perf_counter()
    schema = "rows long, " + ", ".join(f"{step} double" for step in STEPS)
    tasks = session.read.parquet(given["people"]).mapInArrow(scored(given), schema).collect()
    ended = time.perf_counter()
    shared = min(cores, len(tasks))
    spent = {step: sum(task[step] for task in tasks) / shared for step in STEPS}
    session.stop()
    seconds = {"session": started - begun, "read, hand over": ended - started - sum(spent.values())}
    rows = sum(task["rows"] for task in tasks)
    print(json.dumps({"seconds": seconds | spent, "rows": rows, "tasks": len(tasks)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
