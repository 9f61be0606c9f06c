"""What Python computes after the statement: the features with an `apply`, batch by batch."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from groundplan.features.apply import Apply
from groundplan.features.expressions import Evaluator, Expression
from groundplan.features.sql import Sql

if TYPE_CHECKING:
    import pyarrow as pa

    from groundplan.features.feature_set import FeatureSet


def applied(inputs: "FeatureSet") -> dict[str, Expression]:
    """The features that Python has a part in, by name."""
    pairs = zip(inputs.names, inputs.expressions, strict=True)
    return {name: e for name, e in pairs if any(isinstance(node, Apply) for node in e.nodes())}


def arguments(expression: Expression) -> list[Expression]:
    """The largest parts of an expression that SQL can compute, in order."""
    if not any(isinstance(node, Apply) for node in expression.nodes()):
        return [] if expression.source is None else [expression]
    return [below for part in expression.parts for below in arguments(part)]


def argument(name: str, at: int) -> str:
    """The column in which the statement hands over an argument of a feature."""
    return f"{name} from {at}"


def finished(inputs: "FeatureSet", batch: "pa.RecordBatch | pa.Table") -> Any:
    """The rows of the statement with the features that Python computes in their places.

    Args:
        inputs: the features.
        batch: rows as the compiled statement gives them.

    Returns:
        A batch or table, as it was given, with the columns that the features' users expect.
    """
    python = applied(inputs)
    if not python:
        return batch
    import pyarrow as pa

    columns: dict[str, Any] = {}
    hidden: set[str] = set()
    for name, expression in python.items():
        below = arguments(expression)
        names = [argument(name, at) for at in range(len(below))]
        given = [batch.column(n).cast("float64").to_numpy(zero_copy_only=False) for n in names]
        slots = {id(part): at for at, part in enumerate(below)}
        read = expression.rebuilt(partial(_given, slots)).evaluator({})
        with np.errstate(all="ignore"):
            values = read(None, (), given)
        columns[name] = pa.array(np.asarray(values, dtype=np.float64), from_pandas=True)
        hidden.update(names)
    kept = {n: batch.column(n) for n in batch.schema.names if n not in hidden | set(inputs.names)}
    kept |= {n: columns[n] if n in columns else batch.column(n) for n in inputs.names}
    return type(batch).from_arrays(list(kept.values()), names=list(kept))


class _Given(Expression):
    """A value that the statement computed."""

    def __init__(self, slot: int) -> None:
        self.slot = slot

    def definition(self) -> dict[str, Any]:
        return {"given": self.slot}

    def describe(self) -> str:
        return f"given {self.slot}"

    def evaluator(self, slots: Mapping[str, int]) -> Evaluator:
        slot = self.slot
        return lambda time, values, windows: windows[slot]

    def sql(self) -> Sql:
        raise NotImplementedError


def _given(slots: Mapping[int, int], node: Expression) -> Expression | None:
    return _Given(slots[id(node)]) if id(node) in slots else None
