"""Handles of the store that is checked, and what is expected of them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from groundplan.checks.online_store.orders import definition, events, later
from groundplan.checks.online_store.rule import Rule, same
from groundplan.errors import InputError
from groundplan.features import Event, FeatureSet, OnlineStore

Make: TypeAlias = Callable[[FeatureSet], OnlineStore]
"""Opens one more handle of the store."""


class Unmet(AssertionError):
    """A store does not do what the port promises."""


@contextlib.contextmanager
def opened(make: Make) -> Iterator[OnlineStore]:
    """A handle, closed at the end."""
    store = make(definition())
    try:
        yield store
    finally:
        store.close()


def rounds(make: Make, count: int) -> Iterator[tuple[OnlineStore, Rule, list[Event]]]:
    """The store with its twin and random events, several times over, each far after the last."""
    rule = Rule(definition())
    for number in range(count):
        with opened(make) as store:
            yield store, rule, later(events(number, 80), number)


def at_once(
    make: Make, work: Callable[[OnlineStore, Sequence[Any]], None], rows: Sequence[Sequence[Any]]
) -> None:
    """Work on each list of rows in a thread and with a handle of its own, all at the same time."""
    failures: list[BaseException] = []

    def run(mine: Sequence[Any]) -> None:
        try:
            with opened(make) as store:
                work(store, mine)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=(mine,)) for mine in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def expect(met: bool, what: str) -> None:
    """Raise `Unmet` with what should be, where it is not."""
    if not met:
        raise Unmet(what)


def equal(found: npt.NDArray[np.float64], right: npt.NDArray[np.float64], what: str) -> None:
    """Expect equal rows of features, bit for bit."""
    pairs = zip(definition().names, found.tolist(), right.tolist(), strict=True)
    wrong = [f"{name} is {x!r} and should be {y!r}" for name, x, y in pairs if not same(x, y)]
    expect(not wrong, f"{what}: {'; '.join(wrong)}")


def refused(act: Callable[[], Any], field: str, what: str) -> None:
    """Expect an `InputError` that names this field."""
    try:
        act()
    except InputError as error:
        expect(error.field == field, f"{what} names {error.field!r} and should name {field!r}")
        return
    raise Unmet(f"{what} is not refused")
