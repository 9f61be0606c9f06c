"""Functions in Python over expressions: the same on a column offline and on one row online."""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

import inspect
import math
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from groundplan.errors import DefinitionError
from groundplan.features.expressions import Evaluator, Expression, operands
from groundplan.features.sql import Sql

Floats: TypeAlias = npt.NDArray[np.float64]
Elementwise: TypeAlias = Callable[..., Floats]
"""From float64 arrays of one length to a float64 array of that length, element by element."""

_EDGES: Final = (0.0, 1.0, -1.0, 0.5, 1e-9, 1e6, -1e12, 3e300, math.nan)
_SAMPLES: Final = 160


class Apply(Expression):
    """A function of Python over expressions.

    Args:
        function: from float64 arrays to one of the same length, element by element; NaN is
            missing, and a result that is not finite is missing.
        parts: what it is applied to.
        name: what the feature is called.
        words: what it is, in words.
    """

    def __init__(
        self, function: Elementwise, parts: tuple[Expression, ...], name: str | None, words: str
    ) -> None:
        self.function = function
        self.parts = parts
        self.source = next((part.source for part in parts if part.source is not None), None)
        self._name = name
        self._words = words
        self._code = _code(function)

    def definition(self) -> dict[str, Any]:
        return {"apply": self._code, "to": [part.definition() for part in self.parts]}

    def describe(self) -> str:
        return self._words

    def name(self) -> str | None:
        return self._name

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        reads = tuple(part.evaluator(slots) for part in self.parts)
        function = self.function

        def applied(time: Any, values: Sequence[Any], windows: Sequence[Any]) -> Any:
            given = [read(time, values, windows) for read in reads]
            rows = next((len(each) for each in given if isinstance(each, np.ndarray)), None)
            with np.errstate(all="ignore"):
                found = function(*(_column(each, 1 if rows is None else rows) for each in given))
            if rows is None:
                one = float(found[0])
                return one if math.isfinite(one) else math.nan
            return np.where(np.isfinite(found), found, np.nan)

        return applied

    def sql(self) -> Sql:
        raise DefinitionError(
            f"{self.describe()} is computed in Python after the statement: use offline.table, or "
            "leave it out to print the SQL"
        )


def apply(
    function: Elementwise, *to: Any, name: str | None = None, describe: str | None = None
) -> Expression:
    """A function of Python over expressions, run on columns offline and on one row online.

    Both give equal values because the function is elementwise: its result for an array is what
    it gives for each element alone. That is tried here on a sample. It is called with arrays of
    length 1 online. Its source text is part of the definition; what it calls is not.

    Args:
        function: from as many float64 arrays as there are expressions to one of the same length;
            NaN is a missing value, and a result that is not finite is missing.
        to: expressions and numbers.
        name: the feature's name; the function's own where it is left out.
        describe: what it is, in words.

    Raises:
        DefinitionError: it fails on a sample, gives another shape or type, or an element's result
            depends on its neighbours; or an expression is a text.
    """
    called = getattr(function, "__name__", None)
    if not callable(function) or not to:
        raise DefinitionError(
            f"apply({function!r}): give a function and at least one expression to apply it to"
        )
    parts = tuple(operands("apply", part, 0.0)[0] for part in to)
    words = f"{called or 'function'} of {', '.join(part.describe() for part in parts)}"
    for part in parts:
        if part.text:
            raise DefinitionError(
                f"apply({called}): {part.describe()} is text, and the function is given numbers: "
                "make a category of it, or compare it"
            )
    if all(part.source is None for part in parts):
        raise DefinitionError(f"apply({called}): {words} reads no event: name a field or a window")
    _try(function, len(parts), f"apply({called or function!r})")
    derived = called if called and called.isidentifier() and called != "<lambda>" else None
    return Apply(function, parts, name or derived, describe or words)


def _column(value: Any, rows: int) -> Floats:
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, dtype=np.float64)
    return np.full(rows, value, dtype=np.float64)


def _try(function: Elementwise, count: int, where: str) -> None:
    """Call it on a sample, whole, in two parts and element by element: all must be the same."""
    columns = _samples(count)
    whole = _called(function, columns, where)
    for size in (1, 7, _SAMPLES // 2):
        pieces = [
            _called(function, [column[at : at + size] for column in columns], where)
            for at in range(0, len(columns[0]), size)
        ]
        together = np.concatenate(pieces)
        # Any two missing values are the same, whatever their bits.
        unequal = np.flatnonzero((together != whole) & (np.isfinite(together) | np.isfinite(whole)))
        if len(unequal):
            at = int(unequal[0])
            given = ", ".join(f"{column[at]!r}" for column in columns)
            raise DefinitionError(
                f"{where}: the result for ({given}) is {whole[at]!r} in an array of "
                f"{len(whole)} and {together[at]!r} in one of {size}: it must be elementwise, so "
                "that one row gives what a column gives"
            )


def _samples(count: int) -> list[Floats]:
    random = np.random.default_rng(count)
    columns = []
    for at in range(count):
        edges = np.roll(np.repeat(_EDGES, 2), at)
        size = _SAMPLES - len(edges)
        drawn = random.normal(size=size) * 10.0 ** random.integers(-3, 6, size)
        columns.append(np.concatenate([edges, drawn]))
    return columns


def _called(function: Elementwise, columns: list[Floats], where: str) -> Floats:
    given = [column.copy() for column in columns]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = function(*given)
    except Exception as error:  # whatever the function of the user raises
        raise DefinitionError(
            f"{where}: it raises {type(error).__name__}: {error}: it is given "
            f"{len(columns)} float64 array{'s' if len(columns) > 1 else ''} and gives one back"
        ) from error
    wanted = columns[0].shape
    if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.shape != wanted:
        shown = f"{found.dtype}{found.shape}" if isinstance(found, np.ndarray) else repr(found)
        raise DefinitionError(
            f"{where}: it gives {shown[:80]} for arrays of shape {wanted}: return a float64 array "
            "of that shape"
        )
    if any(
        (a != b).any() and not np.isnan(a[a != b]).all()
        for a, b in zip(given, columns, strict=True)
    ):
        raise DefinitionError(f"{where}: it changes the arrays that it is given: copy them first")
    return found


def _code(function: Elementwise) -> str:
    """What the function is, as text: its source where it has one, else its full name."""
    name = f"{getattr(function, '__module__', None)}.{getattr(function, '__qualname__', function)}"
    code = getattr(function, "__code__", None)
    if code is None:
        return f"numpy.{function.__name__}" if isinstance(function, np.ufunc) else name
    cells = [repr(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    defaults = repr(getattr(function, "__defaults__", None))
    try:
        text = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):  # written at a prompt
        text = f"{name} {code.co_code.hex()} {code.co_consts!r}"
    return "\n".join([text, *cells, *([defaults] if defaults != "None" else [])])
