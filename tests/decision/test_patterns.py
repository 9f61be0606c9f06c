"""What the table must know: the reason each time, not only the pattern."""

from typing import Any

import pytest

from answer_cases import given_answers
from groundplan.decision import Decision, decide

FEED: dict[str, Any] = {
    "output": "ranking",
    "kind": "implicit",
    "p99": "100ms",
    "predictions": "0s",
    "features": "1m",
    "requests": "foreseen",
    "level": "none",
}
ASSISTANT: dict[str, Any] = {
    "output": "answer",
    "kind": "none",
    "p99": "2s",
    "throughput": "5/s",
    "streamed": True,
    "features": "24h",
    "level": "none",
}
CHURN: dict[str, Any] = {
    "predictions": "24h",
    "features": "24h",
    "requests": "foreseen",
    "p99": "20ms",
    "level": "explain",
}


def reasons(decision: Decision, pattern: str) -> dict[str, str]:
    return {r.rule: r.because for r in decision.rulings if r.rules_out == pattern}


def test_a_feed_over_millions_is_ranked_since_no_model_scores_them_all() -> None:
    """Feed recommendation over millions of items: no single model scores the space in time."""
    decision = decide(given_answers(**FEED, per_request=5_000_000))
    assert decision.pattern == "ranking"
    said = reasons(decision, "realtime")
    assert "5 million" in said["realtime-millions"]
    assert "100ms" in said["realtime-latency"]
    assert "5 million" in said["realtime-latency"]


def test_a_feed_over_a_few_hundred_is_scored_by_one_model() -> None:
    """Over a few hundred items one model scores them all, so nothing needs narrowing."""
    decision = decide(given_answers(**FEED, per_request=300))
    assert decision.pattern == "realtime"
    said = reasons(decision, "ranking")["ranking-exhaustive"]
    assert "300 candidates" in said
    assert "100ms" in said


def test_a_feed_over_tens_of_thousands_does_not_fit_one_model() -> None:
    """Twenty thousand candidates do not fit 100 ms, and the sentence says what would."""
    decision = decide(given_answers(**FEED, per_request=20_000))
    assert decision.pattern == "ranking"
    assert "20,000 candidates" in reasons(decision, "realtime")["realtime-latency"]


def test_semantic_search_is_ranked_by_text_encoders_and_an_index() -> None:
    """Search over a large corpus without labels: encoders by transfer, and a vector index."""
    search = FEED | {"kind": "none", "requests": "unforeseen", "p99": "200ms"}
    decision = decide(given_answers(**search, per_request=5_000_000))
    assert decision.pattern == "ranking"
    assert decision.components["model"].choice == "text_encoder"
    assert decision.components["index"].choice in {"exact", "ivf_pq"}
    assert "unforeseen" in reasons(decision, "batch")["batch-unforeseen"]
    (labels,) = (r for r in decision.components["model"].rulings if r.rule == "model-towers-labels")
    assert "labels are none" in labels.because


@pytest.mark.parametrize("stated", [{"knowledge": "10m"}, {"private_corpus": True}])
def test_questions_about_private_changing_documents_are_retrieved(stated: dict[str, Any]) -> None:
    """Private documents that change are retrieved, whichever of the two says so."""
    decision = decide(given_answers(**ASSISTANT, **stated))
    assert decision.pattern == "rag"
    assert "private documents" in reasons(decision, "realtime")["realtime-knowledge"]
    assert "private documents" in reasons(decision, "batch")["batch-knowledge"]


def test_a_tuned_model_suffices_where_documents_hardly_change() -> None:
    """Tuning counts only where it is allowed, and slower change than it takes is stated."""
    private = ASSISTANT | {"private_corpus": True}
    tuned = decide(given_answers(**private, fine_tuning=True, knowledge="30d"))
    assert tuned.pattern == "realtime"
    assert tuned.components["model"].choice == "tuned_language_model"
    assert decide(given_answers(**private, fine_tuning=True, knowledge="29d")).pattern == "rag"
    assert decide(given_answers(**private, fine_tuning=True)).pattern == "rag"
    assert decide(given_answers(**private, knowledge="30d")).pattern == "rag"


@pytest.mark.parametrize("stated", [{}, {"private_corpus": False, "knowledge": "1h"}])
def test_a_general_assistant_needs_no_retrieval(stated: dict[str, Any]) -> None:
    """Where the model covers the domain, it answers alone and rag is out for that reason."""
    decision = decide(given_answers(**ASSISTANT, **stated, per_request=1))
    assert decision.pattern == "realtime"
    assert decision.components["model"].choice == "language_model"
    assert "covers the domain" in reasons(decision, "rag")["rag-covered"]


def test_how_many_candidates_there_are_does_not_matter_to_a_model_that_writes() -> None:
    """A language model chooses among no candidates: millions of them rule nothing out."""
    assert decide(given_answers(**ASSISTANT, per_request=10_000_000)).pattern == "realtime"


