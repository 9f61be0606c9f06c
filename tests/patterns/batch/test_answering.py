"""The short way of a lookup answers what a look at the live version would."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.patterns.batch.lookups.answering import Answering
from groundplan.patterns.batch.lookups.lookup import Scores
from groundplan.plan import draw
from groundplan.scores.embedded import EmbeddedScores
from groundplan.serving.http import Call
from groundplan.serving.log import Log, Lookup, read
from patterns.batch.handmade import DAY, patient, put

VERSIONS: dict[str, Sequence[int | str]] = {
    "v1": ["a", "7", "30", "\u00fc"],
    "v2": [7, 30, -1],
    "v3": ["7", "b"],
    "v4": [7, 31],
}
KEYS = ("a", "b", "7", "30", "31", "-1", "\u00fc", "07", "", "x\ufffd", "9" * 30)


class Asking:
    """A store of versions with texts and with whole numbers for keys, and who answers from it."""

    def __init__(self, folder: Path) -> None:
        self.store = EmbeddedScores(folder / "scores", promised=DAY, look_us=0)
        for name, keys in VERSIONS.items():
            put(self.store, folder / "parts", name, keys)
        project = patient(folder / "small")
        self.log = Log(folder / "log")
        self.answering = Answering(draw(project.answers), self.store, self.log, "contract")

    def get(self, key: str) -> dict[str, Any]:
        """The answer for a key, or what is said of it."""
        call = Call(b"", {"key": key}, b"", time.perf_counter_ns())
        try:
            found: dict[str, Any] = msgspec.json.decode(self.answering.get(call)[0])
        except InputError as error:
            return {"said": error.message}
        return found


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """Shared by all examples: what one leaves behind is what the next has to do with."""
    made = Asking(tmp_path_factory.mktemp("asking"))
    with closing(made.store), closing(made.log):
        yield made


@given(st.lists(st.tuples(st.sampled_from([*VERSIONS]), st.sampled_from(KEYS)), max_size=8))
def test_a_version_of_other_keys_answers_from_its_first_lookup_on(
    asking: Asking, asked: list[tuple[str, str]]
) -> None:
    """Texts after whole numbers and back: each lookup is answered by the version that is live."""
    for name, key in asked:
        asking.store.point(name)
        answer = asking.get(key)
        texts = isinstance(VERSIONS[name][0], str)
        if not texts and (key == "" or str(_whole(key)) != key):
            assert "keys are whole numbers" in answer["said"]
        elif not texts and abs(int(key)) >= 2**63:
            assert "64 bits" in answer["said"]
        elif key in ("", "x\ufffd"):
            assert "UTF-8" in answer["said"]
        else:
            typed = key if texts else int(key)
            one = Scores(asking.store).get(typed)
            said = {field: answer[field] for field in ("key", "score", "decision", "version")}
            assert said == {
                **{"key": typed, "score": one.score, "decision": one.decision, "version": name}
            }
            assert (answer["fallback"] or "") == one.fallback
            assert [why["code"] for why in answer["reasons"]] == [why.code for why in one.reasons]
            assert list(answer["timings_us"]) == ["validate", "lookup", "log"]


def test_every_answer_leaves_a_row_that_says_the_same(tmp_path: Path) -> None:
    """One by one and many at a time: key, score, decision, fallback, version, and the times."""
    made = Asking(tmp_path)
    made.store.point("v1")
    answers = [made.get(key) for key in ("a", "7", "nobody")]
    many = Call(b'{"keys": ["30", "x"]}', {}, b"", time.perf_counter_ns())
    answers += msgspec.json.decode(made.answering.get_many(many)[0])["answers"]
    rows = [row for row in read(made.log.folder) if isinstance(row, Lookup)]
    made.log.close()
    made.store.close()
    fields = ("key", "score", "decision", "version", "build")
    assert [
        (row.id, row.score, row.decision, row.version, row.build, row.fallback or None)
        for row in rows
    ] == [(*(one[field] for field in fields), one["fallback"]) for one in answers]
    for row, one in zip(rows, answers[:3], strict=False):
        spent = dict(one["timings_us"])
        assert row.timings == {name: spent[name] for name in row.timings}


def _whole(key: str) -> int | None:
    try:
        return int(key)
    except ValueError:
        return None
