import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import BuildError, InputError
from groundplan.models.reasons import Word, Words

NAMES = tuple("abcdefgh")
DAY = 86_400_000_000


def window(name: str, function: str, of: Any = None, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "window": function,
        "source": "tx",
        "of": "terminal",
        "on": "terminal",
        "measure": {"of": of, "where": None},
        "length_us": DAY,
        "delay_us": 0,
        "current": False,
        "empty": None,
        **changes,
    }


def definitions(*features: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": {
            "name": "tx",
            "fields": {"terminal": "int", "amount": "decimal(2)", "online": "bool", "age": "float"},
            "labels_us": {"fraud": 7 * DAY},
        },
        "others": [{"name": "logins", "fields": {"amount": "float", "tries": "int | None"}}],
        "features": list(features),
    }


def sentence(feature: dict[str, Any], description: str, value: float, usual: float) -> str:
    """The reason of a single feature with this value and training rows of this median."""
    words = Words.of(definitions(feature), [description], np.full((3, 1), usual))
    (reason,) = words.top(np.ones(1), np.array([value]), 1)
    return reason.description


@pytest.mark.parametrize(
    ("feature", "description", "value", "usual", "expected"),
    [
        (
            window("n", "count"),
            "tx of this terminal",
            4.0,
            0.2,
            "4 tx of this terminal, usually 0.2",
        ),
        (
            window("n", "distinct", {"field": "age"}),
            "number of different age",
            1234.0,
            2.0,
            "1,234 different age, usually 2",
        ),
        (
            window("n", "since"),
            "seconds since the latest tx",
            9000.0,
            45.0,
            "2.5 hours since the latest tx, usually 45 seconds",
        ),
        (
            window("n", "since"),
            "seconds since the latest tx",
            60.0,
            86_400.0 * 400,
            "1 minute since the latest tx, usually 400 days",
        ),
        (
            window("n", "share", {"is": ">="}),
            "share with tries",
            0.125,
            0.0,
            "share with tries: 12.5 %, usually 0 %",
        ),
        (window("n", "mean", {"label": "fraud"}), "risk", 0.5, 0.001, "risk: 50 %, usually 0.1 %"),
        (
            window("n", "mean", {"field": "amount"}),
            "mean",
            1234.5,
            57.1,
            "mean: 1,234.50, usually 57.10",
        ),
        (
            window("n", "last", {"field": "amount"}, source="logins"),
            "last",
            3.14159,
            2.0,
            "last: 3.142, usually 2",
        ),
        (
            window("n", "max", {"field": "tries"}, source="logins"),
            "most",
            12.0,
            1.0,
            "most: 12, usually 1",
        ),
        (window("n", "last", {"field": "online"}), "latest", 1.0, 0.0, "latest: yes, usually no"),
        ({"name": "n", "field": "amount"}, "amount", 900.0, 57.16, "amount: 900.00, usually 57.16"),
        ({"name": "n", "field": "online"}, "online", 0.0, 1.0, "online: no, usually yes"),
        ({"name": "n", "part": "hour"}, "hour", 3.0, 14.0, "hour: 3, usually 14"),
        ({"name": "n", "is": ">="}, "weekend", 1.0, 0.0, "weekend: yes, usually no"),
        ({"name": "n", "do": "/"}, "ratio", 0.33333, 12345.678, "ratio: 0.3333, usually 12,346"),
        (
            {"name": "n", "category": {}, "values": ["a", "b"]},
            "kind",
            1.0,
            0.0,
            "kind: b, usually a",
        ),
        (
            {"name": "n", "category": {}, "values": None},
            "kind",
            1.0,
            0.0,
            "kind: number 1, usually number 0",
        ),
        (window("n", "count"), "tx", math.nan, 2.0, "tx: none, usually 2"),
        (window("n", "count"), "tx", 2.0, math.nan, "2 tx"),
    ],
)
def test_a_value_is_said_as_people_say_it(
    feature: dict[str, Any], description: str, value: float, usual: float, expected: str
) -> None:
    """Counts whole, money with its places, shares in percent, durations in their unit, and what
    is usual beside it; a missing value is said to be none.
    """
    assert sentence(feature, description, value, usual) == expected


