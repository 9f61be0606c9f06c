"""What is drawn and tabled of judged rows: calibration, lift, decisions, costs, groups."""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from groundplan.errors import DefinitionError
from groundplan.models import Bools, Floats, Indices
from groundplan.models.bands import Bands, Cuts
from groundplan.models.calibration import Calibration
from groundplan.models.decided import bill, decisions
from groundplan.models.fairness import fairness
from groundplan.models.lift import lift
from groundplan.patterns.batch.building.rows import Rows
from groundplan.patterns.batch.definition import Definition

BARS: Final = 40
"""Of the histogram of scores, between 0 and 1."""

CUTS: Final = 200
"""Points of the curve of costs at most."""


def curves(
    definition: Definition,
    rows: Rows,
    judged: Indices,
    scores: Floats,
    decided: npt.NDArray[np.uint8],
    cuts: Cuts,
) -> dict[str, Any]:
    """The curves and tables of a build's report, fit for JSON.

    Args:
        definition: the decisions and the groups.
        rows: all of them.
        judged: int64[m], those that were judged.
        scores: float64[m], by a model that did not see them.
        decided: uint8[m], by cuts that were chosen on others.
        cuts: of the build.
    """
    label, key = rows.y[judged], rows.key[judged]
    bands = definition.decisions
    told: dict[str, Any] = {
        "calibration": Calibration(label, scores).curve(key),
        "histogram": histogram(scores, label),
        "lift": lift(scores, label, key),
        "decisions": decisions(decided, label, key, cuts),
        "bill": None,
        "costs": None,
        "fairness": [
            fairness(
                *(name, groups(rows, judged, name, of), scores, decided, label, key, bands.names),
                favourable=definition.favourable,
            )
            for name, of in definition.groups.items()
        ],
    }
    if bands.how == "costs":
        told["bill"] = bill(bands, decided, label, key)
        told["costs"] = costs(bands, scores, label)
    built: dict[str, Any] = msgspec.to_builtins(told)
    return built


def histogram(scores: Floats, label: Bools) -> dict[str, list[int]]:
    """Rows by score, in bars of equal width: all of them, and the positive ones."""
    edges = np.linspace(0, 1, BARS + 1)
    return {
        "rows": np.histogram(scores, edges)[0].tolist(),
        "positive": np.histogram(scores[label], edges)[0].tolist(),
    }


def costs(bands: Bands, scores: Floats, label: Bools) -> dict[str, list[float]]:
    """The cost per row of acting above each cut, thinned to at most `CUTS` of them."""
    curve = bands.curve(scores, label)
    best = int(np.argmin(curve.cost))
    some = np.unique(np.append(np.linspace(0, len(curve.cost) - 1, CUTS).astype(np.int64), best))
    return {
        "acted": (curve.acted[some] / len(scores)).tolist(),
        "above": curve.above[some].tolist(),
        "cost": (curve.cost[some] / len(scores)).tolist(),
    }


def groups(rows: Rows, judged: Indices, name: str, of: Any) -> npt.NDArray[np.object_]:
    """The group of each judged row, as text; what is missing is a group of its own.

    Raises:
        DefinitionError: a function gives something else than a value for each row.
    """
    found = rows.table.column(of) if isinstance(of, str) else of(rows.table)
    if isinstance(found, pa.Array | pa.ChunkedArray):
        found = found.to_pylist()
    values = ["missing" if each is None else str(each) for each in found]
    if len(values) != rows.table.num_rows:
        raise DefinitionError(
            f"groups[{name!r}] gives {len(values):,} values for {rows.table.num_rows:,} rows: "
            "give one for each"
        )
    return np.array(values, dtype=np.object_)[judged]
