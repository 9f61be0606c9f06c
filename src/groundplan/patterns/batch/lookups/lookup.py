"""The published scores of a project, read by this very process."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from groundplan.errors import InputError
from groundplan.patterns.batch.lookups.cold import average
from groundplan.patterns.batch.stores import open_store
from groundplan.project import Project
from groundplan.scores.scored import Live, Scored
from groundplan.scores.store import ScoreStore
from groundplan.scores.version import Version

_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,99}").fullmatch
_TRIES: Final = 20  # versions that may become live while one call reads
_LEAST, _MOST = -(2**63), 2**63 - 1


class Scores:
    """Answers by key, from the version that is live, which it follows by itself.

    `Scores.open("churn").get("7590-VHVEG")` is an answer with score, decision, reasons, version
    and age. No server is asked where the scores are embedded: some 2 us.

    Args:
        store: of published scores.
    """

    __slots__ = ("_get", "store")

    def __init__(self, store: ScoreStore) -> None:
        self.store = store
        self._get = store.get

    @classmethod
    def open(cls, project: Project | Path | str) -> Self:
        """The scores of a project.

        Args:
            project: or its folder.

        Raises:
            ProjectError: there is no such project.
            EngineError: the engine that its answers name cannot be reached.
        """
        found = project if isinstance(project, Project) else Project(Path(project))
        return cls(open_store(found))

    @property
    def version(self) -> Version:
        """The live version.

        Raises:
            EngineError: there is none yet, or the store cannot be read.
        """
        return self.store.current().version

    @property
    def age(self) -> float:
        """Seconds since the moment as of which the live version's inputs were read."""
        return age_us(self.store.current()) / 1e6

    def get(self, key: int | str, segment: str | None = None) -> Scored:
        """The answer for a key; where it was not scored, an average, as its `fallback` says.

        Args:
            key: int or text, as the version has them.
            segment: the value of the segment's field, as text, whose average answers for a key
                that was not scored; without, the average of all.

        Raises:
            InputError: the key is neither int nor text.
            EngineError: there is no live version, or the store cannot be read.
        """
        found = self._get(key)
        if found is None:
            _check(key)
            live, (found,) = read(self.store, [key])
            return average(live, key, segment) if found is None else found
        return found

    def get_many(
        self, keys: Sequence[int | str], segments: Sequence[str | None] | None = None
    ) -> list[Scored]:
        """The answers for many keys, all of one version, in their order.

        Args:
            keys: as `get` takes them.
            segments: for each key, or None.

        Raises:
            InputError: a key is neither int nor text.
            EngineError: as `get`.
        """
        for key in keys:
            _check(key)
        live, found = read(self.store, keys)
        known = segments if segments is not None else [None] * len(keys)
        return [
            average(live, key, segment) if one is None else one
            for key, one, segment in zip(keys, found, known, strict=True)
        ]

    def close(self) -> None:
        """Let go of files and connections."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()


def read(store: ScoreStore, keys: Sequence[int | str]) -> tuple[Live, list[Scored | None]]:
    """The answers for keys and the one version that they come from, also where it has none.

    Raises:
        EngineError: there is no live version, or the store cannot be read.
    """
    live = store.current()
    for _ in range(_TRIES):
        found = store.get_many(keys)
        hit = next((one for one in found if one is not None), None)
        if hit is not None:
            return hit.of, found
        # The very object: a version that went and came back is followed anew.
        before, live = live, store.current()
        if live is before:
            break
        # Another version became live meanwhile, which may have the keys.
    return live, found


def all_typed(keys: Sequence[int | str], live: Live) -> Sequence[int | str]:
    """Keys as a version has them: what `typed` makes of each; an error says which, `keys[7]`.

    Raises:
        InputError: one is not of the version's type.
    """
    kinds = set(map(type, keys))
    if live.version.key == "str":
        fit = kinds <= {str}
    else:
        fit = kinds == {int} and min(keys) >= _LEAST and max(keys) <= _MOST  # type: ignore[operator]  # integers all
    return keys if fit else [typed(key, live, f"keys[{n}]") for n, key in enumerate(keys)]


def age_us(live: Live) -> int:
    """Us since the moment as of which a version's inputs were read."""
    # Not below zero, where the clock was ahead when it was scored, or is behind now.
    return max(0, time.time_ns() // 1_000 - live.version.as_of)


def stale(live: Live) -> bool:
    """Whether a version is older than was promised."""
    return live.promised is not None and age_us(live) > live.promised


def typed(key: int | str, live: Live, field: str = "key") -> int | str:
    """A key as a version has it; texts of whole numbers are taken for these.

    Args:
        key: as somebody asked.
        live: whose keys are of one type.
        field: as an error names it.

    Raises:
        InputError: it is not of that type.
    """
    if live.version.key == "str":
        if isinstance(key, str):
            return key
        raise InputError(field, f"{field} is {key}: the keys are texts, so put it in quotes")
    if isinstance(key, str) and not _WHOLE(key):
        raise InputError(field, f"{field} is {key[:100]!r}: the keys are whole numbers")
    number = int(key)
    if not _LEAST <= number <= _MOST:
        raise InputError(field, f"{field} is {number}: the keys are integers of 64 bits")
    return number


def _check(key: object) -> None:
    """Refuse what nobody can be called: an average would answer for it all the same."""
    if type(key) is not int and not isinstance(key, str):
        raise InputError("key", f"key is {key!r:.100}: give an int or a text, as the version has")
