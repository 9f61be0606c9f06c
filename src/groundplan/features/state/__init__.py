"""The state that online stores keep: what a history holds of its events, and how it is read.

Pure functions over bytes, which the stores of all engines share.
"""

from groundplan.features.state.batch import Batch
from groundplan.features.state.kept import Kept
from groundplan.features.state.layout import Column, Layout
from groundplan.features.state.reading import Lookup, Reader, no_older, unknown
from groundplan.features.state.size import HistorySize, state_per_key

__all__ = [
    "Batch",
    "Column",
    "HistorySize",
    "Kept",
    "Layout",
    "Lookup",
    "Reader",
    "no_older",
    "state_per_key",
    "unknown",
]
