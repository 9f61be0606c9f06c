"""Several handles: they follow one pointer, and leave each other alone."""

from groundplan.checks.scores.handle import (
    Make,
    answers,
    expect,
    follows,
    load,
    names,
    opened,
    parted,
    publish,
)
from groundplan.checks.scores.population import rows, version


def handles_follow_each_other(make: Make) -> None:
    """What one makes live, the other reads, whoever moved the pointer and in both directions."""
    old, new = rows(range(60)), rows(range(30, 90), 1)
    with opened(make) as one, opened(make) as other:
        publish(one, "v1", old)
        follows(other, "v1")
        answers(other, "v1", old)
        load(other, "v2", new)
        expect(names(one) == ["v1", "v2"], f"one handle lists {names(one)} of the other")
        other.point("v2")
        answers(other, "v2", new)
        follows(one, "v2")
        answers(one, "v2", new)
        one.point("v1")
        answers(one, "v1", old)
        follows(other, "v1")
        answers(other, "v1", old)
        with opened(make) as late:
            answers(late, "v1", old)


def a_dropped_version_serves_those_who_read_it(make: Make) -> None:
    """A handle that was in a version goes on without an error while it is dropped, and follows."""
    made = {f"v{n}": rows(range(50), n) for n in range(4)}
    with opened(make) as writer, opened(make) as reader:
        publish(writer, "v0", made["v0"])
        for n in range(1, 4):
            answers(reader, f"v{n - 1}", made[f"v{n - 1}"])
            publish(writer, f"v{n}", made[f"v{n}"])
            writer.drop(f"v{n - 1}")
            for key in range(50):
                found = reader.get(key)
                expect(found is not None, f"{key} has no answer after v{n - 1} was dropped")
            follows(reader, f"v{n}")


def closing_one_handle_leaves_the_others(make: Make) -> None:
    """Closing is for the handle that is closed, and twice is once."""
    made = rows(range(20))
    with opened(make) as reader:
        with opened(make) as writer:
            publish(writer, "v1", made)
            follows(reader, "v1")
            writer.close()
        answers(reader, "v1", made)


def a_load_tells_how_far_it_is(make: Make) -> None:
    """Progress rises to all the rows that are wanted."""
    made, told = rows(range(1_000)), list[tuple[int, int]]()
    with opened(make) as store, parted(made) as paths:
        store.load(version("v1", made), paths, lambda done, total: told.append((done, total)))
    expect(told == sorted(told), f"progress does not rise: {told}")
    expect(bool(told) and told[-1] == (1_000, 1_000), f"progress ends with {told[-1:]}")
