"""The simulated transactions follow their published description."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.examples.fraud.simulator import simulate

Column = npt.NDArray[Any]


@pytest.fixture(scope="module")
def published_size() -> pa.Table:
    return simulate()


@pytest.fixture(scope="module")
def small() -> pa.Table:
    return simulate(days=60, customers=300, terminals=400, radius=8.0, seed=5)


def column(table: pa.Table, name: str) -> Column:
    values: Column = table[name].to_numpy()
    return values


def day_of(table: pa.Table) -> Column:
    """Days since the first, which is a day with transactions wherever this is used."""
    times = column(table, "tx_datetime").astype("datetime64[D]")
    days: Column = (times - times.min()).astype(np.int64)
    return days


def test_the_columns_and_their_types() -> None:
    """The table has exactly the promised columns, of the promised types."""
    assert simulate(days=2, customers=20, terminals=50, radius=50.0).schema == pa.schema(
        {
            "transaction_id": pa.int64(),
            "tx_datetime": pa.timestamp("us"),
            "customer_id": pa.int64(),
            "terminal_id": pa.int64(),
            "tx_amount": pa.float64(),
            "tx_fraud": pa.bool_(),
            "tx_fraud_scenario": pa.int8(),
        }
    )


def test_one_seed_gives_one_table(small: pa.Table) -> None:
    """The same seed gives the same table, another seed another one."""
    again = simulate(days=60, customers=300, terminals=400, radius=8.0, seed=5)
    other = simulate(days=60, customers=300, terminals=400, radius=8.0, seed=6)
    assert again.equals(small)
    assert not other.equals(small)


def test_rows_are_numbered_in_order_of_time(small: pa.Table) -> None:
    """Rows are sorted by time, transaction_id counts them, and every day has its own."""
    assert np.array_equal(column(small, "transaction_id"), np.arange(len(small)))
    times = column(small, "tx_datetime")
    assert (np.diff(times) >= np.timedelta64(0)).all()
    assert times[0].astype("datetime64[D]") == np.datetime64("2018-04-01")
    assert np.array_equal(np.unique(day_of(small)), np.arange(60))


def test_volume_and_fraud_are_near_the_published_figures(published_size: pa.Table) -> None:
    """At the published size: 1.754 M rows, 0.837 % fraud, 4,990 customers, within the bounds here.

    The bounds are some four standard deviations of a draw of 5,000 customers' rates and of the
    compromised terminals' and customers' own volumes.
    """
    rows = len(published_size)
    assert rows == pytest.approx(1_754_155, rel=0.04)
    assert rows / 183 == pytest.approx(9_586, rel=0.04)
    scenario = column(published_size, "tx_fraud_scenario")
    assert np.mean(scenario > 0) == pytest.approx(0.00837, rel=0.1)
    published = {1: 973, 2: 9_077, 3: 4_631}
    for number, frauds in published.items():
        assert np.sum(scenario == number) == pytest.approx(frauds, rel=0.2)
    assert pc.count_distinct(published_size["customer_id"]).as_py() > 4_950
    assert pc.count_distinct(published_size["terminal_id"]).as_py() > 9_950


def test_amounts_and_times_are_near_the_published_figures(published_size: pa.Table) -> None:
    """Genuine amounts average 52.98 and lie in 0..220; the hours spread around noon."""
    genuine = published_size.filter(pc.invert(published_size["tx_fraud"]))
    amounts = column(genuine, "tx_amount")
    assert amounts.mean() == pytest.approx(52.98, rel=0.03)
    assert amounts.min() >= 0
    assert amounts.max() <= 220
    times = column(published_size, "tx_datetime")
    seconds = (times - times.astype("datetime64[D]")).astype("timedelta64[s]").astype(float)
    assert seconds.mean() == pytest.approx(43_200, abs=100)
    # 20,000 s, less what the ends of the day cut off.
    assert seconds.std() == pytest.approx(18_240, abs=200)


def test_amounts_have_two_decimals(published_size: pa.Table) -> None:
    """Every amount is the float nearest to a whole number of cents."""
    amounts = column(published_size, "tx_amount")
    assert np.array_equal(np.rint(amounts * 100) / 100, amounts)


def test_large_amounts_are_fraud(published_size: pa.Table) -> None:
    """Scenario 1: an amount above 220 is fraud, and nothing smaller is of that scenario."""
    amounts, scenario = (column(published_size, n) for n in ("tx_amount", "tx_fraud_scenario"))
    assert (scenario[amounts > 220] > 0).all()
    assert (amounts[scenario == 1] > 220).all()


def test_terminals_are_compromised_for_28_days() -> None:
    """Scenario 2: two terminals more each day, for 28 days each, all of their transactions.

    There is so much traffic here that every terminal is seen on every day, so that the spells
    can be read off exactly: each lasts 28 days (longer where the terminal is drawn again, or
    until the end), at most two begin on a day, and within them nothing is genuine.
    """
    days, terminals = 60, 600
    table = simulate(days, customers=4_000, terminals=terminals, radius=30.0, seed=2)
    cell = column(table, "terminal_id") * days + day_of(table)
    scenario = column(table, "tx_fraud_scenario")

    def count(rows: Column) -> Column:
        return np.bincount(cell[rows], minlength=terminals * days).reshape(terminals, days)

    assert count(scenario >= 0).all()
    compromised = count(scenario == 2) > 0
    assert not count(scenario < 2)[compromised].any()
    begins = compromised & ~np.pad(compromised, ((0, 0), (1, 0)))[:, :-1]
    assert begins.sum(axis=0).max() <= 2
    assert begins.sum() > 0.85 * 2 * days
    for terminal, day in np.argwhere(begins):
        spell = compromised[terminal, day:]
        length = len(spell) if spell.all() else int(np.argmin(spell))
        assert length >= 28 or day + length == days
    lengths = compromised.sum(axis=1)[(begins.sum(axis=1) == 1) & ~compromised[:, -1]]
    assert np.mean(lengths == 28) > 0.85


def test_stolen_cards_are_a_third_fraud_at_five_times_the_amount() -> None:
    """Scenario 3: beside each stolen transaction the card has its genuine ones, a fifth the size.

    The amounts are whole multiples of 5 cents, and their mean is five times the usual one.
    """
    table = simulate(days=120, customers=2_000, terminals=4_000, radius=8.0, seed=9)
    scenario, customer, amounts, day = (
        column(table, "tx_fraud_scenario"),
        column(table, "customer_id"),
        column(table, "tx_amount"),
        day_of(table),
    )
    stolen = scenario == 3
    cents = np.rint(amounts * 100).astype(int)
    assert (cents[stolen] % 5 == 0).all()
    assert cents[stolen].mean() / cents[scenario == 0].mean() == pytest.approx(5, rel=0.15)
    assert len(np.unique(customer[stolen])) <= 3 * 120
    # 3 cards a day, 14 days each, about 1.94 transactions a day, a third of them the thief's.
    expected = 3 * 1.94 / 3 * sum(min(14, 120 - first) for first in range(120))
    assert stolen.sum() == pytest.approx(expected, rel=0.15)
    # Outside of its 14 days a card is its owner's: thefts of one card come in short spells.
    gaps = [
        np.diff(np.unique(day[stolen & (customer == number)]))
        for number in np.unique(customer[stolen])
    ]
    once = [each for each in gaps if len(each) and each.sum() < 14]
    assert len(once) > 0.7 * sum(len(each) > 0 for each in gaps)


def test_customers_pay_within_reach() -> None:
    """A customer uses about as many terminals as a circle of the radius holds, never far more."""
    table = simulate(days=200, customers=50, terminals=2_000, radius=5.0, seed=1)
    pairs = table.group_by(["customer_id", "terminal_id"]).aggregate([]).to_pydict()
    used = np.bincount(pairs["customer_id"], minlength=50)
    # 2,000 terminals on 10,000 units of area: 15.7 in a circle of radius 5 away from the edge.
    assert used.max() < 15.7 + 4 * 15.7**0.5
    assert 10 < np.median(used) < 18


def test_progress_counts_up_to_its_end() -> None:
    """Progress never goes back and ends at its total."""
    seen: list[tuple[int, int]] = []
    simulate(days=3, customers=10, terminals=10, progress=lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


@settings(max_examples=40, deadline=None)
@given(
    days=st.integers(1, 30),
    customers=st.integers(1, 12),
    terminals=st.integers(1, 12),
    radius=st.floats(0.01, 200.0),
    seed=st.integers(0, 2**32),
)
def test_any_population_gives_a_table(
    days: int, customers: int, terminals: int, radius: float, seed: int
) -> None:
    """Even one customer, one terminal or one day gives a table whose values are in range."""
    table = simulate(days, customers, terminals, "2024-02-28", seed, radius=radius)
    assert table.num_columns == 7
    if len(table):
        assert 0 <= column(table, "customer_id").min() <= column(table, "customer_id").max()
        assert column(table, "customer_id").max() < customers
        assert column(table, "terminal_id").max() < terminals
        assert day_of(table).max() < days
        assert np.array_equal(
            column(table, "tx_fraud"), column(table, "tx_fraud_scenario").astype(bool)
        )


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"days": 0}, "days"),
        ({"customers": -1}, "customers"),
        ({"terminals": 0}, "terminals"),
        ({"radius": 0.0}, "radius"),
        ({"radius": float("nan")}, "radius"),
        ({"start": "1 April 2018"}, "start"),
    ],
)
def test_impossible_populations_are_refused(arguments: dict[str, object], field: str) -> None:
    """A count below 1, a radius that is not positive or a start that is no date is named."""
    with pytest.raises(InputError) as refusal:
        simulate(**arguments)  # type: ignore[arg-type]
    assert refusal.value.field == field
