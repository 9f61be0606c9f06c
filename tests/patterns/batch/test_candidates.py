"""A delta computes the features of candidates only, and finds what a full run would find."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundplan import Source, Table, apply, category, features
from groundplan.engines import places
from groundplan.features import FeatureSet, offline
from groundplan.features.columns import needed
from groundplan.features.windows import FUNCTIONS, Lookup
from groundplan.patterns.batch.runs import candidates
from groundplan.patterns.batch.runs.candidates import Found, Prior
from groundplan.patterns.batch.runs.engine import KEY, SEGMENT, files
from groundplan.patterns.batch.runs.features import Snapshot
from groundplan.patterns.batch.runs.kept import Kept
from groundplan.patterns.batch.runs.run import Run
from groundplan.patterns.batch.runs.snapshot import Snapshots
from groundplan.patterns.batch.runs.traces import Tracing, read
from groundplan.units import DAY, HOUR

THEN = 1_782_864_000_000_000
KEEP = (KEY, SEGMENT)

people = Source(
    "people",
    time="seen",
    id="row",
    fields={"person": int, "land": str, "x": float | None, "tier": str, "old": bool | None},
)
paid = Source(
    "paid",
    time="at",
    id="payment",
    fields={"person": int, "land": str, "amount": float | None, "kind": str},
)
profiles = Table("profiles", key="person", time="since", fields={"plan": str, "limit": int | None})
mine = paid.by("person")
lands = paid.by("land")
MIXED = features(
    x=people.x,
    old=people.old,
    tier=category(people.tier, ["a", "b"]),
    half=people.x / 2,
    n1=mine.count("1h"),
    n2=mine.count("1d", delay="2h"),
    total=mine.sum("amount", "1d"),
    mean=mine.mean("amount", "3h"),
    spread=mine.std("amount", "1d"),
    least=mine.min("amount", "1d"),
    last=mine.last("amount", "2d"),
    first=mine.first("amount", "1h"),
    kinds=mine.distinct("kind", "1d"),
    signs=mine.count("1d", where=1 / paid.amount > 0),
    land=lands.count("2h", delay="1h"),
    plan=category(profiles.plan, ["p", "q"]),
    limit=profiles.limit,
    of=people,
)
AGED = features(x=people.x, ago=mine.since("3h"), n=mine.count("1d"), of=people)
EDGES = (HOUR, 2 * HOUR, 3 * HOUR, 26 * HOUR, DAY, 2 * DAY)


class World:
    """What one run reads: the rows to score, payments and profiles, as of a moment."""

    def __init__(self, rows: Any, payments: Any, versions: Any, at: int) -> None:
        self.at = at
        person, land, x, tier, old = zip(*rows, strict=True)
        self.tables = {
            "people": pa.table(
                {
                    "person": pa.array(person, pa.int64()),
                    "land": pa.array(land, pa.string()),
                    "x": pa.array(x, pa.float64()),
                    "tier": pa.array(tier, pa.string()),
                    "old": pa.array(old, pa.bool_()),
                }
            ),
            "paid": pa.table(
                {
                    "payment": pa.array([each[0] for each in payments], pa.int64()),
                    "at": _times([each[1] for each in payments]),
                    "person": pa.array([each[2] for each in payments], pa.int64()),
                    "land": pa.array([each[3] for each in payments], pa.string()),
                    "amount": pa.array([each[4] for each in payments], pa.float64()),
                    "kind": pa.array([each[5] for each in payments], pa.string()),
                }
            ),
            "profiles": pa.table(
                {
                    "person": pa.array([each[0] for each in versions], pa.int64()),
                    "since": _times([each[1] for each in versions]),
                    "plan": pa.array([each[2] for each in versions], pa.string()),
                    "limit": pa.array([each[3] for each in versions], pa.int64()),
                }
            ),
        }


def _times(us: list[int]) -> Any:
    return pa.array(us, pa.int64()).cast(pa.timestamp("us"))


def snapshot(inputs: FeatureSet, world: World, folder: Path) -> None:
    """Take the rows as a run does, in one partition."""
    asked: dict[str, Any] = {"as_of": world.at, "partitions": 1, "progress": lambda *_: None}
    with places.connected(threads=1) as connection:
        snapshots = Snapshots(connection)
        snapshots.population(
            people,
            world.tables["people"],
            folder / "in" / "people",
            columns=[name for name in needed(inputs) if name in people.fields],
            key="person",
            segment="tier",
            **asked,
        )
        for at, source in enumerate(inputs.sources[1:], 1):
            snapshots.history(
                source,
                world.tables[source.name],
                folder / "in" / source.name,
                columns=needed(inputs, at),
                by=None,
                since=None if source.versioned else world.at - inputs.reach(at),
                **asked,
            )


def rows(inputs: FeatureSet, folder: Path) -> Snapshot:
    return Snapshot(inputs, *files(folder, inputs, 0), KEEP, 1 << 28, 1)


def matrix(inputs: FeatureSet, batches: Any) -> Any:
    found = pa.Table.from_batches(list(batches)).select([*KEEP, *inputs.names])
    return found.column(KEY).to_pylist(), found.column(SEGMENT).to_pylist(), bits(inputs, found)


def bits(inputs: FeatureSet, found: Any) -> Any:
    """The features' bits, missing ones being alike."""
    values = offline.matrix(found, inputs.names)
    return np.where(np.isnan(values), np.nan, values).view(np.uint64).tolist()


