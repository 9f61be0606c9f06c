"""Every role of every pattern is filled, by the first option that nothing rules out."""

import itertools
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings

from answer_cases import given_answers, random_answers, scaled
from groundplan.constraints import FIELDS, Answers
from groundplan.decision import decide, search
from groundplan.decision.case import Case
from groundplan.decision.components import ROLES, roles_of
from groundplan.decision.costs import Costs, reference
from groundplan.decision.role import Role, shape
from groundplan.decision.ruling import Rule
from groundplan.decision.work import own, wait
from groundplan.schedule.freshness import warning
from groundplan.schedule.timetable import Job
from groundplan.units import duration

RULES = [(role, rule) for role in ROLES for rule in role.rules]
SHAPES = ("batch", "batch-answer", "realtime", "realtime-answer", "ranking", "rag")


@cache
def enumerated() -> tuple[Answers, ...]:
    """Answers that reach every shape, with every kind of label, level and age."""
    names = ("output", "kind", "level", "p99", "predictions", "features", "per_request")
    found: list[dict[str, Any]] = []
    for values in itertools.product(
        ("score", "ranking", "answer"),
        ("explicit", "implicit", "sparse", "none"),
        ("none", "explain", "audit"),
        ("500us", "8ms", "30ms", "200ms", "2s", "60s", "2h"),
        ("0s", "40d"),
        ("0s", "1s", "1h", "2h", "3h", "5h", "8h", "15h", "24h", "30h", "9d", "38d"),
        (1, 40, 10_000, 2_000_000),
    ):
        common = dict(zip(names, values, strict=True)) | {"throughput": "5/s"}
        found += [common | extra for extra in EXTRAS]
    return tuple(given_answers(**changes) for changes in found[::17])


EXTRAS: tuple[dict[str, Any], ...] = (
    {"requests": "foreseen", "memory": "1GB", "positive_rate": 0.01, "delay": "60d"},
    {"requests": "foreseen", "catalog": 50_000_000, "engines": {"online_store": "redis://a"}},
    {"private_corpus": True, "hosts": 2, "engines": {"language_model": "m"}, "memory": "1GB"},
    {"external_api": "none", "cores": 1, "throughput": "20/s", "engines": {"scores": "redis:"}},
    {"requests": "unforeseen", "catalog": 50_000_000, "cores": 1, "throughput": "30/s"},
    {"private_corpus": True, "streamed": True, "memory": "1GB"},
    {"private_corpus": True, "fine_tuning": True, "knowledge": "90d", "predictions": "24h"},
    {"private_corpus": True, "catalog": 10**9, "external_api": "any"},
    {"private_corpus": True, "throughput": "300/s", "cores": 64, "external_api": "any"},
    {"external_api": "none", "private_corpus": True, "cores": 200, "streamed": True},
    {"external_api": "none", "private_corpus": False, "cores": 40, "throughput": "1/s"},
    {"throughput": "60000/s", "requests": "unforeseen"},
    {"knowledge": "10m", "streamed": True},
    {"knowledge": "10m", "cores": 200, "throughput": "1/m"},
    {"external_api": "none", "requests": "foreseen", "cores": 4, "throughput": "1/s"},
)


