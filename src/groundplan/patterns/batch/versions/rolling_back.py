"""Back to a version that was live before: its scores and its model, in one step for readers."""

import difflib
import time
from contextlib import closing

from msgspec import Struct

from groundplan.errors import EngineError, InputError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.stores import open_store
from groundplan.patterns.batch.versions import intent
from groundplan.patterns.batch.versions.intent import Intent
from groundplan.patterns.batch.versions.retention import complete, current, previous
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.rollout.builds import Build
from groundplan.scores.store import ScoreStore, Verifiable
from groundplan.scores.version import Version


class RolledBack(Struct, frozen=True):
    """What a rollback moved.

    Args:
        version: the name of the version that is live now.
        before: that of the one before.
        as_of: us since 1970: the moment of which the scores tell.
        build: the build that scores next.
        build_before: the one that would have.
        swapped_us: us from before the first pointer moved until both had. That a loss of power
            cannot take them back is seen to afterwards.
        seconds: in all.
    """

    version: str
    before: str
    as_of: int
    build: str
    build_before: str | None
    swapped_us: float
    seconds: float


class Listed(Struct, frozen=True):
    """A version that a rollback can reach.

    Args:
        name: of the version.
        as_of: us since 1970.
        age: us since then.
        rows: how many keys.
        build: that scored.
        mean: of the scores.
        live: whether readers see it.
        withdrawn: whether somebody rolled back from it.
    """

    name: str
    as_of: int
    age: int
    rows: int
    build: str
    mean: float
    live: bool
    withdrawn: bool


def rollback(project: Project, to: str | None = None, wait: float = intent.WAIT) -> RolledBack:
    """Make an earlier version live again, and let its build score next.

    The version that it leaves stays, marked as withdrawn: it is no goal of a later rollback
    unless it is named. A `kill -9` between the two pointers is completed by the next command
    that announces, rolls back or scores.

    Args:
        project: the answers.
        to: the version; by default the newest before the live one that is not withdrawn.
        wait: seconds to wait for a publication that is under way.

    Raises:
        InputError: nothing is published, there is no such version, or it is live already.
        BuildError: its build is gone or was altered; or its scores would have to be written again,
            and the archived parts were altered.
        EngineError: the store did not do its work, or another process holds it for too long.
    """
    began = time.monotonic()
    with intent.announcing(project, "rolling back", wait) as store:
        archive = Archive(project.home)
        live = current(archive, store)
        if live is None:
            raise InputError("version", "nothing is published yet: run `groundplan score` first")
        target = _target(archive, store, live, to)
        build = Build(project.home / "builds" / target.build).folder.name
        now = channels.name(project.home, channels.LIVE)
        meant = Intent("rollback", target.name, live.name, build, now)
        intent.begin(project.home, meant)
        took = intent.move(project.home, archive, store, meant)
        intent.end(project.home)
    return RolledBack(
        version=target.name,
        before=live.name,
        as_of=target.as_of,
        build=build,
        build_before=now,
        swapped_us=took,
        seconds=time.monotonic() - began,
    )


def listed(project: Project) -> tuple[Listed, ...]:
    """The complete versions, the newest first."""
    archive, now = Archive(project.home), time.time_ns() // 1_000
    meant = intent.pending(project.home)
    coming = meant.to if meant is not None and meant.what == "publish" else None
    with closing(open_store(project)) as store:
        live = store.pointed()
        found = {version.name: version for version in store.versions()}
    found |= {name: archive.read(name) for name in archive.names() if name not in found}
    return tuple(
        Listed(
            name=version.name,
            as_of=version.as_of,
            age=max(0, now - version.as_of),
            rows=version.rows,
            build=version.build,
            mean=version.overall.score,
            live=version.name == live,
            withdrawn=archive.withdrawn(version.name),
        )
        for version in sorted(found.values(), key=lambda each: each.order, reverse=True)
        if version.name == live or version.name != coming
    )


def _target(archive: Archive, store: ScoreStore, live: Version, to: str | None) -> Version:
    """The version to go to, which the store has afterwards."""
    names = complete(archive, store)
    name = to or previous(archive, store, live.name)
    if name is None:
        raise InputError(
            "version",
            f"{live.name} is the oldest version that is not withdrawn: there is nothing to go "
            "back to; `groundplan rollback --list` shows what there is",
        )
    if name == live.name:
        raise InputError("version", f"{name} is live already")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise InputError("version", f"there is no complete version {name!r}: {hint}")
    for version in store.versions():
        if version.name == name and _whole(store, name):
            return version
    version = archive.read(name)  # another store was named meanwhile, or its file is damaged
    store.load(version, archive.whole(version))
    if not _whole(store, name):
        raise EngineError(f"{name} is damaged again once it is written: look after the disk")
    return version


def _whole(store: ScoreStore, name: str) -> bool:
    """Whether every byte of a version is as it was written, where the store can tell."""
    if not isinstance(store, Verifiable):
        return True
    try:
        store.verify(name)
    except EngineError:
        return False
    return True
