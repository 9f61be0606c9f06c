"""The bodies of a log's rows, decoded into the columns of their source."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundplan.errors import EngineError
from groundplan.features import Source

_ARROW: Final = {"int": pa.int64(), "str": pa.string(), "bool": pa.bool_()}


class Bodies:
    """The bodies of a source's rows as columns.

    Args:
        source: whose they are.
        bodies: JSON objects: events, and labels of the main source.
    """

    def __init__(self, source: Source, bodies: pa.ChunkedArray) -> None:
        identifier = [] if source.versioned else [source.id]
        names = [*identifier, source.time.column, *source.fields, *source.labels]
        types = dict.fromkeys(names, Any) | {source.time.column: datetime | None}
        loose = msgspec.defstruct(
            "Loose", [(name, types[name], msgspec.field(default=None)) for name in names], gc=False
        )
        decode = msgspec.json.Decoder(list[loose]).decode  # type: ignore[valid-type]  # made above
        rows: list[Any] = []
        try:
            for chunk in bodies.chunks:
                texts = chunk.to_pylist()
                rows += decode(f"[{','.join(texts)}]".encode())
        except msgspec.DecodeError as error:
            raise EngineError(
                f"the prediction log has a row of {source.name} that is no event of it: {error}: "
                "was it written with other definitions? name a log of these"
            ) from None
        self.columns: dict[str, list[Any]] = {
            name: [getattr(row, name) for row in rows] for name in names
        }
        self.size = len(rows)
        self.event: NDArray[np.bool_] = np.array(
            [time is not None for time in self.columns[source.time.column]], np.bool_
        )

    def table(self, source: Source, rows: Sequence[int]) -> pa.Table:
        """Some of the events as a table with the source's columns."""
        found = {}
        for name, values in self.columns.items():
            if name == source.time.column:
                type_: Any = pa.timestamp("us")
            elif name in source.labels:
                type_ = pa.bool_()
            else:
                kind = source.id_kind if name == source.id else source.fields[name]
                type_ = _ARROW.get(kind.name, pa.float64())
            picked = [values[row] for row in rows]
            if name in source.labels:
                picked = [value is True for value in picked]
            found[name] = pa.array(picked, type_)
        return pa.table(found)
