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


def telco_churn() -> Path:
    """IBM's Telco-Customer-Churn.csv as it was published, or a skip; 7,043 rows."""
    return _there("tabular_telco_churn/Telco-Customer-Churn.csv")


def credit_default() -> Path:
    """UCI's default of credit card clients without its ID column, or a skip; 30,000 rows."""
    return _there("tabular_credit_default/default_of_credit_card_clients.parquet")


def _there(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the published table is not at {path}")
    return path
