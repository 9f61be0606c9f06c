"""Estimates as people read them: three digits at most, since no estimate knows more."""

from groundplan.plan.capacity import Band
from groundplan.units import show_about, show_size

_UNITS = {"us": show_about, "bytes": show_size}


def show_amount(value: float, unit: str) -> str:
    """An amount of a unit: `1.5 cores`, `24GB`, `3.2ms`, `1,240/s`."""
    known = _UNITS.get(unit)
    if known is not None:
        return known(_rounded(value))
    number = f"{_rounded(value):,.6f}".rstrip("0").rstrip(".")
    if unit == "requests/s":
        return f"{number}/s"
    # one core, one replica
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}".rstrip()


def show_band(band: Band) -> str:
    """An estimate with how far it may be off: `2 cores (1 core to 4 cores)`."""
    low, typical, high = (
        show_amount(value, band.unit) for value in (band.low, band.typical, band.high)
    )
    return typical if low == high else f"{typical} ({low} to {high})"


def show_load(share: str) -> str:
    """What a p99 of a capacity is at: `p99 at 50% of that`, `p99 at the promised peak`."""
    return f"p99 at {share} of that" if "%" in share else f"p99 at the promised {share}"


def _rounded(value: float) -> float:
    """Three significant digits; whole numbers that are longer keep none after the point."""
    return float(f"{value:.3g}")
