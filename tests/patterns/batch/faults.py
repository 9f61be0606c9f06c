"""Faults put into real servers of published scores, and what they answer and export meanwhile."""

import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from conftest import groundplan
from endpoint import get, post
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.lookups.answering import Answering
from groundplan.patterns.batch.stores import open_store
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.scores.embedded import EmbeddedScores
from groundplan.serving.http import Call
from groundplan.serving.log import Log
from patterns.batch.handmade import DAY, embedded, patient, put, serving
from patterns.batch.projects import small
from servers import valkey
from told import CROWD, INPUT, STALL, Told, crowd, flood, late, refusal, stands_in, until


def old_and_damaged(told: Told, folder: Path) -> None:
    """A version older than promised, a bad request, a new version, and a damaged one."""
    project = patient(folder / "old").folder
    store = embedded(project)
    put(store, project, "v1", ["a"], age_us=DAY + 7_200_000_000)
    with serving(project, folder / "old-state", "--processes", "2") as client:
        (line,) = client.get("/scores/a").json()["degraded"]
        words = f"the last version keeps serving; its answers say {hours(line)}"
        told.say("a run fails or is late", words)
        told.say("the disk is full, so that no new version fits", words)
        told.say(SCHEDULE, words)
        bad = client.get("/scores/a?unknown=x")
        assert bad.json()["error"]["field"] == "unknown"
        kind = f"{bad.status_code // 100}xx"
        told.say(INPUT, f"a {kind} that names the field; nothing is recorded")
        told.page(client)
    with serving(project, folder / "new-state") as client:
        put(store, project, "v2", ["a"])
        until(lambda: "versions_picked_up_total 1.0" in client.get("/metrics").text)
        scores = project / ".groundplan" / "scores"
        whole = (scores / "v2.scores").read_bytes()
        (scores / "v3.scores").write_bytes(whole[: len(whole) // 2])
        (scores / "live").unlink()
        (scores / "live").symlink_to("v3.scores")
        until(lambda: "groundplan_scores_fault 1.0" in client.get("/metrics").text)
        assert client.get("/scores/a").json()["version"] == "v2"
        newest = json.dumps(client.get("/health/ready").json()["newest"])
        told.say(DAMAGED, f"the version before it answers on; /health/ready says newest: {newest}")
        told.page(client)


def hours(line: str) -> str:
    """A line without the number of hours that it names first."""
    return re.sub(r"\d+h old", "... old", line)


def away(told: Told, folder: Path) -> None:
    """The server of the scores is killed."""
    project = patient(folder / "away")
    with valkey(folder / "v") as server:
        file = project.file
        file.write_text(f'{file.read_text()}\n[engines]\nscores = "{server.url}"\n')
        store = open_store(Project(project.folder))
        put(store, folder, "v1", ["a", "b"])
        with serving(project.folder, folder / "away-state") as client:
            client.get("/scores/a")
            server.kill()
            for _ in range(8):
                lines = client.get("/scores/a").json()["degraded"]
                told.say("the store's server is away", stands_in(lines, "lookup"))
            told.page(client)
        store.close()


def crowded(told: Told, folder: Path) -> None:
    """More lookups at once than can be answered in time."""
    project = small(folder / "crowded", 50).folder
    put(embedded(project), project, "v1", ["a"])
    body = json.dumps({"keys": ["a", "z"] * 500}).encode()

    asked = [_asked(body, n) for n in range(300)]
    with serving(project, folder / "crowded-state") as client:
        words: list[str] = []
        for _ in range(
            10
        ):  # on a machine with other work to do some are refused too late to say so
            found = flood(client.base_url.port or 80, asked)
            words = crowd([one for one in found[::4] if one.status == 503])
            if words:
                break
        told.say(CROWD, *words)
        told.page(client)


def _asked(body: bytes, number: int) -> bytes:
    """Every fourth time a lookup of one key, else of many."""
    if number % 4:
        return post(body, path=b"/scores", host=b"localhost")
    return get(b"/scores/a", host=b"localhost")


def built(told: Told, folder: Path) -> None:
    """A build without a version, keys that were not scored, and a run that a check refuses."""
    project = patient(folder / "built", 400)
    system = project.folder / "system.py"
    lines = system.read_text().splitlines(keepends=True)
    gone = ("charges_", "charged_", '"charges":')
    system.write_text("".join(line for line in lines if not line.strip().startswith(gone)))
    build(Project(project.folder), None, lambda *_: None)
    people = project.folder / "population.parquet"
    with serving(project.folder, folder / "built-state") as client:
        told.say("nothing was published yet", refusal(client.get("/scores/a")))
        told.page(client)
        first = score(project.folder)
        assert first["passed"], first
        until(lambda: client.get("/health/ready").status_code == 200)
        live = client.get("/versions").json()
        everybody = pq.read_table(people)
        row = {"tenure": 1, "monthly": 120.0, "contract": "month", "sex": "f"}
        rows = {"x": row, "y": {"contract": "month"}}

        def cold() -> list[str]:
            many = client.post("/scores", json={"keys": ["x", "y", "z"], "rows": rows}).json()
            return [str(one["fallback"]) for one in many["answers"]]

        until(lambda: cold()[0] == "live score")  # the model is read beside the requests
        told.say(COLD, *cold())
        pq.write_table(everybody.slice(0, 100), people)
        second = score(project.folder, 2)
        assert client.get("/versions").json()["live"] == live["live"]
        told.checks = {
            one["name"]: one["passed"] for one in second["published"]["version"]["checks"]
        }
        told.page(client)


def score(folder: Path, code: int = 0) -> dict[str, Any]:
    """What `groundplan score` says as JSON, when it has ended with a code."""
    done = groundplan("score", folder, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def alone(told: Told, folder: Path) -> None:
    """Without a socket: a log that is gone, a machine that stalls, a lookup without time."""
    project = small(folder / "alone", 50)
    store: EmbeddedScores = embedded(project.folder)
    put(store, project.folder, "v1", ["a"])
    plan = draw(project.answers)

    def ask(answering: Answering) -> list[str]:
        _, trace, _ = answering.get(Call(b"", {"key": "a"}, b"", time.perf_counter_ns()))
        return trace.degraded

    answering = Answering(plan, store, Log(folder / "log"))
    answering.log.close()
    told.say("the log cannot be written", stands_in(ask(answering), "log"))
    greedy = tuple(
        msgspec.structs.replace(stage, budget=plan.p99 if stage.name == "lookup" else 1)
        for stage in plan.stages
    )
    hurried = msgspec.structs.replace(plan, stages=greedy)
    answering = Answering(hurried, store, Log(folder / "hurried"))
    answering.last = store.current()
    told.say("a lookup takes longer than its budget", stands_in(ask(answering), "lookup"))
    answering.log.close()
    answering = Answering(plan, Slow(store), Log(folder / "slow"))
    line = ask(answering)[-1]
    told.say(STALL, late(line))
    answering.log.close()


class Slow(EmbeddedScores):
    """A store on a machine that stalls."""

    def __init__(self, store: EmbeddedScores) -> None:
        self._store = store

    def current(self) -> Any:
        time.sleep(0.02)
        return self._store.current()

    def get(self, key: int | str) -> Any:
        return self._store.get(key)


COLD = "a key that nobody foresaw is asked for"
DAMAGED = "the file of the newest version is damaged or gone"
SCHEDULE = "nothing runs the schedule: the machine was off, or the clock's zone is another"
