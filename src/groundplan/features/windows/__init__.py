"""Window functions: what is computed over the events of one entity before a moment.

Each function is one file with its SQL form, its online form and its naive form, and one line here.
"""

from typing import Final

from groundplan.features.windows.count import Count
from groundplan.features.windows.mean import Mean
from groundplan.features.windows.sum import Sum
from groundplan.features.windows.window import Frame, Function, Series, Window

FUNCTIONS: Final[dict[str, Function]] = {
    "count": Count(),
    "sum": Sum(),
    "mean": Mean(),
}

__all__ = ["FUNCTIONS", "Count", "Frame", "Function", "Mean", "Series", "Sum", "Window"]
