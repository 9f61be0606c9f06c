"""The online store in Redis or Valkey: histories that several server processes share.

Each call is one script inside the server, and so one atomic step: joins of one entity by many
processes lose nothing, and a batch is there whole or not at all. `join` is one round trip.

What a crash can lose is what the server's settings say. With `appendonly yes` and `appendfsync
always` nothing that was acknowledged is lost. With `everysec` a killed server or a loss of power
loses up to the last two seconds: while the disk is busy, the server answers before it writes.
`warnings` names settings that can lose more.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt
import redis

from groundplan.engines.redis.batch import Batch, Seen, wanted
from groundplan.engines.redis.records import Records, same_event
from groundplan.engines.redis.server import Server, Word, warnings
from groundplan.errors import EngineError
from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet
from groundplan.features.store import Appended, Ingested, Stats

if TYPE_CHECKING:
    import pyarrow as pa

_PART: Final = 5_000  # events of a history in one step: the server does nothing else meanwhile
_CHUNK: Final = 50_000  # events of a history read at a time
_TRIES: Final = 100
_SAMPLE: Final = 200
_LONG: Final = 60.0


class RedisStore:
    """An online store on a server, under keys that begin with a fingerprint of the definitions.

    The state of other definitions lies beside it and is not touched. All keys lie in one slot of
    a cluster.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`.
        inputs: the features whose windows it keeps.
        timeout: seconds that one `join` or `peek` may take; the larger steps may take a minute.
        space: sets a state apart from that of other servers with the same definitions.

    Raises:
        EngineError: the URL is wrong, or the server cannot be reached.
    """

    def __init__(self, url: str, inputs: FeatureSet, timeout: float = 1.0, space: str = "") -> None:
        self._inputs = inputs
        self._records = Records(inputs)
        self._prefix = f"groundplan:{{{self._records.fingerprint()}{space and '-' + space}}}:"
        text = resources.files(__package__).joinpath("script.lua").read_text(encoding="utf-8")
        script = self._records.tables() + text
        self._fast = Server(url, script, timeout)
        self._slow = Server(url, script, _LONG)
        self.warnings = warnings(self._fast)
        """What in the server's settings can lose state, a sentence each."""

    def join(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, which then is history for the next; one round trip.

        An event whose identifier is known counts once: it gives its features and changes nothing.

        Raises:
            InputError: it is older than the lateness allows, or its identifier belongs to
                another event.
            EngineError: the server cannot be reached; whether the event was recorded is unknown,
                and sending it again is safe.
        """
        return self._ask(event, record=True)

    def peek(self, event: Event) -> npt.NDArray[np.float64]:
        """The features of an event, without recording it; raises what `join` raises."""
        return self._ask(event, record=False)

    def append(
        self, rows: Sequence[Event | Label], offsets: Mapping[str, int] | None = None
    ) -> Appended:
        """Record live events and labels, in their order, and how far their stream was read.

        All or none, the offsets included: one look at what is there, one step that writes, and
        both again where another process came between.

        Raises:
            InputError: an identifier belongs to another event, or a label has no such name.
            EngineError: the server cannot be reached; sending all again is safe.
        """
        return self._write(rows, offsets or {}, live=True)

    def offsets(self) -> Mapping[str, int]:
        """By partition, the next offset to read, as the last `append` with offsets left it."""
        with self._slow.reached():
            found: Any = self._slow.client.hgetall(self._prefix + "o")
        return {name.decode(): int(offset) for name, offset in found.items()}

    def ingest(
        self,
        history: "Path | pa.Table",
        progress: Callable[[int, int], Any] | None = None,
        source: int = 0,
    ) -> Ingested:
        """Record a history in bulk; cut off and begun anew, it passes over what is known.

        Args:
            history: a Parquet file or an Arrow table with all columns of the source.
            progress: called with the events that are done and their number.
            source: the position of the source in the feature set.

        Raises:
            InputError: a column is missing, or a value breaks a rule.
        """
        from groundplan.features.recorded import recorded

        since = self._latest()[source] - self._records.reach(source)
        with recorded(self._inputs, history, since, source) as (total, chunks):
            added = known = done = 0
            for chunk in chunks(_CHUNK):
                for first in range(0, len(chunk), _PART):
                    part = chunk[first : first + _PART]
                    done += len(part)
                    became = self._write(part, {}, live=False)
                    added, known = added + became.added, known + became.known
                    if progress:
                        progress(done, total)
        return Ingested(added, known, total - added - known)

    def sync(self) -> None:
        """Wait until the server has what was recorded on its disk, if it is one that can say so."""
        with self._slow.reached():
            try:
                self._slow.client.waitaof(1, 0, int(_LONG * 900))
            except redis.ResponseError:  # older than Redis 7.2, or without an append-only file
                return

    def stats(self) -> Stats:
        """The number of keys and events, the bytes in memory, the newest time.

        It walks over all keys of the server, and measures a sample of its own.
        """
        with self._slow.reached():
            return self._stats()

    def clear(self) -> None:
        """Forget everything."""
        with self._slow.reached():
            keys = self._slow.client.scan_iter(match=f"{self._prefix}*", count=1_000)
            while found := list(islice(keys, 1_000)):
                self._slow.client.unlink(*found)

    def close(self) -> None:
        """Let go of the server."""
        self._fast.close()
        self._slow.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, event: Event, record: bool, parked: bytes = b"") -> npt.NDArray[np.float64]:
        records = self._records
        whole = records.labelled(event, parked)
        reads, writes = records.reads(event), list(records.writes(whole)) if record else ()
        words: list[Word] = [
            *("join", int(record), records.identifier(event.id), event.time, parked),
            *(len(records.no_labels), records.remembered(whole)),
            len(reads),
            *(word for entity in reads for word in entity),
            len(writes),
            *(word for write in writes for word in write),
        ]
        status, *rest = self._fast.run(self._prefix, words)
        if status in (b"added", b"known"):
            return self._inputs.row(event, records.windows(event, rest))
        if status == b"late":
            raise records.late(event, rest[0] - 1, rest[1])
        if status == b"past":
            raise records.past(event, rest[1])
        if status == b"parked":  # its labels came first: once more, with them
            return self._ask(event, record, rest[0])
        known = records.event(rest[0], 0, event.id)
        if not same_event(known, event):
            raise records.other(event)
        return self._ask(known, record)  # equal values, other bytes: 0.0 and -0.0

    def _write(
        self, rows: Sequence[Event | Label], offsets: Mapping[str, int], live: bool
    ) -> Appended:
        for _ in range(_TRIES):
            batch = Batch(self._records, self._look(rows))
            batch.take(rows, live)
            if self._slow.run(self._prefix, batch.words(offsets)):
                return batch.outcome
        raise EngineError(
            f"{self._slow.name} changed between every look and write, {_TRIES} times over: let "
            "fewer processes write the same events, then send them again"
        )

    def _look(self, rows: Sequence[Event | Label]) -> Seen:
        identities, entities = wanted(self._records, rows)
        words: list[Word] = ["look", len(identities)]
        for source, identifier in identities:
            words += (source, self._records.identifier(identifier))
        words.append(len(entities))
        words += (word for entity in entities for word in entity)
        events, parked, newest, latest = self._slow.run(self._prefix, words)
        return Seen(
            dict(zip(identities, events, strict=True)),
            dict(zip(identities, parked, strict=True)),
            dict(zip(entities, newest, strict=True)),
            latest,
        )

    def _latest(self) -> list[int]:
        return self._look(()).latest

    def _stats(self) -> Stats:
        start, by_kind = self._prefix.encode(), dict[bytes, list[bytes]]()
        for key in self._slow.client.scan_iter(match=_escaped(start) + b"*", count=10_000):
            by_kind.setdefault(key[len(start) :].partition(b":")[0], []).append(key)
        buckets = [key for kind, keys in by_kind.items() if kind[:1] == b"i" for key in keys]
        with self._slow.client.pipeline(transaction=False) as pipeline:
            for key in buckets:
                pipeline.hlen(key.decode())
            events = sum(pipeline.execute())
        newest = max(self._latest())
        return Stats(
            self._records.keys(lambda number: len(by_kind.get(b"h%d" % number, ()))),
            events,
            sum(self._size(keys) for keys in by_kind.values()),
            newest if newest >= 0 else None,
        )

    def _size(self, keys: list[bytes]) -> int:
        """The bytes of some keys, from a sample of them where they are many."""
        sample = keys[:: max(1, len(keys) // _SAMPLE)]
        with self._slow.client.pipeline(transaction=False) as pipeline:
            for key in sample:
                pipeline.memory_usage(key)
            sizes = [size or 0 for size in pipeline.execute()]
        return sum(sizes) * len(keys) // len(sample)


def _escaped(text: bytes) -> bytes:
    """A text that a pattern matches as it stands."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[]\\^" else bytes([c]) for c in text)
