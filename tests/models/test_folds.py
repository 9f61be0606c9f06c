"""Folds: even, whole groups together, the same every time; nobody judges what trained them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import BuildError, DefinitionError, InputError
from groundplan.models.folds import Folds, holdouts
from groundplan.models.scorer import Bools, Floats, Indices


@given(st.integers(2, 6), st.integers(0, 60), st.integers(6, 60), st.integers(0, 5), st.randoms())
def test_single_rows_are_dealt_out_evenly(
    folds: int, negatives: int, positives: int, seed: int, drawn: object
) -> None:
    """With one row a group, no two folds differ by more than one row of either class."""
    label = np.array([True] * positives + [False] * negatives)
    drawn.shuffle(label)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    fold = Folds(folds, seed).assign(label, np.arange(len(label)))
    for of in (label, ~label):
        counts = np.bincount(fold[of], minlength=folds)
        assert counts.max() - counts.min() <= 1


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=60))
def test_groups_stay_whole_and_every_row_is_judged_once(rows: list[tuple[int, bool]]) -> None:
    """The parts hold every row once, and no group on both sides."""
    group = np.array([group for group, _ in rows])
    label = np.array([hit for _, hit in rows])
    folds = Folds(3)
    if not label.any():
        with pytest.raises(BuildError, match=f"none of {len(rows)} rows is positive: a model"):
            folds.assign(label, group)
        return
    if len({group for group, hit in rows if hit}) < 3:
        with pytest.raises(BuildError, match="cannot be dealt out to 3 folds"):
            folds.assign(label, group)
        return
    judged = []
    for train, test in folds.parts(label, group):
        assert not set(group[train]) & set(group[test])
        assert label[test].any()
        judged += test.tolist()
        assert sorted([*train, *test]) == list(range(len(rows)))
    assert sorted(judged) == list(range(len(rows)))
    assert folds.assign(label, group).tolist() == folds.assign(label, group).tolist()


class _Seen:
    """A spec whose model gives 1 to the rows that trained it, else 0; a row is its number."""

    def train(
        self, x: Floats, y: Bools, names: tuple[str, ...], progress: object = None
    ) -> "_Model":
        return _Model(set(x[:, 0].tolist()))


class _Model:
    names = ("row",)

    def __init__(self, seen: set[float]) -> None:
        self.seen = seen

    def scores(self, matrix: Floats) -> Floats:
        return np.array([float(row in self.seen) for row in matrix[:, 0].tolist()])


def test_no_row_is_scored_by_a_model_that_saw_it_or_its_group() -> None:
    """Out of fold, every score comes from a model that was trained on other groups."""
    group: Indices = np.arange(60) // 3
    label = np.arange(60) % 2 == 0
    told = []
    scores = Folds(4).scores(
        _Seen(),  # type: ignore[arg-type]  # all that it needs of a spec
        np.arange(60.0)[:, None],
        label,
        group,
        ("row",),
        lambda done, total: told.append((done, total)),
    )
    assert scores.tolist() == [0.0] * 60
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_holdouts_are_80_20_drawn_anew() -> None:
    """Each split tests a fifth of the rows with a fifth of the positives, and they differ."""
    label = np.arange(1000) % 4 == 0
    parts = list(holdouts(3, label, np.arange(1000)))
    for train, test in parts:
        assert (len(train), len(test), int(label[test].sum())) == (800, 200, 50)
    assert len({tuple(test.tolist()) for _, test in parts}) == 3


def test_what_leaves_nothing_to_train_on_is_refused() -> None:
    """One fold is none, and rows need a group each."""
    with pytest.raises(DefinitionError, match="take 2 to 100 parts"):
        Folds(1)
    with pytest.raises(InputError, match="one a row"):
        Folds(2).assign(np.array([True]), np.array([1, 2]))
