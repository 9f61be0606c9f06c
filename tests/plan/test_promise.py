"""What is decided can be held: the plan's stages fit the p99 that the decision accepted."""

import re
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from answer_cases import changed, given_answers, random_answers, scaled
from groundplan.constraints import Answers
from groundplan.decision import Costs, decide
from groundplan.decision.board import Board
from groundplan.decision.costs import reference
from groundplan.decision.domain import DOMAINS
from groundplan.plan import draw

REFERENCE: Final = reference()
COSTS = st.sampled_from([REFERENCE, scaled(0.13), scaled(37.7)])


@given(random_answers(), COSTS)
@settings(max_examples=250, deadline=None)
@example(
    given_answers(output="answer", private_corpus=True, p99="3s", level="explain"), reference()
)
def test_what_is_decided_fits_its_p99(answers: Answers, costs: Costs) -> None:
    """Where the decision accepts a p99, down to the very shortest, no stage is a misfit."""
    p99 = DOMAINS["latency.p99"]
    edges = Board(answers, costs).edges(p99)
    for shortest in (answers.latency.p99, *edges):
        promised = changed(answers, "latency.p99", shortest)
        if decide(promised, costs).pattern is not None:
            assert draw(promised, costs).misfits == ()


def test_missing_nothing_has_its_price() -> None:
    """Where everything is scored, the plan says what the ranking pattern would need instead."""
    feed = {"output": "ranking", "kind": "implicit", "level": "none", "throughput": "2000/s"}
    plan = draw(given_answers(**feed, per_request=2_000), REFERENCE)
    (said,) = (line for line in plan.summary if "price of missing nothing" in line)
    busy = sum(stage.estimate for stage in plan.online) * 2000 / 1e6
    assert f"scoring all 2,000 candidates at 2000/s keeps {busy:.0f} cores busy" in said
    few = re.search(r"scores 100 of them, would keep ([\d.]+) cores busy", said)
    assert few is not None
    assert float(few[1]) < busy / 10
    short = draw(given_answers(**feed, per_request=50), REFERENCE).summary
    assert not any("price of missing nothing" in line for line in short)


def test_a_ranker_is_priced_as_what_it_is() -> None:
    """A linear ranker takes what coefficients take, not what trees do."""
    search: dict[str, Any] = {"output": "ranking", "level": "none", "requests": "foreseen"}
    search |= {"catalog": 5_000_000, "per_request": 1_000_000, "p99": "300ms"}
    for kind, row in (("sparse", "linear_single"), ("implicit", "gbm_row")):
        plan = draw(given_answers(**search, kind=kind), REFERENCE)
        assert plan.stage("rank").estimate == round(500 * REFERENCE.us(row))


def test_a_search_grows_with_its_corpus() -> None:
    """A probe takes ten times as long in a hundred times the corpus, words a hundred times."""
    asked = {"output": "answer", "private_corpus": True, "external_api": "any", "p99": "1m"}
    asked |= {"level": "explain", "memory": "1GB", "streamed": True}
    takes = [
        draw(given_answers(**asked, catalog=catalog), REFERENCE).stage("retrieve").estimate
        for catalog in (1_000_000, 100_000_000)
    ]
    probe, words = 6 * REFERENCE.us("vector_probe"), 10 * REFERENCE.us("text_match")
    assert takes == [round(probe + words), round(10 * probe + 100 * words)]


def test_a_language_model_here_is_priced_by_its_size() -> None:
    """The stage says what writes, and takes the table's tokens scaled by parameters and cores."""
    asked = {"output": "answer", "private_corpus": True, "level": "explain"}
    asked |= {"streamed": True, "throughput": "6/h"}
    large = draw(given_answers(**asked, p99="1m", external_api="none"), REFERENCE)
    assert large.stage("generate").served_by.startswith("a model of 8 billion parameters at 4 bits")
    tokens = 2000 * REFERENCE.us("prompt_token") + REFERENCE.us("token")
    expected = 8e9 / 124e6 / 4 * tokens / 8
    assert abs(large.stage("generate").estimate - expected) < 10
    one = draw(given_answers(**asked, p99="3m", external_api="none", cores=4), REFERENCE)
    assert abs(one.stage("generate").estimate - 2 * expected) < 20
    hosted = draw(given_answers(**asked, p99="1m", external_api="any"), REFERENCE)
    assert hosted.stage("generate").estimate == REFERENCE.us("first_token_hosted")
