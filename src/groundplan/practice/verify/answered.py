"""What a server of published scores answered, held against the archive and its log."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from groundplan.constraints import Answers
from groundplan.patterns.batch.archive import Archive
from groundplan.practice.archived import Archived, Expected, Key
from groundplan.practice.promises.batch import Measured
from groundplan.practice.results import Percentiles, Results
from groundplan.scores.version import Version
from groundplan.serving import log

_OLD: Final = "scores: "
"""What a line of `degraded` begins with where an answer is merely old."""

_SEGMENT, _OVERALL = "segment average", "overall average"

Answer = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request for a key.

    Args:
        key: of the version's type.
        cold: whether nobody scored it.
        segment: the segment that the request names; None where it names none.
        path: percent-encoded, with the query.
    """

    key: Key
    cold: bool
    segment: str | None
    path: str


@dataclass(frozen=True)
class Run:
    """What a verification sent and got back.

    Args:
        answers: the five answers.
        needing: the decisions that need reasons; None for all.
        archive: of the project.
        archived: the version that was live when it began.
        asked: the requests of the load, in order.
        results: what came of each.
        many: the answers of each request for many keys.
        log: the folder of the server's log.
        rate: the share of positive labels in the data that was trained on.
    """

    answers: Answers
    needing: tuple[str, ...] | None
    archive: Archive
    archived: Archived
    asked: Sequence[Asked]
    results: Results
    many: Sequence[Sequence[Answer]]
    log: Path
    rate: float


@dataclass(frozen=True)
class _Got:
    """An answer of the load.

    Args:
        asked: for what.
        answer: what came.
        arrived: when, µs since 1970.
        counted: whether it came after the warm-up.
    """

    asked: Asked
    answer: Answer
    arrived: int
    counted: bool


def measure(run: Run) -> Measured:
    """The figures of a run."""
    got = _answered(run)
    warm = [one for one in got if one.counted]
    known = [one for one in warm if not one.asked.cold]
    cold = [one for one in warm if one.asked.cold]
    every = [*(one.answer for one in got), *(each for answers in run.many for each in answers)]
    versions = _versions(run, every)
    records = {name: one.version for name, one in versions.items()}
    expected = {name: one.expected(_keys(every, name)) for name, one in versions.items()}
    needing = [one for one in known if _needs(run, one.answer)]
    without = [one.answer for one in needing if not one.answer["reasons"]]
    audit = run.answers.interpretability.level == "audit"
    bare = 0 if audit else sum(_bare(answer, expected) for answer in without)
    promised = run.answers.freshness.predictions
    return Measured(
        load=run.results.summary(),
        stages=_stages(warm),
        versions=Counter(str(one.answer["version"]) for one in warm),
        oldest=max((one.arrived - _of(one, records).as_of for one in warm), default=None),
        unmarked=sum(one.answer["stale"] != (one.answer["age_s"] * 1e6 > promised) for one in warm),
        scored=len(known),
        uncovered=sum(one.answer["fallback"] is not None for one in known),
        unequal=sum(not _equal(answer, expected) for answer in every),
        damaged=len(run.archived.damaged()),
        needing=len(needing),
        bare=bare,
        unexplained=len(without) - bare,
        cold=len(cold),
        unsaid=sum(not _says(one, _of(one, records)) for one in cold),
        mixed=sum(len({each["version"] for each in answers}) != 1 for answers in run.many),
        many=len(run.many),
        foreign=sum(one.answer["key"] != one.asked.key for one in warm),
        degraded=sum(_degraded(one.answer) for one in warm),
        unlogged=_unlogged(run, every),
        rate=run.rate,
        checks={check.name: (check.passed, check.says) for check in run.archived.version.checks},
    )


def _answered(run: Run) -> list[_Got]:
    results = run.results
    columns = zip(
        run.asked,
        results.bodies,
        results.done.tolist(),
        results.answered.tolist(),
        results.measured.tolist(),
        strict=True,
    )
    return [
        _Got(asked, msgspec.json.decode(body), results.started + done, counted)
        for asked, body, done, good, counted in columns
        if good
    ]


def _versions(run: Run, answers: Iterable[Answer]) -> dict[str, Archived]:
    """The versions that answered; another one may have been published meanwhile."""
    names = {str(answer["version"]) for answer in answers} - {run.archived.version.name}
    return {
        run.archived.version.name: run.archived,
        **{name: Archived(run.archive, name) for name in sorted(names)},
    }


def _keys(answers: Iterable[Answer], version: str) -> set[Key]:
    return {answer["key"] for answer in answers if answer["version"] == version}


def _of(one: _Got, records: Mapping[str, Version]) -> Version:
    return records[one.answer["version"]]


def _equal(answer: Answer, expected: Mapping[str, Mapping[Key, Expected]]) -> bool:
    """Whether an answer is what its version has for its key; a cold one, that it has nothing."""
    mine = expected[answer["version"]].get(answer["key"])
    if mine is None or answer["fallback"] is not None:
        return mine is None and answer["fallback"] is not None
    reasons = tuple((each["code"], each["raised"]) for each in answer["reasons"])
    return mine == Expected(answer["score"], answer["decision"], reasons)


def _needs(run: Run, answer: Answer) -> bool:
    return run.needing is None or answer["decision"] in run.needing


def _bare(answer: Answer, expected: Mapping[str, Mapping[Key, Expected]]) -> bool:
    """Whether the version has no reasons for the key either, as its checks then found right."""
    mine = expected[answer["version"]].get(answer["key"])
    return mine is not None and not mine.reasons


def _says(one: _Got, version: Version) -> bool:
    """Whether the answer for a cold key is the average that it says it is."""
    segment, answer = one.asked.segment, one.answer
    average = version.overall if segment is None else version.segments.get(segment)
    if average is None:
        average, segment = version.overall, None
    named = _OVERALL if segment is None else _SEGMENT
    said = answer["fallback"], answer["score"], answer["decision"]
    return bool(said == (named, average.score, average.decision))


def _degraded(answer: Answer) -> bool:
    """Whether a stage was replaced; that an answer is old is a promise of its own."""
    return any(not line.startswith(_OLD) for line in answer["degraded"])


def _stages(got: Sequence[_Got]) -> dict[str, Percentiles]:
    """µs by stage; an answer without a stage did not come to it."""
    names = list(got[0].answer["timings_us"]) if got else []
    return {
        name: Percentiles.of(np.array([one.answer["timings_us"].get(name, 0) for one in got]))
        for name in names
    }


def _unlogged(run: Run, answers: Sequence[Answer]) -> int:
    """Answers that the log has not, by key, version and score."""
    wanted = Counter((one["key"], one["version"], one["score"]) for one in answers)
    rows = (row for row in log.read(run.log) if isinstance(row, log.Lookup))
    return (wanted - Counter((row.id, row.version, row.score) for row in rows)).total()
