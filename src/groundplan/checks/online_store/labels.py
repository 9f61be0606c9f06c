"""Labels: what becomes known later, or came before its event."""

from groundplan.checks.online_store.handle import Make, equal, expect, opened, refused
from groundplan.checks.online_store.orders import REACH, SECOND, START, definition, order, table
from groundplan.checks.online_store.rule import Rule
from groundplan.features import Event, Label


def labels_come_after(make: Make) -> None:
    """A label changes the windows that read it; it may come again, and be taken back."""
    with opened(make) as store:
        rows = [order(n, START + n * SECOND // 2) for n in range(4)]
        rule, probe = Rule(definition(), rows), order(9, START + 7 * SECOND)
        store.append(rows)
        for label in (
            Label("o1", "returned", True),
            Label("o2", "returned", True),
            Label("o2", "disputed", True),
            Label("o2", "disputed", True),
            Label("o1", "returned", False),
        ):
            became = store.append([label])
            expect(became.labelled == 1, f"{label} labels an event, not {became}")
            rule.record(label)
            equal(store.peek(probe), rule.row(probe), f"an order after {label}")


def labels_come_before(make: Make) -> None:
    """A label of an event that has not come waits for it, whichever way it then comes."""
    for number, way in enumerate(("join", "append", "ingest")):
        with opened(make) as store:
            first = order(number, START + 2 * REACH * number)
            label = Label(first.id, "disputed", True)
            became = store.append([label, Label(first.id, "returned", True)])
            expect(became.parked == 2, f"both labels wait, not {became}")
            store.append([Label(first.id, "returned", False)])
            if way == "join":
                store.join(first)
            elif way == "append":
                store.append([first])
            else:
                store.ingest(table([first]))
            rule, probe = Rule(definition(), [first]), order(9, first.time + SECOND)
            rule.record(label)
            equal(store.peek(probe), rule.row(probe), f"after a label before its event, {way}")


def labels_come_along(make: Make) -> None:
    """In one batch labels hold wherever they stand; a repeat sets a label and takes none back."""
    with opened(make) as store:
        first, probe = order(1, START), order(9, START + SECOND)
        store.append([Label("o1", "disputed", False), first, Label("o1", "disputed", True)])
        rule = Rule(definition(), [first])
        rule.record(Label("o1", "disputed", True))
        equal(store.peek(probe), rule.row(probe), "after a label behind its event")
        store.append([first])
        equal(store.peek(probe), rule.row(probe), "after a repeat without the label")
        second = order(2, START)
        store.append([second, Event(second.id, second.time, second.values, (False, True))])
        rule.record(second, Label("o2", "disputed", True))
        equal(store.peek(probe), rule.row(probe), "after a repeat with a label")


def an_unknown_label_is_refused(make: Make) -> None:
    """A label that the source does not have is refused by its name."""
    with opened(make) as store:
        store.append([order(1, START)])
        refused(lambda: store.append([Label("o1", "lost", True)]), "lost", "an unknown label")
