"""What this version builds and serves; all else it decides and plans."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Decision

_COMPONENTS: Final = {
    "model": ("boosted_trees", "linear"),
    "explainer": (
        *("none", "tree_attributions", "tree_attributions_later"),
        *("coefficients", "surrogate"),
    ),
    "store": ("embedded", "shared"),
}
"""The components that are built, by role, of every pattern that is served."""

_ENGINES: Final = {
    "batch": ("scores", "batch", "offline"),
    "realtime": ("online_store", "offline", "events"),
}
"""The engines that each pattern speaks to; a pattern that is not here is only planned."""

BUILT: Final = tuple(_ENGINES)
"""The patterns that this version builds and serves."""


def planned(answers: Answers, decision: Decision) -> list[str]:
    """What was decided and is not built yet, in words; empty where all of it is served."""
    pattern, components = decision.pattern, decision.components
    if pattern not in _ENGINES:
        return [f"the pattern {pattern}"]
    found = [
        f"{role.replace('_', ' ')} {components[role].choice.replace('_', ' ')}"
        for role, served in _COMPONENTS.items()
        if role in components and components[role].choice not in served
    ]
    count = answers.candidates.per_request
    if answers.system.output != "score" or count != 1:
        among = f" with {count:,} candidates" if count != 1 else ""
        found.append(f"output {answers.system.output}{among}")
    found += [
        f"engines.{role} {engine}"
        for role, engine in answers.engines.items()
        if role not in _ENGINES[pattern]
    ]
    return found
