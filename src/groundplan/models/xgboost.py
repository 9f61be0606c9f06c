"""Gradient-boosted trees by XGBoost: the second library of the same family of models."""

import ctypes
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan.errors import BuildError
from groundplan.models import monotone, xgboost_json
from groundplan.models.file import sealed, unsealed
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
    checked_training,
)

FILE: Final = "xgboost.json"

_GREATEST: Final = float(np.finfo(np.float32).max)


class XGBoost(msgspec.Struct, frozen=True):
    """What to train: logistic loss, leaf-wise growth over histograms.

    Args:
        trees: how many.
        leaves: the most leaves of a tree.
        learning_rate: the share of each tree's step that is taken.
        min_leaf_weight: the least sum of p (1 - p) over the training rows of a leaf.
        l2: penalty on leaf values.
        feature_share: the share of the inputs that each tree is offered.
        bins: the most distinct values of an input that a split can tell apart.
        seed: of whatever is drawn; nothing is while `feature_share` is 1.
        threads: that train.
        monotone: by input, 1 where the score never falls as the input rises, -1 where it never
            rises; every tree is held to it, for all rows.

    Raises:
        DefinitionError: a direction is neither 1 nor -1.
    """

    trees: int = 100
    leaves: int = 16
    learning_rate: float = 0.1
    min_leaf_weight: float = 1.0
    l2: float = 1.0
    feature_share: float = 1.0
    bins: int = 1023
    seed: int = 0
    threads: int = 1
    monotone: Mapping[str, int] = {}

    def __post_init__(self) -> None:
        """Refuses directions that are none."""
        monotone.check(self.monotone)

    def __repr__(self) -> str:
        """As it is written, without directions where none are asked for."""
        return monotone.shown(self)

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> "XGBoostTrees":
        """Trees for float64[n, F] inputs, NaN being a missing value, and bool[n] labels.

        Args:
            x: the inputs, one row per example; XGBoost rounds them to float32.
            y: the labels.
            names: of the inputs, identifiers.
            progress: told the trees grown and wanted, once all are grown.

        Raises:
            InputError: shapes or names do not fit each other.
            DefinitionError: a direction is asked of an input that is not there.
            BuildError: only one class is present, XGBoost refuses the settings, or it is not
                installed.
        """
        library = _library()
        x, y = checked_training(x, y, tuple(names))
        try:
            booster = library.train(
                self._settings(names),
                library.DMatrix(_single(x), y.astype(np.float32), feature_names=list(names)),
                self.trees,
            )
        except library.core.XGBoostError as error:
            raise BuildError(f"XGBoost cannot train {self}: {error}") from error
        if progress is not None:
            progress(self.trees, self.trees)
        trees = XGBoostTrees(booster.save_raw("json").decode())
        monotone.hold(trees.parsed, self.monotone)
        return trees

    def _settings(self, names: tuple[str, ...]) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_depth": 0,  # bounded by the leaves alone
            "max_leaves": self.leaves,
            "eta": self.learning_rate,
            "min_child_weight": self.min_leaf_weight,
            "lambda": self.l2,
            "colsample_bytree": self.feature_share,
            "max_bin": self.bins,
            "seed": self.seed,
            "nthread": self.threads,
            "verbosity": 0,
        }
        if self.monotone:
            settings["monotone_constraints"] = tuple(monotone.ways(self.monotone, names))
        return settings


class XGBoostTrees:
    """Trained trees; the probability is the logistic function of the sum of their leaves.

    XGBoost computes in float32: the inputs are rounded to it, a value equal to a threshold goes
    right, and the leaves are added in it, so that the score has about 7 digits. A missing value
    (NaN) goes the way that training found better. Values beyond float32 count as its greatest.

    Args:
        text: the model in XGBoost's JSON, which holds numbers and no code.

    Raises:
        BuildError: the text is no sound model, or holds more than `xgboost_json` reads.
    """

    def __init__(self, text: str) -> None:
        library = _library()
        self.parsed = xgboost_json.trees(text)
        try:
            self._booster = library.Booster({"nthread": 1}, model_file=bytearray(text.encode()))
        except (library.core.XGBoostError, ValueError) as error:
            raise BuildError(f"XGBoost cannot read the model ({error}): build it again") from error
        self.text = text
        self.names = self.parsed.names
        self._one = _Row(library, self._booster, len(self.names))

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F]; the very bits that `scores` gives.

        Raises:
            InputError: the row has another shape.
        """
        return self._one.score(checked_row(row, len(self.names)))

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F].

        Raises:
            InputError: the rows have another width.
        """
        matrix = checked_matrix(matrix, len(self.names))
        if not len(matrix):
            return np.empty(0)
        return np.asarray(self._booster.inplace_predict(_single(matrix)), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Writes `xgboost.json` into the folder, its checksum the last line."""
        sealed(folder / FILE, self.text.encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: the file is missing or damaged.
        """
        return cls(unsealed(folder / FILE).decode())


class _Row:
    """XGBoost's C interface for one row at a time, which settles everything but the row once."""

    def __init__(self, library: Any, booster: Any, width: int) -> None:
        self._booster = booster  # the C interface needs it alive
        self._row = np.zeros((1, width), dtype=np.float32)
        place = {"data": [self._row.ctypes.data, True], "typestr": "<f4", "version": 3}
        self._array = json.dumps({**place, "shape": [1, width]}).encode()
        # NaN is the missing value; JSON as XGBoost reads it has a word for it.
        self._how = (
            b'{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0, '
            b'"missing": NaN, "strict_shape": false, "cache_id": 0}'
        )
        self._shape, self._length = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        self._result = ctypes.POINTER(ctypes.c_float)()
        self._call: Any = library.core._LIB.XGBoosterPredictFromDense
        self._arguments = (
            booster.handle,
            self._array,
            self._how,
            None,
            ctypes.byref(self._shape),
            ctypes.byref(self._length),
            ctypes.byref(self._result),
        )
        self._turn = Lock()

    def score(self, row: Floats) -> float:
        with self._turn:
            np.clip(row, -_GREATEST, _GREATEST, out=self._row[0], casting="unsafe")
            if self._call(*self._arguments):
                raise BuildError("XGBoost failed to score a row: build the model again")
            return float(self._result[0])


def _single(matrix: Floats) -> npt.NDArray[np.float32]:
    """As float32, the greatest instead of what lies beyond."""
    return np.clip(matrix, -_GREATEST, _GREATEST).astype(np.float32)


def _library() -> Any:
    try:
        import xgboost
    except ModuleNotFoundError as error:
        raise BuildError(
            "XGBoost is not installed: pip install 'groundplan[xgboost]', or take BoostedTrees()"
        ) from error
    return xgboost
