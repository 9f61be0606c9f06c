"""Credit card clients who may miss their next payment: scored every night, reasons for an auditor.

The data is UCI's Default of Credit Card Clients; see NOTICE.
"""

from typing import Any


def clients() -> Any:
    """The 30,000 clients as an Arrow table, the label `default_next_month` among the columns."""
    from importlib import resources

    import pyarrow.parquet as pq

    with (resources.files(__name__) / "clients.parquet").open("rb") as file:
        return pq.read_table(file)
