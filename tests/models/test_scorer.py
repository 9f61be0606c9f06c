from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundplan.errors import BuildError, InputError
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.linear import Linear, Logistic
from groundplan.models.majority import Majority
from groundplan.models.scorer import Floats, Scorer
from groundplan.models.xgboost import XGBoost, XGBoostTrees
from model_rows import drawn_rows

ROWS = drawn_rows()

KINDS: tuple[Any, ...] = (Trees, XGBoostTrees, Linear, Majority)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def scorer(request: pytest.FixtureRequest) -> Any:
    if request.param is Trees:
        return BoostedTrees(trees=20).train(ROWS.x, ROWS.y, ROWS.names)
    if request.param is XGBoostTrees:
        return XGBoost(trees=20).train(ROWS.x, ROWS.y, ROWS.names)
    if request.param is Linear:
        return Logistic().train(ROWS.x, ROWS.y, ROWS.names)
    return Majority.train(ROWS.y, ROWS.names)


def test_one_row_scores_the_bits_that_many_rows_score(scorer: Scorer) -> None:
    """`score` of each row is bit for bit its place in `scores`, missing values included."""
    assert [scorer.score(row) for row in ROWS.x] == scorer.scores(ROWS.x).tolist()


def test_a_score_is_a_probability(scorer: Scorer) -> None:
    """Whatever the row, the score lies between 0 and 1."""
    far = np.array([[1e300] * 6, [-1e300] * 6, [np.nan] * 6, [0.0] * 6])
    for scores in (scorer.scores(ROWS.x), scorer.scores(far)):
        assert ((scores >= 0) & (scores <= 1)).all()


def test_a_saved_model_scores_the_same_bits(scorer: Any, tmp_path: Path) -> None:
    """What is loaded scores as what was saved, and no other file is left behind."""
    scorer.save(tmp_path)
    loaded = type(scorer).load(tmp_path)
    assert loaded.names == scorer.names == ROWS.names
    assert loaded.scores(ROWS.x).tolist() == scorer.scores(ROWS.x).tolist()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_or_damaged_file_is_a_build_error(scorer: Any, tmp_path: Path) -> None:
    """Loading nothing, or any beginning of a model file, is a BuildError and nothing else."""
    with pytest.raises(BuildError, match="build"):
        type(scorer).load(tmp_path)
    scorer.save(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for length in (0, 1, len(whole) // 3, len(whole) // 2):
        file.write_bytes(whole[:length])
        with pytest.raises(BuildError, match=r"build"):
            type(scorer).load(tmp_path)


@pytest.mark.parametrize("shape", [(5,), (7,), (1, 6), ()])
def test_a_row_of_another_shape_is_refused(scorer: Scorer, shape: tuple[int, ...]) -> None:
    """A row that is not F values is an InputError that says how many the model takes."""
    with pytest.raises(InputError, match="6 values"):
        scorer.score(np.zeros(shape))


@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 3, 6)])
def test_a_matrix_of_another_shape_is_refused(scorer: Scorer, shape: tuple[int, ...]) -> None:
    """A matrix whose rows are not F values is an InputError."""
    with pytest.raises(InputError, match="6 values"):
        scorer.scores(np.zeros(shape))


def test_other_number_types_score_like_float64(scorer: Scorer) -> None:
    """Integers and strided rows are taken at their value."""
    wide = np.arange(24.0).reshape(4, 6)
    assert scorer.score(np.arange(6)) == scorer.score(wide[0])  # type: ignore[arg-type]
    strided: Floats = np.asfortranarray(wide)
    assert scorer.scores(strided).tolist() == scorer.scores(wide).tolist()
    assert scorer.score(strided[2]) == scorer.score(wide[2])


def test_no_rows_give_no_scores(scorer: Scorer) -> None:
    """An empty matrix scores to an empty array."""
    assert scorer.scores(np.empty((0, 6))).shape == (0,)


@pytest.mark.parametrize("spec", [BoostedTrees(trees=2), XGBoost(trees=2), Logistic()])
def test_training_refuses_what_it_cannot_learn_from(spec: Any) -> None:
    """One class, labels that are no bools, lengths and names that do not fit: each is named."""
    with pytest.raises(BuildError, match="both classes"):
        spec.train(ROWS.x, np.zeros(len(ROWS.y), dtype=np.bool_), ROWS.names)
    with pytest.raises(InputError, match="bools"):
        spec.train(ROWS.x, ROWS.y.astype(float), ROWS.names)
    with pytest.raises(InputError, match="one per row"):
        spec.train(ROWS.x, ROWS.y[1:], ROWS.names)
    with pytest.raises(InputError, match="rows of 5 values"):
        spec.train(ROWS.x, ROWS.y, ROWS.names[:5])
    with pytest.raises(InputError, match="name of its own"):
        spec.train(ROWS.x, ROWS.y, ("a", "a", "b", "c", "d", "e"))
    with pytest.raises(InputError, match="infinite"):
        spec.train(np.where(ROWS.x > 1, np.inf, ROWS.x), ROWS.y, ROWS.names)
