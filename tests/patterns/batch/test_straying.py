"""Features that left the range of training: from distributions as from a loop over the rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundplan.monitoring.distribution import Sketch, exceeded, sketch
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.versions.straying import Strayed, strayed
from groundplan.project import Project
from patterns.batch import faults
from patterns.batch.projects import small
from patterns.batch.scored import quiet, reader

Rows = list[float]

COUNTED = st.dictionaries(st.integers(-15, 15), st.sampled_from([1, 2, 30, 1500]), max_size=6)
"""Whole numbers that have a place each, as have the ends that are half as far again."""


def rows(counted: dict[int, int], missing: int = 0) -> Rows:
    return [float(v) for v, n in counted.items() for _ in range(n)] + [float("nan")] * missing


def of(values: Rows) -> Sketch:
    return sketch(np.array(values, dtype=np.float64))


def one(trained: Rows, after: Rows, last: Rows | None = None, most: float = 0.01) -> Strayed | None:
    """What strayed of one number."""
    before = {} if last is None else {"x": of(last)}
    found = strayed({"x": of(trained)}, before, {"x": of(after)}, most, {})
    return found[0] if found else None


def ends(values: Rows) -> tuple[float, float, int, int]:
    """The range but for a thousandth at each end, and how many are beyond."""
    ordered = sorted(values)
    few = len(ordered) // 1000
    low, high = ordered[few], ordered[-1 - few]
    return low, high, sum(v < low for v in ordered), sum(v > high for v in ordered)


def beyond(values: Rows, low: float, high: float) -> tuple[float, float]:
    least, greatest = low - (high - low) / 2, high + (high - low) / 2
    if low >= 0 and least < low / 2:
        least = low / 2
    if high <= 0 and greatest > high / 2:
        greatest = high / 2
    count = len(values)
    return sum(v < least for v in values) / count, sum(v > greatest for v in values) / count


def naive(trained: Rows, after: Rows, last: Rows, most: float) -> list[tuple[float, float]]:
    """The share and the excess of each end, and then of each that is no longer reached."""
    low, high, *spared = ends(trained)
    shares = beyond(after, low, high)
    before = beyond(last, low, high) if last else (0.0, 0.0)
    found = [
        (share, share - was - max(most, exceeded(len(trained), len(after), left)))
        for share, was, left in zip(shares, before, spared, strict=True)
    ]
    if any(excess > 0 for _, excess in found):
        return found
    low, high, *spared = ends(after)
    for at in (0, 1):
        excess = min(
            beyond(known, low, high)[at]
            - max(0.5, most, exceeded(len(after), len(known), spared[at]))
            for known in (trained, last)
            if known
        )
        if excess > 0:
            found.append((beyond(trained, low, high)[at], excess))
    return found


@settings(deadline=None, max_examples=150)
@given(COUNTED, COUNTED, COUNTED, st.integers(0, 9), st.sampled_from([0.0, 0.01, 0.3, 0.7, 1.0]))
@example({0: 1500, 5: 1}, {9: 30, 0: 1500}, {}, 0, 0.01)  # the odd one is left out
@example({4: 1500, 9: 1500}, {0: 1500}, {4: 30}, 3, 0.01)
@example({0: 30, 9: 1500}, {0: 1500}, {9: 1500}, 3, 0.01)  # within, but no longer reached
@example({0: 30, 9: 1500}, {0: 1500}, {0: 1500}, 0, 0.01)  # as in the last version
def test_distributions_say_what_a_loop_over_the_rows_finds(
    trained: dict[int, int], after: dict[int, int], last: dict[int, int], missing: int, most: float
) -> None:
    """Shares, and by how much they are above what is allowed, are those of the rows."""
    found = one(rows(trained, missing), rows(after, missing), rows(last, missing), most)
    if not trained or not after:
        assert found is None
        return
    wanted = max(naive(rows(trained), rows(after), rows(last), most), key=lambda e: (e[1], e[0]))
    assert found is not None
    assert (found.share, found.excess) == pytest.approx((wanted[0], wanted[1]))


DRAWN = np.random.default_rng(3)
TENURE = DRAWN.integers(0, 73, 2_000).astype(float).tolist()
PAID = np.round(DRAWN.gamma(4.0, 15.0, 2_000) + 10, 2).tolist()
WIDE = np.exp(2 * DRAWN.standard_normal(20_000)).tolist()


@pytest.mark.parametrize(
    ("trained", "after", "says"),
    [
        (TENURE, [v * 100 for v in TENURE], "of rows far above 72, the greatest in training"),
        (TENURE, [-1.0] * 2_000, "100.00% of rows far below 0, the least in training"),
        (TENURE, [-1.0] * 40 + TENURE, "1.96% of rows far below 0, the least in training"),
        (TENURE, [v / 100 for v in TENURE], "0.00% of rows above 0.72, where 97."),
        (PAID, [0.0] * 2_000, "100.00% of rows far below"),
        (PAID, [v * 100 for v in PAID], "100.00% of rows far above"),
        (WIDE, [v * 100 for v in WIDE], "of rows far above 416, which 0.09% are in training"),
        (WIDE, [v / 100 for v in WIDE], "% of rows far below 0.00219727, which 0.10% are"),
        ([0.0] * 100 + PAID, [0.0] * 90, "0.00% of rows above 0, where 95.24% are in training"),
        ([2015.0 + v % 9 for v in TENURE], [1970.0] * 50, "far below 2,015, the least"),
        ([52.0 + v / 72 for v in TENURE], [-52.0 - v / 72 for v in TENURE], "far below 52"),
        (TENURE, [float("inf")] * 60 + TENURE, "2.91% of rows far above 72"),
        ([*TENURE, 999_999.0], [v * 100 for v in TENURE], "far above 72, which 0.05% are"),
    ],
)
def test_what_went_wrong_is_found(trained: Rows, after: Rows, says: str) -> None:
    """Another unit either way, a rate of 0, -1 everywhere, a wrong year, sign or division."""
    found = one(trained, after)
    assert found is not None
    assert found.excess > 0
    assert says in found.says


@pytest.mark.parametrize(
    ("trained", "after"),
    [
        (TENURE, [v + 6 for v in TENURE]),
        (TENURE, [v for v in TENURE if v < 40]),
        (TENURE, [*TENURE, *[500.0] * 10]),
        (PAID, [v * 1.2 for v in PAID]),
        (WIDE, [v * 1.2 for v in WIDE]),
        (TENURE, [70.0] * 5),
        (TENURE[:5], TENURE),
        (TENURE, [*TENURE, *[float("nan")] * 2_000]),
        ([v / 72 - 0.02 for v in TENURE], [v / 72 - 0.4 for v in TENURE]),
        ([0.0] * 1_990 + [1.0] * 10, [0.0] * 1_900 + [1.0] * 100),
    ],
)
def test_what_grows_slowly_passes(trained: Rows, after: Rows) -> None:
    """Growth by some months or a fifth, a part of the whole, few odd rows, missing values."""
    found = one(trained, after)
    assert found is not None
    assert found.excess <= 0


def test_a_person_who_allowed_it_is_not_asked_again() -> None:
    """What the last version had already is no rise; a few rows of it do not let in all others."""
    wrong = [v * 100 for v in TENURE]
    few = TENURE + wrong[:10]
    assert one(TENURE, few).excess <= 0  # type: ignore[union-attr]  # there is one
    rise = one(TENURE, wrong, last=few)
    assert rise is not None
    assert rise.excess > 0.9
    assert "in the last version" in rise.says
    assert one(TENURE, wrong, last=wrong).excess <= 0  # type: ignore[union-attr]  # there is one


def test_a_category_is_judged_by_its_values() -> None:
    """A value between others that no row had in training is named, though its code is in range."""
    trained = {"plan": of([0.0, 1.0, 3.0] * 300)}
    after = {"plan": of([0.0, 1.0, 3.0] * 100 + [2.0] * 30)}
    values = {"plan": ("month", "year", "decade", "week")}
    (found,) = strayed(trained, {}, after, 0.01, values)
    assert found.excess > 0
    assert found.says == "plan: 9.09% of rows 'decade', which no row was in training"
    (found,) = strayed(trained, after, after, 0.01, values)
    assert found.excess <= 0
    (found,) = strayed(trained, {}, {"plan": of([3.0] * 90)}, 0.01, values)
    assert (found.share, found.excess) == (0.0, -max(0.01, exceeded(900, 90)))


def test_what_cannot_be_compared_is_left_out() -> None:
    """A feature that training lacks, or that has no value on one side, is not judged."""
    full, none, empty = of([1.0]), of([float("nan")]), of([])
    trained = {"a": full, "b": none, "c": full, "d": full}
    after = {"b": full, "c": none, "d": empty, "e": full}
    assert strayed(trained, {}, after, 0.01, {}) == []


def test_cents_for_euros_are_not_published(tmp_path: Path) -> None:
    """The command ends with 2 and names the feature, and the last version serves on; growth by a
    twentieth is published."""
    project = small(tmp_path / "small", customers=600)
    system = project.folder / "system.py"
    gone = ("charges_", "charged_", '"charges":')  # as of now, nobody was charged lately
    lines = system.read_text().splitlines(keepends=True)
    system.write_text("".join(line for line in lines if not line.strip().startswith(gone)))
    project = Project(project.folder)
    build(project, None, quiet)
    people = project.folder / "population.parquet"
    euros = pq.read_table(people)

    def score(times: float, code: int) -> dict[str, Any]:
        at = euros.schema.get_field_index("monthly")
        paid = pc.multiply(euros.column(at), pa.scalar(times))
        pq.write_table(euros.set_column(at, "monthly", paid), people)
        found = faults.score(project.folder, code)
        return {each["name"]: each for each in found["published"]["version"]["checks"]}

    assert score(1, 0)["ranges"]["says"].startswith("3 features lie where training's do")
    live = reader(project).current()
    refused = score(100, 2)["ranges"]
    assert not refused["passed"]
    assert "monthly: " in refused["says"]
    assert "of rows far above " in refused["says"]
    assert reader(project).current() == live
    assert score(1.05, 0)["ranges"]["passed"]
    assert reader(project).current() != live
