"""An estimate that says how far it may be off."""

from collections.abc import Callable, Iterable
from math import ceil, exp, hypot, log

from msgspec import Struct


class Band(Struct, frozen=True):
    """An estimate and how far it may be off.

    Args:
        low, typical, high: in `unit`.
        unit: `cores`, `bytes`, `replicas`, `us`, `requests/s`, ...
    """

    low: float
    typical: float
    high: float
    unit: str

    def times(self, factor: "Band | float", unit: str | None = None) -> "Band":
        """The product with a number, or with another estimate that errs for reasons of its own.

        Independent factors are rarely all at their worst: the ratios of high and of low to
        typical are combined as relative errors of a product are, their logarithms by the root of
        the sum of their squares (JCGM 100:2008, Guide to the expression of uncertainty in
        measurement, section 5.1).
        """
        name = self.unit if unit is None else unit
        if not isinstance(factor, Band):
            return Band(self.low * factor, self.typical * factor, self.high * factor, name)
        typical = self.typical * factor.typical
        certain = self.low == self.high or factor.low == factor.high
        if certain or not (self.low and factor.low):
            return Band(self.low * factor.low, typical, self.high * factor.high, name)
        down = hypot(log(self.typical / self.low), log(factor.typical / factor.low))
        up = hypot(log(self.high / self.typical), log(factor.high / factor.typical))
        return Band(typical * exp(-down), typical, typical * exp(up), name)

    def plus(self, other: "Band") -> "Band":
        """The sum with an estimate in the same unit."""
        return Band(
            self.low + other.low, self.typical + other.typical, self.high + other.high, self.unit
        )

    def whole(self, unit: str) -> "Band":
        """Rounded up to whole things, at least one."""
        return each(unit, lambda amount: float(max(1, ceil(amount - 1e-9))), self)

    def upside_down(self, amount: float, unit: str) -> "Band":
        """`amount` over the estimate: its high is the low of the result."""
        return Band(amount / self.high, amount / self.typical, amount / self.low, unit)


def each(unit: str, make: Callable[[float], float], band: Band) -> Band:
    """A function of each of the three figures; it must not fall where its argument rises."""
    return Band(make(band.low), make(band.typical), make(band.high), unit)


def total(bands: Iterable[Band], unit: str) -> Band:
    """The sum of estimates, zero where there is none."""
    found = Band(0.0, 0.0, 0.0, unit)
    for band in bands:
        found = found.plus(band)
    return found


def known(amount: float, unit: str) -> Band:
    """A figure that is no estimate."""
    return Band(float(amount), float(amount), float(amount), unit)
