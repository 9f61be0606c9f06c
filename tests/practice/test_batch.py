"""`groundplan verify` of published scores: what holds, and that each broken promise shows."""

import shutil
import time
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from groundplan.constraints import Answers
from groundplan.errors import BuildError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.plan import draw
from groundplan.practice.archived import Archived, Expected, Key
from groundplan.practice.promises.batch import promises
from groundplan.practice.results import Results
from groundplan.practice.verify import verify
from groundplan.practice.verify.answered import Asked, Run, measure
from groundplan.project import Project
from groundplan.scores.version import Version
from groundplan.serving.log import Log, Lookup
from groundplan.units import DAY
from patterns.batch.projects import small
from patterns.batch.scored import quiet, scored

KNOWN: Final = 300
COLD: Final = 8
MANY: Final = 3
OLD: Final = ("ranges",)
"""The charges end in July 2026: as of now nobody has any, which a check of a version finds."""


def now() -> int:
    return time.time_ns() // 1_000


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a live version of this moment; its clients wait long."""
    folder = small(tmp_path_factory.mktemp("projects") / "churn").folder
    file = folder / "groundplan.toml"
    file.write_text(file.read_text().replace('p99 = "10ms"', 'p99 = "2s"'))
    found = Project(folder)
    build(found, None, quiet)
    assert scored(found, 1, as_of=now()).publish(allow=OLD).passed
    return found


@pytest.fixture
def archived(project: Project) -> Archived:
    archive = Archive(project.home)
    return Archived(archive, archive.names()[0])


def test_every_promise_of_a_fresh_version_holds(project: Project) -> None:
    """A real server under the promised load: all hold, cold keys and requests for many among
    them; the report is kept beside the log."""
    found = verify(project, 1.0, quiet)
    assert [p for p in found.promises if not p.holds] == []
    answers = {promise.answer for promise in found.promises}
    assert {
        *("labels.positive_rate", "latency.p99", "latency.throughput", "freshness.predictions"),
        *("freshness.requests", "scores", "features", "candidates.per_request", "plan.log"),
        *("interpretability.level", "plan.lookup"),
    } <= answers
    assert found.load.requests == found.load.answered > 150
    kept = msgspec.json.decode((project.home / "verify" / "report.json").read_bytes())
    assert kept["version"] == "20260701-030000-001"


def test_what_is_served_is_held_against_the_archive(project: Project, tmp_path: Path) -> None:
    """A version of three days ago, whose archive says other scores than the store: freshness and
    equality break, and nothing else does."""
    folder = tmp_path / "churn"
    shutil.copytree(project.folder, folder)
    other = Project(folder)
    assert scored(other, 2, as_of=now() - 3 * DAY).publish(allow=("drift", *OLD)).passed
    (part, *_) = Archive(other.home).parts("20260701-030000-002")
    table = pq.read_table(part)
    place = table.schema.get_field_index("score")
    moved = np.nextafter(table.column("score").to_numpy(), 2)
    part.unlink()  # another version may share the file
    pq.write_table(table.set_column(place, table.schema.field(place), [moved]), part)
    found = verify(other, 1.0, quiet)
    broken = [promise for promise in found.promises if not promise.holds]
    assert {promise.answer for promise in broken} == {
        "freshness.predictions",
        "freshness.features",
        "scores",
    }
    assert any("the oldest answer was 3d old" in promise.measured for promise in broken)
    assert any("1 parts damaged" in promise.measured for promise in broken)


def test_without_a_live_version_there_is_nothing_to_verify(tmp_path: Path) -> None:
    """The error says what publishes one."""
    folder = small(tmp_path / "churn").folder
    found = Project(folder)
    build(found, None, quiet)
    with pytest.raises(BuildError, match="`groundplan score` publishes one"):
        verify(found, 1.0, quiet)


def test_drawn_keys_are_uniform_over_all_parts(archived: Archived) -> None:
    """Every key of every part can come, about as often as the others."""
    drawn = Counter(archived.drawn(100_000, np.random.default_rng(1)))
    assert len(drawn) == archived.version.rows
    # 50 a key are expected; the chance that one of 2,000 is beyond these bounds is below 1e-5.
    assert 10 < min(drawn.values()) <= max(drawn.values()) < 110


def test_cold_keys_are_in_no_part(archived: Archived) -> None:
    """What is made up is of the keys' type, all different, and has no answer."""
    keys = archived.cold(100, np.random.default_rng(1))
    assert len(set(keys)) == 100
    assert archived.expected(keys) == {}


