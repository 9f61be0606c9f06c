"""What is being announced right now, so that a cut leaves nothing half done.

A version goes live in several steps, and a rollback moves two pointers. Before the first step
the intent is written; after the last one it is removed. Who finds one, under the lock, brings it
to an end: a publication that did not reach the pointer is taken back, a rollback is completed.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from groundplan.durable import synced, written
from groundplan.errors import InputError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.stores import open_store
from groundplan.patterns.batch.versions.retention import complete
from groundplan.patterns.batch.versions.turn import turn
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.scores.store import ScoreStore

FILE: Final = "announcing.json"

LOCK: Final = "publish.lock"
"""The file whose lock a publication and a rollback hold."""

WAIT: Final = 600.0
"""Seconds to wait for another publication, which takes its time with many keys."""


class Intent(Struct, frozen=True):
    """What is under way.

    Args:
        what: a publication or a rollback.
        to: the version that is to be live.
        before: the version that was live, None before the first.
        build: of a rollback, the build that is to score next.
        build_before: the build that was to score next.
    """

    what: Literal["publish", "rollback"]
    to: str
    before: str | None = None
    build: str | None = None
    build_before: str | None = None


def begin(home: Path, intent: Intent) -> None:
    """Write down what is about to happen."""
    written(home / FILE, msgspec.json.encode(intent))


def end(home: Path) -> None:
    """It has happened."""
    (home / FILE).unlink(missing_ok=True)
    synced(home)


def settle(home: Path, store: ScoreStore) -> Intent | None:
    """Bring what a cut left to an end; to be called under the lock.

    Returns:
        What was found under way; None where nothing was.
    """
    archive = Archive(home)
    archive.clean()
    found = pending(home)
    if found is None:
        return None
    if found.what == "rollback":
        move(home, archive, store, found)
    # The pointer says so, not the record, which may be damaged; what it names is live.
    elif store.pointed() != found.to:
        with suppress(InputError):
            store.drop(found.to)
        archive.drop(found.to)
    end(home)
    return found


@runtime_checkable
class _Shared(Protocol):
    """A store whose publishers may be on several hosts."""

    def lock(self, wait: float) -> AbstractContextManager[Any]:
        """Keeps the others out."""


@contextmanager
def announcing(project: Project, what: str, wait: float) -> Iterator[ScoreStore]:
    """The project's store for the one process that may change which version is live.

    What a cut left is brought to an end first.

    Args:
        project: the answers.
        what: this process does, for one that waits.
        wait: seconds to wait for another.

    Raises:
        EngineError: another still does so, who is named, or the store cannot be reached.
    """
    with (
        turn(project.home / LOCK, what, wait),
        closing(open_store(project)) as store,
        store.lock(wait) if isinstance(store, _Shared) else nullcontext(),
    ):
        settle(project.home, store)
        yield store


def recover(project: Project) -> None:
    """Before it is asked which build scores next: complete a rollback that was cut."""
    if (project.home / FILE).is_file():
        with announcing(project, "completing what was cut", WAIT):
            pass


def move(home: Path, archive: Archive, store: ScoreStore, intent: Intent) -> float:
    """Move the pointers of a rollback; what is there already stays, so that it can be repeated.

    Somebody who let another build score meanwhile had the last word on that.

    Returns:
        us from before the first pointer moved until both had.
    """
    live = store.pointed()
    now = channels.name(home, channels.LIVE)
    modelled = intent.build is not None and now == intent.build_before != intent.build
    channel = channels.prepare(home, channels.LIVE, str(intent.build)) if modelled else None
    began = time.perf_counter_ns()
    if live != intent.to:
        store.point(intent.to)
    if channel is not None:
        channel()
    took = (time.perf_counter_ns() - began) / 1e3
    store.sync()
    if channel is not None:
        channels.settle(home)
    mark(archive, store, intent)
    return took


def mark(archive: Archive, store: ScoreStore, intent: Intent) -> None:
    """A version that was rolled back from is withdrawn; one that was rolled back to is not."""
    archive.restore(intent.to)
    names = complete(archive, store)
    if intent.before in names and intent.to not in names[names.index(intent.before) :]:
        archive.withdraw(intent.before)


def pending(home: Path) -> Intent | None:
    """What is under way, or was when it was cut; None where nothing is."""
    file = home / FILE
    return msgspec.json.decode(file.read_bytes(), type=Intent) if file.is_file() else None
