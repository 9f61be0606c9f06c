"""What `load` refuses, and that nothing of it is seen."""

from collections.abc import Callable, Sequence
from pathlib import Path

from groundplan.checks.scores.handle import (
    Make,
    answers,
    expect,
    load,
    names,
    opened,
    parted,
    publish,
    refused,
)
from groundplan.checks.scores.population import CODES, DECISIONS, Row, rows, version
from groundplan.errors import GroundplanError
from groundplan.scores.store import ScoreStore
from groundplan.scores.version import Version


def a_key_that_stands_twice_is_refused(make: Make) -> None:
    """In one part or in two, by integers and by texts."""
    with opened(make) as store:
        publish(store, "v1", rows(range(10)))
        for at in (3, 4):  # rows are dealt to three parts: row 0 and row 3 share one
            made = rows(range(9))
            made[at] = Row(0, 0.5)
            refused(lambda made=made: load(store, "v2", made), f"the key 0 in rows 0 and {at}")  # type: ignore[misc]  # a loop's lambda
        texts = [*rows(["a", "b", "c", "d"]), Row("b", 0.5)]
        refused(lambda: load(store, "v2", texts, "str"), "a text that stands twice")
        _unchanged(store)


def a_wrong_number_of_rows_is_refused(make: Make) -> None:
    """More or fewer rows than the record says are not the version that it speaks of."""
    with opened(make) as store:
        publish(store, "v1", rows(range(10)))
        for count in (0, 19, 21):
            with parted(rows(range(count))) as paths:
                record = version("v2", rows(range(20)))
                refused(_loading(store, record, paths), f"{count} rows instead of 20")
        _unchanged(store)


def keys_of_another_type_are_refused(make: Make) -> None:
    """Texts where the record says integers, and the reverse."""
    with opened(make) as store:
        publish(store, "v1", rows(range(10)))
        with parted(rows(["1", "2"]), "str") as paths:
            refused(_loading(store, version("v2", rows([1, 2])), paths), "texts for integers")
        with parted(rows([1, 2])) as paths:
            refused(
                _loading(store, version("v2", rows([1, 2]), "str"), paths), "integers for texts"
            )
        _unchanged(store)


def places_out_of_range_are_refused(make: Make) -> None:
    """A decision or a reason that the record does not name."""
    with opened(make) as store:
        publish(store, "v1", rows(range(10)))
        past = len(CODES) + 1
        for row in (Row(1, 0.5, len(DECISIONS)), *(Row(1, 0.5, 0, (n,)) for n in (0, past, -past))):
            refused(lambda row=row: load(store, "v2", [Row(0, 0.5), row]), f"{row}")  # type: ignore[misc]  # a loop's lambda
        _unchanged(store)


def a_damaged_part_leaves_nothing(make: Make) -> None:
    """A load that fails half-way is seen by nobody, and the next one of that name is whole."""
    with opened(make) as store:
        publish(store, "v1", rows(range(10)))
        made = rows(range(3_000), 1)
        with parted(made) as paths:
            paths[-1].write_bytes(paths[-1].read_bytes()[:-100])
            try:
                store.load(version("v2", made), paths)
            except GroundplanError as error:
                expect(paths[-1].name in str(error), f"{error} does not name {paths[-1].name}")
            else:
                expect(False, "a part that is cut short is not refused")
        _unchanged(store)
        publish(store, "v2", made)
        answers(store, "v2", made)


def _loading(store: ScoreStore, record: Version, paths: Sequence[Path]) -> Callable[[], None]:
    return lambda: store.load(record, paths)


def _unchanged(store: ScoreStore) -> None:
    expect(names(store) == ["v1"], f"there is one complete version, not {names(store)}")
    answers(store, "v1", rows(range(10)))
    refused(lambda: store.point("v2"), "a version whose load was refused, as the live one,")
