"""Expressions over one event: arithmetic, comparisons and conditions over what is read of it.

Every expression has two forms made from one definition: a closure that reads a row or a column
(the same code for a Python number and a NumPy array) and an SQL expression. Values are float64;
a truth is 1.0 or 0.0; an arithmetic result that is not a finite number is missing (NaN in
Python, NULL in SQL), and what is computed from a missing value is missing.
"""
# ruff: noqa: D102  (an override says what it does where it is declared, in Expression)

import copy
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from sqlglot import exp

from groundplan.errors import DefinitionError
from groundplan.features.arithmetic import absent, coding, divided, finite, related
from groundplan.features.sql import LARGEST, Sql, double

Evaluator: TypeAlias = Callable[[Any, Sequence[Any], Sequence[Any]], Any]
"""(time in us, values in field order, window values) -> value; all rows or all columns."""


class Expression(ABC):
    """A value computed from one event; combine with + - * /, comparisons and & | ~."""

    text: bool = False
    """Whether its value is a text, which can only be compared."""

    coded: bool = False
    """Whether its closure gives a text as its code (`Kind.coded`)."""

    condition: bool = False
    """Whether its value is a truth, so that it can be a filter and be joined by & | ~."""

    source: Any = None
    """The source whose events it reads; None for a constant."""

    parts: tuple["Expression", ...] = ()
    """The expressions that it is computed from."""

    @abstractmethod
    def definition(self) -> dict[str, Any]:
        """The definition as plain data; equal definitions compute equal values."""

    @abstractmethod
    def describe(self) -> str:
        """A plain-English name."""

    @abstractmethod
    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        """The closure that computes it; slots says where each window's value lies, by key."""

    @abstractmethod
    def sql(self) -> Sql:
        """The SQL form, over the columns of the compiled query."""

    def name(self) -> str | None:
        """A derived name, or None where only the author can give one."""
        return None

    def leaves(self) -> tuple["Expression", ...]:
        """The fields, times, windows and constants at the bottom of it."""
        below = tuple(leaf for part in self.parts for leaf in part.leaves())
        return below or (self,)

    def nodes(self) -> "Iterator[Expression]":
        """It and every expression that it is computed from."""
        yield self
        for part in self.parts:
            yield from part.nodes()

    def rebuilt(self, change: "Callable[[Expression], Expression | None]") -> "Expression":
        """The same with some of its nodes changed.

        Args:
            change: gives the replacement of a node, or None where it stays; it is asked from the
                top, and not about what is below a replacement.
        """
        changed = change(self)
        if changed is not None:
            return changed
        parts = tuple(part.rebuilt(change) for part in self.parts)
        if all(new is old for new, old in zip(parts, self.parts, strict=True)):
            return self
        twin = copy.copy(self)
        twin.parts = parts
        return twin

    def missing(self) -> "Expression":
        """1.0 where it has no value, 0.0 where it has one."""
        return Missing(self)

    def __add__(self, other: Any) -> "Expression":
        return Operation("+", self, other)

    def __radd__(self, other: Any) -> "Expression":
        return Operation("+", other, self)

    def __sub__(self, other: Any) -> "Expression":
        return Operation("-", self, other)

    def __rsub__(self, other: Any) -> "Expression":
        return Operation("-", other, self)

    def __mul__(self, other: Any) -> "Expression":
        return Operation("*", self, other)

    def __rmul__(self, other: Any) -> "Expression":
        return Operation("*", other, self)

    def __truediv__(self, other: Any) -> "Expression":
        return Operation("/", self, other)

    def __rtruediv__(self, other: Any) -> "Expression":
        return Operation("/", other, self)

    def __lt__(self, other: Any) -> "Expression":
        return Comparison("<", self, other)

    def __le__(self, other: Any) -> "Expression":
        return Comparison("<=", self, other)

    def __gt__(self, other: Any) -> "Expression":
        return Comparison(">", self, other)

    def __ge__(self, other: Any) -> "Expression":
        return Comparison(">=", self, other)

    def __eq__(self, other: Any) -> "Expression":  # type: ignore[override]  # a comparison to define, not to make
        return Comparison("=", self, other)

    def __ne__(self, other: Any) -> "Expression":  # type: ignore[override]  # as above
        return Comparison("!=", self, other)

    def __and__(self, other: Any) -> "Expression":
        return Truth.both(self, other)

    def __or__(self, other: Any) -> "Expression":
        return Truth.either(self, other)

    def __invert__(self) -> "Expression":
        return Truth.negation(self)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise DefinitionError(
            f"({self.describe()}) is known only when an event arrives, so it has no truth now: "
            "combine conditions with &, | and ~, each in parentheses"
        )


