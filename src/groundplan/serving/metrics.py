"""What the server tells Prometheus about itself."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from groundplan.plan import Plan
from groundplan.serving.stages import Trace

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)


class Metrics:
    """Counters and histograms of one server, in a registry of their own.

    Args:
        plan: names the stages, and promises the latency that is shown beside the measured one.
        build: the build that serves.
    """

    def __init__(self, plan: Plan, build: str) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "groundplan_requests_total",
            "Requests by path and status.",
            ["path", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "groundplan_request_seconds",
            "Time in the server by path.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        stages = Histogram(
            "groundplan_stage_seconds",
            "Time in each stage of a prediction.",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        over = Counter(
            "groundplan_stage_over_budget_total",
            "Stages that took longer than planned.",
            ["stage"],
            registry=self._registry,
        )
        replaced = Counter(
            "groundplan_degraded_total",
            "Stages that a fallback answered for.",
            ["stage"],
            registry=self._registry,
        )
        decisions = Counter(
            "groundplan_decisions_total",
            "Answers by decision.",
            ["decision"],
            registry=self._registry,
        )
        budgets = Gauge(
            "groundplan_stage_budget_seconds",
            "The plan's budget of each stage.",
            ["stage"],
            registry=self._registry,
        )
        Gauge("groundplan_promised_p99_seconds", "The plan's p99.", registry=self._registry).set(
            plan.p99 / 1e6
        )
        Gauge(
            "groundplan_build_info", "The build that serves.", ["build"], registry=self._registry
        ).labels(build).set(1)
        self._stages = {stage.name: stages.labels(stage.name) for stage in plan.online}
        self._budgets = {stage.name: stage.budget for stage in plan.online}
        self._over = {stage.name: over.labels(stage.name) for stage in plan.online}
        self._replaced = {stage.name: replaced.labels(stage.name) for stage in plan.online}
        self._decisions = decisions
        for stage in plan.online:
            budgets.labels(stage.name).set(stage.budget / 1e6)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count one HTTP answer."""
        self._requests.labels(path, status).inc()
        self._latency.labels(path).observe(seconds)

    def predicted(self, trace: Trace, decision: str) -> None:
        """Count one prediction: its stages, what was replaced, what was decided."""
        for stage, spent in trace.timings.items():
            self._stages[stage].observe(spent / 1e6)
            if spent > self._budgets[stage]:
                self._over[stage].inc()
        for line in trace.degraded:
            self._replaced[line.partition(":")[0]].inc()
        self._decisions.labels(decision).inc()

    def page(self) -> bytes:
        """All of it, in the Prometheus text format."""
        return generate_latest(self._registry)
