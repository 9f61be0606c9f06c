"""A set of features: the one definition from which the SQL, the online state and the words come."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from groundplan.errors import DefinitionError
from groundplan.features.event import Event
from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.source import Source
from groundplan.features.windows import Window


def features(*positional: Expression, **named: Expression) -> "FeatureSet":
    """A feature set from expressions; those given by position take a derived name.

    Raises:
        DefinitionError: one is no expression, has no name of its own, repeats a name, is text,
            or reads another source than the rest.
    """
    pairs = [(_derived(expression), expression) for expression in positional]
    return FeatureSet([*pairs, *named.items()])


class FeatureSet:
    """Named expressions over the events of one source, in order.

    Args:
        pairs: (name, expression).
    """

    def __init__(self, pairs: Sequence[tuple[str, Expression]]) -> None:
        if not pairs:
            raise DefinitionError("features() is empty: give it at least one expression")
        self.source: Source = _one_source(pairs)
        self.names: tuple[str, ...] = tuple(name for name, _ in pairs)
        self.expressions: tuple[Expression, ...] = tuple(expression for _, expression in pairs)
        _check_names(self.names, self.source)

    @cached_property
    def descriptions(self) -> tuple[str, ...]:
        """A plain-English name for each feature, in order."""
        return tuple(expression.describe() for expression in self.expressions)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The distinct windows, in the order of first use."""
        found = {
            leaf.id: leaf
            for expression in self.expressions
            for leaf in expression.leaves()
            if isinstance(leaf, Window)
        }
        return tuple(found.values())

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """The keys whose histories the windows read, in the order of first use."""
        return tuple(dict.fromkeys(window.key for window in self.windows))

    @cached_property
    def summed(self) -> tuple[str, ...]:
        """The fields and labels that windows read, in the order of first use."""
        return tuple(dict.fromkeys(window.field for window in self.windows if window.field))

    @property
    def longest(self) -> int:
        """The age in us past which an event counts nowhere; 0 without windows."""
        return max((window.oldest for window in self.windows), default=0)

    def definitions(self) -> dict[str, Any]:
        """The source and the features as plain data, fit for JSON."""
        return {
            "source": self.source.definition(),
            "features": [
                {"name": name, **expression.definition()}
                for name, expression in zip(self.names, self.expressions, strict=True)
            ],
        }

    def fingerprint(self) -> str:
        """The SHA-256 of the definitions, in hexadecimal: equal where all values are equal."""
        canonical = json.dumps(self.definitions(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def sql(self, table: str) -> str:
        """One DuckDB statement: a row per event of the table, in the table's order.

        Args:
            table: a table or view with the source's columns: the time TIMESTAMP, the fields and
                labels as declared. `offline.table` takes any file and checks it first.
        """
        from groundplan.features.columns import declared, normalised
        from groundplan.features.query import compile_query

        events = normalised(self, exp.to_table(table), declared(self.source))
        return compile_query(self, events).sql("duckdb", pretty=True)

    def row(self, event: Event, windows: Sequence[float]) -> npt.NDArray[np.float64]:
        """The features of one event from the values of its windows, in order.

        Args:
            event: normalised, as `Schema.decode` makes it.
            windows: a value per window of `.windows`.
        """
        slots, computed = self._plan
        out = [windows[slot] for slot in slots] if windows else [0.0] * len(slots)
        for at, read in computed:
            out[at] = read(event.time, event.values, windows)
        return np.array(out)

    def column(
        self, time: npt.NDArray[np.int64], values: Sequence[Any], windows: Sequence[Any]
    ) -> npt.NDArray[np.float64]:
        """The features of many events, float64[rows, features], by the code that reads one row.

        Args:
            time: us.
            values: an array per field of the source, normalised like `Event.values`.
            windows: an array per window of `.windows`.
        """
        out = np.empty((len(time), len(self.names)))
        with np.errstate(all="ignore"):
            for at, read in enumerate(self._evaluators):
                out[:, at] = read(time, values, windows)
        return out

    @cached_property
    def _evaluators(self) -> tuple[Evaluator, ...]:
        slots = {window.id: at for at, window in enumerate(self.windows)}
        return tuple(expression.evaluator(slots) for expression in self.expressions)

    @cached_property
    def _plan(self) -> tuple[list[int], list[tuple[int, Evaluator]]]:
        """Which window each feature is, and what is computed over those that are none."""
        slots = {window.id: at for at, window in enumerate(self.windows)}
        plain = [e.id if isinstance(e, Window) else None for e in self.expressions]
        computed = [(at, self._evaluators[at]) for at, id in enumerate(plain) if id is None]
        return [slots[id] if id else 0 for id in plain], computed

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"features({', '.join(self.names)})"


def _derived(expression: Expression) -> str:
    if not isinstance(expression, Expression):
        raise DefinitionError(_not_an_expression("features()", expression))
    name = expression.name()
    if name is None:
        raise DefinitionError(
            f"({expression.describe()}) has no name of its own: give it one, as in "
            "features(name=...)"
        )
    return name


def _one_source(pairs: Sequence[tuple[str, Expression]]) -> Source:
    sources: dict[int, Source] = {}
    for name, expression in pairs:
        if not isinstance(expression, Expression):
            raise DefinitionError(_not_an_expression(name, expression))
        if expression.text:
            raise DefinitionError(
                f"{name}: {expression.describe()} is text, and a feature is a number: compare it, "
                f'as in {name}=source.{expression.describe()} == "..."'
            )
        for leaf in expression.leaves():
            if leaf.source is not None:
                sources[id(leaf.source)] = leaf.source
    if len(sources) != 1:
        named = ", ".join(source.name for source in sources.values()) or "none"
        raise DefinitionError(
            f"a feature set reads the events of one source, and this one reads {named}"
        )
    return next(iter(sources.values()))


def _check_names(names: tuple[str, ...], source: Source) -> None:
    seen: set[str] = {source.id.lower()}
    for name in names:
        if name.lower() in seen:
            why = "is the identifier" if name.lower() == source.id.lower() else "stands twice"
            raise DefinitionError(
                f"the feature name {name!r} {why}: give the feature another, as in "
                "features(name=...)"
            )
        seen.add(name.lower())


def _not_an_expression(name: str, value: Any) -> str:
    return (
        f"{name}: {value!r} is not a feature: use a field (source.amount), a part of the time "
        '(source.time.hour()), a window (source.by(key).count("7d")) or arithmetic over these'
    )
