"""The connection in which places are read and written."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


@contextmanager
def connected(
    memory: int | None = None, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that spills into a folder of its own and downloads nothing.

    Args:
        memory: bytes before it spills to disk; None for DuckDB's own choice.
        threads: that it uses at once; None for all cores.
    """
    import tempfile

    with (
        tempfile.TemporaryDirectory(prefix="groundplan-") as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute("SET autoinstall_known_extensions = false")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}B'")
        if threads is not None:
            connection.execute(f"SET threads = {threads}")
        yield connection
