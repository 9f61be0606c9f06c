"""Places: where rows are, as DuckDB reads and writes them.

A place is an Arrow table, a file, a folder, a pattern of files, or a URL:

| written | is |
|---|---|
| `rows.parquet`, `rows.csv`, `rows.csv.gz`, `rows.tsv` | a file; a CSV file has a header |
| `folder`, `folder/*.parquet` | all Parquet (else CSV) files below it, or those that match |
| `duckdb:///folder/file.db?table=t` | a table of a DuckDB file |
| `sqlite:///folder/file.db?table=t` | a table of an SQLite file; extension `sqlite` |
| `postgres://user@host/database?table=t` | a table of Postgres; extension `postgres` |
| `s3://bucket/rows.parquet`, `https://...` | files elsewhere; extension `httpfs` |
| `iceberg:s3://bucket/table` | an Iceberg table, `?snapshot=` one of its; extension `iceberg` |

Extensions of DuckDB are loaded where they are installed or a package brings them, and never
downloaded from here: the error says the commands that do it.
"""

from groundplan.engines.places.connection import connected
from groundplan.engines.places.place import GLOB, Place, absolute, said, shown
from groundplan.engines.places.rows import Rows, count, opened, write

__all__ = [
    "GLOB",
    "Place",
    "Rows",
    "absolute",
    "connected",
    "count",
    "opened",
    "said",
    "shown",
    "write",
]
