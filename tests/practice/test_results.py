"""The figures of a load are exact, and its columns survive the disk."""

import math
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundplan.practice.results import NEVER, Percentiles, Results


def results(rows: list[tuple[int, int, int, bytes]], warmup: int = 0) -> Results:
    """Results of (gap, latency, status, body): status 0 is a reset connection."""
    intended = np.cumsum([gap for gap, *_ in rows], dtype=np.int64)
    status = np.array([status for _, _, status, _ in rows], dtype=np.int16)
    took = np.array([latency for _, latency, _, _ in rows], dtype=np.int64)
    return Results(
        started=1,
        warmup=warmup,
        intended=intended,
        taken=intended,
        sent=intended,
        done=np.where(status > 0, intended + took, NEVER),
        status=status,
        failure=np.where(status > 0, 0, 2).astype(np.int8),
        bodies=tuple(body for *_, body in rows),
    )


ROWS = st.lists(
    st.tuples(
        st.integers(0, 1_000),
        st.integers(0, 10**7),
        st.sampled_from([0, 200, 204, 400, 503]),
        st.binary(max_size=5),
    ),
    min_size=1,
    max_size=40,
)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=2_000))
def test_percentiles_are_the_smallest_values_that_enough_do_not_exceed(values: list[int]) -> None:
    """Each percentile equals its definition: the least value that a share q does not exceed."""
    found = Percentiles.of(np.array(values, dtype=np.int64))
    shares = [Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(999, 1000), Fraction(1)]
    for share, value in zip(
        shares, (found.p50, found.p90, found.p99, found.p999, found.worst), strict=True
    ):
        assert value == min(
            v for v in set(values) if sum(w <= v for w in values) >= share * len(values)
        )


@given(ROWS)
def test_a_summary_equals_a_count_by_hand(rows: list[tuple[int, int, int, bytes]]) -> None:
    """Counts, statuses and percentiles equal those of a plain loop; failures sort last."""
    summary = results(rows).summary()
    took = sorted(latency if 200 <= s < 300 else math.inf for _, latency, s, _ in rows)
    assert summary.requests == len(rows)
    assert summary.answered == sum(value < math.inf for value in took)
    assert sum(summary.statuses.values()) + sum(summary.failures.values()) == len(rows)
    assert summary.failures.get("reset", 0) == sum(s == 0 for _, _, s, _ in rows)
    worst = None if took[-1] == math.inf else took[-1]
    assert summary.latency.worst == worst
    half = took[math.ceil(len(rows) / 2) - 1]
    assert summary.latency.p50 == (None if half == math.inf else half)


@given(ROWS, st.integers(0, 5_000))
def test_results_come_back_from_the_disk_as_they_were(
    rows: list[tuple[int, int, int, bytes]], warmup: int
) -> None:
    """Saving and loading changes nothing and leaves one file."""
    before = results(rows, warmup)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "results.npz"
        before.save(path)
        before.save(path)
        assert list(Path(folder).iterdir()) == [path]
        after = Results.load(path)
    for column in ("intended", "taken", "sent", "done", "status", "failure"):
        one, other = getattr(before, column), getattr(after, column)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert (after.started, after.warmup) == (before.started, before.warmup)
    assert after.bodies == before.bodies


def test_percentiles_print_with_their_units() -> None:
    """A person reads durations, and `never` where the answer did not come."""
    shown = str(results([(0, 1_500, 200, b""), (0, 1, 503, b"")]).summary().latency)
    assert shown.startswith("p50 1.5ms")
    assert shown.endswith("worst never")
