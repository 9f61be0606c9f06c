"""A model that is a function of the project: plain Python over rows of inputs.

The function is never stored. A build keeps its name and a hash of its source, and what its own
training gave, as arrays of numbers; a server takes the function from `system.py` and checks that
it still is the one that was judged.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, Final, Self

import numpy as np

from groundplan.errors import BuildError, DefinitionError, EngineError
from groundplan.models import arrays
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
    checked_training,
)

FILE: Final = "function.arrays"

State = Mapping[str, Any]
"""What training gave: float64 or int64 arrays by name."""

Find = Callable[[str], Any]
"""The object of a name in `system.py`; None where it defines none."""

_TRIED: Final = 16  # rows that are scored alone and together when a function is trained
_CLOSE: Final = 1e-9


@dataclass(frozen=True)
class Function:
    """A function of `system.py` as the model.

    Args:
        f: float64[n, F] to probabilities, float64[n], row by row: NaN is a missing value. With
            `fit` it takes what that gave as a second argument.
        fit: float64[n, F] and bool[n] to arrays by name, which are kept in the build; None
            where nothing is to be learned.

    Raises:
        DefinitionError: one of them is no plain function on the top level of a file.
    """

    f: Callable[..., Floats]
    fit: Callable[[Floats, Bools], State] | None = None

    def __post_init__(self) -> None:
        """Holds both to what a server can find again by name."""
        for each in (self.f, self.fit):
            if each is not None:
                _check(each)

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> "FunctionModel":
        """Runs `fit`, where there is one, and tries the function on the first rows.

        Raises:
            InputError: shapes or names do not fit each other.
            BuildError: only one class is present, `fit` gives no arrays of numbers, or the
                function gives no probabilities, or others for a row alone than among others.
        """
        x, y = checked_training(x, y, tuple(names))
        state = {} if self.fit is None else _state(self.fit, self.fit(x, y))
        if progress is not None:
            progress(1, 1)
        model = FunctionModel(self.f, tuple(names), state)
        try:
            together = model.scores(x[:_TRIED])
            alone = np.array([model.score(row) for row in x[:_TRIED]])
        except EngineError as error:
            raise BuildError(str(error)) from error
        if np.abs(together - alone).max() > _CLOSE:
            raise BuildError(
                f"{self.f.__name__} gives a row another probability alone than among others: "
                "compute each row from itself only"
            )
        return model


class FunctionModel:
    """A function, the inputs that it takes, and what its training gave."""

    def __init__(self, f: Callable[..., Floats], names: tuple[str, ...], state: State) -> None:
        self._f, self.names, self.state = f, names, dict(state)
        self._more = (self.state,) if self.state else ()

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F].

        Raises:
            InputError: the row has another shape.
            EngineError: the function failed, or gave no probability.
        """
        return float(self._run(checked_row(row, len(self.names))[None])[0])

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F].

        Raises:
            InputError: the rows have another width.
            EngineError: the function failed, or gave no probabilities.
        """
        matrix = checked_matrix(matrix, len(self.names))
        return self._run(matrix) if len(matrix) else np.empty(0)

    def save(self, folder: Path) -> None:
        """Writes the name of the function, the hash of its source, and what training gave."""
        facts = {"f": self._f.__name__, "source": source(self._f), "names": list(self.names)}
        arrays.save(folder / FILE, facts, {k: np.asarray(v) for k, v in self.state.items()})

    @classmethod
    def load(cls, folder: Path, find: Find) -> Self:
        """Takes the function from where `find` finds it, and the rest from the folder.

        Raises:
            BuildError: the file is damaged, or the function is gone or has changed.
        """
        facts, state = arrays.load(folder / FILE)
        try:
            name, hashed, names = facts["f"], facts["source"], tuple(facts["names"])
        except KeyError as error:
            raise BuildError(f"{folder / FILE} lacks {error}: build the model again") from error
        f = find(name)
        if not isinstance(f, FunctionType):
            raise BuildError(f"system.py defines no function {name!r}, which the build scores with")
        if source(f) != hashed:
            raise BuildError(
                f"the function {name!r} has changed since the build was made: run "
                "`groundplan build` again"
            )
        return cls(f, names, state)

    def _run(self, matrix: Floats) -> Floats:
        name = self._f.__name__
        try:
            given = np.asarray(self._f(matrix, *self._more), dtype=np.float64)
        except Exception as error:  # whatever a project's own code raises is its answer
            raise EngineError(f"{name} failed: {type(error).__name__}: {error}") from error
        if given.shape != (len(matrix),):
            raise EngineError(
                f"{name} gave an array of shape {given.shape} for {len(matrix)} rows: return one "
                "probability for each"
            )
        if not ((given >= 0) & (given <= 1)).all():
            raise EngineError(f"{name} gave what is no probability: return numbers from 0 to 1")
        return given


def source(f: Callable[..., Any]) -> str:
    """SHA-256 of the source of a function and of those of its file that it calls, hexadecimal."""
    found: dict[str, str] = {}
    waiting = [f]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, FunctionType) or each.__qualname__ in found:
            continue
        found[each.__qualname__] = inspect.getsource(each)
        named = (each.__globals__.get(name) for name in _names(each.__code__))
        waiting += [
            other
            for other in named
            if isinstance(other, FunctionType) and other.__module__ == each.__module__
        ]
    return hashlib.sha256("\n".join(found[name] for name in sorted(found)).encode()).hexdigest()


def _names(code: Any) -> list[str]:
    """The names that a piece of code and those within it use, sorted."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names.update(_names(constant))
    return sorted(names)


def _check(f: Callable[..., Any]) -> None:
    if not isinstance(f, FunctionType) or f.__qualname__ != f.__name__ or f.__name__ == "<lambda>":
        raise DefinitionError(
            f"{f!r} is no function on the top level of a file: a server finds it by its name, so "
            "write `def score(x): ...` there and pass `score`"
        )


def _state(fit: Callable[..., Any], given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given:
        raise BuildError(f'{fit.__name__} gave {given!r}: return arrays by name, {{"mean": ...}}')
    kept = {str(name): np.asarray(value) for name, value in given.items()}
    for name, value in kept.items():
        if value.dtype not in (np.float64, np.int64):
            raise BuildError(
                f"{fit.__name__} gave {name} of type {value.dtype}: only float64 and int64 "
                "arrays are kept"
            )
    return kept
