"""The port that every model fills: named inputs, one row to a probability, many rows to many."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from groundplan.errors import BuildError, InputError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


class Scorer(Protocol):
    """What scores rows with the probability that the label is true."""

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs, in the order of a row's columns."""

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F]; NaN is a missing value."""

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F].

        Each is the very bits of `score` of that row, but for a network, a function or another
        server, whose matrix products may round in another order.
        """


def checked_row(row: Floats, width: int) -> Floats:
    """The row as contiguous float64[width].

    Raises:
        InputError: it has another shape.
    """
    if type(row) is not np.ndarray or row.dtype != np.float64 or not row.flags.c_contiguous:
        row = np.ascontiguousarray(row, dtype=np.float64)
    if row.shape != (width,):
        raise InputError(
            "row", f"a row of shape {row.shape} was given: the model takes {width} values, one each"
        )
    return row


def checked_matrix(matrix: Floats, width: int) -> Floats:
    """The matrix as contiguous float64[n, width].

    Raises:
        InputError: it has another shape.
    """
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise InputError(
            "matrix",
            f"a matrix of shape {matrix.shape} was given: the model takes rows of {width} values",
        )
    return matrix


def checked_training(x: Floats, y: Bools, names: tuple[str, ...]) -> tuple[Floats, Bools]:
    """The training data as float64[n, F] and bool[n].

    Raises:
        InputError: shapes or names do not fit, a label is not a bool, or a value is infinite.
        BuildError: only one class is present, so there is nothing to tell apart.
    """
    x = checked_matrix(x, len(names))
    y = np.asarray(y)
    if y.dtype != np.bool_ or y.shape != (len(x),):
        raise InputError(
            "y", f"labels of type {y.dtype} and shape {y.shape}: give {len(x)} bools, one per row"
        )
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise InputError("names", f"{names}: each input needs a name of its own, an identifier")
    if np.isinf(x).any():
        column = int(np.flatnonzero(np.isinf(x).any(axis=0))[0])
        raise InputError(
            names[column], f"{names[column]} is infinite in a row: bound it or drop it"
        )
    positives = int(np.count_nonzero(y))
    if positives in (0, len(y)):
        raise BuildError(
            f"{positives} of {len(y)} training rows are positive: a model needs both classes; "
            "train on a longer period"
        )
    return x, y