class Witness:
    """A case that notes which slots are read."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.read: set[str] = set()

    def __getattr__(self, slot: str) -> Any:
        self.read.add(slot)
        return getattr(self.case, slot)


class Filled(NamedTuple):
    """Answers with their pattern, the choice for each role, and the costs of the decision."""

    answers: Answers
    pattern: str
    choices: dict[str, str]
    costs: Costs


@cache
def filled() -> tuple[Filled, ...]:
    """The enumerated answers that have a pattern, here and on a much faster machine."""
    found = []
    for costs, answers in itertools.product((reference(), scaled(0.01)), enumerated()):
        decision = decide(answers, costs)
        if decision.pattern:
            choices = {role: part.choice for role, part in decision.components.items()}
            found.append(Filled(answers, decision.pattern, choices, costs))
    return tuple(found)


def case_of(one: Filled, role: Role) -> Case:
    case = Case(one.answers)
    case.pattern = one.pattern
    if role.name != "model":
        case.model = one.choices["model"]
    if "ranker" in one.choices and role.name not in {"model", "ranker"}:
        case.model = one.choices["ranker"]
    return case


def with_option(role: Role, rule: Rule) -> list[Filled]:
    """The answers whose shape has the option that the rule rules out."""
    option = next(option for option in role.options if option.name == rule.out)
    return [
        one for one in filled() if shape(one.pattern, one.answers.system.output) in option.shapes
    ]


@given(random_answers())
@settings(max_examples=200)
def test_random_answers_fill_every_role(answers: Answers) -> None:
    """Each role of the decided pattern has a choice that none of its rulings rules out."""
    decision = decide(answers)
    if decision.pattern is None:
        return
    roles = roles_of(shape(decision.pattern, answers.system.output))
    assert set(decision.components) == {role.name for role in roles}
    for role in roles:
        component = decision.components[role.name]
        out = {ruling.rules_out for ruling in component.rulings}
        left = [option.name for option in role.options if option.name not in out]
        assert component.choice == left[0]
        assert component.because


def test_enumerated_answers_reach_every_shape_and_option() -> None:
    """No option is there in vain: each one is chosen for some answers, in some shape."""
    chosen = {pair for one in filled() for pair in one.choices.items()}
    assert chosen == {(role.name, option.name) for role in ROLES for option in role.options}
    assert {shape(one.pattern, one.answers.system.output) for one in filled()} == set(SHAPES)


@pytest.mark.parametrize(("role", "rule"), RULES, ids=lambda value: value.name)
def test_no_component_rule_is_dead(role: Role, rule: Rule) -> None:
    """Each rule alone rules something out for some answers: without it, more would stand."""
    others = [o for o in role.rules if o.out == rule.out and o is not rule]
    for one in with_option(role, rule):
        case, work = case_of(one, role), one.costs.work
        if rule.when(case, work) and not any(other.when(case, work) for other in others):
            return
    pytest.fail(f"{rule.name} decides nothing")


@pytest.mark.parametrize(("role", "rule"), RULES, ids=lambda value: value.name)
def test_a_component_rule_reads_what_it_says(role: Role, rule: Rule) -> None:
    """Condition and sentence read no answer but those listed, and each of them somewhere."""
    slots = {"engines" if key.startswith("engines.") else FIELDS[key].name for key in rule.reads}
    read: set[str] = set()
    for one in with_option(role, rule):
        witness: Any = Witness(case_of(one, role))
        if rule.when(witness, one.costs.work):
            assert rule.because(witness, one.costs.work)
        read |= witness.read
    # The model follows from answers; a rule that asks for it lists those.
    derived = {"output", "kind", "level"} if "model" in read else set()
    assert slots == (read | derived) - {"model", "pattern", "taken"}


def components(**changes: Any) -> dict[str, str]:
    found = decide(given_answers(**changes)).components
    return {role: component.choice for role, component in found.items()}


FEED = {
    "output": "ranking",
    "kind": "implicit",
    "p99": "100ms",
    "features": "1m",
    "requests": "foreseen",
    "level": "none",
    "per_request": 30_000,
}


def test_audited_scores_come_from_trees_with_their_attributions() -> None:
    """Fraud under audit: boosted trees, exact attributions in the answer, streaming features."""
    found = components(positive_rate=0.008, delay="7d")
    assert found["model"] == "boosted_trees"
    assert found["explainer"] == "tree_attributions"
    assert found["features"] == "streaming"
    assert found["metric"] == "average_precision"
    assert found["loop"] == "label_join"
    assert found["store"] == "embedded"


def test_black_boxes_are_out_under_audit() -> None:
    """Under audit, neither towers nor encoders nor cross-encoders nor surrogates are chosen."""
    black = {"two_towers", "text_encoder", "self_supervised", "surrogate", "cross_encoder_top_50"}
    for one in filled():
        if one.answers.interpretability.level == "audit":
            assert not black & set(one.choices.values())


def test_labels_decide_how_a_model_learns() -> None:
    """Few labels: linear; none: unsupervised, self-supervised, transfer; implicit: two towers."""
    assert components(kind="sparse")["model"] == "linear"
    assert components(kind="sparse")["explainer"] == "coefficients"
    assert components(kind="none")["model"] == "isolation_forest"
    several: dict[str, Any] = {"kind": "none", "per_request": 50, "level": "none"}
    assert components(**several)["model"] == "isolation_forest"
    assert components(**several, p99="1m")["model"] == "self_supervised"
    ordered = {**several, "output": "ranking", "p99": "1m"}
    assert components(**ordered)["model"] == "text_encoder"
    assert components(**FEED)["model"] == "two_towers"
    assert components(**FEED)["ranker"] == "boosted_trees"
    assert components(**FEED)["loop"] == "feedback_log"
    encoders = components(**FEED | {"kind": "none", "p99": "500ms", "per_request": 10**7})
    assert encoders["model"] == "text_encoder"
    assert encoders["ranker"] == "similarity"


def test_no_heavy_network_waits_under_ten_milliseconds() -> None:
    """Under 10 ms no network reads the candidates of a request; where there is time, one does."""
    many = {"kind": "none", "per_request": 2, "level": "none"}
    assert components(**many, p99="9999us")["model"] == "isolation_forest"
    assert components(**many, p99="10s")["model"] == "self_supervised"


def test_the_index_is_exact_while_that_fits() -> None:
    """Ten thousand vectors are compared one by one; a billion are not."""
    assert components(**FEED)["index"] == "exact"
    assert components(**FEED | {"per_request": 1_000_000_000})["index"] == "ivf_pq"
    assert components(**FEED | {"memory": "1MB"})["index"] == "ivf_pq"


def test_features_are_as_fresh_as_they_must_be() -> None:
    """Nightly for a day, hourly for an hour, streaming below, from the request for nothing."""
    ages = {"24h": "nightly", "23h": "hourly", "1h": "hourly", "59m": "streaming"}
    for age, how in (ages | {"1us": "streaming", "0s": "on_request"}).items():
        assert components(features=age)["features"] == how


def test_a_cross_encoder_reads_the_top_50_where_that_fits() -> None:
    """Fifty pairs fit a minute and do not fit 100 ms."""
    assert components(**FEED)["reranker"] == "none"
    assert components(**FEED | {"p99": "1m", "per_request": 10**7})["reranker"] == (
        "cross_encoder_top_50"
    )


@given(random_answers())
@settings(max_examples=200)
def test_components_fit_together(answers: Answers) -> None:
    """Exact search and a cross-encoder are chosen only where both fit one request."""
    decision = decide(answers)
    chosen = {role: part.choice for role, part in decision.components.items()}
    if decision.pattern not in {"ranking", "rag"}:
        return
    case, work = Case(answers), reference().work
    spent = own(decision.pattern, case, work)
    if chosen["index"] == "exact":
        case.pattern = decision.pattern
        count, wide = search.searched(case), search.width(case)
        live = chosen.get("retrieval", "live") == "live"
        spent += search.scan(count, wide, work.ns) if live else 0
        spent -= search.probe(count, wide, work.ns) if live else 0
    if chosen["reranker"] == "cross_encoder_top_50":
        spent += 50 * work.ns["pair"]
    assert 10 * (spent + wait(decision.pattern, case, work)) <= 8 * 1000 * case.p99


def test_a_batch_runs_as_rarely_as_it_may() -> None:
    """The schedule is the largest that keeps predictions, features and waiting requests in time.

    A run that takes a quarter of the time between two is part of that.
    """
    batch: dict[str, Any] = {"requests": "foreseen", "features": "60d"}
    ages = {"50d": "30d", "30d": "7d", "8d": "24h", "7d": "24h", "24h": "12h", "7h": "4h"}
    for age, every in (ages | {"5h": "4h", "75m": "1h", "74m": "30m", "1h": "30m"}).items():
        assert components(**batch, predictions=age)["schedule"] == every
    assert components(predictions="7d", features="90m", requests="foreseen")["schedule"] == "1h"
    waiting = components(predictions="7d", features="7d", p99="6h")
    assert waiting["schedule"] == "4h"


@pytest.mark.parametrize("promised", ["1h", "90m", "6h", "24h", "7d", "30d", "90d"])
def test_a_schedule_that_is_decided_keeps_its_promise(promised: str) -> None:
    """What `groundplan schedule` warns of is not what was decided."""
    found = components(requests="foreseen", predictions=promised, features=promised)["schedule"]
    usual = {"30m": "*/30 * * * *", "24h": "0 3 * * *", "7d": "0 3 * * 1", "30d": "0 3 1 * *"}
    job = Job("score", usual.get(found) or f"0 */{found[:-1]} * * *", "UTC", ("true",))
    assert warning(job, duration(found) // 4, duration(promised), 0) is None


def test_private_documents_stay_in_the_house_unless_stated() -> None:
    """Who may see the corpus decides who writes; memory decides which local model."""
    rag: dict[str, Any] = {"output": "answer", "p99": "5s", "level": "explain", "kind": "none"}
    private = rag | {"private_corpus": True}
    assert components(**rag)["generator"] == "hosted"
    assert components(**rag, external_api="none")["generator"] == "local_8b"
    assert components(**private)["generator"] == "local_1b"
    patient = private | {"p99": "1m"}
    assert components(**patient)["generator"] == "local_8b"
    assert components(**patient, memory="4GB")["generator"] == "local_1b"
    assert components(**patient, cores=8, throughput="1/s") == {}
    assert components(**patient, cores=8, throughput="10/m")["generator"] == "local_1b"
    assert components(**patient, cores=8, throughput="1/m")["generator"] == "local_8b"
    assert components(**private, external_api="inference")["generator"] == "hosted"
    assert components(**private, engines={"language_model": "http://a"})["generator"] == "named"
    assert components(**private)["explainer"] == "citations"


def test_a_search_is_priced_by_its_corpus_and_its_width() -> None:
    """Texts have six times the dimensions of towers; what doesn't fit by that is not chosen."""
    search_ = {"output": "ranking", "kind": "sparse", "level": "none", "p99": "300ms"}
    assert components(**search_, per_request=600_000)["index"] == "exact"
    assert components(**search_, per_request=2_000_000)["index"] == "ivf_pq"
    assert components(**search_, per_request=10**9) == {}
    narrow = FEED | {"requests": "unforeseen", "p99": "300ms", "per_request": 2_000_000}
    assert components(**narrow)["index"] == "exact"
    rag: dict[str, Any] = {"output": "answer", "p99": "2s", "level": "explain", "streamed": True}
    rag |= {"private_corpus": True, "external_api": "any"}
    found = components(**rag, catalog=1_500_000)
    assert (found["index"], found["word_index"]) == ("exact", "beside")
    found = components(**rag, catalog=50_000_000)
    assert (found["index"], found["word_index"]) == ("ivf_pq", "none")


