"""From what `[engines] batch` names to the engine that computes runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from groundplan.engines.table import find
from groundplan.patterns.batch.runs.embedded import Embedded
from groundplan.patterns.batch.runs.engine import Engine
from groundplan.patterns.batch.runs.snapshot import Snapshots


@contextmanager
def opened(url: str | None, memory: int) -> Iterator[Engine]:
    """The engine that `[engines] batch` names; None is the embedded one.

    Args:
        url: as the answers have it.
        memory: bytes that the embedded engine may use.

    Raises:
        EngineError: there is none for the URL, or its library is not installed.
    """
    engine: Any = Embedded(memory) if url is None else find("batch", url)(url, Snapshots)
    try:
        yield engine
    finally:
        engine.close()
