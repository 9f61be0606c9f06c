"""What the realtime plan says of failures is what a running scorer does and exports."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

import signals
from conftest import groundplan
from endpoint import post
from groundplan.decision import decide
from groundplan.errors import EngineError
from groundplan.features import EmbeddedStore, Event
from groundplan.monitoring.watch import Watch, command
from groundplan.patterns.realtime.definition import define
from groundplan.patterns.realtime.joining import Joining
from groundplan.patterns.realtime.outbox import Outbox
from groundplan.patterns.realtime.scoring import Scorer
from groundplan.plan import draw
from groundplan.plan.failures import Failure, failures
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.http import Call, Endpoint
from groundplan.serving.log import Log
from groundplan.serving.metrics import Metrics
from patterns.batch.handmade import serving
from servers import Valkey, valkey
from told import CROWD, INPUT, STALL, Told, crowd, flood, late, stands_in, until

NO_INJECTION = {
    "past events lack a column, or a period has no rows": "no server runs; a build is not made",
    "the new model is no better than the base rate": "no server runs; the live build stays",
    "events are of another mix than those on which the tiers were set": "nothing else answers",
    "a file of the build is damaged, or answers and definitions have changed since": "as above",
}
"""Failures before any request, and why nothing in a running server answers in their place."""

NO_FAILURE = {
    "groundplan_build_info": "says which build serves",
    "groundplan_queue_requests": "the same as the wait, in requests",
    "groundplan_stage_budget_seconds": "a promise, to show beside what is measured",
    "groundplan_promised_p99_seconds": "a promise, to show beside what is measured",
}
"""Metrics that tell of no failure, and what of instead."""

PROCESSES = "groundplan_process_restarts_total"
"""What a server of several processes tells, which the tests of published scores start."""

_ids = itertools.count(700_000_000)


def event(**changes: Any) -> dict[str, Any]:
    body = {
        "transaction_id": next(_ids),
        "tx_datetime": "2018-08-16T10:00:00",
        "customer_id": 1,
        "terminal_id": 1,
        "tx_amount": 57.16,
    }
    return {**body, **changes}


def lines(bodies: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(body) + "\n" for body in bodies).encode()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("s") / "v") as server:
        yield server


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, store: Valkey) -> Project:
    """A fraud project with its state on a server and a stream of events, and a live build."""
    from groundplan.examples.fraud.simulator import simulate

    folder = tmp_path_factory.mktemp("projects") / "card-fraud"
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    (folder / "stream").mkdir()
    answers = folder / "groundplan.toml"
    text = answers.read_text().replace("positive_rate = 0.008", "positive_rate = 0.04")
    text = text.replace('p99 = "100ms"', 'p99 = "2s"')  # other work on the machine is no fault
    engines = f'[engines]\nonline_store = "{store.url}"\nevents = "file:{folder / "stream"}"\n'
    answers.write_text(f"{text}\n{engines}")
    table = simulate(days=62, customers=300, terminals=600, start="2018-06-20", seed=7)
    pq.write_table(table, folder / "past.parquet")
    done = groundplan("build", folder, "--data", folder / "past.parquet")
    assert done.returncode == 0, done.stderr
    return Project(folder)


@pytest.fixture(scope="module")
def told(project: Project, store: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All faults, one after the other."""
    found, folder = Told(), tmp_path_factory.mktemp("state")
    with serving(project.folder, folder) as client:
        _wrong(found, client)
        _crowded(found, client, project)
        _behind(found, client, project.folder / "stream" / "transactions.ndjson")
        watch = Watch(command(project.file, folder))
        asyncio.run(watch.check())
        metrics = Metrics(draw(project.answers))
        metrics.watched = watch.figures
        found.pages.append(metrics.page().decode())
        _away(found, client, store)
        found.page(client)
    _alone(found, project, tmp_path_factory.mktemp("alone"))
    return found


def _wrong(told: Told, client: httpx.Client) -> None:
    """A request that breaks the schema."""
    answer = client.post("/predict", json=event(tx_amount="much"))
    assert answer.json()["error"]["field"] == "tx_amount"
    kind = f"{answer.status_code // 100}xx"
    told.say(INPUT, f"a {kind} that names the field; nothing is recorded")


def _crowded(told: Told, client: httpx.Client, project: Project) -> None:
    """More at once than can be answered in time: predictions among many rows for the model."""
    manifest = channels.read(project.home, channels.LIVE).manifest
    width = len(manifest.features["names"])
    rows = {"name": "features", "shape": [4_000, width], "datatype": "FP64"}
    body = json.dumps(
        {
            "inputs": [{**rows, "data": [1.0] * 4_000 * width}],
            "outputs": [{"name": "contributions"}],
        }
    ).encode()
    path = f"/v2/models/{manifest.system}/infer".encode()
    large = post(body, path=path, host=b"localhost")
    port = client.base_url.port or 80
    # What such a body takes is known from then on.
    assert {one.status for one in flood(port, [large] * 3)} == {200}
    body = json.dumps(event()).encode()
    for _ in range(10):  # on a machine with other work to do some are refused too late to say so
        with ThreadPoolExecutor(1) as pool:
            large_ones = pool.submit(flood, port, [large] * 60)
            while CROWD not in told.words and not large_ones.done():
                refused = flood(port, [post(body, host=b"localhost")])
                words = crowd([one for one in refused if one.status == 503])
                if words:
                    told.say(CROWD, *words)
        if CROWD in told.words:
            return


