"""A build and the cost table that it was planned with."""

from pathlib import Path

import msgspec
import pytest

from answer_cases import given_answers
from groundplan.decision import reference_costs
from groundplan.decision.calibrated import save
from groundplan.plan import draw
from groundplan.rollout.builds import Manifest


def test_calibrating_after_a_build_leaves_the_build_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build agrees with its answers by its own table: other machines may have other figures."""
    answers, reference = given_answers(), reference_costs()
    rows = {
        row: msgspec.structs.replace(cost, value=cost.value * 1.5)
        for row, cost in reference.rows.items()
    }
    slower = msgspec.structs.replace(reference, name="slower", rows=rows)
    by = [None, reference, slower]
    built = [
        Manifest("b", "s", "", "0", draw(answers, costs), *({},) * 6, costs=costs) for costs in by
    ]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GROUNDPLAN_COSTS")
    save(slower)
    assert draw(answers) != built[0].plan, "the table in force plans other budgets"
    for manifest in built:
        kept = msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest)
        assert kept.planned(answers) == manifest.plan
