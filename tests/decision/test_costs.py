"""The cost table: complete, named, and from somewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from answer_cases import given_answers
from groundplan.decision import Costs, decide, load_costs, reference_costs
from groundplan.decision.costs import ROWS
from groundplan.errors import ProjectError


def document() -> dict[str, Any]:
    rows = {name: {"value": 2.5, "unit": "us", "what": "a step"} for name in ROWS}
    return {
        "name": "mine",
        "machine": "a laptop",
        "measured_at": "2025-01-31",
        "script": "groundplan calibrate",
        "rows": rows,
    }


def test_the_shipped_table_names_its_machine_and_its_sources() -> None:
    """Every row says what it is, and what was not measured here says who measured it."""
    costs = reference_costs()
    assert costs.machine
    assert costs.measured_at
    assert costs.script == "benchmarks/costs.py"
    assert tuple(sorted(costs.rows)) == tuple(sorted(ROWS))
    for name, row in costs.rows.items():
        assert row.what
        assert (row.source is not None) is name.endswith("_hosted")
    assert "MLPerf" in str(costs.rows["first_token_hosted"].source)
    assert costs.us("first_token_hosted") == 450_000
    assert costs.us("token_hosted") == 40_000


def test_a_table_of_ones_own_is_read_and_used(tmp_path: Path) -> None:
    """A calibrated table replaces the reference, and the decision says so."""
    file = tmp_path / "costs.json"
    file.write_text(json.dumps(document()))
    costs = load_costs(file)
    assert isinstance(costs, Costs)
    assert costs.ns["http"] == 2_500
    assert decide(given_answers(), costs).costs == "mine"
    assert decide(given_answers()).costs == "reference"


def test_a_slower_machine_changes_the_decision(tmp_path: Path) -> None:
    """Costs are arithmetic: what fits on one machine does not fit on a slow one."""
    slow = document()
    for row in slow["rows"].values():
        row["value"] = 90_000.0
    file = tmp_path / "costs.json"
    file.write_text(json.dumps(slow))
    assert decide(given_answers()).pattern == "realtime"
    assert decide(given_answers(), load_costs(file)).pattern is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {}}, "http is missing"),
        ({"rows": document()["rows"] | {"warp": document()["rows"]["http"]}}, "warp is not a"),
        ({"rows": document()["rows"] | {"http": {"value": 1, "unit": "ms", "what": ""}}}, "'us'"),
        ({"rows": document()["rows"] | {"http": {"value": 0, "unit": "us", "what": ""}}}, "above"),
        ({"rows": document()["rows"] | {"http": {"value": "1", "unit": "us", "what": ""}}}, "not"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """What is missing, unknown or of another unit is named; nothing is guessed."""
    file = tmp_path / "costs.json"
    file.write_text(json.dumps(document() | change))
    with pytest.raises(ProjectError, match=message):
        load_costs(file)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is in the message."""
    with pytest.raises(ProjectError, match="nowhere"):
        load_costs(tmp_path / "nowhere.json")
