"""A scorer's fallbacks are those that its plan names, and answers say when one stood in."""

import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from conftest import groundplan
from groundplan.errors import BuildError, EngineError
from groundplan.features import EmbeddedStore, Event, OnlineStore
from groundplan.models import Linear
from groundplan.monitoring.watch import Watch
from groundplan.patterns.realtime.definition import define
from groundplan.patterns.realtime.joining import Joining
from groundplan.patterns.realtime.outbox import Outbox
from groundplan.patterns.realtime.scoring import Scorer
from groundplan.patterns.realtime.service import service
from groundplan.patterns.realtime.training import BASELINE
from groundplan.plan import Fallback
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.serving import log
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.log import Log, Stored
from groundplan.serving.metrics import Metrics
from groundplan.serving.stages import Refused

_ids = itertools.count(800_000_000)


def body() -> bytes:
    return json.dumps(
        {
            "transaction_id": next(_ids),
            "tx_datetime": "2018-08-16T10:00:00",
            "customer_id": 1,
            "terminal_id": 1,
            "tx_amount": 30.0,
        }
    ).encode()


def scorer(fraud: Path, folder: Path, stage: str = "", fallback: str = "") -> Scorer:
    """A scorer over an empty store; with another fallback for one stage where it is named."""
    project = Project(fraud)
    build = channels.read(project.home, channels.LIVE)
    plan = build.manifest.plan
    if stage:
        other = Fallback(fallback, "something else")  # type: ignore[arg-type]  # tests any name
        stages = [
            msgspec.structs.replace(one, fallback=other) if one.name == stage else one
            for one in plan.stages
        ]
        plan = msgspec.structs.replace(plan, stages=tuple(stages))
        build.manifest = msgspec.structs.replace(build.manifest, plan=plan)
    inputs = define(project).inputs
    written = Log(folder / "log", inputs.names)
    joining = Joining(
        inputs,
        EmbeddedStore(folder / "state", inputs),
        Outbox(folder / "outbox"),
        DeadLetters(folder / "letters"),
        written,
    )
    return Scorer(build, inputs, joining, written)


@pytest.fixture
def whole(fraud: Path, tmp_path: Path) -> Scorer:
    return scorer(fraud, tmp_path)


class Slow:
    """A store whose join returns when so many µs are left of the deadline."""

    def __init__(self, store: OnlineStore, deadline: int, left: int) -> None:
        self._store = store
        self._until = deadline - left * 1_000

    def join(self, event: Event) -> np.ndarray:
        row = self._store.join(event)
        time.sleep(max(0, self._until - time.perf_counter_ns()) / 1e9)
        return row


def slowed(scorer: Scorer, left: int) -> int:
    """Slow down the store of a scorer; returns when the request that follows starts."""
    started = time.perf_counter_ns()
    deadline = started + scorer.build.manifest.plan.p99 * 1_000
    slow = Slow(scorer.joining.store, deadline, left)
    scorer.joining.store = slow  # type: ignore[assignment]  # join is all
    return started


def test_a_store_that_fails_is_answered_for_with_defaults(whole: Scorer) -> None:
    """With the store gone, the answer takes the values of an unknown entity and says so."""
    good = json.loads(whole.predict(body(), time.perf_counter_ns(), show=True)[0])
    whole.joining.store.close()
    answer = json.loads(whole.predict(body(), time.perf_counter_ns(), show=True)[0])
    (line,) = answer["degraded"]
    assert line.startswith("features: failed")
    assert "waits" in line
    assert len(whole.joining.outbox) == 1
    assert good["degraded"] == []
    assert answer["features"]["customer_count_1d"] == 1  # the event itself
    assert answer["features"]["tx_amount"] == 30.0
    assert whole.fault()


def test_an_event_that_waited_is_history_once(whole: Scorer, tmp_path: Path) -> None:
    """What was answered while the store was away is in the history when it is back."""
    store = whole.joining.store
    whole.joining.store = Away()  # type: ignore[assignment]  # every call fails
    answered = json.loads(whole.predict(body(), time.perf_counter_ns())[0])
    assert answered["degraded"]
    taken = json.dumps(json.loads(body()) | {"tx_datetime": "2018-08-16T10:01:00"}).encode()
    assert whole.take(taken).waiting == 1
    with pytest.raises(EngineError):
        whole.joining.drain()
    whole.joining.store = store
    assert whole.joining.drain() == 2
    assert whole.joining.drain() == 0
    later = json.dumps(json.loads(body()) | {"tx_datetime": "2018-08-16T10:02:00"}).encode()
    answer = json.loads(whole.predict(later, time.perf_counter_ns(), show=True)[0])
    assert answer["features"]["customer_count_1d"] == 3
    logged = [type(row).__name__ for row in log.read(tmp_path / "log")]
    assert logged == ["Prediction", "Taken", "Taken", "Prediction"]


