"""Every pattern's plan is whole: each stage says what it does, what breaks, and what then."""

from typing import Any

import msgspec
import pytest

from answer_cases import given_answers
from groundplan import constraints
from groundplan.decision import decide
from groundplan.errors import ProjectError
from groundplan.plan import HEADROOM, Plan, draw
from pattern_cases import KINDS

TEMPLATE = """
[system]
name = "shop"
goal = "Sell"
output = "{output}"
[labels]
kind = "{kind}"
delay = "3d"
[latency]
p99 = "{p99}"
throughput = "100/s"
{streamed}
[freshness]
predictions = "{predictions}"
features = "{features}"
requests = "{requests}"
{knowledge}
[candidates]
per_request = {per_request}
{catalog}
[interpretability]
level = "{level}"
[policy]
{policy}
"""

DEFAULTS = {
    "output": "score",
    "kind": "explicit",
    "p99": "100ms",
    "streamed": "",
    "predictions": "0s",
    "features": "1m",
    "requests": "foreseen",
    "knowledge": "",
    "per_request": 1,
    "catalog": "",
    "level": "none",
    "policy": "",
}

CASES: dict[str, dict[str, object]] = {
    "batch": {"predictions": "24h", "features": "24h", "level": "explain"},
    "batch-ranking": {"predictions": "24h", "features": "24h", "output": "ranking"},
    "batch-forest": {"predictions": "24h", "features": "24h", "kind": "none"},
    "batch-texts": {
        **{"predictions": "24h", "features": "24h", "output": "ranking", "kind": "none"},
        "per_request": 5000,
    },
    "batch-answer": {"predictions": "24h", "features": "24h", "output": "answer", "kind": "none"},
    "batch-review": {
        **{"predictions": "24h", "features": "24h", "output": "answer", "kind": "none"},
        "level": "audit",
    },
    "batch-towers": {
        **{"predictions": "24h", "features": "24h", "output": "ranking", "kind": "implicit"}
    },
    "batch-tuned": {
        **{"predictions": "30d", "features": "30d", "output": "answer", "kind": "sparse"},
        **{"knowledge": 'knowledge = "30d"', "level": "audit"},
        "policy": "private_corpus = true\nfine_tuning = true",
    },
    "batch-queue": {
        **{"predictions": "6h", "features": "6h", "requests": "unforeseen", "p99": "6h"}
    },
    "realtime": {"level": "audit", "requests": "unforeseen"},
    "realtime-few": {"output": "ranking", "per_request": 200, "kind": "implicit"},
    "realtime-linear": {"kind": "sparse", "level": "explain", "requests": "unforeseen"},
    "realtime-forest": {"kind": "none", "requests": "unforeseen"},
    "realtime-network": {"kind": "none", "per_request": 2, "p99": "5s", "level": "explain"},
    "realtime-several": {"per_request": 50, "level": "explain", "features": "24h"},
    "realtime-texts": {"output": "ranking", "per_request": 200, "kind": "none", "p99": "300ms"},
    "realtime-words": {
        **{"output": "ranking", "per_request": 200, "kind": "none", "level": "audit"},
        "features": "0s",
    },
    "realtime-answer": {"output": "answer", "p99": "2s", "streamed": "streamed = true"},
    "realtime-tuned": {
        **{"output": "answer", "p99": "3s", "streamed": "streamed = true", "kind": "sparse"},
        "knowledge": 'knowledge = "45d"',
        "policy": "private_corpus = true\nfine_tuning = true",
    },
    "ranking": {"output": "ranking", "per_request": 5_000_000, "kind": "implicit"},
    "ranking-offline": {
        **{"output": "ranking", "per_request": 30_000, "kind": "implicit"},
        "catalog": "catalog = 300_000_000",
    },
    "ranking-text": {"output": "ranking", "per_request": 5_000_000, "kind": "none", "p99": "1s"},
    "ranking-explained": {
        **{"output": "ranking", "per_request": 5_000_000, "level": "explain", "p99": "2s"},
    },
    "rag": {
        **{"output": "answer", "p99": "3s", "streamed": "streamed = true", "kind": "none"},
        **{"knowledge": 'knowledge = "10m"', "policy": "private_corpus = true"},
    },
}


def answers(case: str) -> constraints.Answers:
    return constraints.parse(TEMPLATE.format(**{**DEFAULTS, **CASES[case]}), "test.toml")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plan(case: str) -> Plan:
    return draw(answers(case))


def test_a_plan_is_of_the_pattern_that_was_decided(case: str, plan: Plan) -> None:
    """The plan makes concrete just what `decide` says."""
    assert plan.pattern == decide(answers(case)).pattern == case.split("-", maxsplit=1)[0]


def test_every_stage_says_what_breaks_how_it_shows_and_what_then(plan: Plan) -> None:
    """No stage is without its purpose, technology, failure, signal and fallback."""
    assert plan.offline
    assert plan.online
    for stage in plan.stages:
        texts = (stage.does, stage.served_by, stage.at_scale, stage.breaks, stage.detected)
        assert all(texts), stage.name
        assert stage.fallback.says, stage.name
    for side in (plan.offline, plan.online):
        names = [stage.name for stage in side]
        assert len(names) == len(set(names))