def test_fraud_at_authorization_is_realtime() -> None:
    """A score that must reflect this very transaction cannot have been computed before."""
    decision = decide(given_answers())
    assert decision.pattern == "realtime"
    assert decision.standing == ("realtime",)
    assert reasons(decision, "batch")["batch-predictions"] == (
        "predictions may be at most 0s old, and a nightly run makes them up to 24h old, "
        "an hourly one up to 1h"
    )
    assert "at most 1s old" in reasons(decision, "batch")["batch-features"]


@pytest.mark.parametrize("predictions", ["24h", "7d", "30d"])
def test_churn_and_credit_risk_are_batch(predictions: str) -> None:
    """Everybody is known beforehand and a day is early enough: a live stack would be waste."""
    decision = decide(given_answers(**CHURN | {"predictions": predictions}))
    assert decision.pattern == "batch"
    assert "realtime" in decision.standing


def test_moderation_is_batch_when_it_waits_and_realtime_when_it_blocks() -> None:
    """The same content, unforeseen: what decides is whether the answer can wait for a run."""
    moderation = CHURN | {"requests": "unforeseen"}
    assert decide(given_answers(**moderation | {"p99": "24h"})).pattern == "batch"
    blocking = decide(given_answers(**moderation | {"p99": "200ms"}))
    assert blocking.pattern == "realtime"
    assert "200ms is too short to wait" in reasons(blocking, "batch")["batch-unforeseen"]


@pytest.mark.parametrize("many", [10, 300, 20_000, 50_000_000])
def test_a_daily_digest_is_batch_however_many_candidates(many: int) -> None:
    """The number of candidates never rules batch out."""
    digest = FEED | {"predictions": "24h", "features": "24h"}
    decision = decide(given_answers(**digest, per_request=many))
    assert decision.pattern == "batch"
    assert reasons(decision, "batch") == {}


def test_a_streaming_home_feed_retrieves_offline_and_ranks_live() -> None:
    """Tens of thousands of eligible titles of hundreds of millions, reflecting recent watching."""
    decision = decide(given_answers(**FEED, per_request=30_000, catalog=300_000_000))
    assert decision.pattern == "ranking"
    assert decision.components["retrieval"].choice == "user_lists"
    assert "offline" in decision.components["retrieval"].because
    assert decision.components["model"].choice == "two_towers"
    assert decision.components["features"].choice == "streaming"
    assert "batch-predictions" in reasons(decision, "batch")
    assert "30,000 candidates" in reasons(decision, "realtime")["realtime-latency"]
    unforeseen = FEED | {"requests": "unforeseen"}
    other = decide(given_answers(**unforeseen, per_request=30_000, catalog=300_000_000))
    assert other.components["retrieval"].choice == "item_lists"


def test_no_language_model_writes_within_a_short_p99() -> None:
    """Answers within 100 ms leave nothing: neither a model alone nor one with passages."""
    decision = decide(given_answers(**ASSISTANT | {"p99": "100ms", "private_corpus": True}))
    assert decision.pattern is None
    assert "the first token" in reasons(decision, "realtime")["realtime-generation"]
    assert "passages must be found" in reasons(decision, "rag")["rag-latency"]


def test_a_whole_answer_takes_longer_than_its_first_token() -> None:
    """An answer that is not streamed must wait for words; the same p99 fits when it is."""
    assert decide(given_answers(**ASSISTANT | {"p99": "1s"})).pattern == "realtime"
    whole = decide(given_answers(**ASSISTANT | {"p99": "1s", "streamed": False}))
    assert whole.pattern is None
    assert "the first 16 tokens" in reasons(whole, "realtime")["realtime-generation"]


def test_an_audited_answer_is_written_ahead_or_not_at_all() -> None:
    """Why a live model wrote a sentence cannot be audited; what people approved can."""
    live = decide(given_answers(**ASSISTANT | {"level": "audit"}))
    assert live.pattern is None
    assert "audit" in reasons(live, "realtime")["realtime-audit"]
    ahead = ASSISTANT | {"level": "audit", "predictions": "24h", "requests": "foreseen"}
    assert decide(given_answers(**ahead)).components["explainer"].choice == "review"


def test_stated_cores_bound_what_one_model_can_score() -> None:
    """The same 300 candidates that fit the time do not fit two cores at a high peak."""
    assert decide(given_answers(**FEED, per_request=300)).pattern == "realtime"
    busy = FEED | {"throughput": "2000/s", "cores": 2}
    decision = decide(given_answers(**busy, per_request=300))
    assert "2000/s" in reasons(decision, "realtime")["realtime-capacity"]
    assert "2 may be filled to 70%" in reasons(decision, "realtime")["realtime-capacity"]
    assert decide(given_answers(**busy | {"hosts": 1000}, per_request=300)).pattern == "realtime"


def test_what_is_more_complex_than_needed_is_kept_on_record() -> None:
    """The standing patterns are listed from the simplest, and the simplest is chosen."""
    decision = decide(given_answers(**CHURN))
    assert decision.standing == ("batch", "realtime")
    assert decision.pattern == decision.standing[0]
