"""The table of components: for each role of a pattern, the options and what rules them out.

Options stand in order of choice; the first that is left standing fills the role.
"""

from functools import lru_cache
from typing import Final

from groundplan.decision.models import EXPLAINER, MODEL, RANKER
from groundplan.decision.operations import FEATURES, GENERATOR, LOOP, METRIC, SCHEDULE, STORE
from groundplan.decision.retrieving import (
    INDEX,
    RERANKER,
    RETRIEVAL,
    WORD_INDEX,
)
from groundplan.decision.role import Role, within

ROLES: Final = (
    MODEL,
    RANKER,
    RETRIEVAL,
    WORD_INDEX,
    INDEX,
    RERANKER,
    GENERATOR,
    EXPLAINER,
    FEATURES,
    STORE,
    SCHEDULE,
    METRIC,
    LOOP,
)


@lru_cache(maxsize=8)
def roles_of(form: str) -> tuple[Role, ...]:
    """The roles that a shape needs, in the order in which they are filled."""
    return within(ROLES, form)
