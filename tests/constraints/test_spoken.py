"""Answers as people say them are understood, or refused; never taken for something else."""

from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from answer_cases import random_answers, value_of
from groundplan import units
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.file import example
from groundplan.constraints.kind import Duration, RefusedError
from groundplan.constraints.question import ASKED, ASKED_BY_KEY, QUESTIONS, asked_as
from groundplan.constraints.spoken import is_left_out, is_unknown, understand
from groundplan.units import DAY

SAID: dict[str, dict[str, Any]] = {
    "latency.p99": {
        "500ms": "500ms",
        "500 ms": "500ms",
        "half a second": "500ms",
        "a second": "1s",
        "0.5 s": "500ms",
        "about 200 milliseconds": "200ms",
        "200 ms or so": "200ms",
        "under 50ms": "50ms",
        "50 ms max": "50ms",
        "two and a half seconds": "2.5s",
        "a few seconds": "3s",
        "1m30s": "90s",
        "1h30m": "90m",
        "1 hour and 30 minutes": "90m",
        "an hour and a half": "90m",
        "a quarter of an hour": "15m",
        "within 2 Seconds.": "2s",
    },
    "freshness.predictions": {
        "nightly": "24h",
        "hourly": "1h",
        "every night": "24h",
        "once a day": "24h",
        "every 5 minutes": "5m",
        "up to a day old": "24h",
        "weekly": "7d",
        "a month": "30d",
        "now": "0s",
        "0": "0s",
        "real time": "0s",
    },
    "latency.throughput": {
        "500": "500/s",
        "500 per second": "500/s",
        "500rps": "500/s",
        "500 requests at peak": "500/s",
        "5 requests per second": "5/s",
        "2k qps": "2000/s",
        "a thousand a second": "1000/s",
        "30,000 per minute": "30000/m",
        "about 10 million a day": "10_000_000/d",
        "70 a week": "10/d",
        "20/h": "20/h",
    },
    "candidates.per_request": {
        "one": 1,
        "10k": 10_000,
        "10M": 10_000_000,
        "about 10 million": 10_000_000,
        "1.5 million": 1_500_000,
        "half a million": 500_000,
        "ten thousand": 10_000,
        "a few hundred": 300,
        "a dozen": 12,
        "twenty five": 25,
        "1,000": 1000,
        "1 000 000": 1_000_000,
        "2.500.000": 2_500_000,
        "1.234 million": 1_234_000,
        "300 products": 300,
        "~500": 500,
    },
    "labels.positive_rate": {
        "1e-05": 0.00001,
        "0.8%": 0.008,
        "1 percent": 0.01,
        "1 in 100": 0.01,
        "one in a thousand": 0.001,
        "8 of 1000": 0.008,
        "a quarter": 0.25,
        "0": 0.0,
    },
    "policy.memory": {
        "24 gb": "24GB",
        "24": "24GB",
        "16 GiB": "17179869184B",
        "half a terabyte": "500GB",
        "64g": "64GB",
        "64 gigs": "64GB",
        "half a gig": "500MB",
        "512 megs": "512MB",
    },
    "policy.private_corpus": {"yes": True, "Y": True, "no": False, "of course": True},
    "system.output": {"a list": "ranking", "Text": "answer", "1": "score", "ran": "ranking"},
    "labels.kind": {"clicks": "implicit", "no labels": "none", "a few": "sparse"},
    "interpretability.level": {"regulated": "audit", "users": "explain", "nobody": "none"},
    "freshness.requests": {"yes": "foreseen", "no": "unforeseen"},
    "system.name": {" card-fraud ": "card-fraud"},
}
REFUSED = {
    "latency.p99": ("", "fast", "100", "-5ms", "5 5 ms", "1e400 s", "seconds ago maybe", "0s"),
    "freshness.predictions": ("24", "twice a day", "quarterly", "when it rains"),
    "latency.throughput": ("lots", "-3/s", "0", "5 per fortnight", "10.000", "2.500 a day"),
    "candidates.per_request": (
        *("none", "2.5", "-3", "hundreds of thousands", "5 5", "0"),
        *("10.000", "about 12.500 items"),
    ),
    "labels.positive_rate": ("5", "250%", "-1%", "1 in 0", "rare"),
    "policy.memory": ("plenty", "-1GB", "0"),
    "policy.private_corpus": ("maybe", ""),
    "labels.kind": ("e", "yes", ""),
    "interpretability.level": ("foo", "7"),
    "system.name": ("", "  "),
}


@pytest.mark.parametrize(
    ("key", "text", "plain"), [(k, t, p) for k, said in SAID.items() for t, p in said.items()]
)
def test_what_people_say_is_understood(key: str, text: str, plain: Any) -> None:
    """Words, rough numbers and other units give the value as the file writes it."""
    meant = understand(FIELDS[key].kind, text)
    assert meant.plain == plain
    assert type(meant.plain) is type(plain)
    assert FIELDS[key].kind.read(meant.plain) == meant.value


