"""Identifiers: an event counts once, and an identifier names one event."""

from collections.abc import Callable
from functools import partial
from typing import Any

from groundplan.checks.online_store.handle import Make, equal, expect, opened, refused
from groundplan.checks.online_store.orders import SECOND, START, definition, order
from groundplan.checks.online_store.rule import Rule
from groundplan.features import Event, OnlineStore


def a_repeat_counts_once(make: Make) -> None:
    """An identical event that comes again is known, however it comes, and changes nothing."""
    with opened(make) as store:
        rows = [order(n, START + n) for n in range(3)]
        expect(store.append([*rows, rows[0]]).added == 3, "three of four rows are new")
        became = store.append(rows)
        expect((became.added, became.known) == (0, 3), f"all are known, not {became}")
        store.join(rows[1])
        rule, probe = Rule(definition(), rows), order(9, START + SECOND)
        equal(store.peek(probe), rule.row(probe), "an order after repeats")
        expect(store.stats().events == 3, f"three events are remembered, not {store.stats()}")


def an_identifier_names_one_event(make: Make) -> None:
    """Another event under a known identifier is refused, and nothing changes."""
    with opened(make) as store:
        store.join(order(1, START))
        for other in (order(1, START + 1), order(1, START, price=101)):
            for act in (store.join, store.peek, _appending(store)):
                refused(partial(act, other), "order", f"{other}")
        rule, probe = Rule(definition(), [order(1, START)]), order(9, START + SECOND)
        equal(store.peek(probe), rule.row(probe), "an order after refusals")


def zero_has_one_sign(make: Make) -> None:
    """0.0 and -0.0 are the same value, so that a repeat may have the other."""
    with opened(make) as store:
        plus, minus = (
            Event("o1", START, ("ann", 1, 100, zero, False, 1), (False, False))
            for zero in (0.0, -0.0)
        )
        equal(store.join(minus), store.join(plus), "a repeat with the other zero")


def _appending(store: OnlineStore) -> Callable[[Event], Any]:
    return lambda event: store.append([event])
