"""Growth says what gives out, where exactly, and what is decided then."""

from html import unescape
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answer_cases import given_answers
from groundplan.constraints import Answers
from groundplan.decision import decide, reference_costs
from groundplan.errors import ConstraintError
from groundplan.plan.capacity import capacity
from groundplan.plan.difference import Change, difference
from groundplan.plan.dossier import draw_up
from groundplan.plan.growth import AXES, Axis, Growth, Limit, growth, scaled
from groundplan.plan.page import page
from pattern_cases import KINDS, RANKING

GIVEN_OUT = "generator: from the start"
ALL: dict[Axis, float] = {"traffic": 10.0, "corpus": 10.0, "history": 10.0}


def grown(answers: Answers, **factors: float) -> Growth:
    return growth(answers, reference_costs(), factors)


def limit(found: Growth, component: str, axis: str = "traffic") -> Limit:
    return next(one for one in found.limits if (one.component, one.axis) == (component, axis))


@pytest.mark.parametrize("kind", KINDS)
def test_every_pattern_says_what_gives_out(kind: str) -> None:
    """Each limit says why and what comes then; the first to give out stands first."""
    found = growth(given_answers(**KINDS[kind]), reference_costs(), ALL)
    factors = [one.factor for one in found.limits if one.factor is not None]
    assert factors == sorted(factors)
    assert all(one.factor is None for one in found.limits[len(factors) :])
    assert all(0 <= factor <= 10 for factor in factors)
    assert {one.axis for one in found.limits} <= set(AXES)
    assert "server" in {one.component for one in found.limits}
    for one in found.limits:
        assert one.because
        assert one.replaced_by
    assert found.factors == ALL
    assert (found.capacity is None) == (found.pattern is None)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Growth) == found


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_decided_then_is_the_decision_on_the_grown_answers(kind: str) -> None:
    """Pattern and changes are those of `decide` before and after; nothing else is told."""
    answers, costs = given_answers(**KINDS[kind]), reference_costs()
    found = growth(answers, costs, ALL)
    before, after = decide(answers, costs), decide(scaled(answers, ALL), costs)
    assert found.pattern == after.pattern
    told = {role: (old, new) for role, old, new in found.changes}
    for role in {**before.components, **after.components}:
        old, new = before.components.get(role), after.components.get(role)
        names = tuple("nothing" if part is None else part.choice for part in (old, new))
        assert told.get(role, names) == names
        assert (role in told) == (names[0] != names[1])
    assert ("pattern" in told) == (before.pattern != after.pattern)


def test_a_server_gives_out_where_its_cores_are_full() -> None:
    """Two cores at 70 % by the typical estimate: the factor is the ratio to the peak."""
    answers, costs = given_answers(cores=2, throughput="1000/s"), reference_costs()
    found = grown(answers, traffic=10)
    one = limit(found, "server")
    per_core = capacity(answers, decide(answers, costs), costs).saturation.typical
    assert one.factor == pytest.approx(2 * 0.7 * per_core / 1000, rel=0.01)
    assert "2 cores" in one.because
    assert limit(grown(answers, traffic=2), "server").factor is None


def test_a_pattern_gives_out_exactly_where_the_decision_turns() -> None:
    """Just below the factor the pattern stands, at it it does not; the ruling says why."""
    answers = given_answers(
        **{**RANKING, "per_request": 500, "requests": "unforeseen", "level": "none"}
    )
    costs = reference_costs()
    assert decide(answers, costs).pattern == "realtime"
    found = grown(answers, corpus=100)
    assert found.pattern == "ranking"
    assert found.changes[0] == ("pattern", "realtime", "ranking")
    one = limit(found, "pattern", "corpus")
    assert one.replaced_by == "ranking"
    assert "joining and scoring" in one.because
    assert one.factor is not None
    assert decide(scaled(answers, {"corpus": one.factor}), costs).pattern == "ranking"
    assert decide(scaled(answers, {"corpus": 0.99 * one.factor}), costs).pattern == "realtime"


def test_growth_into_a_conflict_says_so() -> None:
    """Where nothing stands any more there is no capacity, and the limit quotes the ruling."""
    answers = given_answers(cores=1, hosts=1, throughput="1000/s")
    found = grown(answers, traffic=10)
    assert found.pattern is None
    assert found.capacity is None
    assert ("pattern", "realtime", "nothing") in found.changes
    one = limit(found, "pattern")
    assert "cores busy" in one.because
    assert "cannot hold together" in one.replaced_by
    assert growth(scaled(answers, {"traffic": 10}), reference_costs(), ALL).limits == ()


def test_index_gives_way_to_the_next() -> None:
    """An exact index that stops fitting is replaced by the next option of its role."""
    answers = given_answers(**{**RANKING, "per_request": 600_000})
    costs = reference_costs()
    assert decide(answers, costs).components["index"].choice == "exact"
    found = grown(answers, corpus=10)
    assert ("index", "exact", "ivf_pq") in found.changes
    turns = [
        one for one in found.limits if one.component == "index" and one.replaced_by == "ivf_pq"
    ]
    assert len(turns) == 1
    factor = turns[0].factor
    assert factor is not None
    before = decide(scaled(answers, {"corpus": 0.99 * factor}), costs)
    after = decide(scaled(answers, {"corpus": factor}), costs)
    assert before.components["index"].choice == "exact"
    assert after.components["index"].choice == "ivf_pq"


