"""How values are distributed, in a form that adds up over parts of the data and over time.

Values are counted in places that do not depend on the data: a sign, a power of two and a
sixteenth of it, which are the first 16 bits of a float64. So the counts of two files add up to
those of both, and a distribution of last month can be held against today's without its rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan, sqrt
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from groundplan.errors import InputError

Floats = npt.NDArray[np.float64]

FOOTER: Final = b"groundplan.distributions"
"""The key in a Parquet file's footer of the distributions that `packed` makes."""

_PLACES: Final = 1 << 16
_SIGN: Final = 1 << 15
_NAN: Final = np.concatenate([np.arange(0x7FF8, 0x8000), np.arange(0xFFF8, 0x10000)])
"""The first bits of values that arithmetic makes where there is no number."""

_ORDER: Final = np.concatenate([np.arange(_PLACES - 1, _SIGN - 1, -1), np.arange(_SIGN)])
"""First bits in the order of the values: the negative ones falling, then the others."""

_CHUNK: Final = 1 << 18
"""Values that are counted at a time, which stay in the cache."""


class Sketch(Struct, frozen=True):
    """The distribution of some values: at most 1/16 of a power of two wide where it is finest.

    Args:
        rows: how many values there are.
        missing: how many of them are missing (NaN).
        places: those that hold a value, ascending as the values in them are.
        counts: how many values are in each.
        least: the lowest value; None where there is none, or where nobody kept it.
        greatest: the highest.
    """

    rows: int
    missing: int
    places: tuple[int, ...]
    counts: tuple[int, ...]
    least: float | None = None
    greatest: float | None = None

    @property
    def known(self) -> int:
        """How many values are not missing."""
        return self.rows - self.missing

    @property
    def share_missing(self) -> float:
        """The share of missing values; 0 without rows."""
        return self.missing / self.rows if self.rows else 0.0


class Span(NamedTuple):
    """Where values lie.

    Args:
        low: the lowest of them.
        high: the highest.
        below: how many were left out as lower ones.
        above: how many as higher ones.
    """

    low: float
    high: float
    below: int
    above: int


def sketch(values: Floats) -> Sketch:
    """The distribution of float64[n] values; NaN is missing."""
    flat = np.ascontiguousarray(values, dtype="<f8")
    if flat.ndim != 1:
        raise InputError("values", f"values of shape {flat.shape}: give one dimension")
    return _sketched(len(flat), _counted(flat), *_extremes(flat))


