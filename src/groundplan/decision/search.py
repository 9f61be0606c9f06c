"""What a search takes by the size of its corpus and the width of its vectors, in nanoseconds.

The cost table has one row for each way, measured at one size; here is how each grows:

- *exact*: every vector is read, so time is in proportion to vectors and to dimensions. The row is
  per vector of 64. (By it 100,000 vectors of 384 take 0.124 us each; measured: 0.142.)
- *a probe*: an inverted file has about as many cells as each cell has vectors, both the root of
  the corpus, and reads the same few cells whatever their size; so time grows with the root of the
  corpus (FAISS, "Guidelines to choose an index": cells in proportion to the root), and with the
  dimensions of what is read. The row is of a million vectors of 64. (By it 20,000 vectors of 384
  take 1.31 ms; measured: 1.18.)
- *words*: the lists of the words that are asked for grow with the passages. The row is of 100,000.
"""

import math
from collections.abc import Mapping
from typing import Final

from groundplan.decision.case import Case

LEARNED: Final = 64  # dimensions of a learned tower, and of the cost table's vectors
TEXT: Final = 384  # dimensions of a small text encoder
PASSAGES: Final = 100_000  # of the table's search by words; fewer are not planned with
IDENTIFIER: Final = 8  # bytes beside each vector
_ROOT: Final = 1_000  # of the million vectors of the table's probe

Ns = Mapping[str, int]


def things(a: Case) -> int:
    """The corpus: the catalog, or what one request chooses among."""
    return a.per_request if a.catalog is None else a.catalog


def passages(a: Case) -> int:
    """The passages that answers rest on: no answer need count them, so some are planned with."""
    return max(PASSAGES, things(a))


def texts(a: Case) -> bool:
    """Are things found as texts, for want of labels to learn towers from?"""
    return a.kind in {"sparse", "none"}


def width(a: Case) -> int:
    """Dimensions of the vectors by which a request finds things."""
    return TEXT if a.pattern == "rag" or texts(a) else LEARNED


def searched(a: Case) -> int:
    """How many vectors the pattern searches."""
    return passages(a) if a.pattern == "rag" else things(a)


def size(count: int, dimensions: int) -> int:
    """Bytes of so many vectors in single precision."""
    return count * (4 * dimensions + IDENTIFIER)


def scan(count: int, dimensions: int, ns: Ns) -> int:
    """Nanoseconds to compare with every vector."""
    return count * dimensions * ns["vector_exact"] // LEARNED


def probe(count: int, dimensions: int, ns: Ns) -> int:
    """Nanoseconds of one approximate search."""
    return ns["vector_probe"] * dimensions * math.isqrt(count) // (LEARNED * _ROOT)


def probed(most: int, dimensions: int, ns: Ns) -> int:
    """The largest corpus of which one approximate search takes at most so many nanoseconds."""
    root = ((most + 1) * LEARNED * _ROOT - 1) // (ns["vector_probe"] * dimensions)
    return (max(root, 0) + 1) ** 2 - 1


def match(count: int, ns: Ns) -> int:
    """Nanoseconds of one search by words."""
    return count * ns["text_match"] // PASSAGES


def matched(most: int, ns: Ns) -> int:
    """The largest corpus of which one search by words takes at most so many nanoseconds."""
    return max(0, (most + 1) * PASSAGES - 1) // ns["text_match"]


def listed(a: Case) -> bool:
    """Can candidates be listed ahead: per user who is foreseen, or per thing that was taken?"""
    return a.requests == "foreseen" or not texts(a)


def encoded(a: Case, ns: Ns) -> int:
    """Nanoseconds to turn the request into a vector."""
    return ns["encoder"] if texts(a) else ns["user_tower"]


def live(a: Case, ns: Ns) -> int:
    """Nanoseconds to find candidates within the request.

    Under audit the words stand in for vectors; where these are faster, time is left over.
    """
    found = encoded(a, ns) + probe(things(a), TEXT if texts(a) else LEARNED, ns)
    return max(found, match(things(a), ns)) if texts(a) and a.level == "audit" else found


def farthest(most: int, a: Case, ns: Ns) -> int:
    """The largest corpus of which `live` takes at most so many nanoseconds."""
    found = probed(most - encoded(a, ns), TEXT if texts(a) else LEARNED, ns)
    return min(found, matched(most, ns)) if texts(a) and a.level == "audit" else found
