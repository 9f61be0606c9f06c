"""Values: the rule for windows, in any order of arrival."""

import random

from groundplan.checks.online_store.handle import Make, equal, expect, opened, refused, rounds
from groundplan.checks.online_store.orders import (
    LATENESS,
    REACH,
    SECOND,
    START,
    definition,
    order,
)
from groundplan.checks.online_store.rule import Rule


def values_in_order(make: Make) -> None:
    """In order of time, `peek` and `join` give the values of the rule, and so does a repeat."""
    for store, rule, made in rounds(make, 3):
        for event in made:
            if event.source:
                store.append([event])
            else:
                equal(store.peek(event), rule.row(event), f"peek of {event}")
                equal(store.join(event), rule.row(event), f"join of {event}")
                equal(store.join(event), rule.row(event), f"join of {event}, repeated")
            rule.record(event)


def values_out_of_order(make: Make) -> None:
    """An event that is late within the lateness takes its place in time."""
    rng = random.Random(7)
    for store, rule, made in rounds(make, 3):
        for event in sorted(made, key=lambda e: e.time + rng.randrange(LATENESS)):
            if event.source:
                store.append([event])
            else:
                equal(store.join(event), rule.row(event), f"join of {event}")
            rule.record(event)


def ties_never_count_for_each_other(make: Make) -> None:
    """Events of one instant get the same values, whichever comes first."""
    with opened(make) as store:
        first = store.join(order(1, START))
        second = store.join(order(2, START))
        equal(second, first, "the second of two equal orders of one instant")
        rule = Rule(definition(), [order(1, START), order(2, START)])
        third = order(3, START + 1)
        equal(store.join(third), rule.row(third), "an order one microsecond later")


def too_late_is_refused(make: Make) -> None:
    """An event beyond the lateness is refused by `join` and `peek`, and changes nothing."""
    with opened(make) as store:
        store.join(order(1, START))
        late = order(2, START - LATENESS - 1)
        refused(lambda: store.join(late), "at", "a join beyond the lateness")
        refused(lambda: store.peek(late), "at", "a peek beyond the lateness")
        on_time = order(3, START - LATENESS)
        rule = Rule(definition(), [order(1, START)])
        equal(store.join(on_time), rule.row(on_time), "an order just within the lateness")
        rule.record(on_time)
        equal(store.peek(order(4, START + 1)), rule.row(order(4, START + 1)), "what follows")


def too_late_is_counted(make: Make) -> None:
    """Among appended events one beyond the lateness is counted, and the others are recorded."""
    with opened(make) as store:
        rows = [order(1, START), order(2, START - LATENESS - 1), order(3, START + 1)]
        became = store.append(rows)
        expect((became.added, became.late) == (2, 1), f"two added and one late, not {became}")
        rule, probe = Rule(definition(), [rows[0], rows[2]]), order(9, START + SECOND)
        equal(store.peek(probe), rule.row(probe), "an order after a late one")


def past_every_window_is_refused(make: Make) -> None:
    """An event that no window of the newest moment reaches is refused, of any entity."""
    with opened(make) as store:
        store.join(order(1, START))
        past = order(2, START - REACH - SECOND, buyer="zoe", shop=77)
        refused(lambda: store.join(past), "at", "a join past every window")
        became = store.append([past])
        expect(became.late == 1, f"an appended event past every window is late, not {became}")


def a_peek_changes_nothing(make: Make) -> None:
    """What was only peeked at is history for nobody."""
    with opened(make) as store:
        store.peek(order(1, START))
        probe = order(2, START + SECOND)
        equal(store.peek(probe), Rule(definition()).row(probe), "an order after a peek")
        expect(store.stats().events == 0, "nothing is remembered after a peek")
