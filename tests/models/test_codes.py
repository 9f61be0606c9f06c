from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import DefinitionError, InputError
from groundplan.models.codes import LEAST, Coded, Named, Reasons, joined
from groundplan.models.reasons import Word, Words
from groundplan.models.scorer import Floats

Only = Literal["raised", "lowered", "both"]

NAMES = tuple("abcdefg")


def words(groups: str = "abcdefg") -> Words:
    """Seven features; those with the same letter in `groups` are one reason."""
    return Words(
        [
            Word(name, f"the {name}", "number", group)
            for name, group in zip(NAMES, groups, strict=True)
        ]
    )


def plain(rows: Floats, coded: Coded, top: int, only: Only) -> list[list[int]]:
    """The reasons of each row by a plain loop over its codes."""
    found = []
    for row in rows.tolist():
        added = dict(zip(NAMES, row, strict=True))
        sums = []
        for named in coded.codes:
            total = 0.0
            for feature in named.features:
                total += added[feature]
            sums.append(total)
        wanted = [
            (-abs(total), number if total > 0 else -number)
            for number, total in enumerate(sums, 1)
            if (total > 0 and only != "lowered") or (total < 0 and only != "raised")
        ]
        strongest = sorted(wanted, key=lambda each: (each[0], abs(each[1])))[:top]
        found.append([number for each, number in strongest if -each >= LEAST * -strongest[0][0]])
    return found


def listed(values: Any, offsets: Any) -> list[list[int]]:
    assert (values.dtype, offsets.dtype) == (np.int16, np.int32)
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
    column.validate(full=True)
    found: list[list[int]] = column.to_pylist()
    return found


CONTRIBUTIONS = st.lists(
    st.lists(
        st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, 1e-9]) | st.floats(-3, 3),
        min_size=7,
        max_size=7,
    ),
    min_size=1,
    max_size=12,
).map(np.array)


@settings(deadline=None)
@given(
    rows=CONTRIBUTIONS,
    top=st.integers(1, 8),
    only=st.sampled_from(["raised", "lowered", "both"]),
    groups=st.text("xyz", min_size=7, max_size=7),
    codes=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["R1", "R2", "R3"])),
)
def test_reasons_are_those_of_a_plain_loop(
    rows: Floats, top: int, only: Only, groups: str, codes: dict[str, str]
) -> None:
    """Each row names its strongest codes in the wanted direction, with their signs; equal ones in
    the order of the codes, and none that added nothing or is weak beside the strongest.
    """
    said = {feature: (code, f"about {code}") for feature, code in codes.items()}
    coded = Coded(words(groups), Reasons(top=top, only=only, codes=said))
    assert listed(*coded.choose(rows)) == plain(rows, coded, top, only)


@settings(deadline=None)
@given(rows=CONTRIBUTIONS, top=st.integers(1, 8), groups=st.text("xyz", min_size=7, max_size=7))
def test_reasons_without_codes_are_those_of_an_answer_on_line(
    rows: Floats, top: int, groups: str
) -> None:
    """A batch answer names the same features, in the same order and direction, as `Words.top`, but
    for the weak ones: it does not say how much each added, from which people see that it is weak.
    """
    said = words(groups)
    coded = Coded(said, Reasons(top=top))
    for row, numbers in zip(rows, listed(*coded.choose(rows)), strict=True):
        reasons = said.top(row, np.zeros(7), top)
        found = [(coded.codes[abs(n) - 1].features, n > 0) for n in numbers]
        assert found == [
            (each.features, each.contribution > 0)
            for each in reasons
            if abs(each.contribution) >= LEAST * abs(reasons[0].contribution)
        ]


@settings(deadline=None)
@given(rows=CONTRIBUTIONS, data=st.data())
def test_rows_that_need_none_have_no_reasons(rows: Floats, data: st.DataObject) -> None:
    """With a mask, the rows that it leaves out have empty lists, and the others their own."""
    coded = Coded(words(), Reasons())
    alone = listed(*coded.choose(rows))
    gaps = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    needed = np.array([each for gap in gaps for each in [*[False] * gap, True]] + [False])
    found = listed(*coded.choose(rows, needed))
    assert [reasons for reasons, asked in zip(found, needed, strict=True) if asked] == alone
    assert not any(reasons for reasons, asked in zip(found, needed, strict=True) if not asked)


def test_blocks_of_rows_do_not_change_the_reasons() -> None:
    """More rows than are chosen for at once have the reasons that they have in pieces."""
    drawn = np.random.default_rng(0).uniform(0.5, 1, size=(150_000, 7))
    coded = Coded(words(), Reasons(top=2))
    values, offsets = coded.choose(drawn)
    assert offsets[-1] == len(values) == 300_000
    for start in (0, 65_530, 131_000):
        piece, _ = coded.choose(drawn[start : start + 20])
        assert values[2 * start : 2 * start + 40].tolist() == piece.tolist()


