"""The answers laid out flat, as the rules read them: one slot per key of the file."""

from typing import Any, Final

from groundplan.constraints import FIELDS, Answers


class Case:
    """One set of answers that can be changed slot by slot; the slot of `latency.p99` is `p99`.

    `pattern`, `model` and `taken` are not answers: the decision fills them in for the
    components, `taken` with the nanoseconds of a request that those chosen so far take.
    """

    __slots__ = (
        "catalog",
        "cores",
        "delay",
        "engines",
        "external_api",
        "features",
        "fine_tuning",
        "hosts",
        "kind",
        "knowledge",
        "level",
        "memory",
        "model",
        "output",
        "p99",
        "pattern",
        "per_request",
        "positive_rate",
        "predictions",
        "private_corpus",
        "requests",
        "streamed",
        "taken",
        "throughput",
    )

    def __init__(self, answers: Answers) -> None:
        latency, freshness, policy = answers.latency, answers.freshness, answers.policy
        self.output: str = answers.system.output
        self.kind: str = answers.labels.kind
        self.positive_rate: float | None = answers.labels.positive_rate
        self.delay: int | None = answers.labels.delay
        self.p99: int = latency.p99
        self.throughput: int = latency.throughput
        self.streamed: bool = latency.streamed
        self.predictions: int = freshness.predictions
        self.features: int = freshness.features
        self.requests: str = freshness.requests
        self.knowledge: int | None = freshness.knowledge
        self.per_request: int = answers.candidates.per_request
        self.catalog: int | None = answers.candidates.catalog
        self.level: str = answers.interpretability.level
        self.private_corpus: bool | None = policy.private_corpus
        self.fine_tuning: bool | None = policy.fine_tuning
        self.external_api: str | None = policy.external_api
        self.hosts: int | None = policy.hosts
        self.cores: int | None = policy.cores
        self.memory: int | None = policy.memory
        self.engines: dict[str, str] = answers.engines
        self.pattern: str = ""
        self.model: str = ""
        self.taken: int = 0


def shown(key: str, value: Any) -> Any:
    """A value of an answer as the file writes it; None where it is not stated."""
    return None if value is None else FIELDS[key].kind.plain(value)


KEYS: Final = tuple(key for key in FIELDS if key.split(".")[1] in Case.__slots__)
"""The keys that a case holds, in the file's order."""
