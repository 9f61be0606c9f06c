"""What the promise or the stated machines cannot give a plan."""

from typing import Literal

from msgspec import Struct

from groundplan.plan.capacity.band import Band


class Shortage(Struct, frozen=True):
    """Something that a plan needs and does not have.

    Args:
        component: which, or `in all`.
        resource: `p99`, `cores` or `memory`.
        needs: as low, typical and high.
        has: what is promised or stated, in the unit of `needs`.
        estimate: `typical` where the plan does not hold; `high` where it does, and only the high
            estimate does not.
        because: the whole of it in a sentence, with the user's numbers.
        remedy: what would make it fit.
    """

    component: str
    resource: str
    needs: Band
    has: float
    estimate: Literal["typical", "high"]
    because: str
    remedy: str

    @property
    def misfit(self) -> bool:
        """Whether the plan does not hold, not only by its high estimate."""
        return self.estimate == "typical"

    @property
    def head(self) -> str:
        """What it is about: `server cannot hold`, `the whole may fall short`."""
        name = "the whole" if self.component == "in all" else self.component.replace("_", " ")
        verb = "cannot hold" if self.misfit else "may fall short"
        return f"{name} {verb}"

    @property
    def says(self) -> str:
        """Why, and what would make it fit."""
        return f"{self.because}. What would make it fit: {self.remedy}"


def failing(needs: Band, has: float) -> Literal["typical", "high"] | None:
    """The estimate from which on there is too little; None where all hold."""
    if needs.typical > has * _NEAR:
        return "typical"
    return "high" if needs.high > has * _NEAR else None


_NEAR = 1 + 1e-9