class Constant(Expression):
    """A number or, for comparison with a text field, a text."""

    def __init__(self, value: float | str) -> None:
        self.value = value
        self.text = isinstance(value, str)

    def definition(self) -> dict[str, Any]:
        return {"constant": self.value}

    def describe(self) -> str:
        return repr(self.value) if isinstance(self.value, str) else f"{self.value:g}"

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        value = self.value
        return lambda time, values, windows: value

    def sql(self) -> Sql:
        if isinstance(self.value, str):
            return exp.Literal.string(self.value)
        return double(self.value)


class Pair(Expression):
    """What is computed from two expressions."""

    @property
    def left(self) -> Expression:
        """The first of them."""
        return self.parts[0]

    @property
    def right(self) -> Expression:
        """The second of them."""
        return self.parts[1]


class Operation(Pair):
    """Arithmetic of two numbers; a result that is not finite is missing."""

    DO: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": divided,
    }
    NODES: ClassVar[dict[str, type[exp.Binary]]] = {
        "+": exp.Add,
        "-": exp.Sub,
        "*": exp.Mul,
        "/": exp.Div,
    }

    def __init__(self, symbol: str, left: Any, right: Any) -> None:
        self.symbol = symbol
        self.parts = operands(symbol, left, right)
        self.source = self.left.source or self.right.source
        for side in (self.left, self.right):
            if side.text:
                raise DefinitionError(
                    f"{side.describe()} is text, and {symbol} wants numbers: compare it with == "
                    "to make a number of it"
                )

    def definition(self) -> dict[str, Any]:
        return {"do": self.symbol, "of": [self.left.definition(), self.right.definition()]}

    def describe(self) -> str:
        return f"{_phrase(self.left)} {self.symbol} {_phrase(self.right)}"

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        do, left, right = self.DO[self.symbol], *_both(self, slots)
        return lambda time, values, windows: finite(
            do(left(time, values, windows), right(time, values, windows))
        )

    def sql(self) -> Sql:
        left, right = exp.paren(self.left.sql()), exp.paren(self.right.sql())
        result = self.NODES[self.symbol](this=left, expression=right)
        # Engines hold NaN for larger than any number.
        finite: Any = exp.func("ABS", result) <= double(LARGEST)
        if self.symbol == "/":  # said here, because engines differ on what x / 0 is
            finite = exp.and_(right.copy().neq(double(0.0)), finite)
        return exp.Case().when(finite, result.copy())


