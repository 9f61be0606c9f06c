"""Answers as people say them are understood, or refused; never taken for something else."""

from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from answer_cases import random_answers, value_of
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.file import example
from groundplan.constraints.kind import RefusedError
from groundplan.constraints.question import ASKED, ASKED_BY_KEY, QUESTIONS
from groundplan.constraints.spoken import is_left_out, is_unknown, understand

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
        "300 products": 300,
        "~500": 500,
    },
    "labels.positive_rate": {
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
    "latency.throughput": ("lots", "-3/s", "0", "5 per fortnight"),
    "candidates.per_request": ("none", "2.5", "-3", "hundreds of thousands", "5 5", "0"),
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


def test_every_example_is_an_answer() -> None:
    """What a question offers as an example, or assumes, is understood by it."""
    for asked in ASKED:
        kind = FIELDS[asked.key].kind
        for said, _ in asked.examples:
            understand(kind, said)
        if asked.usual is not None:
            assert kind.read(asked.usual) is not None
        assert kind.read(example(FIELDS[asked.key])) is not None


def test_every_answer_is_asked_for_in_the_file_s_order() -> None:
    """All keys but the schedule's, in the order of the five questions."""
    keys = [key for key, field in FIELDS.items() if field.table != "schedule"]
    assert [asked.key for asked in ASKED] == keys
    numbers = {question.table: question.number for question in QUESTIONS}
    asked = [numbers[a.key.split(".")[0]] for a in ASKED if a.key.split(".")[0] in numbers]
    assert asked == sorted(asked)
