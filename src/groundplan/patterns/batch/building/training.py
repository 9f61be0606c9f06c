"""The offline flow: point-in-time features, training, figures, decisions, a build."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from groundplan import __version__
from groundplan.decision import current_costs
from groundplan.models import Indices, kinds
from groundplan.monitoring.distribution import Tally
from groundplan.patterns.batch.archive import SKETCHES
from groundplan.patterns.batch.building import card as model_card
from groundplan.patterns.batch.building import report as report_page
from groundplan.patterns.batch.building.judging import Judged, judge
from groundplan.patterns.batch.building.reasoning import reasoning
from groundplan.patterns.batch.building.rows import Rows, features, past, provenance
from groundplan.patterns.batch.definition import Definition, Report, define
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.rollout import builds, channels
from groundplan.rollout.builds import Build, Manifest


def build(
    project: Project,
    data: str | Path | None,
    report: Report,
    *,
    live: bool = True,
    others: Mapping[str, Path] | None = None,
) -> Build:
    """Train the model of a batch system and write it as a build.

    Args:
        project: the answers and `system.py`.
        data: a file of labelled rows; without one, `system.py` says where they are.
        report: told the progress.
        live: whether the channel `live` points at the build afterwards, if it passes its gate.
        others: files of the other sources, by name.

    Raises:
        ProjectError: `system.py` lacks something, or there is no data.
        InputError: the data lacks a column, or a period of the split has no rows.
        BuildError: there are too few rows of either class.
    """
    costs = current_costs()
    plan = draw(project.answers, costs)
    found = define(project)
    labelled = past(project, found, data, others or {}, report)
    definition, rows = features(project, found, labelled, report)
    judged = judge(definition, rows, report)
    model = _train(definition, rows, judged.train, report)
    told = reasoning(project, definition, model, rows.x[judged.train])
    tally = Tally(definition.inputs.names)
    tally.add(rows.x[judged.train])
    manifest = Manifest(
        build="",
        system=project.answers.system.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        groundplan=__version__,
        plan=plan,
        data=provenance(labelled, rows),
        features=_described(definition),
        model=_spec(definition, model, judged),
        thresholds=dict(zip(judged.cuts.names[1:], judged.cuts.above, strict=True)),
        report={**judged.report, **told.report},
        files={},
        costs=costs,
    )

    def fill(folder: Path, name: str) -> Manifest:
        kinds.save(model, folder)
        told.save(folder)
        (folder / SKETCHES).write_bytes(msgspec.json.encode(tally.sketches()))
        named = msgspec.structs.replace(manifest, build=name)
        goal = project.answers.system.goal
        (folder / report_page.FILE).write_text(report_page.page(named, goal))
        (folder / model_card.FILE).write_text(model_card.card(named, project.answers, definition))
        return named

    made = builds.write(project.home, datetime.now(UTC), fill)
    if live and made.manifest.report["gate"]["passed"]:
        channels.point(project.home, channels.LIVE, made)
    report("write the build", 1, 1)
    return made


def _train(definition: Definition, rows: Rows, train: Indices, report: Report) -> kinds.Model:
    """The model that serves, on all rows that may train it."""

    def progress(done: int, total: int) -> None:
        report("train the model", done, total)

    return definition.model.train(rows.x[train], rows.y[train], definition.inputs.names, progress)


def _described(definition: Definition) -> dict[str, Any]:
    """What the manifest says of the features."""
    inputs = definition.inputs
    return {
        "fingerprint": inputs.fingerprint(),
        "names": list(inputs.names),
        "definitions": inputs.definitions(),
        "categories": {each.key: list(each.known) for each in inputs.categories},
    }


def _spec(definition: Definition, model: kinds.Model, judged: Judged) -> dict[str, Any]:
    """What the manifest says of the model, of what is decided below all its cuts, and of the
    shares that its cuts were to give.
    """
    return {
        "kind": kinds.kind(model),
        "spec": repr(definition.model),
        "default": judged.cuts.names[0],
        "decisions": repr(definition.decisions),
        "shares": definition.decisions.settings if definition.decisions.how == "top" else {},
    }
