"""What a row of the prediction log costs the request: ours beside a JSON line and a write call.

Run: `python benchmarks/log.py`. Both write the same rows to the same disk, in turns; the figures
are µs of this process's time per row (user and system), so that other processes on the machine
do not count, and the wall time of single appends at the high percentiles, where they do.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from groundplan.serving.log import Log, Prediction, read
from groundplan.serving.log.archive import archive
from groundplan.serving.log.retention import EVERYTHING

FEATURES = tuple(f"feature_{number}" for number in range(20))
EVENT = (
    b'{"transaction_id": %d, "tx_datetime": "2018-08-16T10:%02d:%02d", '
    b'"customer_id": %d, "terminal_id": %d, "tx_amount": %.2f}'
)
TIMINGS = dict.fromkeys(("validate", "features", "score", "explain", "decide", "log"), 120)


def rows(count: int) -> list[Prediction]:
    """Rows such as a server logs."""
    values = np.random.default_rng(0).normal(size=(count, len(FEATURES))).round(2)
    now = time.time_ns() // 1_000
    return [
        Prediction(
            now + number,
            _event(number, row),
            tuple(row),
            0.0123,
            "approve",
            "20260101-000000-000",
            TIMINGS,
            [],
            number,
        )
        for number, row in enumerate(values.tolist())
    ]


def _event(number: int, row: list[float]) -> bytes:
    minute, second = divmod(number, 60)
    key = number * 7919
    return EVENT % (number, minute % 60, second, key % 5_000, key % 10_000, abs(row[0]) * 50)


class Lines:
    """A JSON line a row, written with one call: what a log without a journal does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._encode = msgspec.json.Encoder().encode
        self._handle = os.open(folder / "log.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append(self, row: Prediction) -> None:
        """Write one row."""
        body = msgspec.structs.asdict(row) | {"event": msgspec.Raw(row.event)}
        os.write(self._handle, self._encode(body) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def measured(append: Callable[[Prediction], None], made: list[Prediction]) -> tuple[float, ...]:
    """µs of process time per row; wall µs at p50, p99 and p99.9."""
    spent = np.empty(len(made))
    began = time.process_time()
    for number, row in enumerate(made):
        start = time.perf_counter_ns()
        append(row)
        spent[number] = time.perf_counter_ns() - start
    each = (time.process_time() - began) / len(made) * 1e6
    return each, *(np.percentile(spent, [50, 99, 99.9]) / 1e3)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    made = rows(options.rows)
    folder = Path(tempfile.mkdtemp(prefix="groundplan-log-", dir="."))
    found: dict[str, list[tuple[float, ...]]] = {"prediction log": [], "json lines + write": []}
    try:
        for number in range(options.rounds):
            ours = Log(folder / f"ours-{number}", FEATURES)
            found["prediction log"].append(measured(ours.append, made))
            ours.close()
            lines = Lines(folder / f"lines-{number}")
            found["json lines + write"].append(measured(lines.append, made))
            lines.close()
        print(f"{options.rows:,} rows of {len(FEATURES)} features, best of {options.rounds}")
        print(f"{'':<20} {'us of CPU':>10} {'p50 us':>8} {'p99 us':>8} {'p99.9 us':>9}")
        for name, rounds in found.items():
            best = np.min(rounds, axis=0)
            print(f"{name:<20} {best[0]:>10.2f} {best[1]:>8.2f} {best[2]:>8.2f} {best[3]:>9.2f}")
        _sizes(folder)
    finally:
        shutil.rmtree(folder)


def _sizes(folder: Path) -> None:
    archive(folder / "ours-0", EVERYTHING)
    ours = sum(file.stat().st_size for file in (folder / "ours-0").iterdir())
    lines = (folder / "lines-0" / "log.ndjson").stat().st_size
    count = sum(1 for _ in read(folder / "ours-0"))
    print(f"at rest: {ours / count:.0f} bytes a row in Parquet, {lines / count:.0f} as JSON lines")


if __name__ == "__main__":
    main()
