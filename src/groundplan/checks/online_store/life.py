"""The life of a store: restarts, what it forgets, and histories in bulk."""

import contextlib

from groundplan.checks.online_store.handle import Make, equal, expect, opened
from groundplan.checks.online_store.orders import (
    REACH,
    SECOND,
    START,
    definition,
    events,
    order,
    table,
)
from groundplan.checks.online_store.rule import Rule
from groundplan.features import Event, Label


def a_restart_keeps_everything(make: Make) -> None:
    """Closed and opened again, it has the events, labels, waiting labels and offsets."""
    made = events(5, 60)
    rule = Rule(definition())
    for at, event in enumerate(made):
        with opened(make) as store:
            if at == 0:
                store.append([Label("later", "disputed", True)])
            if event.source:
                store.append([event], {"others/0": at})
            else:
                equal(store.join(event), rule.row(event), f"join of {event}")
            rule.record(event)
    last = made[-1].time
    with opened(make) as store:
        later = Event("later", last, ("ann", -1, 5, 1.0, True, 1), (False, False))
        store.append([later])
        rule.record(later, Label("later", "disputed", True))
        probe = Event("probe", last + SECOND, ("ann", -1, 5, 1.0, True, 1), (False, False))
        equal(store.peek(probe), rule.row(probe), "a probe at the end")
        offset = max(at for at, event in enumerate(made) if event.source)
        expect(dict(store.offsets()) == {"others/0": offset}, "the offset after the restarts")


def old_state_goes(make: Make) -> None:
    """The bytes of an entity and the identifiers do not grow once the reach is filled."""
    with opened(make) as store:
        sizes = []
        for part in range(6):
            start = START + part * 20 * REACH
            for n in range(0, 800, 40):
                rows = [order(800 * part + n + k, start + (n + k) * REACH // 40) for k in range(40)]
                store.append(rows)
            sizes.append(store.stats().size)
            remembered = store.stats().events
            expect(remembered <= 160, f"of 40 events in the reach, {remembered} are remembered")
        grown = sizes[-1] / sizes[1]
        expect(grown < 1.5, f"the bytes grew {grown:.2f} times while the reach stayed full")


def stats_say_what_is_there(make: Make) -> None:
    """Keys by field, events and the newest time are counted."""
    with opened(make) as store:
        expect(store.stats().newest is None, "an empty store has no newest event")
        store.append([order(n, START + n, shop=n % 3) for n in range(6)])
        stats = store.stats()
        found = (stats.keys["buyer"], stats.keys["shop"], stats.events, stats.newest)
        expect(found == (1, 3, 6, START + 5), f"one buyer, three shops, six events: {stats}")
        expect(stats.size > 0, "what is there takes bytes")


def a_history_and_live_events_agree(make: Make) -> None:
    """Ingested, appended or joined, in any part: later events get the same values."""
    made = events(11, 120)
    cut = made[70].time
    probe = Event("probe", made[-1].time + SECOND, ("ann", -1, 5, 1.0, True, 1), (False, False))
    by_source = [[e for e in made if e.source == source] for source in range(3)]
    with opened(make) as store:
        store.append([e for e in made if e.time > cut][::-1])
        for source in (2, 1, 0):
            became = store.ingest(table(by_source[source], source), None, source)
            total = became.added + became.known + became.expired
            expect(total == len(by_source[source]), f"every event is counted: {became}")
        again = store.ingest(table(by_source[0]))
        expect(again.added == 0, f"a history that is there adds nothing: {again}")
        equal(store.peek(probe), Rule(definition(), made).row(probe), "a probe after all")


def a_history_goes_on_where_it_was_cut_off(make: Make) -> None:
    """Interrupted anywhere and begun anew, the history is there once; progress is told."""
    rows = [order(n, START + n * 1_000) for n in range(2_000)]
    history = table(rows)

    def stop(done: int, total: int) -> None:
        expect(0 < done <= total == len(rows), f"{done} of {total} are done")
        raise InterruptedError

    with opened(make) as store:
        with contextlib.suppress(InterruptedError):
            store.ingest(history, stop)
        store.append(rows[-5:])
        store.ingest(history)
        rule, probe = Rule(definition(), rows), order(-1, START + 5 * SECOND)
        equal(store.peek(probe), rule.row(probe), "an order after an interrupted history")
