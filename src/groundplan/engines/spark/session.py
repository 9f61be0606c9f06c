"""A session of Spark: where a URL leads, its settings, and what goes wrong with it."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # it ships no types
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from groundplan.errors import EngineError

_LOCAL: Final = re.compile(r"local(\[(\d+|\*)\])?")
_CLUSTER: Final = re.compile(r"[A-Za-z0-9.\-]+:\d+(,[A-Za-z0-9.\-]+:\d+)*")

_SETTINGS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",  # x / 0 is asked away by the statement itself
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_LOOPBACK: Final = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def started(url: str, role: str, settings: Mapping[str, str] | None = None) -> SparkSession:
    """The session of this process, which all share.

    Args:
        url: `spark://local[N]`, `spark://local` or `spark://host:port`.
        role: the key of the table `[engines]` that names it, for messages.
        settings: more of Spark's own; those of the driver's process hold only for the first.

    Raises:
        EngineError: the URL is none of these, or no session can be had.
    """
    master = master_of(url)
    chosen = _SETTINGS | (_LOOPBACK if master.startswith("local") else {})
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("groundplan").master(master)
    for name, value in (chosen | dict(settings or {})).items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise EngineError(
            f"{url} gives no session: install Java 17 or newer, and start the cluster that "
            f"[engines] {role} names ({_first_line(error)})"
        ) from None


def master_of(url: str) -> str:
    """The master that a URL names, as Spark calls it.

    Raises:
        EngineError: it names none.
    """
    rest = url.removeprefix("spark://")
    if rest == url or not (_LOCAL.fullmatch(rest) or _CLUSTER.fullmatch(rest)):
        raise EngineError(
            f"{url!r} is no address of Spark: write spark://local[2] for two cores of this "
            "machine, or spark://host:7077 for a cluster"
        )
    return rest if _LOCAL.fullmatch(rest) else url


@contextmanager
def reached() -> Iterator[None]:
    """Turns what Spark raises into an error of ours."""
    try:
        yield
    except PySparkException as error:
        raise EngineError(f"Spark did not do its work: {_first_line(error)}") from None
    except Py4JJavaError as error:  # what PySpark has no name for, such as a driver's refusal
        said = str(error.java_exception.toString()).splitlines()[0]
        raise EngineError(f"Spark did not do its work: {said}") from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