class Away:
    """A store that cannot be reached."""

    def join(self, event: Event) -> np.ndarray:
        raise EngineError("away")

    def append(self, rows: object) -> None:
        raise EngineError("away")


class Ending(Watch):
    """A task beside the server that ends with what nobody foresaw."""

    async def run(self) -> None:
        raise ValueError("unforeseen")


def test_a_server_that_stops_closes_its_state_whatever_ended_before(whole: Scorer) -> None:
    """A task that died long ago does not keep state and log from the disk."""
    metrics = Metrics(whole.build.manifest.plan, whole.build.manifest.build)
    app = service(whole, metrics, Ending([]))
    told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: list[str] = []

    async def send(message: Any) -> None:
        said.append(message["type"])
        await told.put({"type": "lifespan.shutdown"})

    async def run() -> None:
        await told.put({"type": "lifespan.startup"})
        await app({"type": "lifespan", "app": app, "state": {}}, told.get, send)

    asyncio.run(run())
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(OSError, match="is closed"):
        whole.log.append(Stored(0))


def test_a_log_that_fails_is_said_so(whole: Scorer) -> None:
    """With the log gone, the answer is given, and says that it was not logged."""
    whole.log.close()
    answer = json.loads(whole.predict(body(), time.perf_counter_ns())[0])
    assert [line.split(":")[0] for line in answer["degraded"]] == ["log"]


def test_without_time_reasons_are_left_out(whole: Scorer) -> None:
    """After a slow store the score still fits, the reasons do not: they are fetched later."""
    # The score needs less than that; the reasons, with what must follow them, need more.
    started = slowed(whole, whole.build.manifest.plan.stage("explain").budget + 2_000)
    answer = json.loads(whole.predict(body(), started)[0])
    assert answer["reasons"] is None
    assert [line.split(":")[0] for line in answer["degraded"]] == ["explain"]
    assert answer["explanation"] == f"/explanations/{answer['id']}"
    later = whole.explain(whole.logged(str(answer["id"])))
    assert later.score == answer["score"]
    total = later.base + later.other + sum(reason.contribution for reason in later.reasons)
    assert 1 / (1 + np.exp(-total)) == pytest.approx(answer["score"], abs=1e-9)


def test_the_baseline_answers_where_the_trees_do_not_fit(whole: Scorer) -> None:
    """A score that cannot be had in time is the logistic regression's, and said to be."""
    plan = whole.build.manifest.plan
    started = slowed(whole, plan.stage("score").budget - 200)
    answer = json.loads(whole.predict(body(), started, show=True)[0])
    row = np.array(list(answer["features"].values()), np.float64)
    assert answer["degraded"][0].startswith("score:")
    assert answer["score"] == Linear.load(whole.build.folder / BASELINE).score(row)


def test_a_plan_may_refuse_instead(fraud: Path, tmp_path: Path) -> None:
    """With the fallback `refuse` in its plan, the same fault ends the request."""
    strict = scorer(fraud, tmp_path, "features", "refuse")
    strict.joining.store.close()
    with pytest.raises(Refused, match="features"):
        strict.predict(body(), time.perf_counter_ns())


def test_a_fallback_that_the_server_does_not_know_stops_the_start(
    fraud: Path, tmp_path: Path
) -> None:
    """A plan that promises what this server cannot do is not served."""
    with pytest.raises(BuildError, match="stage log with the fallback baseline"):
        scorer(fraud, tmp_path, "log", "baseline")


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('kind = "explicit"', 'kind = "none"', "isolation forest"),
        ('output = "score"', 'output = "ranking"', "output ranking"),
        (
            "[interpretability]",
            '[engines]\nmodels = "http://localhost:8000/v2"\n[interpretability]',
            "http://localhost:8000/v2",
        ),
    ],
)
def test_what_is_only_planned_is_not_built_as_something_else(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    """Another model, output or engine than this version builds is refused, and named."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    file = folder / "groundplan.toml"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    done = groundplan("build", folder)
    assert done.returncode == 1
    assert named in done.stderr
    assert "does not yet build" in done.stderr
