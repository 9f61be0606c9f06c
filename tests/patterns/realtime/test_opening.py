"""A server starts only with a build, answers and definitions that agree."""

import shutil
from pathlib import Path

import pytest

from conftest import groundplan
from groundplan.patterns.realtime.opening import live
from groundplan.plan import draw
from groundplan.project import Project


@pytest.fixture
def copy(fraud: Path, tmp_path: Path) -> Path:
    """A project of its own that may be changed."""
    folder = tmp_path / "card-fraud"
    shutil.copytree(fraud, folder)
    return folder


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_changed_answers_need_a_new_build(copy: Path) -> None:
    """The server's deadlines come from the build's plan, so other answers are not served."""
    change(copy / "groundplan.toml", 'p99 = "100ms"', 'p99 = "50ms"')
    for command in (("serve", "--port", "0"), ("verify",)):
        done = groundplan(*command, copy)
        assert done.returncode == 1
        assert "decide another plan" in done.stderr
        assert "groundplan build" in done.stderr


def test_another_time_of_training_needs_no_new_build(copy: Path) -> None:
    """When the next model is trained says nothing about how this one serves."""
    before, _ = live(Project(copy))
    with (copy / "groundplan.toml").open("a") as answers:
        answers.write('\n[schedule]\nbuild = "0 2 1 * *"\n')
    project = Project(copy)
    assert live(project)[0].manifest == before.manifest
    assert draw(project.answers).retraining != before.manifest.plan.retraining


def test_changed_features_need_a_new_build(copy: Path) -> None:
    """A model is never given other features than those that it was trained with."""
    change(copy / "system.py", 'customer.count("7d"', 'customer.count("8d"')
    done = groundplan("serve", copy, "--port", "0")
    assert done.returncode == 1
    assert "other features" in done.stderr


def test_an_altered_model_is_not_served(copy: Path) -> None:
    """A file of a build that differs from its fingerprint stops the start."""
    (build,) = (copy / ".groundplan" / "builds").iterdir()
    change(build / "baseline/linear.json", "e", "e ")
    done = groundplan("serve", copy, "--port", "0")
    assert done.returncode == 1
    assert "differs from its fingerprint" in done.stderr


def test_answers_and_code_agree_on_when_labels_arrive(copy: Path) -> None:
    """Where the answers say that labels come later than the code believes, nothing is built."""
    change(copy / "groundplan.toml", 'delay = "7d"', 'delay = "30d"')
    done = groundplan("build", copy)
    assert done.returncode == 1
    assert "make the two agree" in done.stderr