def test_traffic_fills_the_memory_that_is_stated() -> None:
    """Online state gives out where the whole plan needs more memory than is stated.

    Just below that factor the capacity has no shortage, just above it has one. A longer history
    fills nothing: windows stay as long as they are.
    """
    answers, costs = given_answers(throughput="10/s", memory="4GB"), reference_costs()
    found = grown(answers, traffic=10)
    one = limit(found, "online state")
    assert one.factor is not None
    assert "of the 4GB stated" in one.because
    assert "policy.memory" in one.replaced_by

    def short(factor: float) -> bool:
        bigger = scaled(answers, {"traffic": factor})
        return not capacity(bigger, decide(bigger, costs), costs).holds

    assert not short(0.98 * one.factor)
    assert short(1.02 * one.factor)
    later = grown(answers, history=10)
    assert "online state" not in {one.component for one in later.limits}


def test_without_a_policy_one_large_machine_is_what_there_is() -> None:
    """Where nothing is stated, the server gives out at 64 cores, not at the cores of this plan."""
    answers, costs = given_answers(), reference_costs()
    one = limit(grown(answers, traffic=1_000), "server")
    per_core = capacity(answers, decide(answers, costs), costs).saturation.typical
    assert one.factor == pytest.approx(64 * 0.7 * per_core / 500, rel=0.01)
    assert limit(grown(answers, traffic=10), "server").factor is None


def test_a_smaller_corpus_gives_out_later() -> None:
    """An index of a twentieth of the things lasts for twenty times the growth."""
    large, small = (
        limit(
            grown(given_answers(**{**RANKING, "per_request": things}), corpus=1e5),
            "index",
            "corpus",
        )
        for things in (100_000_000, 5_000_000)
    )
    assert large.factor is not None
    assert small.factor is not None
    assert small.factor == pytest.approx(20 * large.factor, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", AXES)
def test_a_server_gives_out_by_what_is_decided_there(kind: str, axis: Axis) -> None:
    """Before the factor, the capacity of the grown answers fits 64 cores; soon after it does not.

    Whatever the decision turns to on the way: no limit is told of what is not built there.
    """
    answers, costs = given_answers(**KINDS[kind]), reference_costs()
    one = next(
        (one for one in grown(answers, **{axis: 300.0}).limits if one.component == "server"), None
    )
    if one is None or one.factor is None or one.factor == 1.0:
        return

    def fits(factor: float) -> bool:
        bigger = scaled(answers, {axis: factor})
        decision = decide(bigger, costs)
        assert decision.pattern is not None
        found = capacity(bigger, decision, costs)
        (server,) = (need for need in found.needs if need.component == "server")
        return found.holds and server.bands["cores"].typical <= 64

    assert fits(0.99 * one.factor)
    assert not fits(1.05 * one.factor)


def test_what_replaces_is_what_the_policy_allows() -> None:
    """A model that may not leave the house is not replaced by a hosted one; cores come first."""
    answers = given_answers(
        **{**KINDS["rag-local"], "throughput": "1/s", "cores": 48, "hosts": 1, "memory": "64GB"}
    )
    found = grown(answers, traffic=10)
    assert "hosted model out" in limit(found, "generator").replaced_by
    assert limit(found, "server").replaced_by.startswith("more cores than 48 (policy.cores)")
    full = given_answers(cores=64, hosts=1)
    assert "policy.hosts = 1" in limit(grown(full, traffic=10), "server").replaced_by


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(AXES), st.floats(1.5, 1_000))
@settings(max_examples=60, deadline=None)
def test_a_limit_does_not_depend_on_how_far_one_looks(kind: str, axis: Axis, factor: float) -> None:
    """What gives out within a growth gives out at the same factor in a larger one."""
    answers = given_answers(**KINDS[kind])
    near, far = (grown(answers, **{axis: at}) for at in (factor, 2 * factor))

    def server(found: Growth) -> list[float]:
        return [
            one.factor
            for one in found.limits
            if one.component in {"server", "store", "training", "run", "published versions"}
            and one.factor is not None
            and one.axis == "traffic"
        ]

    for known, again in zip(server(near), server(far), strict=False):
        assert again == pytest.approx(known, rel=5e-3)  # as far as a turn is found


def test_one_candidate_stays_one() -> None:
    """A larger corpus makes no ten transactions of one; a stated catalog grows with it."""
    assert scaled(given_answers(), {"corpus": 10}).candidates.per_request == 1
    listed = given_answers(**{**RANKING, "per_request": 300, "catalog": 1_000})
    bigger = scaled(listed, {"corpus": 2.5}).candidates
    assert (bigger.per_request, bigger.catalog) == (750, 2_500)
    huge = scaled(listed, {"corpus": 1e30, "traffic": 1e30})
    assert huge.candidates.catalog == 10**15
    assert huge.latency.throughput == 10**18


