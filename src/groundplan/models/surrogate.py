"""A surrogate: boosted trees that resemble a model which has no exact account of its own."""

from pathlib import Path
from typing import Final, Self

import lightgbm
import msgspec
import numpy as np

from groundplan.durable import written
from groundplan.errors import BuildError
from groundplan.models import lightgbm_text
from groundplan.models.attributions import Attributions
from groundplan.models.explainer import Attribution
from groundplan.models.file import decoded, sealed, unsealed
from groundplan.models.forest import Forest
from groundplan.models.scorer import Floats, Scorer, checked_matrix

TREES: Final = "surrogate.txt"
FILE: Final = "surrogate.json"

_NEVER: Final = 1e-6  # probabilities closer to 0 or 1 are taken for this, so that log-odds end
_UNSEEN: Final = 5  # one row in so many judges the surrogate instead of training it


class _Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    r2: float
    rows: int


class Surrogate:
    """Trees fitted to a model's log-odds, which are explained exactly in the model's place.

    What it says of a row adds up to its own log-odds. `r2` says how near these are to the
    model's on rows that did not train it: 1 is the same, 0 no better than one number for all.

    Args:
        text: its trees, in LightGBM's text format.
        r2: the share of the variance of the model's log-odds that it reproduces on unseen rows.
        judged: how many rows it was judged on.
        exact: the contributions to its trees.
    """

    def __init__(self, text: str, r2: float, judged: int, exact: Attributions) -> None:
        self._text, self.r2, self.judged, self._exact = text, r2, judged, exact
        self.names = exact.names

    @classmethod
    def of(cls, model: Scorer, x: Floats, trees: int = 200, leaves: int = 16) -> Self:
        """Fits a surrogate of a model on rows of its inputs.

        Args:
            model: what is to be explained.
            x: float64[n, F], rows such as it will meet; labels are not needed.
            trees: of the surrogate.
            leaves: the most leaves of a tree.

        Raises:
            InputError: the rows have another width than the model's.
            BuildError: there are fewer than 100 rows.
        """
        x = checked_matrix(x, len(model.names))
        if len(x) < 100:
            raise BuildError(f"{len(x)} rows cannot train a surrogate: give 100 at least")
        log_odds = _log_odds(model.scores(x))
        judged = np.zeros(len(x), dtype=np.bool_)
        judged[np.random.default_rng(0).permutation(len(x))[::_UNSEEN]] = True
        booster = lightgbm.train(
            _settings(leaves),
            lightgbm.Dataset(x[~judged], log_odds[~judged], feature_name=list(model.names)),
            trees,
        )
        told = np.asarray(booster.predict(x[judged], num_threads=1))
        wrong = float(((told - log_odds[judged]) ** 2).mean())
        spread = float(log_odds[judged].var())
        r2 = 1 - wrong / spread if spread > 0 else 1.0
        text = booster.model_to_string()
        return cls(text, r2, int(judged.sum()), Attributions.of(_Fitted(text)))

    @property
    def faithful(self) -> str:
        """How far it can be believed."""
        return (
            f"by trees that resemble the model: R2 {self.r2:.3f} of its log-odds on "
            f"{self.judged:,} rows that they had not seen"
        )

    def row(self, row: Floats) -> Attribution:
        """The contributions to the surrogate's log-odds of one row, float64[F].

        Raises:
            InputError: the row has another shape.
        """
        return self._exact.row(row)

    def rows(self, matrix: Floats) -> Floats:
        """The contributions to many rows, float64[n, F]: the very bits of `row` for each.

        Raises:
            InputError: the rows have another width.
        """
        return self._exact.rows(matrix)

    def save(self, folder: Path) -> None:
        """Writes the trees, their tables, and how faithful they are into the folder."""
        sealed(folder / TREES, self._text.encode())
        self._exact.save(folder)
        written(folder / FILE, msgspec.json.encode(_Facts(self.r2, self.judged)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: a file is missing or damaged.
        """
        text = unsealed(folder / TREES).decode()
        facts = decoded(folder / FILE, _Facts)
        return cls(text, facts.r2, facts.rows, Attributions.load(folder, _Fitted(text)))


class _Fitted:
    """The surrogate's trees, as `Attributions` takes them."""

    def __init__(self, text: str) -> None:
        self.parsed: Forest = lightgbm_text.trees(text, lightgbm_text.REGRESSION)


def _log_odds(probability: Floats) -> Floats:
    bounded = np.clip(probability, _NEVER, 1 - _NEVER)
    return np.log(bounded / (1 - bounded))


def _settings(leaves: int) -> dict[str, object]:
    return {
        "objective": "regression",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "max_bin": 1023,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
