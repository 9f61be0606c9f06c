"""Gradient-boosted trees by LightGBM: trained the same from the same data, one row in few us."""

import ctypes
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import lightgbm
import msgspec
import numpy as np

from groundplan.errors import BuildError
from groundplan.models import lightgbm_text, monotone
from groundplan.models.file import sealed, unsealed
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
    checked_training,
)

FILE = "trees.txt"

Progress = Callable[[int, int], None]

_FLOAT64: Final = 1  # C_API_DTYPE_FLOAT64
_PROBABILITY: Final = 0  # C_API_PREDICT_NORMAL
_ALONE: Final = b"num_threads=1"  # for one row, more threads only wait for each other


class BoostedTrees(msgspec.Struct, frozen=True):
    """What to train: logistic loss, leaf-wise growth, small enough for exact reasons on line.

    The defaults had the best average precision, or nearly, over four weekly rounds of the
    published transactions that end before the published test begins; many bins matter most.

    Args:
        trees: how many.
        leaves: the most leaves of a tree.
        learning_rate: the share of each tree's step that is taken.
        min_leaf_rows: the fewest training rows of a leaf.
        l2: penalty on leaf values.
        feature_share: the share of the inputs that each tree is offered.
        bins: the most distinct values of an input that a split can tell apart.
        seed: of whatever is drawn; nothing is while `feature_share` is 1.
        threads: that train; the trees do not depend on it.
        monotone: by input, 1 where the score never falls as the input rises, -1 where it never
            rises; every tree is held to it, for all rows.

    Raises:
        DefinitionError: a direction is neither 1 nor -1.
    """

    trees: int = 100
    leaves: int = 16
    learning_rate: float = 0.05
    min_leaf_rows: int = 100
    l2: float = 0.0
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
        self, x: Floats, y: Bools, names: tuple[str, ...], progress: Progress | None = None
    ) -> "Trees":
        """Trees for float64[n, F] inputs, NaN being a missing value, and bool[n] labels.

        Args:
            x: the inputs, one row per example.
            y: the labels.
            names: of the inputs, identifiers.
            progress: told the trees grown and wanted, after each.

        Raises:
            InputError: shapes or names do not fit each other.
            DefinitionError: a direction is asked of an input that is not there.
            BuildError: only one class is present, or LightGBM refuses the settings.
        """
        x, y = checked_training(x, y, tuple(names))

        def report(state: Any) -> None:
            if progress is not None:
                progress(state.iteration + 1, self.trees)

        try:
            booster = lightgbm.train(
                self._settings(names),
                lightgbm.Dataset(x, y.astype(np.float64), feature_name=list(names)),
                self.trees,
                callbacks=[report],
            )
        except lightgbm.basic.LightGBMError as error:
            raise BuildError(f"LightGBM cannot train {self}: {error}") from error
        trees = Trees(booster.model_to_string())
        monotone.hold(trees.parsed, self.monotone)
        return trees

    def _settings(self, names: tuple[str, ...]) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_leaf_rows,
            "lambda_l2": self.l2,
            "feature_fraction": self.feature_share,
            "max_bin": self.bins,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        if self.monotone:
            settings["monotone_constraints"] = monotone.ways(self.monotone, names)
            # The freer ways, "intermediate" and "advanced", now and then grow trees that break it.
            settings["monotone_constraints_method"] = "basic"
        return settings


class Trees:
    """Trained trees; the probability is the logistic function of the sum of their leaves.

    A value equal to a threshold goes left. A missing value (NaN) goes the way that training
    found better, or, where training saw none, counts as 0. Two rows that take the same way
    through all trees have the same score, to the bit.

    Args:
        text: the model in LightGBM's text format, which holds numbers and no code.

    Raises:
        BuildError: the text is no sound model, or holds more than `lightgbm_text` reads.
    """

    def __init__(self, text: str) -> None:
        # LightGBM ends the process over some damaged texts, so it gets only what is sound.
        self.parsed = lightgbm_text.trees(text)
        try:
            self._booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise BuildError(f"LightGBM cannot read the model ({error}): build it again") from error
        self.text = text
        self.names = self.parsed.names
        self._one = _Row(self._booster, len(self.names))

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F]; the very bits that `scores` gives.

        Raises:
            InputError: the row has another shape.
        """
        return self._one.score(checked_row(row, len(self.names)))

    def scores(self, matrix: Floats, threads: int = 1) -> Floats:
        """The probabilities of many rows, float64[n, F].

        Raises:
            InputError: the rows have another width.
        """
        matrix = checked_matrix(matrix, len(self.names))
        if not len(matrix):
            return np.empty(0)
        return np.asarray(self._booster.predict(matrix, num_threads=threads), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Writes `trees.txt` into the folder: LightGBM's text, its checksum the last line."""
        sealed(folder / FILE, self.text.encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: the file is missing or damaged.
        """
        return cls(unsealed(folder / FILE).decode())


class _Row:
    """LightGBM's C interface for one row at a time, which settles everything but the row once.

    `Booster.predict` gives the same bits and spends ten times as long on its way in and out.
    """

    def __init__(self, booster: lightgbm.Booster, width: int) -> None:
        library: Any = vars(lightgbm.basic)["_LIB"]
        settings = ctypes.c_void_p()
        failed = library.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,
            ctypes.c_int(_PROBABILITY),
            ctypes.c_int(0),  # from the first tree
            ctypes.c_int(-1),  # to the last
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(width),
            ctypes.c_char_p(_ALONE),
            ctypes.byref(settings),
        )
        if failed:
            raise BuildError("LightGBM cannot score single rows with this model: build it again")
        self._booster = booster  # the C interface needs it alive
        self._settings = settings
        self._free = library.LGBM_FastConfigFree
        self._row = np.zeros(width)
        self._count, self._result = ctypes.c_int64(), ctypes.c_double()
        self._call = ctypes.PyDLL(library._name).LGBM_BoosterPredictForMatSingleRowFast
        self._call.argtypes = [ctypes.c_void_p] * 4
        self._arguments = (
            settings.value,
            self._row.ctypes.data,
            ctypes.addressof(self._count),
            ctypes.addressof(self._result),
        )
        self._turn = threading.Lock()

    def score(self, row: Floats) -> float:
        with self._turn:
            self._row[:] = row
            if self._call(*self._arguments):
                raise BuildError("LightGBM failed to score a row: build the model again")
            return self._result.value

    def __del__(self) -> None:
        if hasattr(self, "_settings"):
            self._free(self._settings)
