"""Batches: whole or not at all, with the offsets of their stream."""

from groundplan.checks.online_store.handle import Make, equal, expect, opened, refused
from groundplan.checks.online_store.orders import SECOND, START, definition, order
from groundplan.checks.online_store.rule import Rule
from groundplan.features import Event, Label


def a_batch_is_recorded_whole_or_not_at_all(make: Make) -> None:
    """One row that is refused leaves the store as it was, the offsets included."""
    with opened(make) as store:
        store.append([order(1, START)], {"orders/0": 1})
        rows: list[Event | Label] = [
            order(2, START + 1),
            Label("o1", "disputed", True),
            order(1, START + 2),
        ]
        refused(lambda: store.append(rows, {"orders/0": 4}), "order", "the third row")
        rule, probe = Rule(definition(), [order(1, START)]), order(9, START + SECOND)
        equal(store.peek(probe), rule.row(probe), "an order after a refused batch")
        expect(dict(store.offsets()) == {"orders/0": 1}, "the offset of a refused batch stays")


def offsets_lie_beside_the_state(make: Make) -> None:
    """`append` leaves the offsets of the partitions that it names, and those of the others."""
    with opened(make) as store:
        expect(dict(store.offsets()) == {}, "a new store has read nothing")
        store.append([order(1, START)], {"orders/0": 1, "orders/1": 7})
        store.append([], {"orders/1": 2**53 + 1})
        store.append([order(2, START)])
        found = dict(store.offsets())
        expect(found == {"orders/0": 1, "orders/1": 2**53 + 1}, f"offsets are {found}")
