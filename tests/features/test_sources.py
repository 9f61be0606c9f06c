"""Several sources: windows over other events about the same entity, and profiles as of a time."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from feature_cases import START, arrow, arrows, deals, market, naive_row, same
from groundplan.errors import InputError
from groundplan.features import Event, FeatureSet, Source, Table, category, features, offline

SECOND = 1_000_000


@settings(max_examples=15, deadline=None)
@given(deals())
def test_every_value_equals_the_naive_twin(events: list[Event]) -> None:
    """Random sales, logins and profiles with ties and gaps give the twin's values, bit for bit."""
    inputs = market()
    tables = arrows(inputs, events)
    found = offline.table(inputs, tables.pop("sales"), others=tables)
    sales = [event for event in events if event.source == 0]
    assert found.column("sale").to_pylist() == [event.id for event in sales]
    rows = offline.matrix(found, inputs.names)
    for event, row in zip(sales, rows, strict=True):
        assert same(row, naive_row(inputs, event, events))


def payments() -> FeatureSet:
    source = Source("payments", time="at", id="id", fields={"card": int, "amount": float})
    logins = Source("logins", time="at", id="login", fields={"user": int})
    users = Table("users", key="user", time="since", fields={"segment": str, "limit": float | None})
    return features(
        source.amount,
        users.of("card").limit,
        logins=logins.by("user", of="card").count("10s"),
        gold=users.of("card").segment == "gold",
        segment=category(users.of("card").segment),
    )


def test_the_main_source_is_the_one_whose_own_fields_are_read() -> None:
    """The others follow in order of use, with a history for each key."""
    inputs = payments()
    assert [source.name for source in inputs.sources] == ["payments", "users", "logins"]
    assert inputs.histories == ((1, "user"), (2, "user"))
    assert inputs.entities == ("card",)
    assert inputs.position("logins") == 2
    assert inputs.reach(2) == 10 * SECOND
    logins = inputs.sources[2]
    alone = features(logins.by("user").count("1d"))
    assert alone.source is logins
    named = features(logins.by("user", of="card").count("1d"), of=inputs.source)
    assert named.source is inputs.source


def tables() -> tuple[pa.Table, dict[str, Any]]:
    paid = {"id": [1, 2, 3], "at": [START, START + 5, START + 20], "card": [7, 7, 8]}
    versions = {
        "USER": [7, 7, 8],
        "since": [START, START + 4, START + 20],
        "segment": ["gold", "plain", "gold"],
        "limit": [10.0, None, 5.0],
    }
    logins = {"login": [1, 2, 3], "at": [START - 1, START + 5, START + 1], "user": [7, 7, 9]}
    return pa.table(paid | {"amount": [1.0, 2.0, 3.0]}), {
        "users": pa.table(versions),
        "logins": pa.table(logins),
    }


def test_a_profile_is_valid_after_its_time_until_the_next() -> None:
    """Missing before the first, at its very instant, and where the valid version lacks it."""
    inputs = payments()
    main, others = tables()
    mapping = inputs.learn(main, others)
    assert mapping == {"users.segment of card": ["gold", "plain"]}
    found = offline.table(inputs.fitted(mapping), main, others=others).to_pylist()
    values = [(row["limit"], row["gold"], row["segment"], row["logins"]) for row in found]
    assert values == [(None, None, None, 1.0), (None, 0.0, 1.0, 1.0), (None, None, None, 0.0)]
    later = main.set_column(1, "at", pa.array([START + 1, START + 5, START + 21]))
    found = offline.table(inputs.fitted(mapping), later, others=others).to_pylist()
    assert [row["limit"] for row in found] == [10.0, None, 5.0]


def test_files_of_other_sources_give_what_their_tables_give(tmp_path: Path) -> None:
    """A path or a table, in `table` and in `write`."""
    inputs = payments().fitted({"users.segment of card": ["gold", "plain"]})
    main, others = tables()
    direct = offline.table(inputs, main, others=others)
    paths = {name: tmp_path / f"{name}.parquet" for name in others}
    for name, table in others.items():
        pq.write_table(table, paths[name])
    pq.write_table(main, tmp_path / "main.parquet")
    out = tmp_path / "out.parquet"
    assert offline.write(inputs, tmp_path / "main.parquet", out, others=paths) == 3
    assert pq.read_table(out).cast(direct.schema).equals(direct)


