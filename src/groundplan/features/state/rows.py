"""Operations on the rows of a history: adding events, changing one, forgetting the oldest."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from groundplan.features.state.layout import Layout

Ints: TypeAlias = npt.NDArray[np.int64]

_HALF: Final = 20
"""Bits of the lower half of a value, whose magnitude is at most 10^12 < 2^40."""


def accumulated(layout: "Layout", raws: Ints, base: Sequence[int]) -> Ints:
    """The rows of raw records in order of time, after the first row that carries the totals.

    Args:
        layout: of the history.
        raws: int64[events, raw_width].
        base: the first row.
    """
    rows = np.empty((len(raws) + 1, layout.width), dtype=np.int64)
    rows[0] = base
    rows[1:, 0] = raws[:, 0]
    for column in layout.columns:
        if column.count is not None:
            _sum(rows[:, column.count], raws[:, column.counts])
        if column.total is not None:
            _sum(rows[:, column.total], raws[:, column.value])
        if column.squares is not None:
            _sum_squares(rows[:, column.squares : column.squares + 2], raws[:, column.value])
        if column.code is not None:
            rows[1:, column.code] = raws[:, column.coded]
    return rows


def raws_of(layout: "Layout", rows: Ints) -> Ints:
    """The raw records that rows were made from."""
    raws = np.empty((len(rows) - 1, layout.raw_width), dtype=np.int64)
    raws[:, 0] = rows[1:, 0]
    for column in layout.columns:
        if column.count is not None:
            raws[:, column.counts] = np.diff(rows[:, column.count])
        if column.total is not None:
            raws[:, column.value] = np.diff(rows[:, column.total])
        if column.code is not None:
            raws[:, column.coded] = rows[1:, column.code]
    return raws


def table(layout: "Layout", rows: "bytes | memoryview") -> Ints:
    """Bytes as int64[rows, width]."""
    return np.frombuffer(rows, dtype="<i8").reshape(-1, layout.width)


def kept(layout: "Layout", times: Any, newest: int) -> int:
    """How many rows to forget at the front, so that the first left is no event any more.

    Args:
        layout: of the history.
        times: of the rows, us; the first row's is any.
        newest: the entity's newest time, us.
    """
    from bisect import bisect_right

    old = bisect_right(times, newest - layout.horizon, 1) - 1
    # Kept for ever, the newest of the old ones still counts; the row before it begins the rest.
    return old if layout.retention is not None else max(old - 1, 0)


def merged(layout: "Layout", rows: Ints, raws: Ints, base: Sequence[int] | None = None) -> Ints:
    """Rows with more events in their places in time, after those of the same instant.

    Args:
        layout: of the history.
        rows: as they are.
        raws: int64[events, raw_width], in any order.
        base: the first row; as it was where it is left out.
    """
    both = np.concatenate([raws_of(layout, rows), raws])
    ordered = both[np.argsort(both[:, 0], kind="stable")]
    return accumulated(layout, ordered, rows[0].tolist() if base is None else base)


def changed(layout: "Layout", rows: Ints, old: Sequence[int], new: Sequence[int]) -> Ints | None:
    """Rows with one event's raw record changed; None where no row is that event.

    Events of one instant that add the same are the same to every window, so which of them
    changes makes no difference.
    """
    raws = raws_of(layout, rows)
    first, stop = np.searchsorted(raws[:, 0], [old[0], old[0] + 1])
    found = np.flatnonzero((raws[first:stop] == np.array(old)).all(axis=1))
    if not len(found):
        return None
    raws[first + found[0]] = new
    return accumulated(layout, raws, rows[0].tolist())


def _sum(out: Ints, values: Ints) -> None:
    """Running totals into a column whose first place is set."""
    np.cumsum(values, out=out[1:])
    out[1:] += out[0]


def _sum_squares(out: Ints, values: Ints) -> None:
    """Running sums of squares into two columns, of 128 bits, whose first places are set.

    A square is put together from two halves of the value, so that nothing is lost.
    """
    size = np.abs(values).astype(np.uint64)
    high, low = size >> np.uint64(_HALF), size & np.uint64((1 << _HALF) - 1)
    top, rest = high * high, ((high * low) << np.uint64(_HALF + 1)) + low * low
    # The first element is what was there before, so that carries out of the lower half count.
    lower = np.empty(len(values) + 1, dtype=np.uint64)
    upper = np.empty(len(values) + 1, dtype=np.uint64)
    lower[0], upper[0] = out[0].astype(np.uint64)
    shifted = top << np.uint64(2 * _HALF)
    lower[1:] = shifted + rest
    upper[1:] = (top >> np.uint64(64 - 2 * _HALF)) + (lower[1:] < rest)
    running = np.cumsum(lower, dtype=np.uint64)
    upper[1:] += running[1:] < lower[1:]
    out[:, 0] = running.astype(np.int64)
    out[:, 1] = np.cumsum(upper, dtype=np.uint64).astype(np.int64)
