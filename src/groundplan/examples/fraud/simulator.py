"""Card transactions of customers at terminals, some of them fraudulent, drawn from a seed.

The model follows the simulator that Le Borgne, Siblini, Lebichot and Bontempi describe in
"Reproducible Machine Learning for Credit Card Fraud Detection", chapter 3. It is written from
that description, as draws of whole columns instead of a loop over customers and days.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from groundplan.errors import InputError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scenarios = npt.NDArray[np.int8]
Progress = Callable[[int, int], None]

_SIDE: Final = 100.0  # of the square in which customers and terminals lie
_MEAN_AMOUNT: Final = (5.0, 100.0)  # a customer's own, drawn uniformly
_DAILY_RATE: Final = (0.0, 4.0)  # a customer's own, drawn uniformly
_DAY: Final = 86_400  # seconds
_NOON, _AROUND_NOON = _DAY / 2, 20_000.0  # seconds: mean and standard deviation
_LARGE: Final = 220_00  # cents: scenario 1 is whatever is above
_TERMINALS_A_DAY, _TERMINAL_DAYS = 2, 28  # scenario 2
_CUSTOMERS_A_DAY, _CUSTOMER_DAYS = 3, 14  # scenario 3
_ONE_IN, _TIMES = 3, 5  # scenario 3: one transaction in three, at five times its amount
_STEPS: Final = 5


def simulate(
    days: int = 183,
    customers: int = 5_000,
    terminals: int = 10_000,
    start: str = "2018-04-01",
    seed: int = 0,
    *,
    radius: float = 5.0,
    progress: Progress | None = None,
) -> pa.Table:
    """The transactions of a population over a number of days, in order of time.

    Customers and terminals lie in a square of side 100; a customer pays at the terminals within
    `radius`, and one without any makes no transaction. Three scenarios make fraud: amounts
    above 220; terminals that are compromised, two more each day, for 28 days; customers whose
    card is stolen, three more each day, for 14 days, in which a third of their transactions
    are made by the thief, at five times the amount. Where scenarios meet, the last one counts.

    Args:
        days: how many days, from `start` at midnight.
        customers: how many customers; 2 transactions a day each, on average.
        terminals: how many terminals.
        start: the first day, as `2018-04-01`.
        seed: the same seed and the same NumPy give the same table.
        radius: how far a customer goes, in units of the square.
        progress: called with (steps done, steps in all).

    Returns:
        One row per transaction: transaction_id (int64, 0..n-1 in order of time), tx_datetime
        (timestamp[us], whole seconds), customer_id and terminal_id (int64, from 0), tx_amount
        (float64, two decimals), tx_fraud (bool), tx_fraud_scenario (int8; 0: genuine).

    Raises:
        InputError: a count below 1, a radius that is not positive, or `start` is not a date.
    """
    first = _checked(days, customers, terminals, start, radius)
    report = progress or (lambda done, steps: None)
    rng = np.random.default_rng(seed)
    reach = _Reach.draw(rng, customers, terminals, radius)
    report(1, _STEPS)
    made = _transactions(rng, reach, customers, days)
    report(2, _STEPS)
    scenario = np.zeros(len(made.customer), dtype=np.int8)
    scenario[made.cents > _LARGE] = 1
    scenario[_at_compromised_terminals(rng, made, terminals, days)] = 2
    report(3, _STEPS)
    stolen = _by_thieves(rng, made, customers, days)
    scenario[stolen] = 3
    made.cents[stolen] *= _TIMES
    report(4, _STEPS)
    table = _table(made, scenario, first)
    report(_STEPS, _STEPS)
    return table


@dataclass(frozen=True)
class _Reach:
    """The terminals that each customer uses: customer c's are `terminal[first[c]:first[c+1]]`."""

    first: Integers
    terminal: Integers

    @classmethod
    def draw(
        cls, rng: np.random.Generator, customers: int, terminals: int, radius: float
    ) -> "_Reach":
        homes = rng.uniform(0.0, _SIDE, (customers, 2))
        places = rng.uniform(0.0, _SIDE, (terminals, 2))
        near, counts = [], []
        # In slices, so that the distances of all pairs never lie in memory together.
        for homes_slice in np.array_split(homes, -(-customers // 256)):
            across = homes_slice[:, None, 0] - places[None, :, 0]
            along = homes_slice[:, None, 1] - places[None, :, 1]
            home, terminal = np.nonzero(across**2 + along**2 < radius**2)
            near.append(terminal)
            counts.append(np.bincount(home, minlength=len(homes_slice)))
        return cls(_starts(np.concatenate(counts)), np.concatenate(near))


@dataclass(frozen=True)
class _Made:
    """Transactions by customer, then day: columns of one length."""

    customer: Integers
    day: Integers
    second: Integers
    cents: Integers
    terminal: Integers


def _transactions(rng: np.random.Generator, reach: _Reach, customers: int, days: int) -> _Made:
    mean_amount = rng.uniform(*_MEAN_AMOUNT, customers)
    rate = rng.uniform(*_DAILY_RATE, customers)
    rate[np.diff(reach.first) == 0] = 0.0
    each = rng.poisson(rate[:, None], (customers, days)).ravel()
    customer, day = np.divmod(np.repeat(np.arange(customers * days), each), days)

    second = rng.normal(_NOON, _AROUND_NOON, len(customer))
    # A time outside of the day is no transaction, so that a day has a little under 2 a head.
    inside = (second > 0) & (second < _DAY)
    customer, day = customer[inside], day[inside]

    mean = mean_amount[customer]
    amount = rng.normal(mean, mean / 2)
    amount = np.where(amount < 0, rng.uniform(0.0, 2 * mean), amount)
    first, last = reach.first[customer], reach.first[customer + 1]
    terminal = reach.terminal[rng.integers(first, last)]
    cents = np.rint(amount * 100).astype(np.int64)
    return _Made(customer, day, second[inside].astype(np.int64), cents, terminal)


def _at_compromised_terminals(
    rng: np.random.Generator, made: _Made, terminals: int, days: int
) -> npt.NDArray[np.bool_]:
    compromised = np.zeros((terminals, days), dtype=np.bool_)
    for day in range(days):
        chosen = rng.choice(terminals, min(_TERMINALS_A_DAY, terminals), replace=False)
        compromised[chosen, day : day + _TERMINAL_DAYS] = True
    return compromised[made.terminal, made.day]


def _by_thieves(rng: np.random.Generator, made: _Made, customers: int, days: int) -> Integers:
    """Rows of the transactions that thieves make.

    A card that is stolen twice can have a transaction drawn twice; it counts once.
    """
    first = _starts(np.bincount(made.customer * days + made.day, minlength=customers * days))
    drawn = [np.empty(0, dtype=np.int64)]
    for day in range(days):
        until = min(day + _CUSTOMER_DAYS, days)
        chosen = rng.choice(customers, min(_CUSTOMERS_A_DAY, customers), replace=False) * days
        spans = zip(first[chosen + day], first[chosen + until], strict=True)
        rows = np.concatenate([np.arange(begin, end) for begin, end in spans])
        drawn.append(rng.choice(rows, len(rows) // _ONE_IN, replace=False))
    return np.unique(np.concatenate(drawn))


def _table(made: _Made, scenario: Scenarios, first: date) -> pa.Table:
    seconds = made.day * _DAY + made.second
    # Stable: transactions of the same second stay in the order of their customers.
    order = np.argsort(seconds, kind="stable")
    times = np.datetime64(first, "us") + seconds[order].astype("timedelta64[s]")
    scenario = scenario[order]
    return pa.table(
        {
            "transaction_id": np.arange(len(order)),
            "tx_datetime": pa.array(times),
            "customer_id": made.customer[order],
            "terminal_id": made.terminal[order],
            "tx_amount": made.cents[order] / 100,
            "tx_fraud": scenario > 0,
            "tx_fraud_scenario": scenario,
        }
    )


def _starts(counts: Integers) -> Integers:
    return np.concatenate([[0], np.cumsum(counts)])


def _checked(days: int, customers: int, terminals: int, start: str, radius: float) -> date:
    for name, count in (("days", days), ("customers", customers), ("terminals", terminals)):
        if count < 1:
            raise InputError(name, f"{name} is {count}: it must be at least 1")
    if not radius > 0:
        raise InputError("radius", f"radius is {radius}: it must be above 0, such as 5.0")
    try:
        return date.fromisoformat(start)
    except ValueError:
        raise InputError(
            "start",
            f"start is {start!r}: write the first day as year-month-day, such as 2018-04-01",
        ) from None