def both(inputs: FeatureSet, before: World, after: World, folder: Path) -> tuple[Found, int]:
    """Hold a delta against computing everybody; what was found, and how many truly changed."""
    old, new = folder / "old", folder / "new"
    snapshot(inputs, before, old)
    snapshot(inputs, after, new)
    tracing = Tracing(old, 0)
    past: dict[int, Any] = {}
    for batch in rows(inputs, old).computed():
        table = pa.Table.from_batches([batch])
        tracing.write(offline.matrix(table, inputs.names))
        past |= zip(table.column(KEY).to_pylist(), bits(inputs, table), strict=True)
    tracing.close()
    run = Run(
        name="old", build="b", as_of=before.at, key="int", partitions=1,
        population=len(past), data={},
    )  # fmt: skip
    prior = Prior(Kept(old, run), 0, read(old, 0, len(inputs.names)), after.at)
    found = candidates.find(inputs, prior, *files(new, inputs, 0), threads=1)
    full = matrix(inputs, rows(inputs, new).computed())
    assert matrix(inputs, rows(inputs, new).merged(prior, found)) == full
    return found, sum(past.get(key) != now for key, _, now in zip(*full, strict=True))


PEOPLE = st.tuples(
    st.sampled_from(["fr", "de", "it"]),
    st.sampled_from([None, 0.0, -0.0, 1.5, float("nan")]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, True, False]),
)
SHIFTS = st.sampled_from([0, 0, 1, HOUR, -HOUR, 2 * HOUR - 1, DAY, 3 * DAY])


