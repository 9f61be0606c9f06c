"""Credit card clients: who will miss the next payment, with reasons that an auditor can recompute.

The data is UCI's Default of Credit Card Clients (Yeh and Lien, 2009; 30,000 clients in Taiwan in
2005, 22.1 % of whom missed the next payment); it comes with the package.
"""

from collections.abc import Callable
from typing import Any

from groundplan import Bands, BoostedTrees, Folds, Reasons, Source, features

MONTHS = (0, 2, 3, 4, 5, 6)  # how the data numbers the months of repayment, the latest first

clients = Source(
    "clients",
    time="as_of",  # the snapshot has none: all of it is one moment
    id="ID",
    fields={
        "LIMIT_BAL": int,  # New Taiwan dollars, as all amounts
        "SEX": int,
        "EDUCATION": int,
        "MARRIAGE": int,
        "AGE": int,
        **{f"PAY_{month}": int for month in MONTHS},  # months behind; 0 and below: not behind
        **{f"BILL_AMT{month}": int for month in range(1, 7)},
        **{f"PAY_AMT{month}": int for month in range(1, 7)},
    },
    labels={"default_next_month": "30d"},
)


def _used(bill: Any) -> Any:
    """The part of the limit that is owed: nothing where more was paid than billed, so that a larger
    limit never makes it larger.
    """
    return (bill > 0) * bill / clients.LIMIT_BAL


# Sex, education, marriage and age are no inputs: they are what the groups below are checked by.
inputs = features(
    limit=clients.LIMIT_BAL,
    behind_1=clients.PAY_0,
    behind_2=clients.PAY_2,
    behind_3=clients.PAY_3,
    behind_4=clients.PAY_4,
    behind_5=clients.PAY_5,
    behind_6=clients.PAY_6,
    used_1=_used(clients.BILL_AMT1),
    used_2=_used(clients.BILL_AMT2),
    used_3=_used(clients.BILL_AMT3),
    used_4=_used(clients.BILL_AMT4),
    used_5=_used(clients.BILL_AMT5),
    used_6=_used(clients.BILL_AMT6),
    paid_1=clients.PAY_AMT1,
    paid_2=clients.PAY_AMT2,
    paid_3=clients.PAY_AMT3,
    paid_4=clients.PAY_AMT4,
    paid_5=clients.PAY_AMT5,
    paid_6=clients.PAY_AMT6,
)

label = "default_next_month"
model = BoostedTrees(
    trees=100,
    leaves=12,
    learning_rate=0.1,
    bins=255,
    # Other things equal, the estimated risk never falls as a client is further behind or uses more
    # of the limit, and never rises as the limit or a payment is larger.
    monotone={
        "limit": -1,
        **{f"behind_{month}": 1 for month in range(1, 7)},
        **{f"used_{month}": 1 for month in range(1, 7)},
        **{f"paid_{month}": -1 for month in range(1, 7)},
    },
)
judge = Folds(5)
decisions = Bands.at("approve", review=0.3, decline=0.55)
cold = "review"  # a client who was not scored is neither approved nor declined
favourable = "approve"  # what clients want: the groups below are compared by it

_BEHIND = "payments behind in the last two months"
_EARLIER = "payments behind in earlier months"
_USED = "balance is high against the credit limit"
_PAID = "payments of the last two months are small"
_PAID_EARLIER = "payments of earlier months are small"

reasons = Reasons(
    top=4,
    only="raised",  # what counted against the client; what spoke for them is no reason to decline
    decisions=("review", "decline"),
    codes={
        **{f"behind_{month}": ("R01", _BEHIND) for month in (1, 2)},
        **{f"behind_{month}": ("R02", _EARLIER) for month in (3, 4, 5, 6)},
        **{f"used_{month}": ("R03", _USED) for month in range(1, 7)},
        **{f"paid_{month}": ("R04", _PAID) for month in (1, 2)},
        **{f"paid_{month}": ("R05", _PAID_EARLIER) for month in (3, 4, 5, 6)},
        "limit": ("R06", "the credit limit granted so far is low"),
    },
)


def _sex(rows: Any) -> list[str]:
    return [{1: "men", 2: "women"}[each] for each in rows.column("SEX").to_pylist()]


def _education(rows: Any) -> list[str]:
    known = {1: "graduate school", 2: "university", 3: "high school"}
    return [known.get(each, "other or unknown") for each in rows.column("EDUCATION").to_pylist()]


def _age(rows: Any) -> list[str]:
    ages = rows.column("AGE").to_pylist()
    return [
        "60 and over" if age >= 60 else f"{age // 10 * 10} to {age // 10 * 10 + 9}" for age in ages
    ]


groups = {"sex": _sex, "education": _education, "age": _age}

# ROC AUC on one 80/20 hold-out with SMOTE, from the abstract of fe/3515 at deanfrancispress.com.
published = {
    "logistic regression": (0.7255, None),
    "random forest": (0.7568, None),
    "XGBoost": (0.7611, None),
}

card = {
    "intended use": (
        "To show how a lender can score clients in a batch, with principal reasons for each "
        "client who is reviewed or declined."
    ),
    "not for": (
        "Real credit decisions: the clients are of one bank in Taiwan in 2005, and the law where "
        "you lend has the last word."
    ),
    "data": (
        "Default of Credit Card Clients (UCI 350, CC BY 4.0; Yeh and Lien, 2009): 30,000 clients, "
        "six months of statements from April to September 2005, default in October."
    ),
    "considerations": (
        "Sex, education, marital status and age are no inputs, and what is left may still stand "
        "in for them: the tables of groups show the decisions and errors for each."
    ),
    "caveats": (
        "One snapshot: figures are those of other clients of the same months. Limits were granted "
        "by the bank's own judgement of 2005, which the model learns from. The thresholds are "
        "examples."
    ),
}


def data(progress: Callable[[int, int], None]) -> Any:
    """The clients with their label, used where no file is named with --data."""
    from groundplan.examples.credit import clients

    return clients()


def population(progress: Callable[[int, int], None]) -> Any:
    """Whom to score: the same clients, as if today's."""
    from groundplan.examples.credit import clients

    return clients().drop_columns(["default_next_month"])
