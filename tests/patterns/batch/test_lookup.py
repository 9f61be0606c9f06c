"""Scores are read in process: hits as published, misses as averages, all of one version."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import EngineError, InputError
from groundplan.patterns.batch.lookups.answering import overdue
from groundplan.patterns.batch.lookups.lookup import Scores, read, stale, typed
from groundplan.scores.embedded import EmbeddedScores
from groundplan.scores.scored import Live
from patterns.batch.handmade import CODES, DAY, DECISIONS, put, score_of, version
from patterns.batch.projects import ANSWERS

KEYS = ["a", "b", "ü/ö", "", "12"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedScores]:
    """Published scores of some customers."""
    made = EmbeddedScores(tmp_path / "scores", promised=DAY, look_us=0)
    put(made, tmp_path, "v1", KEYS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scores]:
    """Published scores that no test changes."""
    folder = tmp_path_factory.mktemp("shared")
    with Scores(EmbeddedScores(folder / "scores")) as scores:
        put(scores.store, folder, "v1", KEYS)
        yield scores


def test_a_hit_is_what_was_published(store: EmbeddedScores) -> None:
    """Score, decision, reasons with their words, version and age; no fallback."""
    scores = Scores(store)
    for at, key in enumerate(KEYS):
        found = scores.get(key)
        assert (found.key, found.score) == (key, score_of("v1", at))
        assert found.decision == DECISIONS[at % 3]
        assert (found.version, found.fallback, found.stale) == ("v1", "", False)
        assert 0 <= found.age < 60
    first = scores.get("a").reasons
    assert [(r.code, r.description, r.raised) for r in first] == [
        (CODES[0].code, CODES[0].description, True),
        (CODES[1].code, CODES[1].description, False),
    ]


def test_a_miss_is_an_average_and_says_which(store: EmbeddedScores) -> None:
    """That of the segment where it is known to the version, else that of all; never None."""
    scores = Scores(store)
    found = [scores.get("nobody", segment) for segment in ("month", "two years", "never", None)]
    assert [(one.score, one.decision, one.fallback) for one in found] == [
        (0.75, "call", "segment average"),
        (0.125, "leave", "segment average"),
        (0.25, "offer", "overall average"),
        (0.25, "offer", "overall average"),
    ]
    assert all(one.key == "nobody" and one.reasons == () for one in found)
    assert scores.get("a", "two years").fallback == ""


@given(keys=st.lists(st.sampled_from([*KEYS, "x", "y"]), max_size=8), data=st.data())
def test_many_are_what_one_is(shared: Scores, keys: list[str], data: st.DataObject) -> None:
    """`get_many` gives, in its order, what `get` gives for each key and segment."""
    segments = [data.draw(st.sampled_from([None, "month", "never"])) for _ in keys]
    many = shared.get_many(keys, segments)
    assert many == [shared.get(key, one) for key, one in zip(keys, segments, strict=True)]


def test_a_project_is_opened_by_its_folder(tmp_path: Path) -> None:
    """`Scores.open` finds what was published, and promises what the answers say."""
    (tmp_path / "groundplan.toml").write_text(ANSWERS)
    with Scores.open(tmp_path) as none, pytest.raises(EngineError):
        none.get("a")
    writing = EmbeddedScores(tmp_path / ".groundplan" / "scores")
    put(writing, tmp_path, "v1", ["a"], age_us=2 * DAY)
    with Scores.open(str(tmp_path)) as scores:
        assert scores.get("a").stale
        assert scores.get("nobody").stale
        assert scores.version.name == "v1"
        assert scores.age == pytest.approx(2 * 86_400, abs=60)


def test_misses_never_tell_of_a_version_that_has_the_key(tmp_path: Path) -> None:
    """While versions with and without a key take turns, each answer is true of its version."""
    store = EmbeddedScores(tmp_path / "scores", look_us=0)
    put(store, tmp_path, "v1", ["a"])
    put(store, tmp_path, "v2", ["a", "b"])
    stop = threading.Event()
    pointing = EmbeddedScores(tmp_path / "scores")

    def swap() -> None:
        while not stop.is_set():
            for name in ("v1", "v2"):
                pointing.point(name)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        scores, seen = Scores(store), set[str]()
        until = time.monotonic() + 20
        while len(seen) < 2 and time.monotonic() < until:
            for _ in range(500):
                one = scores.get("b")
                many = scores.get_many(["b", "c"])
                for found in (one, many[0]):
                    assert bool(found.fallback) == (found.version == "v1")
                    seen.add(found.version)
                assert many[0].version == many[1].version
    finally:
        stop.set()
        thread.join()
    assert seen == {"v1", "v2"}


def test_a_swap_between_two_reads_is_noticed(tmp_path: Path) -> None:
    """Where all keys were missed by a version that is gone by now, they are looked up again."""
    store = EmbeddedScores(tmp_path / "scores", look_us=0)
    put(store, tmp_path, "v1", ["a"])
    put(store, tmp_path, "v2", ["b"], live=False)
    asked: list[object] = []

    class Swapping(EmbeddedScores):
        def get_many(self, keys):  # type: ignore[no-untyped-def]
            found = super().get_many(keys)
            if not asked:
                store.point("v2")
            asked.append(keys)
            return found

    live, found = read(Swapping(tmp_path / "scores", look_us=0), ["b"])
    assert live.version.name == "v2"
    assert found[0] is not None
    assert len(asked) == 2


WHOLE = st.integers(-(2**63), 2**63 - 1)


@given(WHOLE)
def test_a_whole_number_is_itself_however_it_is_sent(number: int) -> None:
    """As an integer or as its digits."""
    live = Live(version("v", 1, "int"))
    assert typed(number, live) == number
    assert typed(str(number), live) == number


@given(st.text(max_size=5) | st.sampled_from(["01", "+1", "-0", "1_0", " 1", "1\n", "٣", "1.0"]))
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    """Each key has one form; the error names the field."""
    live = Live(version("v", 1, "int"))
    if text.isascii() and text.lstrip("-").isdigit() and str(int(text)) == text:
        assert typed(text, live) == int(text)
        return
    with pytest.raises(InputError) as error:
        typed(text, live, "keys[3]")
    assert error.value.field == "keys[3]"


@pytest.mark.parametrize("key", [2**63, -(2**63) - 1, str(2**63), "9" * 40])
def test_a_number_beyond_64_bits_is_refused(key: int | str) -> None:
    """It could be no key of any version."""
    with pytest.raises(InputError):
        typed(key, Live(version("v", 1, "int")))


def test_a_number_is_no_text() -> None:
    """Where keys are texts, a number in JSON is a mistake that is told."""
    live = Live(version("v", 1, "str"))
    assert typed("7", live) == "7"
    with pytest.raises(InputError, match="quotes"):
        typed(7, live)


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (26 * 3_600_000_000 + 59_000_000, "scores: 26h old, promised 24h"),
        (3 * DAY, "scores: 3d old, promised 24h"),
        (DAY + 1, "scores: 24h old, promised 24h"),
    ],
)
def test_an_old_version_says_how_old(age: int, says: str) -> None:
    """In whole units, beside what was promised."""
    live = Live(version("v", 1, age_us=age), DAY)
    assert stale(live)
    assert overdue(live) == says
    assert not stale(Live(live.version))