def test_lengths_of_one_window_are_one_reason() -> None:
    """Features that differ in the length of their window alone are summed; another entity,
    field, filter, delay or function is another reason.
    """
    features = [
        window("day", "count"),
        window("week", "count", length_us=7 * DAY),
        window("other", "count", of="card"),
        window("late", "count", delay_us=DAY),
        window("some", "count", measure={"of": None, "where": {"is": ">="}}),
        window("sum", "sum", {"field": "amount"}),
    ]
    features[2]["of"] = "card"
    words = Words.of(definitions(*features), list("123456"), np.zeros((2, 6)))
    found = words.top(np.array([1.0, 2.5, 3.0, 0.5, 0.25, 0.125]), np.arange(6.0), 9)
    assert [reason.features for reason in found] == [
        ("day", "week"), ("other",), ("late",), ("some",), ("sum",),
    ]  # fmt: skip
    assert found[0].contribution == 3.5
    assert (found[0].feature, found[0].value) == ("week", 1.0)


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 3)), min_size=1, max_size=8),
    st.integers(0, 9),
)
def test_they_are_the_strongest_in_order(added: list[tuple[int, int]], k: int) -> None:
    """The k groups of largest sums either way, equal ones in the order of the inputs, sums of
    zero never; what speaks for a group adds most in its direction, the first of equals.
    """
    contributions = np.array([each for each, _ in added], dtype=np.float64)
    words = Words([Word(NAMES[i], NAMES[i], "number", str(g)) for i, (_, g) in enumerate(added)])
    found = words.top(contributions, contributions * 10, k)
    groups: dict[int, list[int]] = {}
    for place, (_, group) in enumerate(added):
        groups.setdefault(group, []).append(place)
    sums = [(sum(added[p][0] for p in places), places) for places in groups.values()]
    expected = sorted((s for s in sums if s[0]), key=lambda it: (-abs(it[0]), it[1][0]))[:k]
    assert [reason.contribution for reason in found] == [total for total, _ in expected]
    for reason, (total, places) in zip(found, expected, strict=True):
        assert reason.features == tuple(NAMES[place] for place in places)
        sign = 1 if total > 0 else -1
        best = max(places, key=lambda place: (sign * added[place][0], -place))
        assert reason.feature == NAMES[best]
        assert reason.value == contributions[best] * 10


def test_what_is_usual_is_the_median_of_what_is_known() -> None:
    """A value that occurred, missing ones left out; none where all are missing."""
    x = np.array([[1.0, np.nan], [9.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [4.0, np.nan]])
    words = Words.of(definitions(window("a", "count"), window("b", "sum")), ["a", "b"], x)
    assert [word.usual for word in words.words] == [3.0, None]


def test_words_survive_the_disk(tmp_path: Path) -> None:
    """What is loaded says the same; a damaged file and lengths that differ are errors."""
    given_ = definitions(window("a", "count"), {"name": "b", "category": {}, "values": None})
    words = Words.of(given_, ["a", "b"], np.zeros((3, 2)), {"b": ["x", "y"]})
    words.save(tmp_path)
    loaded = Words.load(tmp_path)
    row = np.array([2.0, 1.0])
    assert loaded.top(row, row, 2) == words.top(row, row, 2)
    assert loaded.top(row, row, 2)[1].description == "b: y, usually x"
    assert b'"value":2.0' in msgspec.json.encode(loaded.top(row, row, 1))
    (tmp_path / "reasons.json").write_text("[")
    with pytest.raises(BuildError, match="damaged"):
        Words.load(tmp_path)
    with pytest.raises(InputError, match="1 descriptions for 2 features"):
        Words.of(given_, ["a"], np.zeros((3, 2)))
