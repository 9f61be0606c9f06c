"""Customers of a telephone company: who is about to leave, and whom to make an offer.

The data is IBM's Telco Customer Churn (7,043 customers, 26.5 % of whom left within the month); it
comes with the package.
"""

from collections.abc import Callable
from typing import Any

from groundplan import Bands, BoostedTrees, Folds, Reasons, Source, category, features

customers = Source(
    "customers",
    time="as_of",  # the snapshot has none: all of it is one moment
    id="customerID",
    id_type=str,
    fields={
        "gender": str,
        "SeniorCitizen": bool,
        "Partner": str,
        "Dependents": str,
        "tenure": int,
        "PhoneService": str,
        "MultipleLines": str,
        "InternetService": str,
        "OnlineSecurity": str,
        "OnlineBackup": str,
        "DeviceProtection": str,
        "TechSupport": str,
        "StreamingTV": str,
        "StreamingMovies": str,
        "Contract": str,
        "PaperlessBilling": str,
        "PaymentMethod": str,
        "MonthlyCharges": float,
        "TotalCharges": float | None,  # blank for the 11 who have not been billed yet
    },
    labels={"Churn": "30d"},
)

inputs = features(
    contract=category(customers.Contract, values=("Month-to-month", "One year", "Two year")),
    tenure=customers.tenure,
    monthly_charges=customers.MonthlyCharges,
    total_charges=customers.TotalCharges,
    # What a customer pays now against what they paid on average: above 1, it went up.
    charge_ratio=customers.MonthlyCharges * customers.tenure / customers.TotalCharges,
    fiber=customers.InternetService == "Fiber optic",
    dsl=customers.InternetService == "DSL",
    online_security=customers.OnlineSecurity == "Yes",
    online_backup=customers.OnlineBackup == "Yes",
    device_protection=customers.DeviceProtection == "Yes",
    tech_support=customers.TechSupport == "Yes",
    streaming_tv=customers.StreamingTV == "Yes",
    streaming_movies=customers.StreamingMovies == "Yes",
    phone=customers.PhoneService == "Yes",
    multiple_lines=customers.MultipleLines == "Yes",
    paperless=customers.PaperlessBilling == "Yes",
    electronic_check=customers.PaymentMethod == "Electronic check",
    mailed_check=customers.PaymentMethod == "Mailed check",
    partner=customers.Partner == "Yes",
    dependents=customers.Dependents == "Yes",
    senior=customers.SeniorCitizen,
)

label = "Churn"
model = BoostedTrees(trees=150, leaves=4, learning_rate=0.05, min_leaf_rows=20)
judge = Folds(5)

# Assumed, per customer and year: an offer costs 60, and 30 % of those who would have left take it
# and stay, who are worth 600. So acting on one who stays costs 60, on one who leaves
# 60 + 0.7 * 600, and missing one who leaves 600. Put your own figures here.
decisions = Bands.costs("wait", "offer", act_wrongly=60, act_rightly=60 + 0.7 * 600, miss=600)

reasons = Reasons(
    top=3,
    only="raised",
    decisions=("offer",),
    codes={
        "contract": ("contract", "the length of the contract"),
        "tenure": ("tenure", "how long the customer has been here"),
        "monthly_charges": ("charges", "what the customer pays"),
        "total_charges": ("charges", "what the customer pays"),
        "charge_ratio": ("increase", "charges that have risen"),
        "fiber": ("internet", "the kind of internet connection"),
        "dsl": ("internet", "the kind of internet connection"),
        "online_security": ("support", "no security, backup, protection or support booked"),
        "online_backup": ("support", "no security, backup, protection or support booked"),
        "device_protection": ("support", "no security, backup, protection or support booked"),
        "tech_support": ("support", "no security, backup, protection or support booked"),
        "streaming_tv": ("streaming", "the streaming services"),
        "streaming_movies": ("streaming", "the streaming services"),
        "phone": ("phone", "the telephone lines"),
        "multiple_lines": ("phone", "the telephone lines"),
        "paperless": ("payment", "how the bill is sent and paid"),
        "electronic_check": ("payment", "how the bill is sent and paid"),
        "mailed_check": ("payment", "how the bill is sent and paid"),
        "partner": ("household", "the size of the household"),
        "dependents": ("household", "the size of the household"),
        "senior": ("age", "the age of the customer"),
    },
)

segment = "Contract"  # a customer who was not scored gets the mean score of this,
cold = "wait"  # and no offer: there are no reasons for one
favourable = "offer"  # what customers want: the groups below are compared by it
groups = {"gender": "gender", "senior citizen": "SeniorCitizen"}

# ROC AUC and its spread over repeated 80/20 splits: the table "Telecom Churn" in the README of
# https://github.com/interpretml/interpret
published = {
    "logistic regression": (0.849, 0.005),
    "random forest": (0.824, 0.004),
    "XGBoost": (0.828, 0.010),
    "explainable boosting machine": (0.852, 0.006),
}

card = {
    "intended use": "To choose, once a day, the customers whom a retention team makes an offer.",
    "not for": "Prices, credit or contracts: nobody may be worse off for a high score.",
    "data": (
        "IBM's Telco Customer Churn, a fictional company in California: 7,043 customers, one row "
        "each, 1,869 of whom left within the month."
    ),
    "considerations": (
        "Gender is no input. Being a senior citizen is one: the table of groups shows how offers "
        "spread; leave it out where that is not wanted."
    ),
    "caveats": (
        "One snapshot without dates: figures are those of other customers of the same month, not "
        "of a later month. The costs of the decisions are assumed."
    ),
}


def data(progress: Callable[[int, int], None]) -> Any:
    """The customers with their label, used where no file is named with --data."""
    from groundplan.examples.churn import customers

    return customers()


def population(progress: Callable[[int, int], None]) -> Any:
    """Whom to score: the same customers, as if today's."""
    from groundplan.examples.churn import customers

    return customers().drop_columns(["Churn"])
