import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from groundplan.errors import BuildError
from groundplan.models.linear import Linear, Logistic
from groundplan.models.majority import Majority
from model_rows import drawn_rows

ROWS = drawn_rows()


def test_the_fit_equals_scikit_learn() -> None:
    """With no value missing, scores are those of StandardScaler and LogisticRegression."""
    x = np.nan_to_num(ROWS.x)
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(max_iter=1000).fit(scaler.transform(x), ROWS.y)
    ours = Logistic().train(x, ROWS.y, ROWS.names)
    expected = theirs.predict_proba(scaler.transform(x))[:, 1]
    assert ours.scores(x) == pytest.approx(expected, abs=1e-6)


def test_a_missing_value_counts_as_the_mean() -> None:
    """A NaN moves the score neither way: it scores as the input's training mean does."""
    model = Logistic().train(ROWS.x, ROWS.y, ROWS.names)
    means = np.array(model.means)
    assert means == pytest.approx(np.nanmean(ROWS.x, axis=0))
    for column in range(len(means)):
        row = means + 0.5
        missing, mean = row.copy(), row.copy()
        missing[column], mean[column] = np.nan, means[column]
        assert model.score(missing) == pytest.approx(model.score(mean), abs=1e-12)


def test_an_input_that_is_always_missing_plays_no_part() -> None:
    """A column of NaN trains, and gets no weight."""
    x = ROWS.x.copy()
    x[:, 4] = np.nan
    model = Logistic().train(x, ROWS.y, ROWS.names)
    assert model.coefficients[4] == pytest.approx(0, abs=1e-9)


def test_a_stronger_penalty_gives_smaller_coefficients() -> None:
    """`l2` shrinks."""
    weak, strong = (Logistic(l2).train(ROWS.x, ROWS.y, ROWS.names) for l2 in (1.0, 1e4))
    assert np.abs(strong.coefficients).sum() < np.abs(weak.coefficients).sum()


def test_parts_that_do_not_fit_are_refused() -> None:
    """A model whose lists differ in length is not made."""
    with pytest.raises(ValueError, match="length"):
        Linear(("a", "b"), (1.0,), (0.0,), (1.0,), 0.0)


def test_the_majority_scores_the_base_rate() -> None:
    """Every row scores the share of positive training labels; without rows there is none."""
    model = Majority.train(ROWS.y, ROWS.names)
    assert set(model.scores(ROWS.x).tolist()) == {model.rate} == {ROWS.y.mean()}
    with pytest.raises(BuildError, match="no training rows"):
        Majority.train(ROWS.y[:0], ROWS.names)


def test_its_account_is_exact() -> None:
    """Contributions and base add up to the log-odds; a missing value and the mean add nothing."""
    model = Logistic().train(ROWS.x, ROWS.y, ROWS.names)
    for row in ROWS.x[:200]:
        contributions, base = model.row(row)
        assert 1 / (1 + np.exp(-(contributions.sum() + base))) == pytest.approx(model.score(row))
        assert (contributions[np.isnan(row)] == 0).all()
    assert model.row(np.array(model.means)).contributions.tolist() == [0.0] * len(model.names)
