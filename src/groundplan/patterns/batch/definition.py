"""What the `system.py` of a batch project says."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from groundplan.errors import DefinitionError
from groundplan.features import FeatureSet
from groundplan.models import Split
from groundplan.models.bands import Bands
from groundplan.models.codes import Reasons
from groundplan.models.folds import Folds
from groundplan.models.kinds import Spec
from groundplan.patterns.system import check_label, check_served, model
from groundplan.project import Project
from groundplan.scores.publication import Publication

Report = Callable[[str, int, int], None]
"""Progress: what is being done, how much of it is done, and of how much."""

Tables = str | Path | Mapping[str, str | Path] | Callable[..., Any]
"""Where rows are: a file or URL that DuckDB reads (or several by the names of the sources), or a
function that takes a progress `(done, total)` and makes an Arrow table (or tables by the names)."""

SYNOPSIS: Final = {
    "inputs": "what the model sees: `inputs = features(...)`",
    "label": 'the label to predict: `label = "churned"`',
    "model": "the model to train: `model = BoostedTrees()`",
    "decisions": 'what follows from a score: `decisions = Bands.top("leave", call=0.1)`',
    "key": 'the field that names whom a score is about: `key = "customer_id"`',
    "judge": "how the model is judged: `judge = Folds(5)`, or periods, `judge = Split(...)`",
    "reasons": "the reasons that are published: `reasons = Reasons(top=4)`",
    "publication": "limits of the checks of a version: `publication = Publication(keep=5)`",
    "segment": 'a field by which cold keys are averaged: `segment = "contract"`',
    "cold": 'the decision for keys that were not scored: `cold = "review"`',
    "favourable": 'the decision that people want, for four fifths: `favourable = "approve"`',
    "groups": 'for the table of fairness, fields or functions by name: `groups = {"sex": "sex"}`',
    "published": 'figures from elsewhere: `published = {"forest": (0.82, 0.01)}`, ROC AUC, spread',
    "card": 'sentences for the model card: `card = {"intended use": "..."}`',
    "data": "labelled rows: a file or URL, or a function that makes a table",
    "population": "whom to score: a file or URL, or a function that makes a table",
}

CARD: Final = ("intended use", "not for", "data", "considerations", "caveats")
"""What a project may say in its model card."""


@dataclass(frozen=True)
class Definition:
    """The names that `system.py` defines.

    Args:
        inputs: the features, in the order of the model's columns.
        label: the label that the model predicts, one of the source's.
        key: `key`, the field of the main source that names whom a score is about; by default
            its identifier.
        model: what to train.
        decisions: how scores become decisions.
        judge: `judge`, how the model is judged: folds (the default) or periods.
        reasons: `reasons`, what reasons are published.
        publication: `publication`, the limits of the checks, and versions kept.
        data: `data`, labelled rows to train on; None where `--data` names them.
        population: `population`, whom to score; None where `--population` names them.
        segment: `segment`, a field of the main source by which cold keys are averaged, where a
            value of it has at least 30 rows.
        cold: `cold`, the decision for keys that were not scored; None where that of their average
            stands.
        favourable: `favourable`, the decision that people want, whose spread over groups the
            four-fifths rule looks at; None where nobody said.
        groups: `groups`, for the table of fairness: by name, a field of the main source or a
            function from the table of rows to an array of texts.
        published: `published`, figures from elsewhere, by model: ROC AUC and its spread (or None).
        card: `card`, what the model card says beside the figures, by its part.
    """

    inputs: FeatureSet
    label: str
    key: str
    model: Spec
    decisions: Bands
    judge: Folds | Split
    reasons: Reasons
    publication: Publication
    data: Tables | None
    population: Tables | None
    segment: str | None
    cold: str | None
    favourable: str | None
    groups: Mapping[str, str | Callable[[Any], Any]]
    published: Mapping[str, tuple[float, float | None]]
    card: Mapping[str, str]


def define(project: Project) -> Definition:
    """Read a project's `system.py`.

    Raises:
        ProjectError: a name is missing or of the wrong type, or the answers decide components
            that this version only plans.
        DefinitionError: names do not fit each other.
    """
    check_served(project, "one published score a key")
    inputs = project.define("inputs", FeatureSet, SYNOPSIS["inputs"])
    definition = Definition(
        inputs=inputs,
        label=project.define("label", str, SYNOPSIS["label"]),
        key=_find(project, "key", str, inputs.source.id),
        model=model(project, SYNOPSIS["model"]),
        decisions=project.define("decisions", Bands, SYNOPSIS["decisions"]),
        judge=_judge(project),
        reasons=_find(project, "reasons", Reasons, Reasons()),
        publication=_publication(project),
        data=_tables(project, "data"),
        population=_tables(project, "population"),
        segment=_find(project, "segment", str, None),
        cold=_find(project, "cold", str, None),
        favourable=_find(project, "favourable", str, None),
        groups=_find(project, "groups", Mapping, {}),
        published=_published(project),
        card=_find(project, "card", Mapping, {}),
    )
    check_label(project, inputs.source, definition.label)
    _check_fields(definition)
    _check_windows(definition)
    _check_reasons(definition)
    _check_decisions(project, definition)
    return definition


def _find(project: Project, name: str, kind: Any, default: Any) -> Any:
    """A name that `system.py` may leave out."""
    if project.find(name) is None:
        return default
    return project.define(name, kind, SYNOPSIS[name])


def _publication(project: Project) -> Publication:
    """The limits; what arrives between two runs is another population each time."""
    found: Publication = _find(project, "publication", Publication, Publication())
    if project.answers.freshness.requests == "foreseen":
        return found
    usual = Publication()
    return msgspec.structs.replace(
        found,
        rows=math.inf if found.rows == usual.rows else found.rows,
        keys=1.0 if found.keys == usual.keys else found.keys,
    )


def _judge(project: Project) -> Folds | Split:
    found = project.find("judge")
    return found if isinstance(found, Split) else _find(project, "judge", Folds, Folds())


def _tables(project: Project, name: str) -> Tables | None:
    found: Tables | None = project.find(name)
    if found is None or callable(found) or isinstance(found, str | Path | Mapping):
        return found
    return project.define(name, str, SYNOPSIS[name])


def _published(project: Project) -> Mapping[str, tuple[float, float | None]]:
    found = _find(project, "published", Mapping, {})
    for name, figures in found.items():
        if not isinstance(figures, tuple) or len(figures) != 2:
            raise DefinitionError(
                f"published[{name!r}] is {figures!r}: give a ROC AUC and its spread, or None, as "
                "in (0.849, 0.005)"
            )
    return dict(found)


def _check_fields(definition: Definition) -> None:
    """Refuse a key, a segment or a group that the main source does not have."""
    source = definition.inputs.source
    if definition.key != source.id:
        source.by(definition.key)  # says what a key must be
    if definition.segment is not None:
        kind = source.kind_of(definition.segment)
        if kind.name not in ("str", "int", "bool") or definition.segment in source.labels:
            raise DefinitionError(
                f"`segment` is {definition.segment!r}, which is {kind}: name a field with a few "
                "values, str, int or bool"
            )
    for name, group in definition.groups.items():
        if isinstance(group, str):
            source.kind_of(group)
        elif not callable(group):
            raise DefinitionError(
                f"groups[{name!r}] is {group!r}: name a field of {source.name}, or give a function "
                "from the table of rows to an array of texts"
            )
    for part in definition.card:
        if part not in CARD:
            raise DefinitionError(f"card[{part!r}]: the parts of a card are {', '.join(CARD)}")


def _check_windows(definition: Definition) -> None:
    """Refuse windows over the rows that are scored: each of them is the present, not a history."""
    source = definition.inputs.source
    for window in definition.inputs.windows:
        if window.source is source:
            raise DefinitionError(
                f"{window.describe()} is a window over {source.name}, whose rows are what is "
                "scored, all as of one moment: put their history into a source of its own, as in "
                'charges = Source("charges", ...), and window over that'
            )


def _check_reasons(definition: Definition) -> None:
    """Refuse reasons for decisions or features that there are none of."""
    names, inputs = definition.decisions.names, definition.inputs
    for name in definition.reasons.decisions or ():
        if name not in names:
            raise DefinitionError(
                f"Reasons(decisions={definition.reasons.decisions}): {name!r} is no decision, "
                f"they are {', '.join(names)}"
            )
    for feature in definition.reasons.codes:
        if feature not in inputs.names:
            raise DefinitionError(
                f"Reasons(codes=...): {feature!r} is no feature, they are {', '.join(inputs.names)}"
            )


def _check_decisions(project: Project, definition: Definition) -> None:
    """Refuse decisions that there are none of, and strangers decided about in a regulated use."""
    names = definition.decisions.names
    for name in ("cold", "favourable"):
        found = getattr(definition, name)
        if found is not None and found not in names:
            raise DefinitionError(f"`{name}` is {found!r}: the decisions are {', '.join(names)}")
    if definition.cold is None and project.answers.interpretability.level == "audit":
        raise DefinitionError(
            'system.py lacks `cold`: interpretability.level is "audit", and a key that was not '
            "scored would get the decision of an average, which nobody can give reasons for: name "
            f"the decision for it, as in `cold = {names[-1]!r}`, of {', '.join(names)}"
        )
