"""The embedded engine: DuckDB and Arrow in this process, within a stated memory."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.durable import replacing
from groundplan.engines import places
from groundplan.engines.partitions import Taken, part_name
from groundplan.errors import EngineError
from groundplan.features import FeatureSet, Source
from groundplan.patterns.batch.runs.candidates import find
from groundplan.patterns.batch.runs.engine import Place, Progress, Scoring, files
from groundplan.patterns.batch.runs.features import Snapshot
from groundplan.patterns.batch.runs.snapshot import Snapshots

_SHARE: Final = 0.25
"""The share of the memory that DuckDB may use; the rest is for what flows out of it."""


class Embedded:
    """Computes runs in this process.

    Args:
        memory: bytes to stay within.
    """

    name: Final = "duckdb"

    def __init__(self, memory: int) -> None:
        self._memory = int(memory * _SHARE)

    def count(self, place: Place) -> int:
        """See `Engine.count`."""
        with places.connected(self._memory) as connection:
            return Snapshots(connection).count(place)

    def population(self, source: Source, place: Place, folder: Path, **asked: Any) -> Taken:
        """See `Engine.population`."""
        with places.connected(self._memory) as connection:
            return Snapshots(connection).population(source, place, folder, **asked)

    def history(self, source: Source, place: Place, folder: Path, **asked: Any) -> Taken:
        """See `Engine.history`."""
        with places.connected(self._memory) as connection:
            return Snapshots(connection).history(source, place, folder, **asked)

    def compute(
        self,
        inputs: FeatureSet,
        folder: Path,
        scoring: Scoring,
        pending: Sequence[int],
        progress: Progress,
    ) -> None:
        """See `Engine.compute`; as many partitions at a time as there are cores."""
        (folder / "out").mkdir(exist_ok=True)
        rows = {n: pq.read_metadata(files(folder, inputs, n)[0]).num_rows for n in pending}
        workers = max(1, min(cores(), len(pending)))
        work = _Work(inputs, folder, scoring, sum(rows.values()), progress)
        memory = self._memory // workers
        with ThreadPoolExecutor(workers, "partition") as pool:
            running = [
                pool.submit(work.partition, number, memory, max(1, cores() // workers))
                for number in pending
            ]
            try:
                for each in running:
                    each.result()
            except BaseException:
                work.stopped.set()
                for each in running:
                    each.cancel()
                raise

    def close(self) -> None:
        """Nothing is held."""


class _Work:
    """Computing the partitions of one run, several at a time."""

    def __init__(
        self, inputs: FeatureSet, folder: Path, scoring: Scoring, total: int, progress: Progress
    ) -> None:
        self._inputs, self._folder, self._scoring = inputs, folder, scoring
        self._total, self._progress = total, progress
        self._done, self._turn = 0, Lock()
        self.stopped = Event()

    def partition(self, number: int, memory: int, threads: int) -> None:
        """Compute one, whole or not at all."""
        if self.stopped.is_set():
            return
        part = self._folder / "out" / part_name(number)
        try:
            with replacing(part) as draft:
                self._write(number, draft, memory, threads)
        except _Stopped:
            pass  # what stopped it says why
        except (duckdb.Error, OSError) as error:
            self.stopped.set()
            raise EngineError(
                f"{part} cannot be computed: {error}; `groundplan score` goes on where it stopped"
            ) from error
        except BaseException:
            self.stopped.set()
            raise

    def _write(self, number: int, draft: Path, memory: int, threads: int) -> None:
        scored = self._scoring.partition(number)
        main, others = files(self._folder, self._inputs, number)
        snapshot = Snapshot(self._inputs, main, others, scored.keep, memory, threads)
        found, batches = None, snapshot.computed()
        if scored.prior is not None:
            found = find(self._inputs, scored.prior, main, others, memory, threads)
            if not found.everyone and not scored.compare:
                batches = snapshot.merged(scored.prior, found)
        writer: Any = None
        done = 0
        try:
            for batch in batches:
                if self.stopped.is_set():
                    raise _Stopped
                here = None if found is None else found.candidates[done : done + len(batch)]
                done += len(batch)
                rows = scored.part(batch, here)
                writer = writer or _writer(draft, rows.schema)
                writer.write_batch(rows)
                self._count(len(rows))
            metadata = scored.metadata(found.everyone if found else "")
            writer.add_key_value_metadata(metadata)
        finally:
            if writer is not None:
                writer.close()

    def _count(self, rows: int) -> None:
        with self._turn:
            self._done += rows
            self._progress(self._done, self._total)


class _Stopped(Exception):
    """Another partition failed, so this one need not go on."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _writer(file: Path, schema: pa.Schema) -> Any:
    return pq.ParquetWriter(
        file, schema, compression="zstd", use_dictionary=["decision", "segment"]
    )
