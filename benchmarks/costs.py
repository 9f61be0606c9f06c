"""Measure the reference cost table: what each step of an architecture costs on this machine.

    python -m venv /tmp/costs
    /tmp/costs/bin/pip install -e '.[realtime,batch]' faiss-cpu hnswlib torch
    /tmp/costs/bin/python benchmarks/costs.py --out src/groundplan/decision/reference.json

The steps are those of `groundplan calibrate`, each measured for longer. Each row is the median of
one call in steady state, on one thread. Networks have random weights of public sizes, since their
time does not depend on the values of the weights. Rows that cannot be measured here carry their
source. Needs 4 GB of memory, 1 GB of disk and a few minutes of a quiet machine; it warns when
something else is running. With `--only`, the other rows stay as the reference has them.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))  # read when NumPy and PyTorch are first imported

import msgspec  # noqa: E402

from groundplan.decision.costs import FURTHER, ROWS, Cost, Costs, reference  # noqa: E402
from groundplan.practice.calibrate import calibrate, calibration  # noqa: E402

SECONDS = 4.0  # of measuring per row, after a warm-up
INTERACTIVE = (
    "MLCommons, MLPerf Inference v5.0, 'Llama 2 70B Interactive', server scenario: "
    "https://mlcommons.org/2025/04/llm-inference-v5/"
)
ELSEWHERE = {
    "first_token_hosted": (450_000.0, "time to the first token, 99th percentile, at most"),
    "token_hosted": (40_000.0, "time per output token, 99th percentile, at most"),
}


@dataclass
class Given:
    out: Path | None
    only: list[str]


def arguments() -> Given:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, help="write the table here, as JSON")
    parser.add_argument("--only", nargs="+", default=[], help="measure these rows only")
    return parser.parse_args(namespace=Given(None, []))


def show(step: str, done: int, total: int) -> None:
    print(f"{step}: {done} of {total}", file=sys.stderr, flush=True)


def table(found: Costs, only: list[str]) -> Costs:
    """The reference that this makes: complete, or the old one with some rows measured again."""
    rows = {name: cost for name, cost in found.rows.items() if name not in found.left}
    if only:
        merged = {**reference().rows, **rows}
        ordered = {row: merged[row] for row in (*ROWS, *FURTHER) if row in merged}
        return msgspec.structs.replace(reference(), rows=ordered)
    for name, (value, what) in ELSEWHERE.items():
        rows[name] = Cost(value, "us", what, source=INTERACTIVE)
    if lacking := [f"{row} ({found.left[row]})" for row in (*ROWS, *FURTHER) if row not in rows]:
        raise SystemExit(f"not measured: {', '.join(lacking)}")
    return Costs(
        name="reference",
        machine=calibration.describe(),
        measured_at=datetime.now(UTC).date().isoformat(),
        script="benchmarks/costs.py",
        rows={row: rows[row] for row in (*ROWS, *FURTHER)},
    )


def main() -> int:
    given = arguments()
    if warning := calibration.busy():
        print(f"warning: {warning}", file=sys.stderr)
    found = calibrate(show, given.only, SECONDS)
    for name, cost in found.rows.items():
        if name not in found.left:
            spread = " .. ".join(f"{value:,.3f}" for value in cost.spread or ())
            print(f"{name:20} {cost.value:>12,.3f} us  ({spread})  {cost.what}")
    for name in given.only:
        if name in found.left:
            print(f"{name:20} {found.left[name]}")
    if given.out:
        content = msgspec.json.encode(table(found, given.only))
        partial = given.out.with_name(f".{given.out.name}.{os.getpid()}")
        partial.write_bytes(msgspec.json.format(content, indent=1) + b"\n")
        partial.replace(given.out)
        print(f"written to {given.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
