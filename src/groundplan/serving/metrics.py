"""What the server tells Prometheus about itself."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from groundplan.plan import Plan
from groundplan.serving.breaker import State
from groundplan.serving.overload import Queue
from groundplan.serving.stages import Trace

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

BOUNDS: Final = (
    *(100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000),
    *(50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000),
)
"""Upper bounds of the histograms' buckets, µs."""

TOGETHER: Final = 64
"""Requests that are counted at a time: it costs each a fraction of what it would take alone."""

_NAMES: Final = (*(str(bound / 1e6) for bound in BOUNDS), "+Inf")


class _Histogram:
    """Counts per bucket, and the sum; the library's own costs a lock for each bucket that it
    passes, and every request has eight durations to count.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0

    def observe(self, microseconds: int) -> None:
        self.counts[bisect_left(BOUNDS, microseconds)] += 1
        self.total += microseconds

    def cumulative(self) -> list[tuple[str, float]]:
        """What Prometheus calls buckets: each with all below it."""
        below = 0
        rows = []
        for name, count in zip(_NAMES, self.counts, strict=True):
            below += count
            rows.append((name, float(below)))
        return rows


class _Stage(_Histogram):
    """The times of a stage, and how many of them were above its budget, µs."""

    __slots__ = ("budget", "over")

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.budget = budget
        self.over = 0


class Metrics(Collector):
    """Counters and histograms of one server, in a registry of their own.

    Args:
        plan: names the stages, and promises what is shown beside the measured.
        build: the build that serves; empty where that changes meanwhile, and `watched` tells it.
    """

    def __init__(self, plan: Plan, build: str = "") -> None:
        self._stages = {stage.name: _Stage(stage.budget) for stage in plan.online}
        self._replaced = Counter(dict.fromkeys((*self._stages, "late"), 0))
        self._decisions: Counter[str] = Counter()
        self._done: list[tuple[Trace, tuple[str, ...]]] = []
        """Requests that are not counted yet."""
        self._answers: dict[tuple[str, int], int] = {}
        self._breakers: Counter[tuple[str, str]] = Counter()
        self._counts: dict[str, tuple[str, tuple[str, ...], Counter[Any]]] = {}
        self._latency: dict[str, _Histogram] = {}
        self.watched: Callable[[], Iterable[tuple[str, str, dict[str, str], float]]] = tuple
        """Further gauges, as they are now: name, what it is, labels, figure."""
        self._registry = CollectorRegistry()
        self._registry.register(self)
        budgets = self._gauge("stage_budget_seconds", "The plan's budget of each stage.", "stage")
        for name, stage in self._stages.items():
            budgets.labels(name).set(stage.budget / 1e6)
        self._gauge("promised_p99_seconds", "The plan's p99.").set(plan.p99 / 1e6)
        if build:
            self._gauge("build_info", "The build that serves.", "build").labels(build).set(1)

    def answered(self, path: str, status: int, microseconds: int) -> None:
        """Count one HTTP answer."""
        answer = path, status
        self._answers[answer] = self._answers.get(answer, 0) + 1
        latency = self._latency.get(path)
        if latency is None:
            latency = self._latency[path] = _Histogram()
        latency.observe(microseconds)

    def show_queue(self, queue: Queue[Any]) -> None:
        """Show how many requests wait, and how long one that came now would."""
        waiting = self._gauge("queue_requests", "Requests that wait for their turn.")
        waiting.set_function(lambda: len(queue))
        wait = self._gauge("queue_wait_seconds", "How long a request that came now would wait.")
        wait.set_function(lambda: queue.wait_us / 1e6)

    def show(self, name: str, says: str, read: Callable[[], float]) -> None:
        """Show a figure that is read when it is asked for."""
        self._gauge(name, says).set_function(read)

    def counter(self, name: str, says: str, *labels: str) -> Counter[Any]:
        """Counts by the value of a label, or by the tuple of values of several, from now on.

        Args:
            name: without `groundplan_` and `_total`.
            says: what is counted.
            labels: their names; without, it counts what has the empty tuple.
        """
        counts: Counter[Any] = Counter() if labels else Counter({(): 0})
        self._counts[name] = says, labels, counts
        return counts

    def breaker(self, name: str, state: State) -> None:
        """Count a change of an engine's breaker; a listener of `Breaker`."""
        self._breakers[name, state] += 1

    def predicted(self, trace: Trace, *decisions: str) -> None:
        """Count one request: its stages, what was replaced, what was decided."""
        self._done.append((trace, decisions))
        if len(self._done) >= TOGETHER:
            self._count()

    def _count(self) -> None:
        """Count what was done since the last time."""
        done, self._done = self._done, []
        for trace, decisions in done:
            for name, spent in trace.timings.items():
                stage = self._stages[name]
                stage.observe(spent)
                if spent > stage.budget:
                    stage.over += 1
            for line in trace.degraded:
                self._replaced[line.partition(":")[0]] += 1
            for decision in decisions:
                self._decisions[decision] += 1

    def page(self) -> bytes:
        """All of it, in the Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The counts as the library's families."""
        self._count()
        answers = {(path, str(status)): count for (path, status), count in self._answers.items()}
        over = {name: stage.over for name, stage in self._stages.items()}
        counts: list[tuple[str, str, tuple[str, ...], Mapping[Any, int]]] = [
            ("requests", "Requests by path and status.", ("path", "status"), answers),
            ("decisions", "Answers by decision.", ("decision",), self._decisions),
            ("degraded", "Stages replaced, and late answers.", ("stage",), self._replaced),
            ("stage_over_budget", "Stages longer than planned.", ("stage",), over),
            ("breaker_changes", "New states of breakers.", ("engine", "state"), self._breakers),
            *((name, *rest) for name, rest in self._counts.items()),
        ]
        for name, says, labels, values in counts:
            family = CounterMetricFamily(f"groundplan_{name}", says, labels=labels)
            for key, count in values.items():
                family.add_metric([key] if isinstance(key, str) else list(key), count)
            yield family
        gauges: dict[str, GaugeMetricFamily] = {}
        for name, says, named, value in self.watched():
            if name not in gauges:
                gauges[name] = GaugeMetricFamily(f"groundplan_{name}", says, labels=list(named))
            gauges[name].add_metric(list(named.values()), value)
        yield from gauges.values()
        times: dict[tuple[str, str, str], Mapping[str, _Histogram]] = {
            ("request_seconds", "Time in the server by path.", "path"): self._latency,
            ("stage_seconds", "Time in each stage of a prediction.", "stage"): self._stages,
        }
        for (name, says, label), histograms in times.items():
            spent = HistogramMetricFamily(f"groundplan_{name}", says, labels=[label])
            for key, histogram in histograms.items():
                spent.add_metric([key], histogram.cumulative(), histogram.total / 1e6)
            yield spent

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"groundplan_{name}", says, labels, registry=self._registry)
