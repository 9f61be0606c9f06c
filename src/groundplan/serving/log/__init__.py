"""The prediction log: what was asked, what was answered, and from which values.

`row` is what a log holds, `journal` the file that rows are written to as they come, `writer` the
log of a server, `archive` how full journals become Parquet files, `retention` how much is kept,
`reading` how a log is read, also while servers write to it.
"""

from groundplan.serving.log.reading import Segment, find, names, read, rows_of, segments, table
from groundplan.serving.log.retention import EVERYTHING, Retention
from groundplan.serving.log.row import Lookup, Prediction, Row, Stored, Taken, lines
from groundplan.serving.log.writer import Log

__all__ = [
    "EVERYTHING",
    "Log",
    "Lookup",
    "Prediction",
    "Retention",
    "Row",
    "Segment",
    "Stored",
    "Taken",
    "find",
    "lines",
    "names",
    "read",
    "rows_of",
    "segments",
    "table",
]
