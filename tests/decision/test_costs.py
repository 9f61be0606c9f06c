"""The cost table: complete, named, and from somewhere."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from answer_cases import given_answers
from groundplan.decision import Cost, Costs, current_costs, decide, load_costs, reference_costs
from groundplan.decision.calibrated import (
    footer,
    forget,
    own,
    package,
    place,
    processor,
    save,
    stale,
)
from groundplan.decision.costs import FURTHER, ROWS, completed
from groundplan.errors import EngineError, ProjectError
from groundplan.plan import draw

STEP = {"value": 2.5, "unit": "us", "what": "a step"}


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
    assert set(ROWS) <= set(costs.rows) <= {*ROWS, *FURTHER}
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
        ({"left": {"warp": "needs torch"}}, "warp is not a"),
        (
            {"rows": {**document()["rows"], "http": {**STEP, "spread": [1.0, -1.0]}}},
            "http = -1.0 must be above",
        ),
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


# The user's own


def mine(**changes: Any) -> Costs:
    """A table as calibrating writes it, on a machine without PyTorch."""
    measured = ("http", "lookup", "gbm_row", "json_in")
    table = Costs(
        name="your calibration",
        machine="a laptop",
        measured_at="2026-01-31",
        script="groundplan calibrate",
        rows={row: Cost(2.5, "us", "a step", spread=(2.25, 2.75)) for row in measured},
        left={row: "needs torch" for row in ROWS if row not in measured},
        processor=processor(),
        package=package(),
    )
    return completed(msgspec.structs.replace(table, **changes))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the user's with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GROUNDPLAN_COSTS")
    return tmp_path


def test_what_was_not_measured_comes_from_the_reference_and_says_so() -> None:
    """A partial table decides with whole sums; each borrowed row names why it is borrowed."""
    costs = mine()
    assert set(costs.rows) == {*ROWS, "json_in"}
    assert costs.us("pair") == reference_costs().us("pair")
    assert "not measured here: needs torch" in str(costs.rows["pair"].source)
    assert costs.us("http") == 2.5
    assert costs.rows["http"].source is None
    assert costs.rows["token_hosted"].source == reference_costs().rows["token_hosted"].source
    assert "from the reference, not measured here: join_key, " in "\n".join(footer(costs))


@pytest.mark.usefixtures("cache")
def test_decisions_and_plans_use_the_users_table() -> None:
    """From calibrating on, without being told; and after forgetting, the reference again."""
    assert current_costs() is reference_costs()
    assert own() is None
    save(mine())
    assert current_costs() == mine()
    assert decide(given_answers()).costs == "your calibration"
    assert draw(given_answers()).costs == "your calibration"
    assert forget() == place()
    assert forget() is None
    assert decide(given_answers()).costs == "reference"


def test_the_file_holds_what_was_measured_and_nothing_else(cache: Path) -> None:
    """Borrowed rows are not kept, so that a newer reference counts; nothing else is left there."""
    path = save(mine())
    assert path == cache / "groundplan" / "costs.json" == place()
    assert set(json.loads(path.read_bytes())["rows"]) == {"http", "lookup", "gbm_row", "json_in"}
    assert [file.name for file in path.parent.iterdir()] == ["costs.json"]


@pytest.mark.usefixtures("cache")
def test_a_new_table_is_noticed() -> None:
    """Measuring again replaces the figures also in a process that runs."""
    save(mine())
    assert current_costs() is current_costs()
    slower = mine(rows=mine().rows | {"http": Cost(300.0, "us", "a step")})
    save(slower)
    assert current_costs().us("http") == 300


def test_a_damaged_table_is_as_good_as_none_and_named(cache: Path) -> None:
    """Deciding goes on with the reference, and its footer says why."""
    path = save(mine())
    path.write_text('{"name": "yours"')
    assert current_costs() is reference_costs()
    assert str(path) in footer(current_costs())[-1]
    assert "not used" in footer(current_costs())[-1]
    assert cache in path.parents


def test_the_environment_overrules_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reference` or the path of a table; a path that is wrong is an error, not the reference."""
    save(mine())
    monkeypatch.setenv("GROUNDPLAN_COSTS", "reference")
    assert current_costs() is reference_costs()
    assert footer(current_costs())[1:] == []
    file = tmp_path / "team.json"
    file.write_text(json.dumps(document() | {"name": "the team's"}))
    monkeypatch.setenv("GROUNDPLAN_COSTS", str(file))
    assert decide(given_answers()).costs == "the team's"
    monkeypatch.setenv("GROUNDPLAN_COSTS", str(tmp_path / "nowhere.json"))
    with pytest.raises(ProjectError, match="nowhere"):
        current_costs()


def test_a_table_of_another_machine_or_version_says_so() -> None:
    """It is still used: it is the user's; but one knows."""
    assert stale(mine()) == []
    assert stale(reference_costs()) == []
    assert "another processor, an abacus" in stale(mine(processor="an abacus"))[0]
    assert "measured by groundplan 0.0.1" in stale(mine(package="0.0.1"))[0]
    assert stale(mine(package="0.0.1"))[0] in footer(mine(package="0.0.1"))


def test_the_cache_is_where_the_system_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative XDG_CACHE_HOME is ignored, as its standard says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for stated in ("", "somewhere"):
        monkeypatch.setenv("XDG_CACHE_HOME", stated)
        found = place()
        assert found is not None
        assert tmp_path in found.parents


@pytest.mark.usefixtures("cache")
def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which file, and what to do."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="XDG_CACHE_HOME"):
        save(mine())


def test_these_tests_do_not_read_the_users_cache() -> None:
    """Whoever runs them has calibrated or not: the figures are the reference's."""
    assert os.environ["GROUNDPLAN_COSTS"] == "reference"
    assert current_costs() is reference_costs()
