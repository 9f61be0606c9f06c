"""A dossier is whole: what is decided, what follows, and JSON that keeps its schema."""

import itertools
import json

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from answer_cases import given_answers, random_answers, scaled
from groundplan import constraints
from groundplan.constraints import Answers
from groundplan.decision import conflicts, decide, flips, reference_costs
from groundplan.errors import ConstraintError
from groundplan.plan import draw
from groundplan.plan.document import Comparison, Document, comparison, document, schema, written
from groundplan.plan.dossier import Dossier, draw_up

PLAN = Draft202012Validator(schema())
BOTH = Draft202012Validator(schema(Comparison))


def grid() -> list[Answers]:
    """Answers on both sides of what decides a pattern; some conflict."""
    found = []
    for output, predictions, many, level, p99 in itertools.product(
        ("score", "ranking", "answer"),
        ("0s", "24h"),
        (1, 5_000_000),
        ("none", "audit"),
        ("2ms", "3s"),
    ):
        more = {"private_corpus": True, "knowledge": "10m", "streamed": True}
        found.append(
            given_answers(
                output=output,
                predictions=predictions,
                features=predictions,
                per_request=many,
                level=level,
                p99=p99,
                requests="foreseen",
                **more if output == "answer" else {},
            )
        )
    return found


def test_json_keeps_its_schema_over_a_grid_of_answers() -> None:
    """Every pattern and every conflict of the grid is printed as the schema says."""
    patterns = set()
    for answers in grid():
        made = draw_up(answers)
        patterns.add(made.decision.pattern)
        PLAN.validate(json.loads(written(document(made))))
    assert patterns == {"batch", "realtime", "ranking", "rag", None}


def test_the_json_of_a_comparison_keeps_its_schema() -> None:
    """Two documents, their difference, its count and its sentence."""
    dossiers = [draw_up(answers) for answers in grid()[::5]]
    for before, after in itertools.pairwise(dossiers):
        found = json.loads(written(comparison(before, after)))
        BOTH.validate(found)
        assert found["before"]["decision"]["pattern"] == before.decision.pattern
        assert found["summary"]


def test_a_schema_refuses_what_it_does_not_know() -> None:
    """The schemas are sound, and no key may be missing or be one too many."""
    for kind in (Document, Comparison):
        Draft202012Validator.check_schema(schema(kind))
    good = json.loads(written(document(draw_up(given_answers()))))
    assert PLAN.is_valid(good)
    assert not PLAN.is_valid({**good, "more": 1})
    assert not PLAN.is_valid({key: value for key, value in good.items() if key != "flips"})
    assert not PLAN.is_valid({**good, "capacity": {**good["capacity"], "total": 3}})
    assert not PLAN.is_valid({**good, "answers": {**good["answers"], "latency": {"p99": 3}}})


@given(random_answers())
@settings(max_examples=40, deadline=None)
def test_a_dossier_agrees_with_its_parts(answers: Answers) -> None:
    """Decision, conflicts, flips and plan are those that each gives by itself."""
    made = draw_up(answers)
    costs = reference_costs()
    assert made.decision == decide(answers, costs)
    assert made.conflicts == conflicts(answers, costs)
    assert made.flips == flips(answers, costs)
    assert made.costs == costs
    if made.decision.pattern is None:
        assert (made.plan, made.capacity, made.growth, made.failures) == (None, None, (), ())
        assert made.conflicts
    else:
        assert made.plan == draw(answers, costs)
        assert [set(growth.factors) for growth in made.growth] == [
            *({"traffic"}, {"corpus"}, {"history"}),
            {"traffic", "corpus", "history"},
        ]
        assert made.capacity is not None
        assert made.failures


@given(random_answers())
@settings(max_examples=30, deadline=None)
def test_the_answers_of_a_document_are_a_file(answers: Answers) -> None:
    """Any answers give JSON of the schema; what stands under `answers` is groundplan.toml."""
    made = document(draw_up(answers))
    PLAN.validate(json.loads(written(made)))
    told = made.answers
    lines = []
    for table, values in told.items():
        lines.append(f"[{table}]")
        lines += [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in values.items()]
    assert constraints.parse("\n".join(lines), "document") == answers


def test_the_cost_table_is_the_one_that_is_given() -> None:
    """On a machine ten times slower the same answers have larger estimates."""
    slow, usual = draw_up(given_answers(), scaled(10.0)), draw_up(given_answers())
    assert slow.costs.name == "x10.0"
    assert slow.plan is not None
    assert usual.plan is not None
    assert sum(s.estimate for s in slow.plan.online) > 5 * sum(
        s.estimate for s in usual.plan.online
    )


def test_money_comes_from_the_prices_only() -> None:
    """Without prices nothing is said of money; with them it scales with them."""
    assert total(draw_up(given_answers())) is None
    once, twice = (total(draw_up(given_answers(), prices={"core": p})) for p in (10.0, 20.0))
    assert once is not None
    assert twice == pytest.approx(2 * once)
    with pytest.raises(ConstraintError, match="core"):
        draw_up(given_answers(), prices={"kore": 1.0})


def total(made: Dossier) -> float | None:
    assert made.capacity is not None
    band = made.capacity.cost.get("total")
    return band.typical if band else None


def test_growth_is_of_the_axes_that_are_asked_for() -> None:
    """Each axis alone, then all of them together; one alone is not told twice."""
    made = draw_up(given_answers(), at={"traffic": 3.0, "corpus": 100.0})
    assert [growth.factors for growth in made.growth] == [
        {"traffic": 3.0},
        {"corpus": 100.0},
        {"traffic": 3.0, "corpus": 100.0},
    ]
    alone = draw_up(given_answers(), at={"history": 2.0})
    assert [growth.factors for growth in alone.growth] == [{"history": 2.0}]
