"""How one generated answer fails, which rests on no retrieval."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.plan.failures.failure import Mode
from groundplan.plan.failures.requests import requests
from groundplan.plan.failures.reviewed import reviewed

TUNED: Final = Mode(
    "tune",
    "the model was tuned on documents that have been withdrawn since",
    "fixed questions about what was withdrawn, asked of every version",
    "a list of what is withdrawn; tune anew from the untuned weights, never on top of a tuning",
    seen="answers out of what should not be known any more",
    running=False,
    main=True,
)
"""How a language model that is tuned on a corpus goes wrong."""


def generated(answers: Answers) -> list[Mode]:
    """The failures of a language model that answers by itself."""
    first = "time to the first token" if answers.latency.streamed else "time to the answer"
    return [
        TUNED,
        Mode(
            "evaluate",
            "the fixed questions are not those that people ask",
            "ratings of answers beside the evaluation's share of right ones",
            "draw the questions from the log",
        ),
        *requests("/answer"),
        Mode(
            "generate",
            "the model's server is away or slow",
            f"{first}, share of answers cut short",
            "several servers behind a load balancer; a shorter prompt",
            seen="no answer, or half of one",
        ),
        Mode(
            "model",
            "the model states what is not so",
            "ratings, spot checks",
            "if the errors are about knowledge that it lacks, the answer to policy.private_corpus "
            "has changed: decide again",
            seen="wrong answers that read well",
            fallback="",
            main=True,
        ),
        Mode(
            "generator",
            "another version of the model answers under the same name",
            "the fixed questions, asked again every day",
            "name the version; the model that serves now goes on until the new one has passed",
            seen="answers of another tone or length",
            fallback="",
        ),
        Mode(
            "explainer",
            "the reasons that the model states are not why it answered so",
            "a sample that people check",
            "show them as unverified, or ground answers in passages",
            seen="a plausible reason for a wrong answer",
            fallback="",
        ),
        *reviewed(),
    ]
