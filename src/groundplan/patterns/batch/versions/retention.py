"""Which versions there are, which came before the live one, and which may go."""

from groundplan.errors import BuildError, EngineError
from groundplan.patterns.batch.archive import Archive
from groundplan.scores.store import ScoreStore
from groundplan.scores.version import Version


def complete(archive: Archive, store: ScoreStore) -> tuple[str, ...]:
    """The names of all complete versions, as they were published, the oldest first.

    Not by name: a clock that was set back names a later version before an earlier one.
    """
    order = {name: (0, name) for name in archive.names()} | _orders(archive, store)
    return tuple(sorted(order, key=order.__getitem__))


def following(archive: Archive, store: ScoreStore) -> int:
    """The serial of the version that is published next."""
    return 1 + max((serial for serial, _ in _orders(archive, store).values()), default=0)


def current(archive: Archive, store: ScoreStore) -> Version | None:
    """The version to compare with and to go back from: the live one; None before the first.

    Where the live one cannot be read any more it is the newest that was archived and not
    withdrawn, so that a damaged file keeps nobody from publishing the next.
    """
    try:
        return store.live()
    except EngineError:
        kept = [name for name in complete(archive, store) if archive.has(name)]
        names = [name for name in kept if not archive.withdrawn(name)]
        return archive.read(names[-1]) if names else None


def previous(archive: Archive, store: ScoreStore, live: str) -> str | None:
    """The newest version before the live one that nobody rolled back from; None without one."""
    names = complete(archive, store)
    before = names[: names.index(live)] if live in names else names
    older = [name for name in before if not archive.withdrawn(name)]
    return older[-1] if older else None


def retain(archive: Archive, store: ScoreStore, keep: int, live: str) -> tuple[str, ...]:
    """Forget all but the newest versions, the live one and its predecessor; those that went."""
    names = complete(archive, store)
    stay = {*names[-keep:], live, previous(archive, store, live)}
    gone = tuple(name for name in names if name not in stay)
    stored = {version.name for version in store.versions()}
    for name in gone:
        if name in stored:
            store.drop(name)
        archive.drop(name)
    return gone


def _orders(archive: Archive, store: ScoreStore) -> dict[str, tuple[int, str]]:
    """What versions sort by, of all whose record can be read."""
    found = {version.name: version.order for version in store.versions()}
    for name in archive.names():
        if name not in found:
            try:
                found[name] = archive.read(name).order
            except BuildError:
                continue
    return found