def _behind(told: Told, client: httpx.Client, stream: Path) -> None:
    """The stream grows faster than the state takes it, with records that it cannot take."""
    start = datetime(2018, 8, 17)
    many = [
        event(tx_datetime=(start + timedelta(seconds=n)).isoformat(), customer_id=2, terminal_id=2)
        for n in range(60_000)
    ]
    stream.write_bytes(b"{\n" + lines([event(tx_datetime="2018-01-01T00:00:00"), *many]))
    found: list[str] = []

    def stale() -> bool:
        answer = client.post("/predict", json=event()).json()
        found[:] = answer["degraded"]
        return any("stale" in line for line in found)

    until(stale)
    (line,) = found
    words = re.sub(r"by \S+", "by ...", line)
    told.say("the stream of events falls behind, or its broker is away", BEHIND + words)
    stream.write_bytes(b"")  # enough
    told.page(client)


def _away(told: Told, client: httpx.Client, store: Valkey) -> None:
    """The server of the state is killed."""
    store.kill()

    def opened() -> bool:
        answer = client.post("/predict", json=event())
        words = stands_in(answer.json()["degraded"], "features")
        told.say("the store's server is away", words)
        told.say("the store fails or loses recent events", words)
        return 'engine="features",state="open"' in client.get("/metrics").text

    until(opened)
    store.start()


def _alone(told: Told, project: Project, folder: Path) -> None:
    """Without a socket: stages that fail, and events that nothing takes."""
    build, inputs = channels.read(project.home, channels.LIVE), define(project).inputs
    inputs = inputs.fitted(build.manifest.features["categories"])
    written = Log(folder / "log", inputs.names)
    letters = DeadLetters(folder / "letters")
    store = EmbeddedStore(folder / "state", inputs)
    joining = Joining(inputs, store, Outbox(folder / "outbox"), letters, written)
    scorer = Scorer(build, inputs, joining, written)

    def ask(ago_us: int = 0) -> list[str]:
        started = time.perf_counter_ns() - ago_us * 1_000
        _, trace, _ = scorer.predict(json.dumps(event()).encode(), started)
        return trace.degraded

    broken: Any = Broken()
    model, reasoning, thresholds = scorer.model, scorer.reasoning, scorer._thresholds
    scorer.model = broken  # every use of it fails
    words = stands_in(ask(), "score")
    told.say("the model fails on a row, or there is no time left for it", words)
    scorer.model, scorer.reasoning = model, broken
    told.say("no time is left for the reasons", stands_in(ask(), "explain"))
    scorer.reasoning, scorer._thresholds = reasoning, broken
    told.say("a score cannot be compared with the thresholds", stands_in(ask(), "decide"))
    scorer._thresholds = thresholds
    joining.store = Slow(store)  # type: ignore[assignment]  # join is all
    told.say(STALL, late(ask()[-1]))
    joining.store = broken
    joining.outbox = Outbox(folder / "full", limit=1)
    metrics = Metrics(build.manifest.plan)
    endpoint = Endpoint(
        lambda call: scorer.predict(call.body, call.started_ns)[0], "/predict", metrics
    )
    body = json.dumps(event()).encode()
    reply = endpoint.reply(Call(body, {}, b"", time.perf_counter_ns()))
    assert dict(reply.headers)[b"retry-after"]
    message = json.loads(reply.body)["error"]["message"]
    told.say(FULL, f"{reply.status} with Retry-After: {message}")
    joining.store = store
    written.close()
    told.say("the log cannot be written", stands_in(ask(), "log"))
    store.close()


class Broken:
    """An engine or a part that fails at every use."""

    def __getattr__(self, name: str) -> Any:
        raise EngineError("it is broken")


class Slow:
    """A store on a machine that stalls."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def join(self, event: Event) -> np.ndarray:
        time.sleep(2.05)
        return self._store.join(event)


@pytest.fixture(scope="module")
def known(project: Project, fraud_answers: Path) -> list[Failure]:
    """The failures of a project with all its engines elsewhere, and with none."""
    found = {}
    for answers in (project.answers, Project(fraud_answers).answers):
        for failure in failures(answers, decide(answers)):
            found[failure.component, failure.cause] = failure
    return list(found.values())


@pytest.fixture(scope="module")
def fraud_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as it comes."""
    folder = tmp_path_factory.mktemp("projects") / "embedded"
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    return folder


def test_every_signal_is_exported(told: Told, known: list[Failure]) -> None:
    """Each metric that a failure names is on the pages of real servers, with these labels."""
    found = signals.exported(told.pages)
    for failure in known:
        if failure.running:
            for named in signals.metrics(failure.signal + " " + failure.mitigation):
                shown = named.name == PROCESSES or signals.shows(found, named)
                assert shown, (failure.cause, named)


def test_every_fallback_is_what_the_server_says(told: Told, known: list[Failure]) -> None:
    """With the fault put in, what answers is what the plan says, in these words."""
    for failure in known:
        if failure.running and failure.fallback and failure.cause not in NO_INJECTION:
            assert told.words[failure.cause], failure.cause
            assert set(told.words[failure.cause]) == {failure.fallback}
    assert {failure.cause for failure in known} >= {*NO_INJECTION, *told.words}


def test_every_metric_has_a_failure_or_a_reason(
    told: Told, known: list[Failure], project: Project
) -> None:
    """What is exported is there to be looked at: by a failure, a watch, or for another reason."""
    texts = [failure.signal + " " + failure.mitigation for failure in known]
    watches = draw(project.answers).monitoring
    texts += [watch.signal + " " + watch.action for watch in watches]
    named = {one.name for text in texts for one in signals.metrics(text)}
    found = {signals.family(name) for name in signals.exported(told.pages)}
    assert found - named == set(NO_FAILURE)


BEHIND = "the state as it is; answers say "
FULL = "the disk is full: neither store nor outbox takes an event"
