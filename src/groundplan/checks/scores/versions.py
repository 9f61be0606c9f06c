"""Versions: complete ones are listed, one of them is live."""

from groundplan.checks.scores.handle import (
    Make,
    answers,
    expect,
    failing,
    load,
    names,
    opened,
    publish,
    refused,
)
from groundplan.checks.scores.population import rows


def nothing_is_live_at_first(make: Make) -> None:
    """An empty store lists nothing, and reading fails rather than answers."""
    with opened(make) as store:
        expect(store.live() is None, f"an empty store has {store.live()} live")
        expect(store.versions() == (), f"an empty store has {store.versions()}")
        failing(store.current, "`current` before the first version")
        failing(lambda: store.get(1), "`get` before the first version")
        failing(lambda: store.get_many([1]), "`get_many` before the first version")
        publish(store, "v1", rows(range(3)))
        answers(store, "v1", rows(range(3)))


def a_version_is_invisible_until_it_is_live(make: Make) -> None:
    """Loaded and listed, it answers nothing before it is pointed at; then it answers all."""
    with opened(make) as store:
        old, new = rows(range(50)), rows(range(25, 75), 1)
        load(store, "v1", old)
        expect(store.live() is None, "a version is live that was only loaded")
        failing(lambda: store.get(1), "`get` while no version is live")
        store.point("v1")
        load(store, "v2", new)
        expect(names(store) == ["v1", "v2"], f"two versions are complete, not {names(store)}")
        answers(store, "v1", old)
        expect(store.get(60) is None, "a key of a version that is not live has an answer")
        store.point("v2")
        answers(store, "v2", new)
        expect(store.get(10) is None, "a key of the version before has an answer")


def records_come_back_whole(make: Make) -> None:
    """`live`, `versions` and `current` give the record as it was loaded, every field."""
    with opened(make) as store:
        record = publish(store, "v1", rows(["a", "ü"]), "str")
        for said in (store.live(), store.versions()[0], store.current().version):
            expect(said == record, f"the record is {said} and should be {record}")


def the_pointer_moves_back(make: Make) -> None:
    """A version before, made live again, answers as it did; and so on to and fro."""
    with opened(make) as store:
        made = {name: rows(range(40), seed) for seed, name in enumerate(("v1", "v2", "v3"))}
        for name, mine in made.items():
            publish(store, name, mine)
        for name in ("v2", "v1", "v1", "v3", "v1"):
            store.point(name)
            live = store.live()
            expect(live is not None and live.name == name, f"{live} is live and {name} should be")
            expect(store.pointed() == name, f"the pointer says {store.pointed()}, not {name}")
            answers(store, name, made[name])


def many_versions_stand_in_order(make: Make) -> None:
    """The oldest first, in whatever order they were loaded; what is dropped is gone."""
    stood = [f"202608{day:02d}-030000-{day * 7}" for day in range(1, 13)]
    with opened(make) as store:
        for name in (*stood[6:], *stood[:6]):
            load(store, name, rows(range(5), len(name)))
        expect(names(store) == stood, f"versions stand as {names(store)}")
        store.point(stood[4])
        for name in stood[:4]:
            store.drop(name)
        expect(names(store) == stood[4:], f"after four were dropped there are {names(store)}")
        refused(lambda: store.point(stood[0]), "a version that was dropped, as the live one,")


def an_unknown_version_cannot_be_live(make: Make) -> None:
    """It is refused, whatever its name, and the live one stays."""
    with opened(make) as store:
        refused(lambda: store.point("v1"), "an unknown version of an empty store")
        publish(store, "v1", rows(range(5)))
        for name in ("v2", "V1", "", ".", "..", "v1/../v1", "*"):
            refused(lambda name=name: store.point(name), f"the unknown version {name!r}")  # type: ignore[misc]  # a loop's lambda
        answers(store, "v1", rows(range(5)))


def the_live_version_is_not_dropped(make: Make) -> None:
    """It is refused; another one goes, and one that is not there is no matter."""
    with opened(make) as store:
        publish(store, "v1", rows(range(5)))
        load(store, "v2", rows(range(5), 1))
        refused(lambda: store.drop("v1"), "to drop the live version")
        store.drop("v2")
        store.drop("v2")
        store.drop("v9")
        expect(names(store) == ["v1"], f"the live version stays, not {names(store)}")
        answers(store, "v1", rows(range(5)))


def a_version_is_loaded_again(make: Make) -> None:
    """The later load of a name replaces what was there, all of it."""
    with opened(make) as store:
        load(store, "v1", rows(range(100)))
        made = rows(range(90, 120), 1)
        publish(store, "v1", made)
        answers(store, "v1", made)
        expect(store.get(50) is None, "a row of the load before has an answer")
        expect(names(store) == ["v1"], f"there is one version, not {names(store)}")
