"""The five questions, and what each one decides."""

from typing import Final, NamedTuple


class Question(NamedTuple):
    """One of the five questions; its answers are one table of `groundplan.toml`."""

    number: int
    table: str
    text: str
    decides: str


QUESTIONS: Final = (
    Question(
        1,
        "labels",
        "What is predicted, and are there labels?",
        "which models can be trained, and how they learn from what happens later",
    ),
    Question(
        2,
        "latency",
        "How fast, and how much?",
        "what may run while a request waits, and how many cores that takes",
    ),
    Question(
        3,
        "freshness",
        "How old may things be?",
        "whether answers can be computed ahead of time, and how features stay fresh",
    ),
    Question(
        4,
        "candidates",
        "How many things does one request choose among?",
        "whether one model can score them all, or a retrieval stage must narrow them first",
    ),
    Question(
        5,
        "interpretability",
        "Who must understand a prediction?",
        "which models are allowed, and which reasons go with each answer",
    ),
)

OF_TABLE: Final = {question.table: question for question in QUESTIONS}
