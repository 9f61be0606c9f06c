"""The smallest value of a field over the events in a window."""

from typing import Final

from sqlglot import exp

from groundplan.features.windows.extreme import Extreme

MIN: Final = Extreme("min", "smallest", exp.Min, exp.Least, min)
