"""Categories: a field as a code 0 to n - 1, by a mapping that is learned or written."""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from sqlglot import exp

from groundplan.errors import DefinitionError
from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.sql import Sql
from groundplan.features.values import FieldValue
from groundplan.features.windows import Lookup, Window

MOST: Final = 1_000
"""Values that a learned mapping has where the definition does not say."""


class Category(Expression):
    """The code of a field's value; missing where the mapping lacks it.

    Args:
        of: a text or int, of the event or of a profile.
        written: whether the definition has the values, so that nothing is learned.
        most: how many values a learned mapping has at most.
        values: by code; None before they are learned.
    """

    def __init__(
        self, of: Expression, written: bool, most: int, values: tuple[int | str, ...] | None
    ) -> None:
        self.parts = (of,)
        self.source = of.source
        self.written = written
        self.most = most
        self.values = values

    @property
    def of(self) -> "FieldValue | Window":
        """What is mapped."""
        part = self.parts[0]
        assert isinstance(part, FieldValue | Window)
        return part

    @property
    def key(self) -> str:
        """What the mapping is called: `merchant`, or `customers.segment` of a profile."""
        of = self.of
        if isinstance(of, FieldValue):
            return of.field
        on = f" of {of.on}" if of.on != of.key else ""
        return f"{of.source.name}.{of.field}{on}"

    @property
    def kind(self) -> str:
        """The type of the values: `int` or `str`."""
        return self.of.kind.name

    def fitted(self, values: Sequence[int | str]) -> "Category":
        """The same with its values.

        Raises:
            DefinitionError: a value stands twice or is of another type.
        """
        _check_values(self.key, self.kind, values)
        return Category(self.of, self.written, self.most, tuple(values))

    def definition(self) -> dict[str, Any]:
        written = list(self.values or ()) if self.written else None
        return {"category": self.of.definition(), "values": written, "most": self.most}

    def describe(self) -> str:
        return f"kind of {self.of.describe()}"

    def name(self) -> str | None:
        return self.of.name()

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        read = self.of.evaluator(slots)
        of = self.of
        texts = isinstance(of, FieldValue) or not of.coded
        codes: dict[Any, float] = {
            value if texts else of.kind.coded(value): float(code)
            for code, value in enumerate(self.known)
        }

        def code(time: Any, values: Sequence[Any], windows: Sequence[Any]) -> Any:
            found = read(time, values, windows)
            if isinstance(found, np.ndarray):
                return np.array([codes.get(value, math.nan) for value in found.tolist()])
            return codes.get(found, math.nan)

        return code

    @property
    def known(self) -> tuple[int | str, ...]:
        """The values by code.

        Raises:
            DefinitionError: they have not been learned.
        """
        if self.values is None:
            raise DefinitionError(
                f"category({self.key}) has no values yet: learn them with "
                "inputs.learn(table) and use inputs.fitted(mapping), or write values=(...)"
            )
        return self.values

    def sql(self) -> Sql:
        """The code column of the table of codes that the compiled query joins."""
        return exp.column("code", table=exp.to_identifier(self.table, quoted=True))

    @property
    def table(self) -> str:
        """The name of the table of codes in the compiled query."""
        return f"codes of {self.key}"


def category(
    of: Expression,
    values: Sequence[int | str] | None = None,
    most: int = MOST,
) -> Category:
    """A field as a code 0 to n - 1; a value without a code is missing.

    Args:
        of: a text or int field of the event, or a column of a profile table.
        values: by code; left out, they are learned from the events of a build, the most frequent
            first, and kept with it.
        most: how many are learned at most.

    Raises:
        DefinitionError: it is no such field, or the values do not fit it.
    """
    plain = isinstance(of, FieldValue) or (
        isinstance(of, Window) and isinstance(of.function, Lookup)
    )
    if not plain or of.kind.name not in ("int", "str"):  # type: ignore[attr-defined]  # both have one
        shown = of.describe() if isinstance(of, Expression) else repr(of)
        raise DefinitionError(
            f"category({shown}): a category is made of a text or int field: name one of an event "
            "or of a profile table"
        )
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise DefinitionError(f"category({of.describe()}): most={most!r} is not a count above 0")
    made = Category(of, values is not None, most, None)
    return made if values is None else made.fitted(values)


def _check_values(key: str, kind: str, values: Sequence[int | str]) -> None:
    wanted = str if kind == "str" else int
    for value in values:
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise DefinitionError(f"category({key}): the value {value!r} is not {kind}: correct it")
    if len(set(values)) < len(values) or isinstance(values, str):
        raise DefinitionError(f"category({key}): a value stands twice: each has one code")
