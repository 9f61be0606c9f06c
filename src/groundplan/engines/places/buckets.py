"""Buckets of S3 and what speaks as it does: where they are, and with whose credentials."""

import os
from typing import Final
from urllib.parse import urlsplit

import duckdb

from groundplan.engines.places.extensions import extend, extended
from groundplan.engines.places.place import quoted, scheme_of

FILES: Final = ("s3", "gs", "http", "https")
"""Schemes of files elsewhere."""

_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def reach(connection: duckdb.DuckDBPyConnection, url: str) -> None:
    """Make a connection able to read and write files at a URL.

    Credentials are those of a secret that DuckDB keeps, else of the variables AWS_ACCESS_KEY_ID
    and so on, else, with the extension `aws`, of the chain that every tool of AWS tries: profiles,
    single sign-on, the role of a machine. The endpoint is AWS_ENDPOINT_URL_S3, else
    AWS_ENDPOINT_URL, else that of AWS.

    Raises:
        EngineError: the extension `httpfs` is not there.
    """
    extend(connection, "httpfs", url)
    if scheme_of(url) != "s3" or _secret(connection, url):
        return
    endpoint = urlsplit(next((os.environ[name] for name in _ENDPOINTS if name in os.environ), ""))
    options = {}
    if endpoint.netloc:  # such a server seldom has a name of its own for each bucket
        secured = "false" if endpoint.scheme == "http" else "true"
        where = endpoint.netloc + endpoint.path.rstrip("/")
        options = {"endpoint": quoted(where), "url_style": "'path'", "use_ssl": secured}
    for name, value in options.items():
        connection.execute(f"SET s3_{name} = {value}")
    if "AWS_ACCESS_KEY_ID" not in os.environ and extended(connection, "aws"):
        _chain(connection, options)


def _secret(connection: duckdb.DuckDBPyConnection, url: str) -> bool:
    """Whether the user has told DuckDB a secret for a URL."""
    return bool(connection.execute(f"FROM which_secret({quoted(url)}, 's3')").fetchall())


def _chain(connection: duckdb.DuckDBPyConnection, options: dict[str, str]) -> None:
    given = "".join(f", {name} {value}" for name, value in options.items())
    try:
        connection.execute(f"CREATE TEMPORARY SECRET (TYPE s3, PROVIDER credential_chain{given})")
    except duckdb.Error:  # nobody is signed in: a public bucket needs nobody
        return