@pytest.mark.parametrize(
    ("factors", "says"),
    [({"trafic": 10.0}, "did you mean traffic?"), ({"corpus": 0.0}, "must be a number above 0")],
)
def test_a_wrong_growth_is_refused(factors: dict[Any, float], says: str) -> None:
    """An unknown axis is refused with the nearest, a factor that is none with an example."""
    with pytest.raises(ConstraintError) as refused:
        growth(given_answers(), reference_costs(), factors)
    assert says in str(refused.value)


def test_standing_still_has_no_limits() -> None:
    """At 1x nothing gives out, nothing changes, and the capacity is that of today."""
    answers, costs = given_answers(), reference_costs()
    found = growth(answers, costs, {"traffic": 1.0})
    assert found.limits == ()
    assert found.changes == ()
    assert found.capacity == capacity(answers, decide(answers, costs), costs)


@pytest.mark.parametrize("output", ["score", "answer"])
def test_a_run_gives_out_where_the_capacity_is_short_of_cores(output: str) -> None:
    """What growth names and what the capacity refuses are one place: before it, all fits."""
    nightly = {"predictions": "30h", "features": "30h", "requests": "foreseen", "kind": "none"}
    more: dict[str, Any] = {"throughput": "1/s", "cores": 4, "external_api": "none"}
    if output == "score":
        more = {"throughput": "20000/s", "cores": 16, "kind": "explicit", "level": "explain"}
    answers = given_answers(**{**nightly, "level": "none", "output": output, **more})
    costs = reference_costs()
    found = grown(answers, traffic=10.0)
    at = limit(found, "run").factor if output == "score" else found.limits[0].factor
    assert at is not None
    for factor, short in ((0.98 * at, False), (1.02 * at, True)):
        then = scaled(answers, {"traffic": factor})
        decision = decide(then, costs)
        if decision.pattern is None:
            assert short
            continue
        shortages = capacity(then, decision, costs).shortages
        assert any(one.misfit and one.resource == "cores" for one in shortages) is short


def test_a_language_model_beyond_a_machine_gives_out_now() -> None:
    """Cores that no machine has are no growth that holds: the dossier says it before all else."""
    answers = given_answers(**{**KINDS["rag-local"], "p99": "4s", "throughput": "30/s"})
    costs = reference_costs()
    one = limit(grown(answers, traffic=10), "generator")
    assert one.factor == 1.0
    assert "one large machine of 64 cores" in one.because
    dossier = draw_up(answers, costs)
    assert dossier.holds
    assert [limit.component for limit in dossier.outgrown] == ["generator"]
    assert one.because in unescape(page(dossier))
    little = draw_up(given_answers(), costs)
    assert little.holds
    assert little.outgrown == ()
    assert "Too small from the start" not in page(little)


def test_an_embedded_store_does_not_hold_together_what_several_machines_serve() -> None:
    """Where its processes fill more than a machine, the server gives out now, with the store."""
    answers = given_answers(
        **{**RANKING, "per_request": 20_000, "requests": "foreseen", "throughput": "10000/s"},
        **{"p99": "150ms", "features": "1m"},
    )
    found = grown(answers, traffic=2)
    costs = reference_costs()
    decided = decide(answers, costs)
    assert decided.components["store"].choice == "embedded"
    assert capacity(answers, decided, costs).needs[0].bands["cores"].typical > 64
    one = limit(found, "server")
    assert one.factor == 1.0
    assert "a file that other machines do not see" in one.because
    assert "a store that all share" in one.replaced_by


def test_what_is_shared_already_is_not_replaced_by_itself() -> None:
    """Beyond one server that all hosts share stand several of them."""
    answers = given_answers(throughput="5000/s", hosts=2, memory="16GB")
    one = limit(grown(answers, traffic=10), "online state")
    assert "a cluster of Redis or Valkey" in one.replaced_by


def test_a_corpus_that_wears_nothing_out_says_why() -> None:
    """Keys that no answer counts are reckoned from the traffic, and which answer would is said."""
    uncounted = given_answers(**KINDS["batch"])
    idle = grown(uncounted, corpus=10).idle
    assert "candidates.catalog would" in idle
    assert "grow with the traffic" in idle
    letters = {**KINDS["batch"], "output": "answer", "level": "none", "catalog": 10**6}
    assert "catalog counts what is chosen among" in grown(given_answers(**letters), corpus=10).idle
    assert grown(given_answers(**KINDS["batch"], catalog=10**7), corpus=1e6).idle == ""
    assert grown(uncounted, corpus=10, history=10).idle == ""


def test_what_becomes_too_small_from_the_start_cannot_fit_any_more() -> None:
    """A change that no machine carries at once is told among what cannot fit, both ways."""
    few, many = (
        draw_up(given_answers(**{**KINDS["rag-local"], "p99": "4s", "throughput": rate}))
        for rate in ("1/m", "30/s")
    )
    assert Change("add", GIVEN_OUT, None, "too small") in difference(few, many).misfits
    assert Change("remove", GIVEN_OUT, "too small") in difference(many, few).misfits
