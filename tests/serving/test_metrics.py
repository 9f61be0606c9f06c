"""What is counted together is what would have been counted one by one."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from endpoint import MS, plan
from groundplan.serving.metrics import TOGETHER, Metrics
from groundplan.serving.stages import Trace

SPENT = st.integers(0, 3_000_000)
REQUESTS = st.builds(
    lambda a, b, degraded, decisions: (Trace({"a": a, "b": b}, degraded), decisions),
    *(SPENT, SPENT),
    st.lists(st.sampled_from(["a: failed", "b: 0.1 ms were left", "late: 2 ms"]), max_size=2),
    st.lists(st.sampled_from(["leave", "call"]), max_size=3),
)


def shown(metrics: Metrics) -> dict[tuple[str, str], float]:
    """What a page says, by name and the last of its labels."""
    families = text_string_to_metric_families(metrics.page().decode())
    samples = (sample for family in families for sample in family.samples)
    return {(one.name, ([*one.labels.values()] or [""])[-1]): one.value for one in samples}


@given(st.lists(REQUESTS, max_size=12), st.integers(0, 2 * TOGETHER), st.booleans())
def test_a_page_counts_every_request_that_came_before_it(
    drawn: list[tuple[Trace, list[str]]], repeated: int, looked: bool
) -> None:
    """However many are counted together, and whether or not a page was read in between."""
    metrics = Metrics(plan(1_000 * MS, a=MS, b=2 * MS))
    seen = drawn + drawn[:1] * repeated
    for at, (trace, decisions) in enumerate(seen):
        metrics.predicted(trace, *decisions)
        if looked and at % 7 == 0:
            metrics.page()
    expected: defaultdict[tuple[str, str], float] = defaultdict(float)
    for trace, decisions in seen:
        for decision in decisions:
            expected["groundplan_decisions_total", decision] += 1
        for line in trace.degraded:
            expected["groundplan_degraded_total", line.split(":")[0]] += 1
        for name, budget in (("a", MS), ("b", 2 * MS)):
            spent = trace.timings[name]
            expected["groundplan_stage_seconds_count", name] += 1
            expected["groundplan_stage_seconds_sum", name] += spent / 1e6
            expected["groundplan_stage_over_budget_total", name] += spent > budget
    found = shown(metrics)
    for place, count in expected.items():
        assert abs(found[place] - count) <= 1e-9 * count, place
    assert sum(found.get(("groundplan_decisions_total", d), 0) for d in ("leave", "call")) == sum(
        len(decisions) for _, decisions in seen
    )
