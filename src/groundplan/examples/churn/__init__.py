"""Customers of a telephone company who may leave: scored every night, called by morning.

The data is IBM's Telco Customer Churn; see NOTICE.
"""

from typing import Any


def customers() -> Any:
    """The 7,043 customers as an Arrow table, the label `Churn` among the columns."""
    from importlib import resources

    import pyarrow.parquet as pq

    with (resources.files(__name__) / "customers.parquet").open("rb") as file:
        return pq.read_table(file)
