"""What the `system.py` of every pattern says alike: a model, a label, and no more than is built."""

from groundplan.decision import decide
from groundplan.errors import DefinitionError, ProjectError
from groundplan.features import Source
from groundplan.models.kinds import SPECS, Spec
from groundplan.plan.served import planned
from groundplan.project import SYSTEM, Project
from groundplan.units import show_duration


def check_served(project: Project, builds: str) -> None:
    """Refuse what would be built otherwise than it was decided.

    Args:
        project: its answers.
        builds: what the pattern builds, for the error.

    Raises:
        ProjectError: the answers decide components that this version only plans.
    """
    unbuilt = planned(project.answers, decide(project.answers))
    if unbuilt:
        raise ProjectError(
            f"the answers in {project.file} decide what this version plans but does not yet build "
            f"({'; '.join(unbuilt)}): it builds {builds}; `groundplan plan` shows the rest"
        )


def model(project: Project, what: str) -> Spec:
    """The model to train, of any family.

    Args:
        project: defines it.
        what: it is, and an example, for the error.

    Raises:
        ProjectError: it is missing, or no specification of a family.
    """
    found = project.find("model")
    if type(found).__name__ not in SPECS:
        project.define("model", type(None), f"{what}; or {', '.join(SPECS)}")
    spec: Spec = found
    return spec


def check_label(project: Project, source: Source, label: str) -> None:
    """Refuse a label that the source does not have, or that arrives later than it says.

    Raises:
        DefinitionError: that is so; a window over it would count what is not known yet.
    """
    if label not in source.labels:
        known = ", ".join(source.labels) or "none: name it in Source(labels={...})"
        raise DefinitionError(f"`label` is {label!r}, the source's labels are {known}")
    stated = project.answers.labels.delay
    if stated is not None and source.labels[label] < stated:
        raise DefinitionError(
            f"{project.file} says that labels arrive {show_duration(stated)} late, {SYSTEM} that "
            f"{label} does so by {show_duration(source.labels[label])}: windows over it would "
            "count what is not known yet; make the two agree"
        )
