"""What the `system.py` of a realtime project says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from groundplan.features import Entity, FeatureSet
from groundplan.models import Costs, Split, Tiers
from groundplan.models.kinds import Spec
from groundplan.patterns.system import check_label, check_served, model
from groundplan.project import Project

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
    check_served(project, "one score a request from events")
    inputs = project.define("inputs", FeatureSet, SYNOPSIS["inputs"])
    label = project.define("label", str, SYNOPSIS["label"])
    check_label(project, inputs.source, label)
    return Definition(
        inputs=inputs,
        label=label,
        group=project.define("group", Entity, SYNOPSIS["group"]),
        model=model(project, SYNOPSIS["model"]),
        split=project.define("split", Split, SYNOPSIS["split"]),
        tiers=_tiers(project),
        published=project.find("published") or {},
        data=project.find("data"),
    )


def _tiers(project: Project) -> Tiers | Costs:
    """How thresholds are chosen: by rates, or by costs."""
    found = project.find("tiers")
    return found if isinstance(found, Costs) else project.define("tiers", Tiers, SYNOPSIS["tiers"])
