"""The online state of a project, and the stream that feeds it, by the URLs in its answers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from groundplan.engines import table
from groundplan.features import EmbeddedStore, FeatureSet, OnlineStore, Schema
from groundplan.features.folder import FolderStream
from groundplan.features.stream import Stream
from groundplan.project import Project
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.feed import BATCH, Feed, Taken
from groundplan.serving.lease import Lease

if TYPE_CHECKING:
    import pyarrow as pa

    from groundplan.patterns.realtime.definition import Report

_HISTORY: Final = "history:"
"""Offsets of this prefix belong to no stream: they mark what history the state was filled from."""


def open_store(
    project: Project,
    inputs: FeatureSet,
    home: Path,
    *,
    timeout: float = 1.0,
    space: str = "",
) -> OnlineStore:
    """The online state of these definitions: the engine that the answers name, else embedded.

    Args:
        project: its answers name the engine.
        inputs: the features whose windows it keeps.
        home: the folder that has the embedded state.
        timeout: seconds that a request may wait for an engine.
        space: sets a state on a server apart from that of others with these definitions.

    Raises:
        EngineError: there is no such engine, or it cannot be reached.
    """
    url = project.answers.engines.get("online_store")
    if url is None:
        return EmbeddedStore(home / "state" / inputs.fingerprint()[:16], inputs)
    store: OnlineStore = table.find("online_store", url)(url, inputs, timeout, space)
    return store


def open_stream(project: Project, inputs: FeatureSet) -> Stream | None:
    """The stream of events that the answers name: a folder (`file:///var/events`) or an engine.

    Raises:
        InputError: the folder is not there.
        EngineError: there is no such engine, or its URL is wrong.
    """
    url = project.answers.engines.get("events")
    if url is None:
        return None
    sources = [source.name for source in inputs.sources]
    if url.startswith("file:"):
        return FolderStream(Path(unquote(urlsplit(url).path)), sources)
    group = f"groundplan-{project.answers.system.name}"
    shared = "online_store" in project.answers.engines
    stream: Stream = table.find("events", url)(url, sources, group, shared=shared)
    return stream


def open_feed(
    project: Project,
    inputs: FeatureSet,
    store: OnlineStore,
    home: Path,
    *,
    batch: int = BATCH,
    taken: Taken | None = None,
    stored: Callable[[], None] | None = None,
) -> Feed | None:
    """The feed from the stream that the answers name into the state; None where they name none.

    Of the processes that share an embedded state, one reads: the holder of a lease in its folder.
    Those that share a store on a server divide the partitions of Kafka as a consumer group.

    Args:
        project: its answers name the stream.
        inputs: the features.
        store: the state.
        home: where the embedded state and the dead letters lie.
        batch: the most records stored in one step.
        taken: told of records before they are stored.
        stored: called when these records are in the state.

    Raises:
        InputError: the folder of events is not there.
        EngineError: the engine is wrong.
    """
    stream = open_stream(project, inputs)
    if stream is None:
        return None
    letters = DeadLetters(home / "dead_letters.ndjson")
    if "online_store" in project.answers.engines and not isinstance(stream, FolderStream):
        return Feed(Schema(inputs), store, stream, letters, batch=batch, taken=taken, stored=stored)
    lease = Lease(home / "state" / "feed.lock")
    return Feed(
        Schema(inputs),
        store,
        stream,
        letters,
        batch=batch,
        taken=taken,
        stored=stored,
        mine=lease.take,
    )


def begin(store: OnlineStore, files: Sequence[Path], report: "Report") -> None:
    """Fill the state from a build's history, unless it was filled from one by `ingest`.

    A file whose mark is there was taken to its end; one that was cut off goes on.

    Args:
        store: the state.
        files: one for each source, in their order.
        report: told the progress.
    """
    marks = {name for name in store.offsets() if name.startswith(_HISTORY)}
    if marks - {f"{_HISTORY}{file.name}" for file in files}:
        return
    for source, file in enumerate(files):
        if f"{_HISTORY}{file.name}" not in marks:
            fill(store, file, file.name, report, source)


def fill(
    store: OnlineStore, history: "Path | pa.Table", name: str, report: "Report", source: int = 0
) -> tuple[int, int, int]:
    """Fill the state from a history and mark that it was; it goes on where it was cut off.

    Args:
        store: the state.
        history: a Parquet file or an Arrow table.
        name: what the mark is called, such as the file's name.
        report: told the progress.
        source: the position of the history's source.

    Returns:
        How many events were added, known and expired.

    Raises:
        InputError: a column is missing, or a value breaks a rule.
    """
    found = store.ingest(history, lambda done, total: report(name, done, total), source)
    total = found.added + found.known + found.expired
    store.append([], {f"{_HISTORY}{name}": total})
    return found.added, found.known, found.expired
