"""Which versions there are, which came before the live one, and which may go."""

from groundplan.errors import EngineError
from groundplan.patterns.batch.archive import Archive
from groundplan.scores.store import ScoreStore
from groundplan.scores.version import Version


def complete(archive: Archive, store: ScoreStore) -> tuple[str, ...]:
    """The names of all complete versions, the oldest first."""
    return tuple(sorted({*archive.names(), *(version.name for version in store.versions())}))


def current(archive: Archive, store: ScoreStore) -> Version | None:
    """The version to compare with and to go back from: the live one; None before the first.

    Where the live one cannot be read any more it is the newest that was archived and not
    withdrawn, so that a damaged file keeps nobody from publishing the next.
    """
    try:
        return store.live()
    except EngineError:
        names = [name for name in archive.names() if not archive.withdrawn(name)]
        return archive.read(names[-1]) if names else None


def previous(archive: Archive, store: ScoreStore, live: str) -> str | None:
    """The newest version before the live one that nobody rolled back from; None without one."""
    older = [
        name for name in complete(archive, store) if name < live and not archive.withdrawn(name)
    ]
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