@st.composite
def worlds(draw: Any) -> tuple[World, World]:
    """Two runs after each other: rows and events that stay, change, come late, come and go."""
    shift = draw(SHIFTS)
    ages = st.builds(
        lambda edge, near, end: end - edge + near,
        st.sampled_from([0, *EDGES]),
        st.sampled_from([-1, 0, 1, -HOUR // 2]),
        st.sampled_from([THEN, THEN + shift]),
    )
    everybody = draw(st.lists(PEOPLE, min_size=6, max_size=16))
    before = [(key, *row) for key, row in enumerate(everybody)]
    payment = st.tuples(
        ages,
        st.integers(0, 16),
        st.sampled_from(["fr", "de", "it"]),
        st.sampled_from([None, 0.0, -0.0, 2.5]),
        st.sampled_from(["k", "l"]),
    )
    version = st.tuples(
        st.integers(0, 16), ages, st.sampled_from(["p", "q"]), st.sampled_from([None, 1, 2])
    )
    events = [(at, *each) for at, each in enumerate(draw(st.lists(payment, max_size=32)))]
    profile = draw(st.lists(version, max_size=8, unique_by=lambda each: each[:2]))
    worlds_ = [World(before, events, profile, THEN)]
    changed = draw(st.booleans())
    if changed:
        before = draw(st.permutations(before))[draw(st.integers(0, 1)) :]
        at = draw(st.integers(0, len(before) - 1))
        before[at] = (before[at][0], *draw(PEOPLE))
        before += [(99, *draw(PEOPLE))] * draw(st.integers(0, 1))
    more = draw(st.lists(payment, max_size=2))
    dropped = draw(st.sets(st.integers(0, 31), max_size=2))
    events = [each for each in events if each[0] not in dropped]
    events += [(100 + at, *each) for at, each in enumerate(more)]
    if draw(st.booleans()):
        profile = profile[1:]
    worlds_.append(World(before, draw(st.permutations(events)), profile, THEN + shift))
    return worlds_[0], worlds_[1]


@pytest.mark.parametrize("inputs", [MIXED, AGED], ids=["mixed", "aged"])
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pair=worlds())
def test_a_delta_finds_what_computing_everybody_finds(
    inputs: FeatureSet, pair: tuple[World, World], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever came, went, came late or aged over an edge: the features are equal to the bit."""
    found, changed = both(inputs, *pair, tmp_path_factory.mktemp("runs"))
    assert found.candidates.sum() >= changed


ROWS = [(key, "fr" if key % 2 else "de", 1.0, "a", None) for key in range(8)]
EVENTS = [(at, THEN - at * HOUR - 7, at % 8, "it", 2.5, "k") for at in range(40)]


def found(after: World, tmp_path: Path, inputs: FeatureSet = MIXED) -> list[int]:
    """The keys that are candidates after `ROWS` and `EVENTS`."""
    which, _ = both(inputs, World(ROWS, EVENTS, [], THEN), after, tmp_path)
    keys = after.tables["people"].column("person").to_numpy()
    return sorted(keys[which.candidates].tolist())


def test_nobody_is_a_candidate_where_nothing_changed(tmp_path: Path) -> None:
    """In any order of rows and events; and events that no window holds are none of its."""
    old = (999, THEN - 9 * DAY, 3, "fr", 1.0, "k")
    after = World(ROWS[::-1], [old, *EVENTS[::-1]], [], THEN)
    assert found(after, tmp_path) == []


def test_a_row_that_changed_or_is_new_is_a_candidate(tmp_path: Path) -> None:
    """-0.0 for 0.0 is a change."""
    rows_ = [*ROWS[:3], (3, "fr", 2.0, "a", None), *ROWS[4:7], (9, "de", 1.0, "a", None)]
    assert found(World(rows_, EVENTS, [], THEN), tmp_path) == [3, 9]


def test_an_event_makes_candidates_of_those_who_read_its_entity(tmp_path: Path) -> None:
    """A late payment counts for its person, and for everybody of its land where that is read."""
    late = (999, THEN - 5 * HOUR, 2, "it", 1.0, "k")
    assert found(World(ROWS, [*EVENTS, late], [], THEN), tmp_path / "a") == [2]
    late = (999, THEN - 2 * HOUR, 2, "fr", 1.0, "k")
    assert found(World(ROWS, [*EVENTS, late], [], THEN), tmp_path / "b") == [1, 2, 3, 5, 7]


def test_an_event_that_left_or_changed_is_found(tmp_path: Path) -> None:
    """By what is read of it: a sign, too."""
    without = [each for each in EVENTS if each[0] != 12]
    assert found(World(ROWS, without, [], THEN), tmp_path / "a") == [4]
    changed = [(*each[:4], -0.0, each[5]) if each[0] == 12 else each for each in EVENTS]
    assert found(World(ROWS, changed, [], THEN), tmp_path / "b") == [4]


def test_a_later_moment_makes_candidates_of_those_whose_events_pass_an_edge(
    tmp_path: Path,
) -> None:
    """An hour on, one event passes each of the edges: of another person at every edge."""
    few = [each for each in EVENTS if each[0] in (4, 13, 22)]
    before = World(ROWS, few, [], THEN)
    which, changed = both(MIXED, before, World(ROWS, few, [], THEN + HOUR), tmp_path)
    assert which.candidates.sum() == changed == 0
    after = World(ROWS, few, [], THEN + 3 * HOUR)
    which, changed = both(MIXED, before, after, tmp_path / "more")
    assert np.flatnonzero(which.candidates).tolist() == [6]  # 22 hours old, then 25
    assert changed == 1


def test_what_depends_on_time_makes_candidates_of_everybody_it_is_about(tmp_path: Path) -> None:
    """An hour of the day all; the time since an event only those who had one in the window."""
    hours = features(hour=people.time.hour(), n=mine.count("1d"), of=people)
    later = World(ROWS, EVENTS, [], THEN + 1)
    which, _ = both(hours, World(ROWS, EVENTS, [], THEN), later, tmp_path / "a")
    assert which.candidates.all()
    assert "hour depends on the moment" in which.everyone
    assert found(later, tmp_path / "b", AGED) == [0, 1, 2]
    assert found(World(ROWS, EVENTS, [], THEN), tmp_path / "c", AGED) == []


def doubled(x: Any) -> Any:
    return x * 2


def test_what_a_function_reads_is_not_known(tmp_path: Path) -> None:
    """So that everybody is computed where a feature calls one."""
    called = features(twice=apply(doubled, people.x), n=mine.count("1d"), of=people)
    world = World(ROWS, EVENTS, [], THEN)
    which, _ = both(called, world, world, tmp_path)
    assert which.candidates.all()
    assert "twice calls a function" in which.everyone


def test_many_candidates_are_computed_together(tmp_path: Path) -> None:
    """With more than half of the keys, telling them apart saves nothing, and is said."""
    rows_ = [(*row[:2], 3.0, *row[3:]) for row in ROWS[:5]] + ROWS[5:]
    before = World(ROWS, EVENTS, [], THEN)
    which, _ = both(MIXED, before, World(rows_, EVENTS, [], THEN), tmp_path)
    assert which.candidates.sum() == 5
    assert which.everyone == "more than 50% of the keys could have changed"


def test_every_window_function_is_known_to_depend_on_age_or_not() -> None:
    """A new function is sorted here before a delta trusts it."""
    names = {function.name for function in (*FUNCTIONS.values(), Lookup())}
    assert names - candidates.STEADY == {"since"}
    assert names >= candidates.STEADY
