"""The answers as frozen records; the fields with their annotations are the table of all keys.

A field is one line: its name, the type that the program holds, the kind of value in the file
and what it means. Parsing, messages, JSON Schema and flips are all derived from these lines.
Durations are integer microseconds, rates integer nanohertz, sizes integer bytes.
"""

from typing import Annotated, Any, Final, NamedTuple, get_type_hints

import msgspec

from groundplan.constraints.cron import Cron, Zone
from groundplan.constraints.kind import (
    Choice,
    Count,
    Duration,
    Flag,
    Fraction,
    Kind,
    Rate,
    Size,
    Text,
)
from groundplan.units import DAY, HOUR, SECOND


class System(msgspec.Struct, frozen=True):
    """What is built."""

    name: Annotated[str, Text("card-fraud"), "The name of the system."]
    goal: Annotated[str, Text("Score every card transaction"), "What it is for, in a sentence."]
    output: Annotated[
        str,
        Choice(("score", "ranking", "answer")),
        "What a request gets back: a score for each candidate, a ranking of the best, or a text.",
    ]


class Labels(msgspec.Struct, frozen=True):
    """Question 1: what is predicted, and are there labels?"""

    kind: Annotated[
        str,
        Choice(("explicit", "implicit", "sparse", "none")),
        "Labels that somebody states, behaviour that implies them, only a few, or none at all.",
    ]
    positive_rate: Annotated[
        float | None, Fraction(), "The share of positive labels, between 0 and 1."
    ] = None
    delay: Annotated[int | None, Duration("7d", "d"), "How late the label arrives."] = None


class Latency(msgspec.Struct, frozen=True):
    """Question 2: how fast, and how much?"""

    p99: Annotated[
        int,
        Duration("100ms", "ms", least=1),
        "The time in which 99 of 100 requests are answered; the first token of a streamed answer.",
    ]
    throughput: Annotated[int, Rate(), "Requests at the peak."]
    streamed: Annotated[bool, Flag(), "Answers only: is the text sent as it is written?"] = False


class Freshness(msgspec.Struct, frozen=True):
    """Question 3: how old may things be?"""

    predictions: Annotated[
        int,
        Duration("24h", "s"),
        "The oldest acceptable prediction; 0s: it must reflect this very request.",
    ]
    features: Annotated[int, Duration("1h", "s"), "The oldest acceptable feature value."]
    requests: Annotated[
        str,
        Choice(("foreseen", "unforeseen")),
        "Can everything that will be asked about be listed beforehand?",
    ]
    knowledge: Annotated[
        int | None,
        Duration("10m", "s"),
        "Answers only: a changed document is searchable within this.",
    ] = None


class Candidates(msgspec.Struct, frozen=True):
    """Question 4: how many things does one request choose among?"""

    per_request: Annotated[int, Count(1), "The things that are eligible for one request."]
    catalog: Annotated[
        int | None,
        Count(1_000_000),
        "The whole corpus, where only a part is eligible for one request.",
    ] = None


class Interpretability(msgspec.Struct, frozen=True):
    """Question 5: who must understand a prediction?"""

    level: Annotated[
        str,
        Choice(("none", "explain", "audit")),
        "Nobody, the users to whom it is explained, or an auditor.",
    ]


class Policy(msgspec.Struct, frozen=True):
    """What the plan may use."""

    private_corpus: Annotated[
        bool | None,
        Flag(),
        "Answers only: is what the model must know absent from its training data?",
    ] = None
    fine_tuning: Annotated[bool | None, Flag(), "May the corpus be used to train a model?"] = None
    external_api: Annotated[
        str | None,
        Choice(("none", "inference", "any")),
        "What may leave the house: nothing, single requests for inference, or anything.",
    ] = None
    hosts: Annotated[int | None, Count(1), "The machines that the plan may use."] = None
    cores: Annotated[int | None, Count(2), "The cores of each machine that the plan may use."] = (
        None
    )
    memory: Annotated[int | None, Size(), "The memory of each machine that the plan may use."] = (
        None
    )


class Schedule(msgspec.Struct, frozen=True):
    """When commands run by themselves."""

    build: Annotated[
        str | None, Cron("0 1 * * 0"), "When `groundplan build` trains, as a cron expression."
    ] = None
    score: Annotated[
        str | None,
        Cron("0 3 * * *"),
        "When `groundplan score` scores and publishes, as a cron expression.",
    ] = None
    verify: Annotated[
        str | None,
        Cron("0 5 * * *"),
        "When `groundplan verify` measures every promise, as a cron expression.",
    ] = None
    time_zone: Annotated[str, Zone(), "The zone in which the expressions are read."] = "UTC"
    missed: Annotated[
        str,
        Choice(("run", "skip")),
        "A time that passed while nothing ran the schedule, or while the command was still at its "
        "last run: run once now, or skip to the next time.",
    ] = "run"
    delta: Annotated[
        bool, Flag(), "Does a scheduled run score only the rows whose inputs changed?"
    ] = False
    timeout: Annotated[
        int,
        Duration("6h", "h", least=SECOND, most=30 * DAY),
        "How long a command may take before it is ended.",
    ] = 6 * HOUR
    alarm: Annotated[
        str | None,
        Text("mail -s groundplan ops@example.com"),
        "A shell command that is run when a command fails or the scores are older than promised; "
        "$GROUNDPLAN_REASON says what happened.",
    ] = None


class Answers(msgspec.Struct, frozen=True):
    """Everything that `groundplan.toml` says."""

    system: System
    labels: Labels
    latency: Latency
    freshness: Freshness
    candidates: Candidates
    interpretability: Interpretability
    policy: Policy = Policy()
    schedule: Schedule = Schedule()
    engines: dict[str, str] = {}


class Field(NamedTuple):
    """One key of the file: `latency.p99` is the field `p99` of the table `latency`."""

    key: str
    table: str
    name: str
    kind: Kind
    required: bool
    default: Any
    doc: str


RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "system": System,
    "labels": Labels,
    "latency": Latency,
    "freshness": Freshness,
    "candidates": Candidates,
    "interpretability": Interpretability,
    "policy": Policy,
    "schedule": Schedule,
}
ENGINES: Final = {
    "online_store": "Online features, such as redis://localhost:6379/0.",
    "offline": "Offline compute, such as spark://localhost:7077.",
    "batch": "Batch scoring, such as spark://localhost:7077.",
    "events": "Where events arrive, such as kafka://localhost:9092/transactions.",
    "scores": "Published scores, such as redis://localhost:6379/1.",
    "vectors": "The vector index, such as postgresql://localhost/vectors.",
    "models": "Model serving, such as http://localhost:8000/v2.",
    "language_model": "The language model: a name, or the URL of an OpenAI-compatible server.",
}
ENGINE: Final = Text("redis://localhost:6379/0")
TABLES: Final = (*RECORDS, "engines")


def _fields() -> dict[str, Field]:
    found = {}
    for table, record in RECORDS.items():
        hints = get_type_hints(record, include_extras=True)
        for slot in msgspec.structs.fields(record):
            kind, doc = hints[slot.name].__metadata__
            default = None if slot.required else slot.default
            key = f"{table}.{slot.name}"
            found[key] = Field(key, table, slot.name, kind, slot.required, default, doc)
    return found


FIELDS: Final = _fields()
"""Every key of the file outside `[engines]`, in the file's order."""
