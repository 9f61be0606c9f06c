"""Arithmetic on values that may be missing: the same for one row and for a column.

A number is a float, or an array of them, and missing where it is NaN. A text is a str, or an array
of objects, and missing where it is None; its code is an int.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from groundplan.features.fields import Kind


def divided(x: Any, y: Any) -> Any:
    """A quotient; missing where the divisor is 0."""
    if isinstance(y, float):
        return x / y if y else x * math.nan
    return np.divide(x, y, out=np.full(np.shape(y), np.nan), where=np.asarray(y) != 0.0)


def finite(result: Any) -> Any:
    """A result; missing where it is not finite."""
    if isinstance(result, float):
        return result if math.isfinite(result) else math.nan
    return np.where(np.isfinite(result), result, np.nan)


def present(value: Any) -> Any:
    """An optional number as one that is NaN where it is missing."""
    if value is None:
        return math.nan
    if isinstance(value, np.ndarray):
        return value.astype(np.float64)  # None becomes NaN
    return value


def absent(value: Any) -> Any:
    """Whether a number or text is missing."""
    if not isinstance(value, np.ndarray):
        return value is None or (isinstance(value, float) and math.isnan(value))
    if value.dtype.kind == "f":
        return np.isnan(value)
    return np.array([absent(each) for each in value.tolist()], dtype=bool)


def related(do: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """1.0 or 0.0 for two texts, or two codes of texts; missing where one of them is."""
    if not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray):
        return math.nan if x is None or y is None else do(x, y) * 1.0
    found = do(x, y) * 1.0
    return np.where(absent(x) | absent(y), math.nan, found)


def coding(read: Callable[[Any, Any, Any], Any], coded: bool) -> Callable[[Any, Any, Any], Any]:
    """The closure of a text as one that gives its code, None where it is missing.

    Args:
        read: (time, values, windows) -> text, or code where `coded` says so.
        coded: whether it gives codes already.
    """
    code = Kind("str").coded

    def one(value: Any) -> Any:
        if absent(value):
            return None
        return value if coded else code(value)

    def codes(time: Any, values: Sequence[Any], windows: Sequence[Any]) -> Any:
        found = read(time, values, windows)
        if isinstance(found, np.ndarray):
            return np.array([one(each) for each in found], dtype=object)
        return one(found)

    return codes
