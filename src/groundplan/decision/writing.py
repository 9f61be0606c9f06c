"""What a language model takes: hosted by the table's limits, here by its size; in nanoseconds.

A token takes two operations per parameter, and at 4 bits a quarter of the memory that is read at
32; the table's rows are of a decoder of 124 million parameters in single precision, one thread.
"""

from collections.abc import Mapping
from typing import Final

from groundplan.decision.case import Case

FIRST_WORDS: Final = 16  # tokens of the shortest useful answer, where it isn't streamed
QUESTION: Final = 300  # tokens of a question with its instructions
PROMPT: Final = 2_000  # tokens of a question with its passages
ANSWER: Final = 250  # tokens of a whole answer
BILLIONS: Final = {"local_8b": 8, "local_1b": 1}  # parameters of what may run here
THREADS: Final = 8  # cores that write one answer together
_SCALE: Final = 250, 124  # a billion parameters at a quarter, over those of the table's decoder

Ns = Mapping[str, int]


def needs_private(a: Case) -> bool:
    """Must the model know what is absent from its training data?

    Where it isn't stated: knowledge with a stated age is knowledge of one's own.
    """
    if a.private_corpus is None:
        return a.knowledge is not None
    return a.private_corpus


def at_home(a: Case) -> bool:
    """Must the model run on these machines: nothing may leave, or nobody says that it may?"""
    if "language_model" in a.engines:
        return False
    if a.external_api is None:
        return needs_private(a)
    return a.external_api == "none"


def read(pattern: str) -> int:
    """Tokens that the model reads before it writes."""
    return PROMPT if pattern == "rag" else QUESTION


def hosted(a: Case, ns: Ns) -> int:
    """Nanoseconds until a hosted model has said something, at the 99th percentile."""
    return ns["first_token_hosted"] + (0 if a.streamed else FIRST_WORDS * ns["token_hosted"])


def tokens(billions: int, reads: int, writes: int, ns: Ns) -> int:
    """Nanoseconds of cores to read so many tokens and write so many."""
    scale, whole = _SCALE
    one = reads * ns["prompt_token"] + writes * ns["token"]
    return billions * one * scale // whole


def answer(billions: int, pattern: str, ns: Ns) -> int:
    """Nanoseconds of cores for a whole answer of a model that runs here."""
    return tokens(billions, read(pattern), ANSWER, ns)


def first(billions: int, pattern: str, a: Case, ns: Ns) -> int:
    """Nanoseconds of cores until a model that runs here has said something."""
    return tokens(billions, read(pattern), 1 if a.streamed else FIRST_WORDS, ns)


def threads(a: Case) -> int:
    """Cores that write one answer together."""
    return THREADS if a.cores is None else min(THREADS, a.cores)


def local(billions: int, pattern: str, a: Case, ns: Ns) -> int:
    """Nanoseconds until a model that runs here has said something."""
    return -(-first(billions, pattern, a, ns) // threads(a))


def cores(pattern: str, left: int, a: Case, ns: Ns) -> int | None:
    """The fewest cores on which the smallest model says something in so many nanoseconds."""
    if left < hosted(a, ns):
        return None
    least = -(-first(1, pattern, a, ns) // left)
    return least if least <= THREADS else None
