"""Handles of the store that is checked, and what is expected of them."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from groundplan.checks.scores.population import Row, agrees, version, write
from groundplan.errors import EngineError, GroundplanError, InputError
from groundplan.scores.store import ScoreStore
from groundplan.scores.version import Version

Make: TypeAlias = Callable[[], ScoreStore]
"""Opens one more handle of the store."""

PATIENCE: Final = 5.0
"""Seconds within which a handle follows the pointer that another one moved."""


class Unmet(AssertionError):
    """A store does not do what the port promises."""


@contextlib.contextmanager
def opened(make: Make) -> Iterator[ScoreStore]:
    """A handle, closed at the end."""
    store = make()
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def parted(
    made: Sequence[Row], key: Literal["int", "str"] = "int", parts: int = 3
) -> Iterator[list[Path]]:
    """The part files of these rows, for as long as they are needed."""
    with tempfile.TemporaryDirectory(prefix="groundplan-scores-") as folder:
        yield write(Path(folder), made, key, parts)


def load(
    store: ScoreStore, name: str, made: Sequence[Row], key: Literal["int", "str"] = "int"
) -> Version:
    """Load a version with these rows; its record."""
    record = version(name, made, key)
    with parted(made, key) as paths:
        store.load(record, paths)
    return record


def publish(
    store: ScoreStore, name: str, made: Sequence[Row], key: Literal["int", "str"] = "int"
) -> Version:
    """Load a version with these rows and make it live; its record."""
    record = load(store, name, made, key)
    store.point(name)
    return record


def expect(met: bool, what: str) -> None:
    """Raise `Unmet` with what should be, where it is not."""
    if not met:
        raise Unmet(what)


def answers(store: ScoreStore, name: str, made: Sequence[Row]) -> None:
    """Expect the answer of every row, one by one and all at once, from this version."""
    for row in made:
        found = store.get(row.key)
        expect(agrees(found, row, name), f"{row.key!r} is {found} and should be {row} of {name}")
    many = store.get_many([row.key for row in made])
    expect(len(many) == len(made), f"{len(made)} keys have {len(many)} answers")
    for row, found in zip(made, many, strict=True):
        expect(agrees(found, row, name), f"{row.key!r} is {found} and should be {row} of {name}")


def follows(store: ScoreStore, name: str) -> None:
    """Expect a handle to read this version before the patience ends."""
    ends = time.monotonic() + PATIENCE
    while (found := store.current().version.name) != name:
        expect(time.monotonic() < ends, f"a handle still reads {found} and should read {name}")
        time.sleep(0.001)


def names(store: ScoreStore) -> list[str]:
    """The names of the complete versions."""
    return [record.name for record in store.versions()]


def refused(act: Callable[[], Any], what: str) -> None:
    """Expect an `InputError`."""
    _raises(InputError, act, what)


def failing(act: Callable[[], Any], what: str) -> None:
    """Expect an `EngineError`."""
    _raises(EngineError, act, what)


def _raises(kind: type[GroundplanError], act: Callable[[], Any], what: str) -> None:
    try:
        act()
    except kind:
        return
    except GroundplanError as error:
        raise Unmet(f"{what} ends in {error!r} and should in an {kind.__name__}") from error
    raise Unmet(f"{what} does not end in an {kind.__name__}")
