"""A set of features: the one definition from which the SQL, the online state and the words come."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from groundplan.errors import DefinitionError
from groundplan.features.category import Category
from groundplan.features.columns import declared, normalised
from groundplan.features.dialects import DIALECTS
from groundplan.features.event import Event
from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.finishing import applied
from groundplan.features.main_source import (
    check_expression,
    check_sources,
    check_window,
    main_source,
    not_an_expression,
)
from groundplan.features.query import compile_query
from groundplan.features.source import Source
from groundplan.features.windows import EVER, Measure, Window

if TYPE_CHECKING:
    import pyarrow as pa

Mapped: TypeAlias = Mapping[str, Sequence[int | str]]
"""For each learned category, its values by code: plain data that is kept with a build."""


def features(*positional: Expression, **named: "Expression | Source") -> "FeatureSet":
    """A feature set from expressions; those given by position take a derived name.

    Args:
        positional: fields, parts of the time, windows and what is computed from them.
        named: more of them, by name; and `of`, the source whose events have these features:
            left out, it is the one whose own fields or times are used.

    Raises:
        DefinitionError: one is no expression, has no name of its own, repeats a name, is text,
            or uses two sources' own fields.
    """
    of = named.pop("of") if isinstance(named.get("of"), Source) else None
    pairs: list[tuple[str, Any]] = [(_derived(each), each) for each in positional]
    pairs += named.items()
    return FeatureSet(pairs, of if isinstance(of, Source) else None)


class FeatureSet:
    """Named expressions over the events of one source, in order.

    Args:
        pairs: (name, expression).
        of: the source whose events have these features; None to find it.
    """

    def __init__(self, pairs: Sequence[tuple[str, Expression]], of: Source | None = None) -> None:
        if not pairs:
            raise DefinitionError("features() is empty: give it at least one expression")
        for name, expression in pairs:
            check_expression(name, expression)
        self.source: Source = main_source(pairs, of)
        self.names: tuple[str, ...] = tuple(name for name, _ in pairs)
        self.expressions: tuple[Expression, ...] = tuple(expression for _, expression in pairs)
        _check_names(self.names, self.source)
        for window in self.windows:
            check_window(window, self.source)
        check_sources(self.sources)

    @cached_property
    def descriptions(self) -> tuple[str, ...]:
        """A plain-English name for each feature, in order."""
        return tuple(expression.describe() for expression in self.expressions)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The distinct windows, in the order of first use."""
        found = {
            node.id: node
            for expression in self.expressions
            for node in expression.nodes()
            if isinstance(node, Window)
        }
        return tuple(found.values())

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The source whose events have these features, then the others, in order of first use."""
        others = {id(window.source): window.source for window in self.windows}
        others.pop(id(self.source), None)
        return (self.source, *others.values())

    @cached_property
    def histories(self) -> tuple[tuple[int, str], ...]:
        """The distinct (position in `.sources`, key field of that source), in order of first use.

        Each is a history by entity that windows read.
        """
        return tuple(dict.fromkeys((self.position(w.source), w.key) for w in self.windows))

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """The fields of the main source that name entities, in the order of first use."""
        return tuple(dict.fromkeys(window.on for window in self.windows))

    @cached_property
    def summed(self) -> tuple[str, ...]:
        """The fields and labels of the main source that windows add, in the order of first use."""
        return self.summed_of(0)

    @property
    def longest(self) -> int:
        """The age in us past which an event of the main source counts nowhere."""
        return self.reach(0)

    def position(self, source: Source | str) -> int:
        """Where a source or its name stands in `.sources`.

        Raises:
            DefinitionError: it is none of them.
        """
        for at, mine in enumerate(self.sources):
            if source is mine or source == mine.name:
                return at
        known = ", ".join(mine.name for mine in self.sources)
        raise DefinitionError(f"there is no source {source!r} here: the features read {known}")

    def windows_of(self, source: int, key: str | None = None) -> tuple[Window, ...]:
        """The windows over the events of one source, or over one of its histories."""
        return tuple(
            window
            for window in self.windows
            if window.source is self.sources[source] and key in (None, window.key)
        )

    def measures(
        self, source: int, key: str | None = None
    ) -> dict[str, tuple[Measure, frozenset[str]]]:
        """What is kept of the events of a source, or in one of its histories.

        Returns:
            By the measure's id: the measure and all that the functions need of it.
        """
        found: dict[str, tuple[Measure, frozenset[str]]] = {}
        for window in self.windows_of(source, key):
            measure, needs = found.get(window.measure.id, (window.measure, frozenset[str]()))
            found[measure.id] = (measure, needs | window.function.needs)
        return found

    def keys(self, source: int) -> tuple[str, ...]:
        """The fields of a source that name entities, in the order of first use."""
        own = [window.key for window in self.windows_of(source)]
        return tuple(dict.fromkeys([*self.entities, *own] if source == 0 else own))

    def summed_of(self, source: int) -> tuple[str, ...]:
        """The fields and labels of a source that windows add, in the order of first use."""
        return tuple(
            measure.field
            for measure, needs in self.measures(source).values()
            if measure.field and needs & {"total", "squares"}
        )

    def reach(self, source: int) -> int:
        """The age in us past which an event of a source counts nowhere; 0 without windows.

        Of a profile table's versions the latest counts whatever its age: it has none.
        """
        windows = self.windows_of(source)
        return max((w.oldest for w in windows if w.length != EVER), default=0)

    def fitted(self, mapping: Mapped) -> "FeatureSet":
        """The same features with the values of their learned categories.

        Raises:
            DefinitionError: a category is missing in the mapping, or a value does not fit.
        """

        def change(node: Expression) -> Expression | None:
            if not isinstance(node, Category) or node.written:
                return None
            if node.key not in mapping:
                raise DefinitionError(
                    f"the mapping has no values for category({node.key}): learn them again"
                )
            return node.fitted(mapping[node.key])

        pairs = zip(self.names, self.expressions, strict=True)
        return FeatureSet([(name, e.rebuilt(change)) for name, e in pairs], self.source)

    def learn(
        self,
        events: "Path | pa.Table",
        others: "Mapping[str, Path | pa.Table] | None" = None,
    ) -> dict[str, list[int | str]]:
        """The values of the categories in some events, the most frequent first, ties in order.

        Args:
            events: the main source's, as `offline.table` takes them.
            others: by name, the profile tables whose columns are categories.

        Raises:
            InputError: a table or a column is missing.
        """
        from groundplan.features.learning import learned

        return learned(self, events, others or {})

    @cached_property
    def categories(self) -> tuple[Category, ...]:
        """The distinct categories, in the order of first use."""
        found = {
            node.key: node
            for expression in self.expressions
            for node in expression.nodes()
            if isinstance(node, Category)
        }
        return tuple(found.values())

    def definitions(self) -> dict[str, Any]:
        """The sources and the features as plain data, fit for JSON."""
        return {
            "source": self.source.definition(),
            "others": [source.definition() for source in self.sources[1:]],
            "features": [
                {"name": name, **expression.definition()}
                for name, expression in zip(self.names, self.expressions, strict=True)
            ],
        }

    def fingerprint(self) -> str:
        """The SHA-256 of the definitions, in hexadecimal: equal where all values are equal."""
        canonical = json.dumps(self.definitions(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def sql(
        self, table: str, others: Mapping[str, str] | None = None, dialect: str = "duckdb"
    ) -> str:
        """One statement: a row per event of the table, in the table's order.

        Args:
            table: a table or view with the main source's columns: the time TIMESTAMP, the fields
                and labels as declared. `offline.table` takes any file and checks it first.
            others: tables of the other sources, by the source's name; left out, that name.
            dialect: `duckdb` or `spark`.

        Raises:
            DefinitionError: a feature is computed in Python, or a category has no values yet.
        """
        for name, expression in applied(self).items():
            raise DefinitionError(
                f"{name}: {expression.describe()} is computed in Python after the statement: use "
                "offline.table, or leave it out to print the SQL"
            )
        engine = DIALECTS[dialect]
        names = [table, *((others or {}).get(s.name, s.name) for s in self.sources[1:])]
        events = [
            normalised(self, exp.to_table(name), declared(source), source=at, dialect=engine)
            for at, (name, source) in enumerate(zip(names, self.sources, strict=True))
        ]
        return compile_query(self, events, dialect=engine).sql(engine.name, pretty=True)

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
            values: an array per field of the source, normalised like `Event.values`; of
                objects where it has None.
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
        raise DefinitionError(not_an_expression("features()", expression))
    name = expression.name()
    if name is None:
        raise DefinitionError(
            f"({expression.describe()}) has no name of its own: give it one, as in "
            "features(name=...)"
        )
    return name


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