def answer(
    archived: Archived, key: Key, mine: Expected | None, segment: str | None = None
) -> dict[str, Any]:
    """The answer that a server gives."""
    version = archived.version
    age = (now() - version.as_of) / 1e6
    said: dict[str, Any] = {
        "key": key,
        "version": version.name,
        "build": version.build,
        "age_s": age,
        "stale": age > 86_400,
        "degraded": [],
        "timings_us": {"validate": 1, "lookup": 2, "log": 3},
    }
    if mine is None:
        average = version.overall if segment is None else version.segments[segment]
        named = "overall average" if segment is None else "segment average"
        said |= {"score": average.score, "decision": average.decision, "reasons": []}
        return {**said, "fallback": named}
    reasons = [{"code": code, "raised": raised} for code, raised in mine.reasons]
    said |= {"score": mine.score, "decision": mine.decision, "reasons": reasons}
    return {**said, "fallback": None}


class Pretended:
    """A run whose answers are as they should be, until a test changes them."""

    def __init__(self, project: Project, archived: Archived, folder: Path) -> None:
        generator = np.random.default_rng(3)
        keys = archived.drawn(KNOWN, generator)
        self.asked = [Asked(key, False, None, "") for key in keys]
        for number, key in enumerate(archived.cold(COLD, generator)):
            self.asked.append(Asked(key, True, "month" if number % 2 else None, ""))
        known = archived.expected(keys)
        self.answers = [
            answer(archived, one.key, known.get(one.key), one.segment) for one in self.asked
        ]
        self.many = [deepcopy(self.answers[n::MANY]) for n in range(MANY)]
        self.project, self.archived, self.folder = project, archived, folder
        self.stated = project.answers

    def measured(self, unlogged: int = 0) -> dict[str, bool]:
        """By the promise's answer and words, whether it holds."""
        every = [*self.answers, *(each for answers in self.many for each in answers)]
        log = Log(self.folder)
        for one in every[unlogged:]:
            log.append(
                Lookup(
                    at=now(),
                    version=one["version"],
                    build=one["build"],
                    score=one["score"],
                    decision=one["decision"],
                    fallback=one["fallback"] or "",
                    timings={},
                    degraded=[],
                    event=b"",
                    id=one["key"],
                )
            )
        log.close()
        due = np.arange(len(self.asked)) * 5_000
        bodies = tuple(msgspec.json.encode(one) for one in self.answers)
        zeros = np.zeros(len(due))
        results = Results(
            started=now(),
            warmup=0,
            intended=due,
            taken=due,
            sent=due,
            done=due + 1_000,
            status=zeros.astype(np.int16) + 200,
            failure=zeros.astype(np.int8),
            bodies=bodies,
        )
        run = Run(
            answers=self.stated,
            needing=("call", "offer"),
            archive=Archive(self.project.home),
            archived=self.archived,
            asked=self.asked,
            results=results,
            many=self.many,
            log=self.folder,
            rate=0.3,
        )
        answers: Answers = self.stated
        found = promises(answers, draw(answers), measure(run))
        return {f"{one.answer}: {one.promised}": one.holds for one in found}


@pytest.fixture
def pretended(project: Project, archived: Archived, tmp_path: Path) -> Pretended:
    return Pretended(project, archived, tmp_path / "log")


def broken(found: dict[str, bool]) -> list[str]:
    return [name for name, holds in found.items() if not holds]


def test_right_answers_break_nothing(pretended: Pretended) -> None:
    """The naive twin of a server: what the archive says, every promise holds."""
    assert broken(pretended.measured()) == []


def _needing(pretended: Pretended) -> dict[str, Any]:
    return next(one for one in pretended.answers if one["reasons"])


def _score(pretended: Pretended) -> None:
    pretended.answers[5]["score"] = float(np.nextafter(pretended.answers[5]["score"], 2))


