"""Answers: every key its own, and none for a key that was not scored."""

import math

from groundplan.checks.scores.handle import Make, answers, expect, opened, publish
from groundplan.checks.scores.population import Row, agrees, rows

TEXTS = (
    "",
    " ",
    "0",
    "00",
    "a",
    "aa",
    "\u00e4",
    "a\u0308",
    "\u00c4",
    "\0",
    "a\0",
    "日本",
    "🙂" * 300,
    "x" * 9_000,
)
"""Among them a letter composed and in two pieces, which are two keys."""


def every_key_has_its_answer(make: Make) -> None:
    """A population of some size, by integers and by texts, key by key."""
    with opened(make) as store:
        numbers = rows(range(0, 9_000, 3))
        publish(store, "v1", numbers)
        answers(store, "v1", numbers)
        texts = rows([f"{n:04d}-KEY" for n in range(3_000)], 1)
        publish(store, "v2", texts, "str")
        answers(store, "v2", texts)


def integer_keys_reach_the_ends(make: Make) -> None:
    """The least and the greatest 64-bit integer are keys, and so are zero and its neighbours."""
    keys = [-(2**63), -(2**63) + 1, -(2**32), -1, 0, 1, 2**31, 2**53 + 1, 2**63 - 2, 2**63 - 1]
    with opened(make) as store:
        made = rows(keys)
        publish(store, "v1", made)
        answers(store, "v1", made)


def text_keys_are_any_text(make: Make) -> None:
    """Empty, long, not ASCII, with a zero in it, one the beginning of another."""
    with opened(make) as store:
        made = rows(TEXTS)
        publish(store, "v1", made, "str")
        answers(store, "v1", made)


def a_key_that_was_not_scored_has_none(make: Make) -> None:
    """None for an unknown key, for one of the other type, and for what no part can hold."""
    with opened(make) as store:
        publish(store, "v1", rows(range(0, 2_000, 2)))
        cold: list[int | str] = [*range(1, 2_000, 2), -2, 2_000, "0", "", 2**64, -(2**80), 2**63]
        cold += [False, "100%", "%c"]  # not the key 0, and no form of a number
        for key in cold:
            expect(store.get(key) is None, f"{key!r} was not scored and has {store.get(key)}")
        expect(store.get_many(cold) == [None] * len(cold), "cold keys have answers together")
        publish(store, "v2", rows(["0", "2", "a", "ab"]), "str")
        cold = [0, 2, "1", "", "A", "abc", "a\x00", "\udc80"]
        for key in cold:
            expect(store.get(key) is None, f"{key!r} was not scored and has {store.get(key)}")
        expect(store.get_many(cold) == [None] * len(cold), "cold keys have answers together")


def scores_come_back_bit_for_bit(make: Make) -> None:
    """The ends, both zeros, the least number above zero, and what decimals cannot write."""
    scores = [0.0, -0.0, 1.0, 5e-324, 0.1, 1 / 3, math.nextafter(1.0, 0.0), math.nextafter(0.5, 1)]
    with opened(make) as store:
        made = [Row(key, score) for key, score in enumerate(scores)]
        publish(store, "v1", made)
        answers(store, "v1", made)


def reasons_are_named(make: Make) -> None:
    """Each with its code, its description and its direction, the strongest first; or none."""
    told = ((), (1,), (-1,), (3, -2, 1), (-3, -2, -1), (2, 3))
    with opened(make) as store:
        made = [Row(n, 0.5, n % 3, reasons) for n, reasons in enumerate(told)]
        publish(store, "v1", made)
        answers(store, "v1", made)
        found = store.get(3)
        expect(
            found is not None
            and [(why.code, why.raised) for why in found.reasons]
            == [("größe", True), ("R02", False), ("tenure", True)],
            f"the reasons 3, -2, 1 are told as {found}",
        )


def many_keys_come_in_their_order(make: Make) -> None:
    """With repeats, with cold keys between, and none for none."""
    with opened(make) as store:
        made = rows(range(100))
        publish(store, "v1", made)
        keys = [99, 5, 5, -1, 0, 1_000, 99]
        found = store.get_many(keys)
        expect(len(found) == len(keys), f"{len(keys)} keys have {len(found)} answers")
        for key, answer in zip(keys, found, strict=True):
            right = agrees(answer, made[key], "v1") if 0 <= key < 100 else answer is None
            expect(right, f"{key} is {answer} among many")
        expect(store.get_many([]) == [], "no keys have no answers")


def a_population_may_be_empty(make: Make) -> None:
    """A version without rows is complete, may be live, and answers nobody."""
    with opened(make) as store:
        publish(store, "v1", [])
        expect(store.get(1) is None, "a version without rows has an answer")
        expect(store.get_many([1, "a"]) == [None, None], "a version without rows has answers")
        expect(store.current().version.rows == 0, "a version without rows says so")
