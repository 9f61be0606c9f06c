"""What `system.py` of a batch project says, and what is refused about it."""

import math
from pathlib import Path

import pytest

from groundplan.errors import DefinitionError, ProjectError
from groundplan.models import Split
from groundplan.models.bands import Bands
from groundplan.models.codes import Reasons
from groundplan.models.folds import Folds
from groundplan.patterns.batch.definition import define
from groundplan.project import Project
from groundplan.scores.publication import Publication
from patterns.batch.projects import ANSWERS, SYSTEM, small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, whose `system.py` and answers tests write anew."""
    return small(tmp_path_factory.mktemp("projects") / "small", customers=50).folder


def project(
    folder: Path, *changes: tuple[str, str], answers: tuple[str, str] = ("", "")
) -> Project:
    """The project with some words of `system.py` changed."""
    system = SYSTEM
    for old, new in changes:
        assert old in system
        system = system.replace(old, new)
    (folder / "system.py").write_text(system)
    assert answers[0] in ANSWERS
    (folder / "groundplan.toml").write_text(ANSWERS.replace(*answers) if answers[0] else ANSWERS)
    return Project(folder)


def test_what_is_written_is_taken(folder: Path) -> None:
    """Every name of `system.py` arrives."""
    found = define(project(folder))
    assert found.inputs.names[:2] == ("tenure", "monthly")
    assert (found.label, found.key, found.segment) == ("left", "customer", "contract")
    assert found.decisions == Bands.top("leave", call=0.05, offer=0.2)
    assert found.judge == Folds(3)
    assert found.reasons == Reasons(top=3, decisions=("call", "offer"))
    assert found.groups == {"sex": "sex"}
    assert callable(found.data)
    assert callable(found.population)


def test_what_is_left_out_has_a_default(folder: Path) -> None:
    """Only the features, the label, the model and the decisions have to be said."""
    lines = ("judge =", "reasons =", "segment =", "groups =", "key =")
    cut = [(line, line) for line in SYSTEM.splitlines() if line.startswith(lines)]
    found = define(project(folder, *((line, "") for line, _ in cut)))
    assert found.key == "row"
    assert found.judge == Folds()
    assert found.reasons == Reasons()
    assert found.publication == Publication()
    assert (found.segment, found.groups, found.published, found.card) == (None, {}, {}, {})


def test_periods_may_judge(folder: Path) -> None:
    """`judge` may be a split in time."""
    split = 'Split(train=("2026-03-01", "60d"), delay="30d", test="3d")'
    found = define(
        project(folder, ("judge = Folds(3)", f"from groundplan import Split\njudge = {split}"))
    )
    assert isinstance(found.judge, Split)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('label = "left"', 'label = "gone"', "`label` is 'gone', the source's labels are left"),
        ('key = "customer"', 'key = "custmer"', "did you mean 'customer'"),
        ('key = "customer"', 'key = "monthly"', "monthly is float | None, and a key is int or str"),
        ('segment = "contract"', 'segment = "monthly"', "with a few values, str, int or bool"),
        ('segment = "contract"', 'segment = "left"', "with a few values, str, int or bool"),
        ('{"sex": "sex"}', '{"sex": "six"}', "did you mean 'sex'"),
        ('{"sex": "sex"}', '{"sex": 3}', "or give a function"),
        (
            '("call", "offer")',
            '("call", "cal")',
            "'cal' is no decision, they are leave, offer, call",
        ),
        ("Reasons(top=3,", 'Reasons(top=3, codes={"age": ("R1", "x")},', "'age' is no feature"),
        ('{"left": "30d"}', '{"left": "10d"}', "make the two agree"),
        (
            'charged = charges.by("customer")',
            'charged = customers.by("customer")',
            "is a window over customers, whose rows are what is scored",
        ),
        ('groups = {"sex": "sex"}', 'card = {"use": "x"}', "the parts of a card are intended use"),
        ('groups = {"sex": "sex"}', "published = {'a': 0.8}", "give a ROC AUC and its spread"),
    ],
)
def test_names_must_fit_each_other(folder: Path, old: str, new: str, says: str) -> None:
    """A name that is none of the source's, and a window over what is scored, are refused with the
    value, the rule and the next step.
    """
    changes = [(old, new)]
    if "customers.by" in new:  # its windows read a field of the other source
        changes.append(('charged.mean("amount", "30d")', 'charged.mean("monthly", "30d")'))
    with pytest.raises(DefinitionError, match=says):
        define(project(folder, *changes))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("decisions = Bands", "decided = Bands", r"`decisions` is missing; it is what follows"),
        ("judge = Folds(3)", "judge = 3", "`judge` is of type int; it is how the model is judged"),
        ("model = BoostedTrees", "model = 3\nother = BoostedTrees", "`model` is of type int"),
        ("def data(progress)", "data = 3\ndef other(progress)", "`data` is of type int"),
    ],
)
def test_names_must_be_there_and_of_their_type(folder: Path, old: str, new: str, says: str) -> None:
    """A name that is missing or of another type is refused, with how it is written."""
    with pytest.raises(ProjectError, match=says):
        define(project(folder, (old, new)))


def test_what_is_only_planned_is_refused(folder: Path) -> None:
    """Answers that decide what this version does not build say so before any work is done."""
    found = project(folder, answers=("per_request = 1", "per_request = 5"))
    with pytest.raises(ProjectError, match="it builds one published score a key"):
        define(found)


def test_what_arrives_between_two_runs_is_not_held_to_the_last_ones(folder: Path) -> None:
    """Where requests are unforeseen, other keys and more of them are no fault by themselves."""
    asked = ('requests = "foreseen"', 'requests = "unforeseen"')
    waits = ('p99 = "10ms"', 'p99 = "60d"')
    changes = project(folder, answers=asked)
    text = (folder / "groundplan.toml").read_text()
    assert waits[0] in text
    (folder / "groundplan.toml").write_text(text.replace(*waits))
    limits = define(Project(changes.folder)).publication
    assert (limits.rows, limits.keys) == (math.inf, 1.0)
    assert limits.drift == Publication().drift
