"""Between tables of events and the requests that carry them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from groundplan.features import Source


def bodies(events: pa.Table, source: Source) -> list[bytes]:
    """One JSON body per row: the fields of the source, without its labels."""
    columns = [source.id, source.time.column, *source.fields]
    return [msgspec.json.encode(row) for row in events.select(columns).to_pylist()]


def shifted(body: bytes, source: Source, by: timedelta, identifier: int | str) -> bytes:
    """The same event again, later and under another identifier."""
    event = msgspec.json.decode(body)
    event[source.time.column] = (_time(event[source.time.column]) + by).isoformat()
    event[source.id] = identifier
    return msgspec.json.encode(event)


def events(sent: Sequence[bytes], source: Source, like: pa.Schema) -> pa.Table:
    """A table with one row per event in bodies, in their order.

    Args:
        sent: JSON objects, each a whole event.
        source: names the columns.
        like: the schema of the table; labels that nobody reported are false.
    """
    rows: list[dict[str, Any]] = []
    for body in sent:
        event = msgspec.json.decode(body)
        event[source.time.column] = _time(event[source.time.column])
        rows.append({**dict.fromkeys(source.labels, False), **event})
    return pa.Table.from_pylist(rows, schema=like)


def _time(text: str) -> datetime:
    """The instant of an RFC 3339 string; without an offset, UTC. Naive, as tables hold it."""
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
