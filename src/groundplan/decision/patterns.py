"""The four canonical patterns, from the simplest to the most complex to run."""

from typing import Final, NamedTuple


class Pattern(NamedTuple):
    """An architecture: its name, its shape, and when it wins."""

    name: str
    shape: str
    wins: str


PATTERNS: Final = (
    Pattern(
        "batch",
        "score everything on a schedule, publish to a key-value store, serve by lookup",
        "predictions may be old, and what is asked is known beforehand or can wait for a run",
    ),
    Pattern(
        "realtime",
        "one model scores a live request with fresh features",
        "few candidates, and the prediction must reflect this moment",
    ),
    Pattern(
        "ranking",
        "a fast retrieval stage narrows the corpus, a heavier ranker scores the short list",
        "more candidates than one model can score in the budget",
    ),
    Pattern(
        "rag",
        "retrieve passages, generate an answer grounded in them",
        "the answer rests on private knowledge that changes",
    ),
)
NAMES: Final = tuple(pattern.name for pattern in PATTERNS)
