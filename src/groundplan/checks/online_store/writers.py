"""Several handles of one store, as several processes have them."""

from collections.abc import Sequence
from typing import Any

from groundplan.checks.online_store.handle import Make, at_once, equal, expect, opened
from groundplan.checks.online_store.orders import SECOND, START, definition, events, order
from groundplan.checks.online_store.rule import Rule
from groundplan.features import Event, Label, OnlineStore


def handles_see_each_other(make: Make) -> None:
    """What one handle has recorded, another that is open counts at once."""
    made = [event for event in events(3, 60) if event.source == 0]
    rule = Rule(definition())
    with opened(make) as one, opened(make) as other:
        for at, event in enumerate(made):
            handle = (one, other)[at % 2]
            equal(handle.join(event), rule.row(event), f"join of {event}")
            rule.record(event)
        label = Label(made[0].id, "disputed", True)
        one.append([label], {"orders/0": 5})
        rule.record(label)
        probe = order(-1, made[-1].time + SECOND)
        equal(other.peek(probe), rule.row(probe), "a probe of the other handle")
        expect(other.offsets()["orders/0"] == 5, "the other handle reads the offset")


def concurrent_writers_lose_nothing(make: Make) -> None:
    """Joins and appends of one entity by several handles at once all count."""
    rows = [[order(100 * w + n, START + n * 1_000 + w) for n in range(50)] for w in range(4)]

    def work(store: OnlineStore, mine: Sequence[Event]) -> None:
        for at in range(0, len(mine), 5):
            store.join(mine[at])
            store.append(mine[at : at + 5], {f"orders/{mine[0].id}": at + 5})

    at_once(make, work, rows)
    with opened(make) as store:
        rule, probe = (
            Rule(definition(), [event for mine in rows for event in mine]),
            order(-1, START + SECOND),
        )
        equal(store.peek(probe), rule.row(probe), "an order after four writers")
        found = dict(store.offsets())
        expect(found == {f"orders/{mine[0].id}": 50 for mine in rows}, f"offsets are {found}")


def concurrent_repeats_count_once(make: Make) -> None:
    """The same events by several handles at once, in different orders, count once."""
    rows = [order(n, START + n * 1_000) for n in range(60)]
    turns = [rows, rows[::-1], rows[30:] + rows[:30]]

    def work(store: OnlineStore, mine: Sequence[Event]) -> None:
        for at in range(0, len(mine), 10):
            store.append(mine[at : at + 5])
            for event in mine[at + 5 : at + 10]:
                store.join(event)

    at_once(make, work, turns)
    with opened(make) as store:
        rule, probe = Rule(definition(), rows), order(-1, START + SECOND)
        equal(store.peek(probe), rule.row(probe), "an order after three writers of the same")
        expect(store.stats().events == len(rows), f"{len(rows)} events, not {store.stats()}")


def concurrent_labels_are_all_kept(make: Make) -> None:
    """Different labels of the same events by several handles at once are all kept."""
    rows = [order(n, START + n * 1_000) for n in range(30)]
    with opened(make) as store:
        store.append(rows[:15])
    labels = [[Label(e.id, name, True) for e in rows] for name in ("returned", "disputed")]

    def work(store: OnlineStore, mine: Sequence[Any]) -> None:
        for row in mine:
            store.append([row])

    at_once(make, work, [*labels, rows[15:]])
    with opened(make) as store:
        rule, probe = Rule(definition(), rows), order(-1, START + 6 * SECOND)
        rule.record(*labels[0], *labels[1])
        equal(store.peek(probe), rule.row(probe), "an order after two writers of labels")
