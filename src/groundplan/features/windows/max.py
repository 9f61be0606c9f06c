"""The largest value of a field over the events in a window."""

from typing import Final

from sqlglot import exp

from groundplan.features.windows.extreme import Extreme

MAX: Final = Extreme("max", "largest", exp.Max, exp.Greatest, max)