class Tally:
    """The distributions of columns, added up over batches of rows.

    Args:
        names: of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._found = np.zeros((len(self._names), _PLACES), dtype=np.int64)
        self._ends = np.full((len(self._names), 2), np.nan)
        self._rows = 0

    def add(self, matrix: Floats) -> None:
        """Count float64[n, F] values."""
        for at in range(len(self._names)):
            values = np.ascontiguousarray(matrix[:, at], dtype="<f8")
            self._found[at] += _counted(values)
            least, greatest = _extremes(values)
            self._ends[at, 0] = np.fmin(self._ends[at, 0], least)
            self._ends[at, 1] = np.fmax(self._ends[at, 1], greatest)
        self._rows += len(matrix)

    def sketches(self) -> dict[str, Sketch]:
        """The distribution of each column, by its name."""
        columns = zip(self._names, self._found, self._ends.tolist(), strict=True)
        return {name: _sketched(self._rows, found, *ends) for name, found, ends in columns}


def packed(found: Mapping[str, Sketch]) -> bytes:
    """Distributions as bytes, for a footer."""
    return msgspec.msgpack.encode(found)


def unpacked(text: bytes) -> dict[str, Sketch]:
    """What `packed` made.

    Raises:
        InputError: it is something else.
    """
    try:
        return msgspec.msgpack.decode(text, type=dict[str, Sketch])
    except msgspec.DecodeError as error:
        raise InputError("footer", f"distributions that cannot be read ({error})") from None


def together(parts: Iterable[Sketch]) -> Sketch:
    """The distribution of all the values of several."""
    found = np.zeros(_PLACES, dtype=np.int64)
    rows = missing = 0
    least, greatest = np.nan, np.nan
    exact = True
    for part in parts:
        rows, missing = rows + part.rows, missing + part.missing
        found[list(part.places)] += np.array(part.counts, dtype=np.int64)
        if part.least is not None and part.greatest is not None:
            least, greatest = np.fmin(least, part.least), np.fmax(greatest, part.greatest)
        exact = exact and (part.least is not None or not part.known)
    return _kept(rows, missing, found, *((least, greatest) if exact else (np.nan, np.nan)))


def psi(before: Sketch, after: Sketch, bins: int = 10) -> float:
    """The population stability index of two distributions: 0 where they are the same.

    The sum over bins of (q - p) ln(q / p), p and q being the shares before and after. The bins
    are the tenths of the values before, as far as the places can tell them apart, and one for
    missing values. Half a value is added to each bin, so that none is empty. After N. Siddiqi,
    Credit Risk Scorecards, 2006, chapter 10, where above 0.1 is a small change and above 0.25 a
    large one.

    Raises:
        InputError: one has no rows.
    """
    if not before.rows or not after.rows:
        raise InputError("rows", "a distribution without rows: there is nothing to compare")
    first, second = _binned(before, after, bins)
    p = (first + 0.5) / (first.sum() + 0.5 * len(first))
    q = (second + 0.5) / (second.sum() + 0.5 * len(second))
    return float(np.sum((q - p) * np.log(q / p)))


def chance(before: int, after: int, bins: int = 10) -> float:
    """The index that two samples of one distribution stay below 99 times in 100.

    The index times nm / (n + m) is nearly chi-squared with a degree of freedom less than there
    are bins: B. Yurdakul, Statistical Properties of Population Stability Index, 2018. The
    quantile is that of Wilson and Hilferty, 1931.

    Args:
        before: n, the rows of the one.
        after: m, the rows of the other.
        bins: with the one for missing values, one more than of `psi`.
    """
    normal = 2.3263478740408408  # 99 of 100
    return _chi_squared(max(bins - 1, 1), normal) * (1 / max(before, 1) + 1 / max(after, 1))


def span(found: Sketch, spare: float = 0.0) -> Span | None:
    """Where values lie but for a few at each end; None where none is known.

    An end that is left out to is told by the place of its value, as near to 0 as that reaches.

    Args:
        found: the distribution.
        spare: the share of the values that may be left out at each end, below a half.
    """
    if not found.known:
        return None
    counts = np.array(found.counts, dtype=np.int64)
    few = int(found.known * spare)
    first = int(np.searchsorted(np.cumsum(counts), few, side="right"))
    last = len(counts) - 1 - int(np.searchsorted(np.cumsum(counts[::-1]), few, side="right"))
    low, high = (_value(found.places[at]) for at in (first, last))
    if first == 0 and found.least is not None:
        low = found.least
    if last == len(counts) - 1 and found.greatest is not None:
        high = found.greatest
    return Span(low, high, int(counts[:first].sum()), int(counts[last + 1 :].sum()))


def beyond(found: Sketch, low: float, high: float) -> tuple[int, int]:
    """How many values are below and above two others, in places of their own."""
    places = np.array(found.places, dtype=np.int64)
    counts = np.array(found.counts, dtype=np.int64)
    return int(counts[places < _place(low)].sum()), int(counts[places > _place(high)].sum())


def strange(found: Sketch, other: Sketch) -> dict[float, int]:
    """The values in places where another distribution has none: by the place's value, how many."""
    there = set(other.places)
    pairs = zip(found.places, found.counts, strict=True)
    return {_value(place): count for place, count in pairs if place not in there}


def exceeded(before: int, after: int, spared: int = 0) -> float:
    """The share of values beyond an end of others that is not reached 999 times in 1,000.

    Of two samples of one distribution, the one after has a share beyond the greatest value of the
    one before, whatever the distribution (E. J. Gumbel and H. von Schelling, The distribution of
    the number of exceedances, 1950); for many it is nearly half of a chi-squared with two degrees
    of freedom for that value and each that is spared, over n. For n and m it is at most that
    times 1 + n / m.

    Args:
        before: n, the values of the one, of which the end is.
        after: m, the values of the other.
        spared: how many of the n are beyond the end.
    """
    normal = 3.090232306167813  # 999 of 1,000
    half = _chi_squared(2 * (spared + 1), normal) / 2
    return half * (1 / max(before, 1) + 1 / max(after, 1))


