"""What a plan costs as it grows: by the prices given, the same figures wherever they are told."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from click.testing import CliRunner

from answer_cases import given_answers
from groundplan.cli import main
from groundplan.decision import decide, reference_costs
from groundplan.plan.amount import show_amount
from groundplan.plan.capacity import capacity
from groundplan.plan.dossier import TEN, draw_up
from groundplan.plan.growth import bills, scaled
from groundplan.plan.page import page
from groundplan.plan.record import record
from pattern_cases import KINDS

PRICES: Final = {"core": 20.0, "gb": 3.0, "gb_disk": 0.1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bill_is_the_cost_of_the_capacity_at_that_size(kind: str) -> None:
    """Now and after each growth: resources then, times the prices, worked out from scratch."""
    answers, costs = given_answers(**KINDS[kind]), reference_costs()
    dossier = draw_up(answers, costs, PRICES)
    found = bills(dossier.capacity, dossier.growth)
    assert [one.size for one in found] == [
        "now",
        *(f"{axis} 10x" for axis in TEN),
        "all 10x",
    ]
    for one, grown in zip(found[1:], dossier.growth, strict=True):
        then = scaled(answers, grown.factors)
        decision = decide(then, costs)
        if decision.pattern is None:
            assert one.month is None
            assert one.ratio == ""
            continue
        past, things = grown.factors.get("history", 1.0), grown.factors.get("corpus", 1.0)
        needs = capacity(then, decision, costs, past=past, things=things).total
        scales = {"cores": 20.0, "memory": 3e-9, "storage": 0.1e-9}
        typical = sum(needs[name].typical * scale for name, scale in scales.items())
        assert one.month is not None
        assert one.month.typical == pytest.approx(typical)
        assert one.month.low <= one.month.typical <= one.month.high
        assert found[0].month is not None
        assert one.times == pytest.approx(typical / found[0].month.typical)


def test_without_prices_there_is_no_bill() -> None:
    """Nothing is assumed of money; where everything is free, nothing is so many times as much."""
    bare = draw_up(given_answers(), reference_costs())
    assert bills(bare.capacity, bare.growth) == ()
    assert "per month" not in record(bare)
    free = draw_up(given_answers(), reference_costs(), {"core": 0.0})
    assert {one.ratio for one in bills(free.capacity, free.growth)} == {""}


def test_a_growth_into_a_conflict_costs_nothing_that_is_known() -> None:
    """The step stands there, without a figure."""
    answers = given_answers(cores=1, hosts=1, throughput="1000/s")
    dossier = draw_up(answers, reference_costs(), PRICES)
    found = {one.size: one for one in bills(dossier.capacity, dossier.growth)}
    assert found["traffic 10x"].month is None
    assert found["history 10x"].month is not None
    assert "| traffic 10x | none: a conflict |  |" in record(dossier)
    assert "traffic 10x" in page(dossier)


def test_every_rendering_tells_the_same_money(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminal, record, JSON and page: low, typical and high of each size."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["new", "shop", "--from", "fraud"]).exit_code == 0

    def told(*more: str) -> str:
        words = ["plan", "shop", "--prices", "core=20,gb=3,gb_disk=0.1", *more]
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    document = msgspec.json.decode(told("--json"))
    months = [document["capacity"]["cost"]["total"]]
    months += [one["capacity"]["cost"]["total"] for one in document["growth"]]
    assert len(months) == 5
    assert months[1]["typical"] > months[0]["typical"]
    text, markdown, html = told(), told("--format", "md"), told("--format", "html")
    lines = text[text.index("Cost a month as it grows") :].splitlines()[3:8]
    for month, line in zip(months, lines, strict=True):
        figures = [show_amount(month[one], "") for one in ("low", "typical", "high")]
        assert line.split()[-4:-1] == figures
        assert f"| {' / '.join(figures)} per month |" in markdown
        assert f"<b>{figures[1]}</b>" in html
