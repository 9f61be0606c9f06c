"""What the `system.py` of a realtime project says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from groundplan.decision import decide
from groundplan.errors import DefinitionError, ProjectError
from groundplan.features import Entity, FeatureSet
from groundplan.models import Costs, Split, Tiers
from groundplan.models.kinds import SPECS, Spec
from groundplan.plan.served import planned
from groundplan.project import Project
from groundplan.units import show_duration

Report = Callable[[str, int, int], None]
"""Progress: what is being done, how much of it is done, and of how much."""

SYNOPSIS: Final = {
    "inputs": "what the model sees: `inputs = features(...)`",
    "label": 'the label to predict: `label = "tx_fraud"`',
    "group": "the entity that figures are counted and resampled by: `group = customer`",
    "model": "the model to train: `model = BoostedTrees()`",
    "split": 'how it is judged: `split = Split(train=("2018-07-25", "7d"), delay="7d", test="7d")`',
    "tiers": "false-positive rates per tier, `tiers = Tiers(step_up=0.01, decline=0.001)`, or "
    'costs, `tiers = Tiers.costs(false_positive=20, false_negative="amount", step_up=1)`',
}


@dataclass(frozen=True)
class Definition:
    """The names that `system.py` defines.

    Args:
        inputs: the features, in the order of the model's columns.
        label: the label that the model predicts, one of the source's.
        group: the entity by which figures are counted and resampled.
        model: what to train: a spec of one of the model families.
        split: train, delay and test periods.
        tiers: stated false-positive rates, or what decisions cost.
        published: figures from elsewhere to print beside ours, by model: ROC AUC, average
            precision, card precision at 100.
        data: makes the events to train on, where no file is named: a table, or tables by the
            names of the sources.
    """

    inputs: FeatureSet
    label: str
    group: Entity
    model: Spec
    split: Split
    tiers: Tiers | Costs
    published: Mapping[str, tuple[float, float, float]]
    data: Callable[[Callable[[int, int], None]], Any] | None


def define(project: Project) -> Definition:
    """Read a project's `system.py`.

    Raises:
        ProjectError: a name is missing or of the wrong type, or the answers decide components
            that this version only plans.
        DefinitionError: the label is none of the source's, or arrives later than it says.
    """
    _check_served(project)
    inputs = project.define("inputs", FeatureSet, SYNOPSIS["inputs"])
    label = project.define("label", str, SYNOPSIS["label"])
    if label not in inputs.source.labels:
        known = ", ".join(inputs.source.labels) or "none: name it in Source(labels={...})"
        raise DefinitionError(f"`label` is {label!r}, the source's labels are {known}")
    stated = project.answers.labels.delay
    if stated is not None and inputs.source.labels[label] < stated:
        raise DefinitionError(
            f"{project.file} says that labels arrive {show_duration(stated)} late, system.py that "
            f"{label} does so by {show_duration(inputs.source.labels[label])}: windows over it "
            "would count what is not known yet; make the two agree"
        )
    return Definition(
        inputs=inputs,
        label=label,
        group=project.define("group", Entity, SYNOPSIS["group"]),
        model=_model(project),
        split=project.define("split", Split, SYNOPSIS["split"]),
        tiers=_tiers(project),
        published=project.find("published") or {},
        data=project.find("data"),
    )


def _model(project: Project) -> Spec:
    """The model to train, of any family."""
    found = project.find("model")
    if type(found).__name__ not in SPECS:
        project.define("model", type(None), SYNOPSIS["model"] + f"; or {', '.join(SPECS)}")
    spec: Spec = found
    return spec


def _tiers(project: Project) -> Tiers | Costs:
    """How thresholds are chosen: by rates, or by costs."""
    found = project.find("tiers")
    return found if isinstance(found, Costs) else project.define("tiers", Tiers, SYNOPSIS["tiers"])


def _check_served(project: Project) -> None:
    """Refuse what would be built otherwise than it was decided."""
    unbuilt = planned(project.answers, decide(project.answers))
    if unbuilt:
        raise ProjectError(
            f"the answers in {project.file} decide what this version plans but does not yet build "
            f"({'; '.join(unbuilt)}): it builds one score a request from events; `groundplan plan` "
            "shows the rest"
        )