def test_a_source_that_is_not_given_is_named() -> None:
    """So is one that the features do not read, and the category that cannot be learned."""
    inputs = payments().fitted({"users.segment of card": []})
    main, others = tables()
    with pytest.raises(InputError, match="the features read users as well"):
        offline.table(inputs, main)
    with pytest.raises(InputError, match="others has 'more'"):
        offline.table(inputs, main, others=others | {"more": main})
    with pytest.raises(InputError, match="is learned from users"):
        payments().learn(main)


def test_bad_rows_of_another_source_are_refused() -> None:
    """With the name of the field, as for the main source."""
    inputs = payments().fitted({"users.segment of card": []})
    main, others = tables()
    logins = others["logins"].set_column(2, "user", pa.array([7, None, 9]))
    with pytest.raises(InputError, match="no value") as refused:
        offline.table(inputs, main, others=others | {"logins": logins})
    assert refused.value.field == "user"
    users = others["users"].set_column(1, "since", pa.array([START, START, START]))
    with pytest.raises(InputError, match="repeat the user and since of another"):
        offline.table(inputs, main, others=others | {"users": users})


def test_a_repeated_row_counts_once() -> None:
    """Identical rows are one event, with every label that one of them has; others are refused."""
    source = Source(
        "s", time="at", id="id", fields={"who": int, "x": float | None}, labels={"bad": "0s"}
    )
    who = source.by("who")
    inputs = features(source.x, who.count("1d"), who.mean("bad", "1d"))
    table = pa.table(
        {
            "id": [2, 1, 1, 3, 1],
            "at": [START + 1, START, START, START + 2, START],
            "who": [7, 7, 7, 7, 7],
            "x": [None, 1.0, 1.0, 2.0, 1.0],
            "bad": [False, False, True, False, None],
            "note": ["a", "b", "c", "d", "e"],
        }
    )
    found = offline.table(inputs, table, keep=["bad", "note"])
    assert found.to_pydict() == {
        "id": [2, 1, 3],
        "bad": [False, True, False],
        "note": ["a", "b", "d"],
        "x": [None, 1.0, 2.0],
        "who_count_1d": [1.0, 0.0, 2.0],
        "who_mean_bad_1d": [1.0, None, 0.5],
    }
    assert offline.events(inputs, table).column("id").to_pylist() == [2, 1, 3]
    with pytest.raises(InputError, match="it names one event"):
        offline.table(inputs, table.set_column(3, "x", pa.array([None, 1.0, 1.0, 2.0, None])))


def test_repeats_of_other_sources_count_once() -> None:
    """A login that stands twice is one, and so is a version."""
    inputs = payments().fitted({"users.segment of card": ["gold", "plain"]})
    main, others = tables()
    twice = {name: pa.concat_tables([table, table]) for name, table in others.items()}
    assert offline.table(inputs, main, others=twice).equals(
        offline.table(inputs, main, others=others)
    )


def test_categories_are_codes_of_what_is_frequent() -> None:
    """The most frequent value first, ties in order; an unknown or missing one is missing."""
    source = Source("s", time="at", id="id", fields={"who": int, "shop": str | None})
    inputs = features(category(source.shop, most=2), fixed=category(source.who, values=(7, -1)))
    rows = [("b", 7), ("a", 7), ("c", -1), ("b", 2**62), ("a", 3), (None, 3)]
    events = [Event(n, START + n, (who, shop)) for n, (shop, who) in enumerate(rows)]
    table = arrow(inputs, events)
    mapping = inputs.learn(table)
    assert mapping == {"shop": ["a", "b"]}
    ready = inputs.fitted(mapping)
    assert ready.fingerprint() == inputs.fingerprint()
    found = offline.matrix(offline.table(ready, table), ready.names)
    expected: list[list[Any]] = [[1, 0], [0, 0], [None, 1], [1, None], [0, None], [None, None]]
    assert all(same(row, want) for row, want in zip(found.tolist(), expected, strict=True))
    assert all(same(ready.row(e, []), row) for e, row in zip(events, found.tolist(), strict=True))
