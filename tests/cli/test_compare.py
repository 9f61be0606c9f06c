"""`groundplan compare`: two projects, two files, or two revisions of one."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from groundplan.cli import main
from groundplan.plan.document import Comparison, schema
from groundplan.project import new


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return new(str(tmp_path / "card-fraud"), "fraud"), new(str(tmp_path / "churn"), "churn")


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def history(two: tuple[Path, Path]) -> Path:
    """A project with a tag, and a tighter promise since."""
    folder = two[0]
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Start")
    git(folder, "tag", "v1")
    file = folder / "groundplan.toml"
    file.write_text(file.read_text().replace('p99 = "100ms"', 'p99 = "50ms"'))
    return folder


def test_two_projects_are_compared(two: tuple[Path, Path]) -> None:
    """Folders or their files: the same difference, from the first to the second."""
    done = run(*two)
    assert done.exit_code == 0, done.output
    assert f"- {two[0]}: realtime" in done.output
    assert f"+ {two[1]}: batch" in done.output
    assert "realtime -> batch" in done.output
    files = run(*(folder / "groundplan.toml" for folder in two), "--json")
    folders = run(*two, "--json")
    assert json.loads(files.output) == json.loads(folders.output)
    Draft202012Validator(schema(Comparison)).validate(json.loads(files.output))


def test_a_revision_is_compared_with_what_is_there(history: Path) -> None:
    """The answers of a tag, by folder or file, beside those of the working tree."""
    for name in (f"{history}@v1", f"{history / 'groundplan.toml'}@v1"):
        done = run(name, history)
        assert done.exit_code == 0, done.output
        assert "100ms -> 50ms" in done.output
        assert "0 to add, 6 to change, 0 to remove" in done.output
    unchanged = run(f"{history}@v1", f"{history}@HEAD")
    assert unchanged.output.strip().endswith("Nothing is different.")


def test_check_says_by_its_exit_code_whether_anything_follows(history: Path) -> None:
    """2 where the plans differ, 0 where only what decides nothing does."""
    assert run(f"{history}@v1", history, "--check").exit_code == 2
    assert run(history, history, "--check").exit_code == 0
    file = history / "groundplan.toml"
    git(history, "checkout", "-q", "groundplan.toml")
    file.write_text(file.read_text().replace('goal = "Score', 'goal = "Rate'))
    goal = run(f"{history}@v1", history, "--check")
    assert goal.exit_code == 0
    assert "Nothing changes" in goal.output


def test_what_is_not_there_is_named(history: Path, two: tuple[Path, Path]) -> None:
    """No such project, no such revision, no repository, and an option in disguise."""
    for name, said in (
        (str(history / "nothing"), "is not there"),
        (f"{history}@v2", "v2"),
        (f"{history}@", "write"),
        (f"{history}@--output=x", "names no revision"),
        (f"{two[1]}@HEAD", "git"),
        ("/no/such/folder@HEAD", "/no/such/folder is not there"),
    ):
        done = run(name, two[1])
        assert done.exit_code == 1, name
        assert said in done.output, done.output
        assert "Traceback" not in done.output
    assert not (history / "x").exists()


def test_a_name_with_an_at_sign_is_a_name_first(two: tuple[Path, Path]) -> None:
    """A folder that is called so is that folder, not a revision of another."""
    odd = two[0].rename(two[0].parent / "fraud@night")
    done = run(odd, two[1])
    assert done.exit_code == 0, done.output


def test_growth_and_prices_are_taken_as_in_plan(two: tuple[Path, Path]) -> None:
    """Other factors and prices show in what gives out first and in what it costs."""
    done = run(*two, "--at", "traffic=1000x", "--prices", "core=20")
    assert done.exit_code == 0
    assert "cost per month" in done.output
    assert "traffic 1000x" in done.output
    assert run(*two, "--at", "x").exit_code == 1