@pytest.mark.parametrize(
    ("only", "row", "says"),
    [
        ("raised", [2.0, 0.2, 0.19, 0.0, -9.0, 0.3, 0.0], [1, 6, 2]),
        ("lowered", [2.0, 0.2, 0.19, 0.0, -9.0, 0.3, -0.9], [-5, -7]),
        ("both", [2.0, 0.2, 0.19, 0.0, -9.0, 0.9, 0.0], [-5, 1, 6]),
        ("raised", [-1.0, -1.0, 5e-324, -1.0, -1.0, -1.0, 0.0], [3]),
    ],
)
def test_a_weak_reason_is_no_principal_one(only: Only, row: list[float], says: list[int]) -> None:
    """What added less than a tenth of the strongest is not named, even where a place is free; the
    strongest itself always is, however little it added.
    """
    assert listed(*Coded(words(), Reasons(only=only)).choose(np.array([row]))) == [says]


def test_no_rows_have_no_reasons() -> None:
    """An empty matrix gives an empty column."""
    assert listed(*Coded(words(), Reasons()).choose(np.empty((0, 7)))) == []


def test_codes_stand_in_the_order_of_their_features() -> None:
    """Features without a code are their own; those of one reason share the code of one of them;
    a code of the project's speaks in the project's words.
    """
    reasons = Reasons(codes={"c": ("R1", "debts"), "f": ("R1", "debts"), "b": ("R2", "age")})
    coded = Coded(words("xxyzzwv"), reasons)
    assert coded.codes == (
        Named("R2", "age", ("a", "b")),
        Named("R1", "debts", ("c", "f")),
        Named("d", "the d or e", ("d", "e")),
        Named("g", "the g", ("g",)),
    )


def test_which_decisions_need_reasons() -> None:
    """All do unless some are named."""
    decisions = ("leave", "call", "offer")
    assert Reasons().needs(decisions).tolist() == [True, True, True]
    assert Reasons(decisions=("offer",)).needs(decisions).tolist() == [False, False, True]
    assert Reasons(decisions=()).needs(decisions).tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        (["calls"], "calls"),
        (["calls", "calls"], "calls"),
        (["calls in the last day", "calls in the last 7 days"], "calls in the last day or 7 days"),
        (
            [f"calls of this customer in the last {n} days, this one included" for n in (1, 7, 30)],
            "calls of this customer in the last 1, 7 or 30 days, this one included",
        ),
        (
            [f"calls in the last {n}, this one included" for n in ("day", "7 days", "30 days")],
            "calls in the last day, 7 days or 30 days, this one included",
        ),
        (["calls", "calls in the last day"], "calls; calls in the last day"),
        (["age", "debts"], "age; debts"),
    ],
)
def test_several_features_have_one_description(descriptions: list[str], expected: str) -> None:
    """What is the same is said once."""
    assert joined(descriptions) == expected


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"top": 0}, "top=0.*1 to 8"),
        ({"top": 9}, "top=9"),
        ({"top": True}, "top=True"),
        ({"top": 2.0}, "whole number"),
        ({"only": "up"}, "only='up'.*\"raised\""),
        ({"decisions": "offer"}, "give a tuple"),
        ({"codes": {"a": "R1"}}, "give a code and a description"),
        ({"codes": {"a": ("R1", " ")}}, "give a code and a description"),
        ({"codes": {"a": ("R1", 1)}}, "give a code and a description"),
        ({"codes": {"a": ("R1", "age"), "b": ("R1", "debts")}}, "'age' and as 'debts'"),
    ],
)
def test_reasons_that_break_a_rule_are_refused(wrong: dict[str, Any], says: str) -> None:
    """Each value that no answer could keep is refused where it is written, with the rule."""
    with pytest.raises(DefinitionError, match=says):
        Reasons(**wrong)


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        ({"ab": ("R1", "age")}, "'ab', which is no feature: did you mean"),
        ({"zzzz": ("R1", "age")}, "there are a, b, c"),
        ({"a": ("b", "age")}, "'b' of 'a' is also the name"),
    ],
)
def test_codes_of_no_feature_are_refused(codes: dict[str, tuple[str, str]], says: str) -> None:
    """A code of a feature that is not there, or one that another feature has by its name."""
    with pytest.raises(DefinitionError, match=says):
        Coded(words(), Reasons(codes=codes))


def test_contributions_of_another_width_are_refused() -> None:
    """Rows that are not one contribution for each feature are an InputError."""
    with pytest.raises(InputError, match="7 values"):
        Coded(words(), Reasons()).choose(np.zeros((2, 6)))


def test_reasons_survive_json() -> None:
    """The settings are a plain record, which a build can keep and a worker can read."""
    reasons = Reasons(top=2, only="raised", decisions=("offer",), codes={"a": ("R1", "age")})
    assert msgspec.json.decode(msgspec.json.encode(reasons), type=Reasons) == reasons
