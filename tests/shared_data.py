"""Where the published data sets lie, for the tests that need them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def fraud_transactions() -> Path:
    """The published card transactions, or a skip that says what is missing.

    Columns TRANSACTION_ID, TX_DATETIME, CUSTOMER_ID, TERMINAL_ID, TX_AMOUNT, TX_FRAUD and more;
    1,754,155 rows in time order.
    """
    path = SHARED / "fraud_handbook" / "transactions.parquet"
    if not path.exists():
        pytest.skip(f"the published transactions are not at {path}")
    return path
