"""Answers that lead to each pattern and to each of its shapes, as changes to the fraud answers."""

from typing import Any, Final

BATCH: Final[dict[str, Any]] = {"predictions": "24h", "features": "24h", "requests": "foreseen"}
RANKING: Final[dict[str, Any]] = {
    **{"output": "ranking", "kind": "implicit", "per_request": 5_000_000, "level": "none"},
}
RAG: Final[dict[str, Any]] = {
    **{"output": "answer", "kind": "none", "p99": "3s", "streamed": True, "level": "none"},
    **{"knowledge": "10m", "private_corpus": True, "external_api": "inference"},
}
KINDS: Final[dict[str, dict[str, Any]]] = {
    "realtime": {},
    "batch": BATCH,
    "batch-ranking": {**BATCH, "output": "ranking", "kind": "implicit", "level": "explain"},
    "ranking": RANKING,
    "ranking-lists": {
        **{**RANKING, "per_request": 30_000, "catalog": 300_000_000, "requests": "foreseen"},
    },
    "ranking-text": {**RANKING, "kind": "none", "p99": "1s"},
    "answer": {"output": "answer", "p99": "2s", "streamed": True, "level": "none"},
    "rag": RAG,
    "rag-local": {**RAG, "external_api": "none"},
}