@pytest.mark.parametrize(
    ("key", "text"), [(k, text) for k, texts in REFUSED.items() for text in texts]
)
def test_what_means_nothing_is_refused(key: str, text: str) -> None:
    """No guess is taken; the refusal carries a form that would have been understood."""
    with pytest.raises(RefusedError) as refusal:
        understand(FIELDS[key].kind, text)
    nearest = refusal.value.nearest
    assert "quotes" not in refusal.value.rule
    assert FIELDS[key].kind.read(nearest) is not None


@settings(max_examples=60, deadline=None)
@drawn(answers=random_answers(), key=st.sampled_from(sorted(ASKED_BY_KEY)))
def test_strict_forms_keep_their_meaning(answers: Answers, key: str) -> None:
    """Every value as the file writes it is understood as exactly that."""
    value, kind = value_of(answers, key), FIELDS[key].kind
    if value is not None:
        assert understand(kind, str(kind.plain(value))).value == value


@pytest.mark.parametrize(
    ("key", "text", "nearest"),
    [
        ("candidates.per_request", "10.000", 10_000),
        ("candidates.per_request", "about 12.500 items", 12_500),
        ("latency.throughput", "10.000 a day", "10000/d"),
        ("latency.throughput", "10.000/s", "10000/s"),
    ],
)
def test_a_point_before_three_digits_can_mean_two_things(key: str, text: str, nearest: Any) -> None:
    """Thousands to some, a fraction to others: refused with both, never one of them in silence."""
    with pytest.raises(RefusedError, match="can mean") as refusal:
        understand(FIELDS[key].kind, text)
    assert refusal.value.nearest == nearest
    assert understand(FIELDS["latency.throughput"].kind, "1.125/s").value == 1_125_000_000


@pytest.mark.parametrize("text", ["64 gigz", "64 gigabits", "64 G of it", "64 gb, I believe"])
def test_another_unit_keeps_its_number(text: str) -> None:
    """The form that is offered for 64 of something says 64."""
    with pytest.raises(RefusedError) as refusal:
        understand(FIELDS["policy.memory"].kind, text)
    assert refusal.value.nearest == "64GB"


@drawn(text=st.text(max_size=40), key=st.sampled_from(sorted(ASKED_BY_KEY)))
def test_any_text_is_understood_or_refused(text: str, key: str) -> None:
    """Nothing that somebody types ends in another error."""
    kind = FIELDS[key].kind
    try:
        meant = understand(kind, text)
    except RefusedError:
        return
    assert kind.read(meant.plain) == meant.value


@pytest.mark.parametrize("text", ["?", "don't know", "I don’t know", "No idea.", "idk", "Unknown"])
def test_not_knowing_is_understood(text: str) -> None:
    """Many ways to say it; an answer is none of them."""
    assert is_unknown(text)
    assert not is_left_out(text)
    assert not is_unknown("500ms")


@pytest.mark.parametrize("output", [None, "score", "ranking", "answer"])
def test_every_example_is_an_answer(output: str | None) -> None:
    """What a question offers as an example, or assumes, is understood by it, in each wording."""
    for key in ASKED_BY_KEY:
        asked, kind = asked_as(key, output), FIELDS[key].kind
        assert asked.key == key
        for said, _ in asked.examples:
            understand(kind, said)
        if asked.usual is not None:
            assert kind.read(asked.usual) is not None
        assert kind.read(example(FIELDS[key])) is not None


def test_a_question_is_worded_for_its_output() -> None:
    """A population for a score, a corpus for a ranking, passages for an answer; other answers
    take other times."""
    words = {output: asked_as("candidates.catalog", output) for output in ("score", "answer")}
    assert "scores all of them" in words["score"].why
    assert "passages" in words["answer"].text
    assert asked_as("candidates.catalog", "ranking") == ASKED_BY_KEY["candidates.catalog"]
    assert asked_as("latency.p99", "score").usual == "100ms"
    assert asked_as("latency.p99", "answer").usual == "2s"


def test_every_answer_is_asked_for_in_the_file_s_order() -> None:
    """All keys but the schedule's, in the order of the five questions."""
    keys = [key for key, field in FIELDS.items() if field.table != "schedule"]
    assert [asked.key for asked in ASKED] == keys
    numbers = {question.table: question.number for question in QUESTIONS}
    asked = [numbers[a.key.split(".")[0]] for a in ASKED if a.key.split(".")[0] in numbers]
    assert asked == sorted(asked)


@drawn(value=st.integers(0, 36_500 * DAY) | st.integers(1, 10**9).map(lambda n: n * 1000 - 1))
def test_a_duration_is_told_exactly(value: int) -> None:
    """As people read it, never in a heap of microseconds, and it reads back; the last one before
    a round duration is told by that."""
    kind = FIELDS["freshness.predictions"].kind
    assert isinstance(kind, Duration)
    told = kind.told(value)
    assert value < 1000 or not told.endswith("us")
    if told.startswith("under "):
        assert units.duration(told.removeprefix("under ")) == value + 1
    else:
        assert units.duration(told) == value
