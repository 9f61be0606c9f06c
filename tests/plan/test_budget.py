"""Budgets add up, or the plan says which stage cannot fit."""

from hypothesis import given
from hypothesis import strategies as st

from groundplan.plan import Fallback, Stage
from groundplan.plan.budget import HEADROOM, share

_estimates = st.lists(st.integers(1, 2_000_000), min_size=1, max_size=9)
_p99s = st.integers(1, 10_000_000)


def stages(estimates: list[int]) -> list[Stage]:
    return [
        Stage(f"s{i}", "online", "", "", "", "", "", Fallback("skip", "nothing"), estimate)
        for i, estimate in enumerate(estimates)
    ]


@given(_estimates, _p99s)
def test_budgets_add_up_to_the_p99_less_the_headroom(estimates: list[int], p99: int) -> None:
    """Where everything fits, the budgets sum to the p99 less the headroom, to the microsecond."""
    shared, misfits = share(stages(estimates), p99)
    if not misfits:
        assert sum(stage.budget for stage in shared) == p99 - round(p99 * HEADROOM)


@given(_estimates, _p99s)
def test_a_stage_that_fits_gets_at_least_its_estimate(estimates: list[int], p99: int) -> None:
    """No stage is given less than it is measured to need."""
    shared, _ = share(stages(estimates), p99)
    assert all(stage.budget >= stage.estimate for stage in shared)


@given(_estimates, _p99s)
def test_misfits_are_just_the_stages_without_which_the_rest_fits(
    estimates: list[int], p99: int
) -> None:
    """Without the misfits the rest fits; with any one of them back it does not."""
    _, misfits = share(stages(estimates), p99)
    allotted = p99 - round(p99 * HEADROOM)
    rest = sum(estimates) - sum(misfit.needs for misfit in misfits)
    assert rest <= allotted
    assert all(rest + misfit.needs > allotted for misfit in misfits)
    assert bool(misfits) == (sum(estimates) > allotted)


def test_a_misfit_says_what_would_make_it_fit() -> None:
    """A stage that cannot fit names the p99 that it needs and its fallback."""
    _, (misfit,) = share(stages([1_000, 500_000]), 100_000)
    assert (misfit.stage, misfit.needs, misfit.has) == ("s1", 500_000, 79_000)
    assert "626.3ms" in misfit.remedy
    assert "nothing" in misfit.remedy