def moved(
    before: Mapping[str, Sketch], after: Mapping[str, Sketch]
) -> tuple[tuple[str, float], ...]:
    """The index of each distribution that both have, that which moved most first."""
    found = [(name, psi(before[name], after[name])) for name in after if name in before]
    return tuple(sorted(found, key=lambda each: (-each[1], each[0])))


def log_odds(scores: Floats) -> Floats:
    """Probabilities on a scale whose places tell small ones and those near 1 apart.

    0 and 1 become -inf and inf, which have places of their own.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        odds: Floats = np.log(scores) - np.log1p(-scores)
    return odds


def show(index: float) -> str:
    """An index as people write it, and the word that goes with it."""
    word = "the same" if index < 0.1 else "moved" if index < 0.25 else "moved far"
    return f"{index:.3f} ({word})"


def _counted(values: Floats) -> npt.NDArray[np.int64]:
    """How many of contiguous values begin with each of 16 bits."""
    first = values.view("<u2")[3::4]  # sign, exponent and what follows it
    found = np.zeros(_PLACES, dtype=np.int64)
    for at in range(0, len(first), _CHUNK):
        found += np.bincount(first[at : at + _CHUNK], minlength=_PLACES)
    return found


def _extremes(values: Floats) -> tuple[float, float]:
    """The lowest and the highest of contiguous values; NaN where there are none."""
    least = np.fmin.reduce(values, initial=np.nan)
    return float(least), float(np.fmax.reduce(values, initial=np.nan))


def _sketched(rows: int, counted: npt.NDArray[np.int64], least: float, greatest: float) -> Sketch:
    found = counted.copy()
    found[0] += found[_SIGN]  # -0.0 is 0.0
    found[_SIGN] = 0
    missing = int(found[_NAN].sum())
    found[_NAN] = 0
    return _kept(rows, missing, found[_ORDER], least, greatest)


def _kept(
    rows: int, missing: int, found: npt.NDArray[np.int64], least: float, greatest: float
) -> Sketch:
    places = np.flatnonzero(found)
    low, high = (None if isnan(end) else float(end) + 0.0 for end in (least, greatest))  # no -0.0
    return Sketch(rows, missing, tuple(places.tolist()), tuple(found[places].tolist()), low, high)


def _value(place: int) -> float:
    """The value of a place that is nearest to 0."""
    return float((_ORDER[place : place + 1].astype("<u8") << np.uint64(48)).view("<f8")[0])


def _place(value: float) -> int:
    """The place of a value that is a number."""
    first = int(np.array([value + 0.0], dtype="<f8").view("<u8")[0]) >> 48
    if first == _SIGN:  # a tiny number is counted with 0
        first = 0
    return _SIGN + first if first < _SIGN else _PLACES - 1 - first


def _chi_squared(free: int, normal: float) -> float:
    """A quantile of chi-squared from that of the normal distribution."""
    return free * (1 - 2 / (9 * free) + normal * sqrt(2 / (9 * free))) ** 3


def _binned(before: Sketch, after: Sketch, bins: int) -> tuple[Floats, Floats]:
    """The counts of both in the same bins, the last that of missing values."""
    places = np.union1d(before.places, after.places).astype(np.int64)
    first, second = _at(before, places), _at(after, places)
    below = np.cumsum(first) - first
    # A place is never cut: it goes where its first value does.
    bin_of = np.minimum(bins - 1, below * bins // max(int(first.sum()), 1)).astype(np.int64)
    _, bin_of = np.unique(bin_of, return_inverse=True)
    size = int(bin_of.max()) + 1 if len(bin_of) else 0
    columns = []
    for counts, sketch_ in ((first, before), (second, after)):
        in_bins = np.bincount(bin_of, counts, minlength=size)
        columns.append(np.append(in_bins, float(sketch_.missing)))
    keep = (columns[0] + columns[1]) > 0
    return columns[0][keep], columns[1][keep]


def _at(found: Sketch, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    counts = np.zeros(len(places), dtype=np.int64)
    counts[np.searchsorted(places, found.places)] = found.counts
    return counts
