"""Vector search: exact by NumPy always, by FAISS and hnswlib where they are installed."""

import os
from functools import cache
from typing import Any, Final

from groundplan.errors import EngineError
from groundplan.practice.calibrate.measure import Clock, Timing, measure

RECALL: Final = 0.94
"""Of the exact result, that an approximate search must find."""


@measure(
    "vector_exact",
    "per vector: an exact inner-product scan of 1 million x 64 float32, one query, top 500 "
    "(FAISS Flat)",
    *("faiss", "numpy"),
)
def flat(clock: Clock) -> Timing:
    """The scan that decisions count with, by the library that systems use."""
    import faiss

    faiss.omp_set_num_threads(1)
    points, queries = vectors(1_000_000, 64)
    index = _flat(1_000_000, 64)
    return clock.each(lambda query: index.search(query, 500), list(queries[:, None])).per(
        len(points)
    )


@measure(
    "vector_exact",
    "per vector: an exact inner-product scan of 1 million x 64 float32, one query, top 500 (NumPy)",
    "numpy",
)
def scan(clock: Clock) -> Timing:
    """The same where FAISS is not installed."""
    return _scanned(clock, 1_000_000, 64, 500)


@measure(
    "exact_10k_64", "per vector: an exact scan of 10,000 x 64 float32, top 50 (NumPy)", "numpy"
)
def small(clock: Clock) -> Timing:
    """A catalogue that fits into a cache."""
    return _scanned(clock, 10_000, 64, 50)


@measure(
    "exact_1m_64", "per vector: an exact scan of 1 million x 64 float32, top 500 (NumPy)", "numpy"
)
def large(clock: Clock) -> Timing:
    """A catalogue that does not."""
    return _scanned(clock, 1_000_000, 64, 500)


@measure(
    "exact_100k_384", "per vector: an exact scan of 100,000 x 384 float32, top 50 (NumPy)", "numpy"
)
def wide(clock: Clock) -> Timing:
    """Embeddings of texts."""
    return _scanned(clock, 100_000, 384, 50)


@measure(
    "vector_probe",
    "one approximate search of 1 million x 64, top 500, at a recall of at least 0.94 (FAISS "
    "IVF1024,PQ32x4fsr,Refine(SQ8))",
    *("faiss", "numpy"),
)
def probe(clock: Clock) -> Timing:
    """The approximate search that decisions count with."""
    return _probed(clock, 1_000_000, 64, 500, "IVF1024,PQ32x4fsr,Refine(SQ8)")


@measure(
    "probe_20k_384",
    "one approximate search of 20,000 x 384, top 50, at a recall of at least 0.94 (FAISS "
    "IVF128,SQ8,Refine(Flat))",
    *("faiss", "numpy"),
)
def wide_probe(clock: Clock) -> Timing:
    """The same for embeddings of texts."""
    return _probed(clock, 20_000, 384, 50, "IVF128,SQ8,Refine(Flat)")


@measure(
    "graph_20k_64",
    "one approximate search of 20,000 x 64, top 50, at a recall of at least 0.94 (hnswlib, M 16)",
    *("hnswlib", "numpy"),
)
def graph(clock: Clock) -> Timing:
    """Search along a graph of neighbours."""
    import hnswlib
    import numpy as np

    points, queries = vectors(20_000, 64)
    truth = np.argsort(-(queries @ points.T), axis=1)[:, :50]
    index = hnswlib.Index("ip", 64)
    index.init_index(len(points), M=16, ef_construction=80, random_seed=1)
    index.add_items(points, num_threads=os.cpu_count() or 1)
    for width in (64, 128, 256, 512, 1_024):
        index.set_ef(width)
        found = index.knn_query(queries, 50, num_threads=1)[0]
        if _recall(found, truth) >= RECALL:
            return clock.each(lambda query: index.knn_query(query, 50, num_threads=1), [*queries])
    raise EngineError(f"hnswlib reaches no recall of {RECALL}")


@cache
def vectors(count: int, width: int) -> tuple[Any, Any]:
    """So many points in overlapping clusters, as embeddings are, and 200 queries among them."""
    import numpy as np

    rng = np.random.default_rng(9)
    centres = rng.standard_normal((2_000, width), np.float32)
    points = centres[rng.integers(0, 2_000, count + 200)]
    points += rng.standard_normal(points.shape, np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points[:-200], points[-200:]


def _scanned(clock: Clock, count: int, width: int, top: int) -> Timing:
    import numpy as np

    points, queries = vectors(count, width)
    return clock.each(
        lambda query: np.argpartition(points @ query, count - top)[count - top :], [*queries]
    ).per(count)


@cache
def _flat(count: int, width: int) -> Any:
    import faiss

    index = faiss.IndexFlatIP(width)
    index.add(vectors(count, width)[0])
    return index


def _probed(clock: Clock, count: int, width: int, top: int, factory: str) -> Timing:
    """An inverted file with as few probes as reach the recall."""
    import faiss

    points, queries = vectors(count, width)
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    truth = _flat(count, width).search(queries, top)[1]
    index = faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(points[:: max(1, count // 100_000)])
    index.add(points)
    faiss.omp_set_num_threads(1)
    index.k_factor = 4
    inverted = faiss.extract_index_ivf(index.base_index)
    for inverted.nprobe in (16, 32, 64, 96, 128, 192, 256, 384, 512):
        if _recall(index.search(queries, top)[1], truth) >= RECALL:
            return clock.each(lambda query: index.search(query, top), list(queries[:, None]))
    raise EngineError(f"{factory} reaches no recall of {RECALL}")


def _recall(found: Any, truth: Any) -> float:
    shared = sum(len(set(f) & set(t)) for f, t in zip(found, truth, strict=True))
    return float(shared / truth.size)
