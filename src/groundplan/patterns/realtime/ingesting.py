"""From history and streams to online state: in bulk, then from where the history ends."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import msgspec
from sqlglot import exp

from groundplan.errors import InputError
from groundplan.features import FeatureSet, OnlineStore, Schema, Source
from groundplan.features.columns import matched, time_of
from groundplan.features.folder import ENDINGS, FolderStream
from groundplan.features.history import opened
from groundplan.features.stream import Stream
from groundplan.patterns.realtime.state import fill, open_feed, open_store
from groundplan.project import Project
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.feed import Feed

if TYPE_CHECKING:
    from groundplan.patterns.realtime.definition import Report

BATCH: Final = 2_000
"""Records stored in one step: many, since nobody waits for an answer meanwhile."""

_INPUTS: Final = "what the state is for: `inputs = features(...)`"
_TABLES: Final = (".parquet", ".csv")
_CSV_TYPES: Final = {"int": "BIGINT", "float": "DOUBLE", "decimal": "DOUBLE", "bool": "BOOLEAN"}


class Outcome(msgspec.Struct, frozen=True):
    """What became of a file or a stream.

    Args:
        name: the file, or `stream`.
        source: whose events they are; empty where it is told record by record.
        records: how many there were.
        added: new events.
        known: events that were there already.
        expired: events of a history that no window reaches any more.
        late: events of a stream beyond the stated lateness, which no window counts.
        labelled: labels of known events.
        parked: labels whose event has not come yet.
        poison: records that cannot be taken; they are among the dead letters.
        seconds: what it took.
    """

    name: str
    source: str
    records: int
    added: int
    known: int
    expired: int = 0
    late: int = 0
    labelled: int = 0
    parked: int = 0
    poison: int = 0
    seconds: float = 0.0


class Ingesting:
    """Fills the online state of a project.

    Args:
        project: its answers name the engines, its `system.py` the features.
        home: the folder of the embedded state and of the dead letters.

    Raises:
        ProjectError: there is no `inputs` in `system.py`.
        EngineError: the state cannot be opened.
    """

    def __init__(self, project: Project, home: Path) -> None:
        self._project = project
        self._home = home
        self._inputs: FeatureSet = project.define("inputs", FeatureSet, _INPUTS)
        self._store: OnlineStore = open_store(project, self._inputs, home)
        self._ends: dict[str, int] = {}  # us by source: its history has everything before
        self._feeds: list[Feed] = []
        self._stopped = threading.Event()

    @property
    def letters(self) -> Path:
        """Where the records stand that could not be taken."""
        return self._home / "dead_letters.ndjson"

    def take(
        self, paths: Sequence[Path], source: str, report: "Report", *, whole: bool = True
    ) -> Iterator[Outcome]:
        """Take files, and the files of folders in the order of their names.

        Parquet and CSV are history, taken in bulk and in any order of time. JSON lines are a
        stream, taken in their order. What was taken before is passed over, so that a run that was
        cut off goes on.

        Args:
            paths: files and folders.
            source: whose events they are; empty for the main source, and for JSON lines whose
                files are named after their sources.
            report: told the progress.
            whole: whether the files of JSON lines are, so that a last line counts without its end.

        Raises:
            InputError: a file is missing or of another kind, or a value in it breaks a rule.
        """
        ours = self._source(source)
        for path in paths:
            for file in _files(path):
                if file.suffix in _TABLES:
                    yield self._history(file, ours, report)
                else:
                    stream = FolderStream(file, self._names, source=source, whole=whole)
                    yield self._drain(self._feed(stream), file.name, source, report)

    def catch_up(self, report: "Report") -> Outcome | None:
        """Take what the stream of the answers has by now; None where they name none.

        Where the state has no place in the stream yet, it begins where the history ends: as far
        back as events may come late. What both have counts once.

        Raises:
            InputError: the folder of events is not there.
            EngineError: state or stream cannot be reached.
        """
        feed = open_feed(self._project, self._inputs, self._store, self._home, batch=BATCH)
        if feed is None:
            return None
        self._feeds.append(feed)
        feed.hand_over(self._ends)
        return self._drain(feed, "stream", "", report)

    def follow(self, paths: Sequence[Path], source: str, told: Callable[[str], None]) -> None:
        """Go on with what comes, until `stop`.

        Args:
            paths: files of JSON lines that grow, and folders of them.
            source: as for `take`.
            told: called every ten seconds with how it goes.

        Raises:
            InputError: there is nothing to follow.
        """
        for path in paths:
            if path.is_dir() or path.suffix in ENDINGS:
                stream = FolderStream(path, self._names, source=source)
                self._feeds.append(self._feed(stream))
        if not self._feeds:
            raise InputError(
                "",
                "there is nothing to follow: name a stream in groundplan.toml, as "
                '`[engines] events = "kafka://localhost:9092/transactions"`, or a folder of JSON '
                "lines with --from",
            )
        for feed in self._feeds:
            feed.start()
        while not self._stopped.wait(10):
            told("; ".join(_state(feed) for feed in self._feeds))

    def stop(self) -> None:
        """End what runs after the batch that it is at."""
        self._stopped.set()
        for feed in self._feeds:
            feed.stop()

    def close(self) -> None:
        """Let go of streams and state."""
        for feed in self._feeds:
            feed.close()
        self._store.close()

    @property
    def _names(self) -> list[str]:
        return [source.name for source in self._inputs.sources]

    def _source(self, name: str) -> Source:
        if name and name not in self._names:
            raise InputError(
                "", f"{name} is no source of these features: there is {', '.join(self._names)}"
            )
        found: Source = self._inputs.sources[self._names.index(name) if name else 0]
        return found

    def _feed(self, stream: Stream) -> Feed:
        letters = DeadLetters(self.letters)
        return Feed(Schema(self._inputs), self._store, stream, letters, batch=BATCH)

    def _history(self, file: Path, source: Source, report: "Report") -> Outcome:
        begun = time.perf_counter()
        position = self._inputs.position(source)
        try:
            with _as_parquet(file, source, self._home) as history:
                newest = _newest(history, source)
                added, known, expired = fill(self._store, history, file.name, report, position)
        except InputError as error:
            raise InputError(error.field, f"{file}: {error.message}") from None
        if newest is not None:
            end = newest - source.lateness
            self._ends[source.name] = max(end, self._ends.get(source.name, end))
        total, seconds = added + known + expired, time.perf_counter() - begun
        return Outcome(file.name, source.name, total, added, known, expired, seconds=seconds)

    def _drain(self, feed: Feed, name: str, source: str, report: "Report") -> Outcome:
        begun = time.perf_counter()
        feed.catch_up(lambda done, total: report(name, done, total))
        done = feed.done
        return Outcome(
            *(name, source, done.records, done.added, done.known, 0),
            *(done.late, done.labelled, done.parked, done.poison, time.perf_counter() - begun),
        )


def _files(path: Path) -> list[Path]:
    known = (*_TABLES, *ENDINGS)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in known)
        # History first: a stream's events may then be late beside it, but never the other way.
        return sorted(found, key=lambda file: file.suffix not in _TABLES)
    if not path.is_file():
        raise InputError("", f"{path} is not there: name a file or a folder of events")
    if path.suffix not in known:
        raise InputError("", f"{path} is none of {', '.join(known)}: turn it into one of them")
    return [path]


def _newest(history: Path, source: Source) -> int | None:
    name = source.time.column
    with opened(history) as events:
        time_column = matched(source, [name], events.present)[name]
        (newest,) = events.one(exp.Max(this=time_of(time_column)))
    return None if newest is None else int(newest)


@contextmanager
def _as_parquet(file: Path, source: Source, folder: Path) -> Iterator[Path]:
    """The file itself, or a Parquet copy of a CSV file that goes when it is done with."""
    if file.suffix == ".parquet":
        yield file
        return
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f".{file.name}.{os.getpid()}.parquet"
    try:
        with duckdb.connect() as connection:
            # Declared types, since text that looks like a number would lose its zeros.
            declared = {source.id: source.id_kind, **source.fields}
            types = {
                name.lower(): _CSV_TYPES.get(k.name, "VARCHAR") for name, k in declared.items()
            }
            header = connection.read_csv(str(file), sample_size=1).columns
            known = {name: types[name.lower()] for name in header if name.lower() in types}
            connection.read_csv(str(file), dtype=known).write_parquet(str(copy))
        yield copy
    except duckdb.Error as error:
        raise InputError("", f"it cannot be read as CSV: {error}") from None
    finally:
        copy.unlink(missing_ok=True)


def _state(feed: Feed) -> str:
    done = feed.done
    behind = feed.staleness_us(time.time_ns() // 1_000)
    how = feed.fault or ("catching up" if behind else "current")
    return f"{done.records:,} records, {done.late:,} late, {done.poison:,} poison: {how}"
