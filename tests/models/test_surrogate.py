from pathlib import Path

import numpy as np
import pytest

from groundplan.errors import BuildError, InputError
from groundplan.models.boosted import BoostedTrees
from groundplan.models.function import Function
from groundplan.models.scorer import Floats
from groundplan.models.surrogate import Surrogate
from model_rows import drawn_rows

ROWS = drawn_rows()


def first_alone(x: Floats) -> Floats:
    """The probability of a row from its first input."""
    values: Floats = 1 / (1 + np.exp(-np.nan_to_num(x[:, 0])))
    return values


def noise(x: Floats) -> Floats:
    """A probability that has nothing to do with any cut of the inputs."""
    values: Floats = 0.5 + 0.4 * np.sin(1e6 * np.nan_to_num(x).sum(axis=1))
    return values


def test_it_says_how_faithful_it_is() -> None:
    """R2 is the share of the variance of the model's log-odds on unseen rows: near 1 for a model
    that trees can follow, near 0 or below for one that they cannot; the words carry it.
    """
    easy = Surrogate.of(Function(first_alone).train(ROWS.x, ROWS.y, ROWS.names), ROWS.x)
    assert easy.r2 > 0.98
    assert f"R2 {easy.r2:.3f}" in easy.faithful
    hard = Surrogate.of(Function(noise).train(ROWS.x, ROWS.y, ROWS.names), ROWS.x)
    assert hard.r2 < 0.2


def test_it_accounts_for_what_it_resembles() -> None:
    """Its contributions and base add up to nearly the model's log-odds, and name the input that
    the model uses.
    """
    surrogate = Surrogate.of(Function(first_alone).train(ROWS.x, ROWS.y, ROWS.names), ROWS.x)
    known = ROWS.x[~np.isnan(ROWS.x[:, 0])][:200]
    added = [surrogate.row(row) for row in known]
    told = np.array([each.contributions.sum() + each.base for each in added])
    assert np.corrcoef(told, known[:, 0])[0, 1] > 0.99
    strongest = [int(np.abs(each.contributions).argmax()) for each in added]
    assert np.mean(np.array(strongest) == 0) > 0.95


def test_a_model_that_says_one_thing_needs_no_explanation() -> None:
    """Where all scores are the same there is nothing to reproduce, and R2 is 1."""
    model = BoostedTrees(trees=1, min_leaf_rows=3000).train(ROWS.x, ROWS.y, ROWS.names)
    surrogate = Surrogate.of(model, ROWS.x)
    assert surrogate.r2 == 1
    assert surrogate.row(ROWS.x[0]).contributions.tolist() == [0.0] * 6


def test_it_survives_the_disk(tmp_path: Path) -> None:
    """What is loaded says the same to the bit; a damaged part is a BuildError."""
    surrogate = Surrogate.of(Function(first_alone).train(ROWS.x, ROWS.y, ROWS.names), ROWS.x)
    surrogate.save(tmp_path)
    loaded = Surrogate.load(tmp_path)
    assert (loaded.r2, loaded.judged) == (surrogate.r2, surrogate.judged)
    for row in ROWS.x[:20]:
        kept, found = surrogate.row(row), loaded.row(row)
        assert kept.contributions.tolist() == found.contributions.tolist()
    for file in list(tmp_path.iterdir()):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BuildError, match="build"):
            Surrogate.load(tmp_path)
        file.write_bytes(whole)


def test_too_few_or_other_rows_are_refused() -> None:
    """It needs a hundred rows of the model's own inputs."""
    model = Function(first_alone).train(ROWS.x, ROWS.y, ROWS.names)
    with pytest.raises(BuildError, match="100 at least"):
        Surrogate.of(model, ROWS.x[:99])
    with pytest.raises(InputError, match="rows of 6 values"):
        Surrogate.of(model, ROWS.x[:, :5])