class Comparison(Pair):
    """1.0 where two values stand in a relation, 0.0 where they do not."""

    condition = True

    DO: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "=": operator.eq,
        "!=": operator.ne,
    }
    NODES: ClassVar[dict[str, type[exp.Binary]]] = {
        "<": exp.LT,
        "<=": exp.LTE,
        ">": exp.GT,
        ">=": exp.GTE,
        "=": exp.EQ,
        "!=": exp.NEQ,
    }
    WORDS: ClassVar[dict[str, str]] = {
        "<": "under",
        "<=": "at most",
        ">": "over",
        ">=": "at least",
        "=": "is",
        "!=": "is not",
    }

    def __init__(self, symbol: str, left: Any, right: Any) -> None:
        self.symbol = symbol
        self.parts = operands(symbol, left, right)
        self.source = self.left.source or self.right.source
        if self.left.text != self.right.text:
            raise DefinitionError(
                f"{self.left.describe()} {symbol} {self.right.describe()} compares text with a "
                "number: compare text with text, numbers with numbers"
            )
        if self.left.text and symbol not in ("=", "!="):
            raise DefinitionError(
                f"{self.left.describe()} is text, which has no order here: use == or !="
            )

    def definition(self) -> dict[str, Any]:
        return {"is": self.symbol, "of": [self.left.definition(), self.right.definition()]}

    def describe(self) -> str:
        return f"{_phrase(self.left)} {self.WORDS[self.symbol]} {_phrase(self.right)}"

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        do, left, right = self.DO[self.symbol], *_both(self, slots)
        if self.left.text:
            if self.left.coded or self.right.coded:
                left = coding(left, self.left.coded)
                right = coding(right, self.right.coded)
            return lambda time, values, windows: related(
                do, left(time, values, windows), right(time, values, windows)
            )

        def compare(time: Any, values: Sequence[Any], windows: Sequence[Any]) -> Any:
            x, y = left(time, values, windows), right(time, values, windows)
            return do(x, y) * 1.0 + (x - x) + (y - y)  # NaN where either is missing

        return compare

    def sql(self) -> Sql:
        left, right = exp.paren(self.left.sql()), exp.paren(self.right.sql())
        return exp.cast(self.NODES[self.symbol](this=left, expression=right), "DOUBLE")


class Missing(Expression):
    """1.0 where an expression has no value, 0.0 where it has one."""

    condition = True

    def __init__(self, of: Expression) -> None:
        self.parts = (of,)
        self.source = of.source

    def definition(self) -> dict[str, Any]:
        return {"missing": self.parts[0].definition()}

    def describe(self) -> str:
        return f"{_phrase(self.parts[0])} is missing"

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        read = self.parts[0].evaluator(slots)
        return lambda time, values, windows: absent(read(time, values, windows)) * 1.0

    def sql(self) -> Sql:
        absent = exp.Is(this=exp.paren(self.parts[0].sql()), expression=exp.null())
        return exp.cast(exp.paren(absent), "DOUBLE")


class Truth(Operation):
    """A condition of conditions: arithmetic of ones and zeros, and its own words."""

    condition = True

    def __init__(self, words: str, symbol: str, left: Any, right: Any) -> None:
        super().__init__(symbol, left, right)
        self.words = words

    def describe(self) -> str:
        return self.words

    @classmethod
    def both(cls, x: Any, y: Any) -> Expression:
        """1.0 where both hold."""
        x, y = cls._conditions(x, y)
        return cls(f"{_phrase(x)} and {_phrase(y)}", "*", x, y)

    @classmethod
    def either(cls, x: Any, y: Any) -> Expression:
        """1.0 where one of them holds, or both."""
        x, y = cls._conditions(x, y)
        return cls(f"{_phrase(x)} or {_phrase(y)}", "-", x + y, x * y)

    @classmethod
    def negation(cls, x: Any) -> Expression:
        """1.0 where it does not hold."""
        (x,) = cls._conditions(x)
        return cls(f"not {_phrase(x)}", "-", 1.0, x)

    @staticmethod
    def _conditions(*given: Any) -> tuple[Expression, ...]:
        for x in given:
            if not (isinstance(x, Expression) and x.condition):
                raise DefinitionError(
                    f"{x.describe() if isinstance(x, Expression) else x!r} is not a condition: "
                    "&, | and ~ combine comparisons, each in parentheses"
                )
        return given


def operands(symbol: str, left: Any, right: Any) -> tuple[Expression, Expression]:
    """Expressions of what stands beside an operator.

    Raises:
        DefinitionError: it is neither an expression, nor a finite number, nor a text.
    """
    return _operand(symbol, left), _operand(symbol, right)


def _operand(symbol: str, value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, str):
        return Constant(value)
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return Constant(float(value))
    raise DefinitionError(
        f"{value!r} cannot stand beside {symbol}: use a field, a part of the time, a window, "
        "a finite number or a text"
    )


def _both(pair: Pair, slots: Mapping[str, int]) -> tuple[Evaluator, Evaluator]:
    return pair.left.evaluator(slots), pair.right.evaluator(slots)


def _phrase(part: Expression) -> str:
    compound = isinstance(part, Pair | Missing)
    return f"({part.describe()})" if compound else part.describe()
