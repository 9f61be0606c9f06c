"""The table of external engines: which adapter answers to which URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from groundplan.errors import EngineError

ENGINES: Final = {
    "online_store": {
        "redis": "redis:RedisStore",
        "rediss": "redis:RedisStore",
        "unix": "redis:RedisStore",
    },
    "scores": {
        "redis": "redis:RedisScores",
        "rediss": "redis:RedisScores",
        "unix": "redis:RedisScores",
    },
    "events": {"kafka": "kafka:KafkaStream"},
    "offline": {"spark": "spark:SparkOffline"},
    "batch": {"spark": "spark:SparkBatch"},
}
"""By role and scheme of the URL, the module of this room and the adapter in it."""


def find(role: str, url: str) -> Any:
    """The adapter for a URL of the table `[engines]`; its client library is loaded with it.

    Raises:
        EngineError: there is none for this scheme, or its client library is not installed.
    """
    scheme = url.partition(":")[0]
    known = ENGINES[role]
    if scheme not in known:
        named = ", ".join(f"{name}://" for name in known)
        raise EngineError(
            f"engines.{role}: nothing here speaks {scheme}://; there is {named}, and without the "
            "key it is embedded"
        )
    module, _, name = known[scheme].partition(":")
    try:
        return getattr(import_module(f"groundplan.engines.{module}"), name)
    except ModuleNotFoundError as error:
        raise EngineError(
            f"engines.{role}: {scheme}:// needs the library {error.name}: "
            f"`pip install 'groundplan[{module}]'`"
        ) from None


@contextmanager
def offline(url: str | None) -> Iterator[Any]:
    """What computes features offline: `table` and `write`, as `features.offline` has them.

    Args:
        url: as `[engines]` names it; None is DuckDB in this process.
    """
    if url is None:
        from groundplan.features import offline as embedded

        yield embedded
        return
    engine = find("offline", url)(url)
    try:
        yield engine
    finally:
        engine.close()
