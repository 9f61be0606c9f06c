"""Window functions: what is computed over the events of one entity before a moment.

Each function is one file with its SQL form, its online form and its naive form, and one line here.
"""

from typing import Final

from groundplan.features.windows.count import Count
from groundplan.features.windows.distinct import Distinct
from groundplan.features.windows.first import First
from groundplan.features.windows.last import Last
from groundplan.features.windows.lookup import Lookup
from groundplan.features.windows.max import MAX
from groundplan.features.windows.mean import Mean
from groundplan.features.windows.measure import MISSING, Measure
from groundplan.features.windows.min import MIN
from groundplan.features.windows.share import Share
from groundplan.features.windows.since import Since
from groundplan.features.windows.std import Std
from groundplan.features.windows.sum import Sum
from groundplan.features.windows.window import EVER, Frame, Function, Series, Window

FUNCTIONS: Final[dict[str, Function]] = {
    "count": Count(),
    "sum": Sum(),
    "mean": Mean(),
    "min": MIN,
    "max": MAX,
    "std": Std(),
    "last": Last(),
    "first": First(),
    "distinct": Distinct(),
    "share": Share(),
    "since": Since(),
}

__all__ = [
    "EVER",
    "FUNCTIONS",
    "MAX",
    "MIN",
    "MISSING",
    "Count",
    "Distinct",
    "First",
    "Frame",
    "Function",
    "Last",
    "Lookup",
    "Mean",
    "Measure",
    "Series",
    "Share",
    "Since",
    "Std",
    "Sum",
    "Window",
]