LEARNED = ("boosted trees", "linear", "isolation forest", "self supervised", "two towers")


def test_what_learns_has_a_stage_that_teaches_it(case: str, plan: Plan) -> None:
    """A model that learns is fitted before the request, and only such a model; so is a ranker."""
    parts = {role: part.choice for role, part in decide(answers(case)).components.items()}
    taught = {stage.name for stage in plan.offline} & {
        *("train", "train_towers", "train_ranker", "tune")
    }
    model = parts["model"].replace("_", " ")
    towers = "train_towers" if plan.pattern == "ranking" else "train"
    wanted = {"tuned language model": {"tune"}, "two towers": {towers}}.get(model, set())
    if plan.pattern != "ranking" and model in LEARNED:
        wanted = {"train"}
    if parts.get("ranker", "similarity") != "similarity":
        wanted = wanted | {"train_ranker"}
    assert taught == wanted
    if taught:
        assert plan.offline[0].name not in {"score", "encode_items", "publish", "evaluate"}


def test_a_ranker_learns_from_the_labels_that_there_are() -> None:
    """Where people judged a sample, nothing was chosen that a ranker could learn from."""
    few = draw(
        constraints.parse(
            TEMPLATE.format(**{**DEFAULTS, **CASES["ranking"], "kind": "sparse", "p99": "1s"}),
            "test.toml",
        )
    )
    (learns,) = (stage.does for stage in few.offline if stage.name == "train_ranker")
    assert "people judged" in learns
    assert "was shown" not in learns
    (learns,) = (
        stage.does for stage in draw(answers("ranking")).offline if stage.name == "train_ranker"
    )
    assert learns == "fits the ranker on what was shown and what was chosen"


def test_the_budgets_of_a_plan_add_up(plan: Plan) -> None:
    """Every stage of these systems fits, and budgets and headroom are the p99 exactly."""
    assert not plan.misfits
    assert sum(stage.budget for stage in plan.online) + plan.headroom == plan.p99
    assert plan.headroom == round(plan.p99 * HEADROOM)
    assert all(stage.budget >= stage.estimate > 0 for stage in plan.online)


def test_a_plan_tells_retraining_monitoring_risks_and_decisions(plan: Plan) -> None:
    """Beyond the stages: cadence and gate, signals with thresholds, risks with mitigations."""
    assert plan.retraining.cadence
    assert plan.retraining.triggers
    assert plan.retraining.gate
    assert len(plan.monitoring) >= 2
    assert all(all(msgspec.structs.astuple(watch)) for watch in plan.monitoring)
    assert plan.risks
    assert all(all(msgspec.structs.astuple(risk)) for risk in plan.risks)
    assert plan.summary[0].startswith(plan.pattern)


def test_a_plan_survives_json(plan: Plan) -> None:
    """A build carries its plan, so what is written is what is read."""
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_live_index_or_a_prepared_list_not_both() -> None:
    """A larger catalog moves retrieval before the request; ranking stays in it."""
    live = [stage.name for stage in draw(answers("ranking")).online]
    offline = draw(answers("ranking-offline"))
    assert {"encode", "retrieve", "rank"} <= set(live)
    assert "retrieve" in {stage.name for stage in offline.offline}
    assert "encode" not in {stage.name for stage in offline.online}


def test_a_conflict_has_no_plan() -> None:
    """Where no pattern stands there is nothing to plan, and the error says what to run."""
    impossible = TEMPLATE.format(**{**DEFAULTS, "output": "answer", "level": "audit"})
    with pytest.raises(ProjectError, match="groundplan decide"):
        draw(constraints.parse(impossible, "test.toml"))


@pytest.mark.parametrize("kind", ["batch", "batch-ranking", "realtime", "ranking", "ranking-lists"])
def test_a_store_that_is_shared_is_one_in_every_stage(kind: str) -> None:
    """Where several hosts serve, no stage reads or writes a file that one of them has alone."""

    def places(**changes: Any) -> str:
        stages = draw(given_answers(**KINDS[kind], **changes)).stages
        return "; ".join(f"{stage.served_by}, {stage.at_scale}" for stage in stages)

    one, several = places(), places(hosts=3)
    assert "LMDB" in one or "memory-mapped" in one
    assert "LMDB" not in several
    assert "memory-mapped" not in several
    assert "Redis or Valkey, 0.4ms beside the estimate" in several
    assert "a cluster of Redis or Valkey" in several


def test_a_peak_as_promised_raises_no_alert() -> None:
    """The alert on traffic is above what the plan was drawn for, where it holds no longer."""
    watched = draw(given_answers(throughput="500/s")).monitoring
    alert = next(watch for watch in watched if "requests per second" in watch.signal)
    assert alert.threshold.startswith("above 500/s")
    assert "decide again" in alert.action