def test_a_corpus_fills_memory_by_its_width() -> None:
    """Vectors of texts are 1,544 bytes each: a million and more do not fit half of 3 GB."""
    texts = {"output": "ranking", "kind": "sparse", "level": "none", "p99": "2s"}
    assert components(**texts, per_request=900_000, memory="3GB")["index"] == "exact"
    assert components(**texts, per_request=1_000_000, memory="3GB")["index"] == "ivf_pq"
    towers = FEED | {"requests": "unforeseen", "p99": "2s"}
    assert components(**towers | {"per_request": 5_000_000}, memory="3GB")["index"] == "exact"


def test_what_one_file_cannot_hold_is_shared() -> None:
    """One writer records 50,000 events a second, and one machine has 64 cores."""
    assert components(throughput="50000/s", cores=500)["store"] == "embedded"
    assert components(throughput="50001/s", cores=500)["store"] == "shared"
    assert components(throughput="50001/s", features="24h", cores=500)["store"] == "embedded"
    assert components(throughput="20000/s", per_request=200)["store"] == "shared"
    assert components(throughput="20000/s", per_request=200, cores=2000)["store"] == "embedded"


def test_candidates_are_listed_ahead_where_a_search_takes_too_long() -> None:
    """Without a larger catalog a request searches what it may show, while there is time."""
    live = FEED | {"per_request": 2_000_000, "p99": "50ms"}
    assert components(**live)["retrieval"] == "live"
    assert components(**live | {"per_request": 10**9})["retrieval"] == "user_lists"
    assert components(**live | {"per_request": 10**9, "requests": "unforeseen"})["retrieval"] == (
        "item_lists"
    )


def test_what_scores_a_text_is_told_how_the_text_enters() -> None:
    """An encoder is no model of a score, and the ruling says that it can still make a feature."""
    model = decide(given_answers(level="none"), reference()).components["model"]
    (said,) = (one.because for one in model.rulings if one.rule == "model-text-encoder-score")
    assert said == (
        "the output is a score, and a text is a feature of it: an encoder's vector or word "
        "counts, beside the others"
    )