def _decision(pretended: Pretended) -> None:
    pretended.many[0][0]["decision"] = "unheard of"


def _reason(pretended: Pretended) -> None:
    reasons = _needing(pretended)["reasons"]
    reasons[0]["raised"] = not reasons[0]["raised"]


def _no_reasons(pretended: Pretended) -> None:
    _needing(pretended)["reasons"] = []


def _foreign(pretended: Pretended) -> None:
    pretended.answers[0], pretended.answers[1] = pretended.answers[1], pretended.answers[0]


def _fell_back(pretended: Pretended) -> None:
    pretended.answers[7]["fallback"] = "overall average"


def _cold_score(pretended: Pretended) -> None:
    pretended.answers[-1]["score"] += 0.5


def _cold_unsaid(pretended: Pretended) -> None:
    pretended.answers[-1]["fallback"] = "live score"


def _degraded(pretended: Pretended) -> None:
    pretended.answers[0]["degraded"] = ["lookup: failed (Open)"]


def _stale(pretended: Pretended) -> None:
    pretended.answers[0]["stale"] = True


SCORES = "scores: served answers equal the archived version, bit for bit"
COVERED = "freshness.requests: whoever was foreseen is answered from a score"
AVERAGED = "freshness.requests: whoever was not gets an average, and it says which"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_score, {SCORES}),
        (_decision, {SCORES}),
        (_reason, {SCORES}),
        (
            _no_reasons,
            {
                SCORES,
                "interpretability.level: explain: every scored answer whose decision needs reasons "
                "has those that there are",
            },
        ),
        (_foreign, {"candidates.per_request: 1 scored for each request"}),
        (_fell_back, {SCORES, COVERED}),
        (_cold_score, {AVERAGED}),
        (_cold_unsaid, {AVERAGED}),
        (_degraded, {"plan.fallbacks: no stage needs its fallback"}),
        (_stale, {"freshness.predictions: at most 24h old, and marked where older"}),
    ],
)
def test_each_wrong_answer_breaks_its_promise_alone(
    pretended: Pretended, change: Any, expected: set[str]
) -> None:
    """One answer of three hundred that is wrong in one way is found, for what it is."""
    change(pretended)
    assert set(broken(pretended.measured())) == expected


@pytest.mark.parametrize(("level", "holds"), [("explain", True), ("audit", False)])
def test_what_publication_lets_through_verify_does_too(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch, level: Any, holds: bool
) -> None:
    """A row for which nothing speaks has no reasons when it is published, nor when it is asked
    for; at the level audit there may be none."""
    one = _needing(pretended)
    expected = Archived.expected

    def without(self: Archived, keys: Any) -> dict[Key, Expected]:
        found = expected(self, keys)
        return {k: replace(e, reasons=()) if k == one["key"] else e for k, e in found.items()}

    monkeypatch.setattr(Archived, "expected", without)
    for each in [*pretended.answers, *(a for answers in pretended.many for a in answers)]:
        if each["key"] == one["key"]:
            each["reasons"] = []
    stated = pretended.stated
    interpretability = msgspec.structs.replace(stated.interpretability, level=level)
    pretended.stated = msgspec.structs.replace(stated, interpretability=interpretability)
    named = "interpretability.level: audit: every scored answer whose decision needs reasons has "
    assert broken(pretended.measured()) == ([] if holds else [f"{named}them"])


def test_an_answer_that_the_log_lacks_is_missed(pretended: Pretended) -> None:
    """One row too few is one answer missing."""
    assert broken(pretended.measured(1)) == ["plan.log: every answer is in the prediction log"]


def test_a_mix_of_versions_in_one_request_is_found(pretended: Pretended, project: Project) -> None:
    """Answers of two versions for one request for many keys, each right by its own."""
    assert scored(project, 3, as_of=now()).publish(allow=OLD).passed
    other = Archived(Archive(project.home), "20260701-030000-003")
    assert isinstance(other.version, Version)
    key = pretended.many[1][0]["key"]
    pretended.many[1][0] = answer(other, key, other.expected([key]).get(key))
    assert broken(pretended.measured()) == ["scores: the answers of one request are of one version"]
