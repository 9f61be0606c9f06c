"""The next training set has what was served, and labels as they were known."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.features import FeatureSet, Source, features
from groundplan.monitoring import dataset
from groundplan.monitoring.dataset import Joined
from groundplan.serving.log import Log, Prediction, Row, Taken
from groundplan.units import DAY

START = 1_533_081_600_000_000  # 2018-08-01


def definitions() -> FeatureSet:
    source = Source(
        "payments",
        time="at",
        id="payment",
        fields={"card": int, "amount": float},
        labels={"fraud": "7d"},
    )
    return features(amount=source.amount * 2, count=source.by("card").count("1d"))


INPUTS = definitions()


def answer(id: int, day: int, *, at: int | None = None, **changes: Any) -> Prediction:
    """An answer about a payment of a day, given at its time."""
    event = {"payment": id, "at": f"2018-08-{day + 1:02}T00:00:00Z", "card": 1, "amount": 5.0}
    time = START + day * DAY if at is None else at
    values = (10.0, float("nan"))
    body = msgspec.json.encode(event)
    made = Prediction(time, body, values, 0.25, "approve", "b1", {}, [], id)
    return msgspec.structs.replace(made, **changes)


def told(id: int, value: bool, day: float) -> Taken:
    body = msgspec.json.encode({"payment": id, "fraud": value})
    return Taken(int(START + day * DAY), body, 0, "b1")


def join(
    folder: Path, rows: list[Row], day: float, labels: Path | None = None
) -> tuple[Joined, list[dict[str, Any]]]:
    """The training set of a log, seen from a day."""
    log = Log(folder / "log", INPUTS.names)
    for row in sorted(rows, key=lambda row: row.at):
        log.append(row)
    log.close()
    out = folder / "out.parquet"
    now = int(START + day * DAY)
    mine = ("b1",)
    joined = dataset.write(INPUTS, "fraud", folder / "log", out, now, mine=mine, labels=labels)
    assert [file.name for file in folder.iterdir() if file.name.startswith(".")] == []
    return joined, pq.read_table(out).to_pylist()


def test_a_row_has_what_was_served_and_what_became_known(tmp_path: Path) -> None:
    """Features, score, decision and build as logged; the label, and when it was known."""
    rows: list[Row] = [answer(1, 0), answer(2, 0), told(1, True, 3)]
    joined, (fraud, genuine) = join(tmp_path, rows, day=20)
    assert (joined.rows, joined.positive, joined.told) == (2, 1, 1)
    assert list(fraud) == [
        *("payment", "at", "amount", "count", "fraud", "known_at"),
        *("answered_at", "score", "decision", "build", "card", "sent_amount"),
    ]
    assert (fraud["amount"], fraud["count"], fraud["sent_amount"]) == (10.0, None, 5.0)
    assert (fraud["fraud"], genuine["fraud"]) == (True, False)
    assert (fraud["known_at"].day, genuine["known_at"].day) == (4, 8)
    assert (fraud["score"], fraud["decision"], fraud["build"]) == (0.25, "approve", "b1")


def test_until_the_delay_has_passed_nothing_is_taken(tmp_path: Path) -> None:
    """A payment of the last week is left out, whether it is known to be fraud or not."""
    rows: list[Row] = [answer(1, 0), answer(2, 5), answer(3, 5), told(2, True, 6)]
    joined, found = join(tmp_path, rows, day=10)
    assert [row["payment"] for row in found] == [1]
    assert (joined.rows, joined.waiting, joined.positive) == (1, 2, 0)


def test_what_is_told_after_the_moment_does_not_count(tmp_path: Path) -> None:
    """The set of an earlier moment is what could have been known then; the last word counts."""
    rows: list[Row] = [answer(1, 0), told(1, True, 9), told(1, False, 12)]
    for day, label in ((8.0, False), (9.0, True), (11.0, True), (12.0, False)):
        folder = tmp_path / str(day)
        folder.mkdir()
        _, (row,) = join(folder, rows, day)
        assert row["fraud"] is label, day


def test_an_event_is_there_once_with_its_first_good_answer(tmp_path: Path) -> None:
    """Answers by a fallback, repeated ones and those of other definitions are left out."""
    degraded = ["features: failed (EngineError); as of an unknown entity"]
    rows: list[Row] = [
        answer(1, 0, degraded=degraded, score=0.9),
        answer(1, 0, at=START + 1, score=0.5),
        answer(1, 0, at=START + 2, score=0.7),
        answer(2, 0, at=START + 3, build="other"),
        answer(3, 0, at=START + 4, degraded=["explain: 0.1 ms were left; left out"]),
    ]
    joined, found = join(tmp_path, rows, day=20)
    assert [(row["payment"], row["score"]) for row in found] == [(1, 0.5), (3, 0.25)]
    assert joined == Joined(5, 2, 0, 0, 0, 1, 1, 1)


@pytest.mark.parametrize("timed", [True, False])
def test_labels_come_from_a_file_too(tmp_path: Path, timed: bool) -> None:
    """A file with identifier and label, in any case; without a time, known when it was due."""
    table = {"PAYMENT": [1, 2, 77], "Fraud": [1, 0, 1]}
    file = tmp_path / "labels.parquet"
    if timed:
        times = pa.array([START + 30 * DAY, START, START], pa.timestamp("us"))
        pq.write_table(pa.table(table | {"known_at": times}), file)
    else:
        pq.write_table(pa.table(table), file)
    rows: list[Row] = [answer(1, 0), answer(2, 0), told(2, True, 1)]
    joined, found = join(tmp_path, rows, 20, file)
    labels = {row["payment"]: row["fraud"] for row in found}
    # With its time, the file's word on 2 is older than the log's; without, it is the last.
    assert labels == ({1: False, 2: True} if timed else {1: True, 2: False})
    assert joined.told == (1 if timed else 2)


def test_a_file_without_the_label_is_refused(tmp_path: Path) -> None:
    """The error names the column that is missing."""
    pq.write_table(pa.table({"payment": [1]}), tmp_path / "labels.parquet")
    with pytest.raises(InputError, match="no column fraud"):
        join(tmp_path, [answer(1, 0)], 20, tmp_path / "labels.parquet")


_words = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 25)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), _words, st.floats(0, 25))
def test_the_join_is_the_naive_one(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[int],
    words: list[tuple[int, bool, float]],
    now: float,
) -> None:
    """For any labels at any time, each row is what a person with a calendar would write down."""
    # A label of an event that has not come waits for it.
    spoken = [(id, value, max(day, days[id])) for id, value, day in words if id < len(days)]
    rows: list[Row] = [answer(id, day, at=START + day * DAY) for id, day in enumerate(days)]
    rows += [told(id, value, day) for id, value, day in spoken]
    joined, found = join(tmp_path_factory.mktemp("join"), rows, now)
    expected = {}
    for id, day in enumerate(days):
        if day + 7 > now:
            continue
        mine = sorted(
            ((int(d * DAY), v) for i, v, d in spoken if i == id and int(d * DAY) <= int(now * DAY)),
            key=lambda word: word[0],
        )
        expected[id] = mine[-1][1] if mine else False
    assert {row["payment"]: row["fraud"] for row in found} == expected
    assert joined.waiting == len(days) - len(expected)
