"""`groundplan decide` and `plan` of answers that conflict: each thing once, the nearest first."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings

from answer_cases import given_answers, random_answers
from groundplan.cli import main
from groundplan.cli.conflict import nearest
from groundplan.constraints import Answers
from groundplan.constraints.file import render
from groundplan.decision import conflicts


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose answers conflict in several ways."""
    answers = given_answers(
        **{"output": "answer", "p99": "1ms", "predictions": "0s", "features": "1s"},
        **{"requests": "unforeseen", "private_corpus": True, "external_api": "inference"},
    )
    file = tmp_path_factory.mktemp("torn") / "groundplan.toml"
    file.write_text(render(answers))
    assert len(conflicts(answers)) > 1
    return file


@pytest.mark.parametrize("command", ["decide", "plan"])
def test_a_conflict_says_each_thing_once(torn: Path, command: str) -> None:
    """What the sets share stands in the head, each set once, and each change in one table."""
    done = run(command, torn)
    assert done.exit_code == 2
    lines = done.output.splitlines()
    heads = [line for line in lines if line.startswith("These cannot hold together")]
    assert len(heads) == 1
    assert "system.output = answer" in heads[0]
    assert done.output.count("Any one of these changes resolves it") == 1
    changes = lines[
        lines.index(next(line for line in lines if line.startswith("nearest change"))) :
    ]
    assert sum(line.startswith("latency.p99 ") for line in changes) == 1
    sentences = [line for line in lines if " is out: " in line]
    assert len(sentences) == len(set(sentences))
    assert bool(sentences) == (command == "plan")  # the table of `decide` has them


@settings(max_examples=25, deadline=None)
@given(answers=random_answers())
def test_no_way_out_is_lost_or_told_twice(answers: Answers) -> None:
    """All ways out of all conflicts, each once; one answer goes before two, and a number that
    moves less before one that moves more."""
    found = conflicts(answers)
    ways = nearest(found)
    assert set(ways) == {way for conflict in found for way in conflict.nearest}
    assert len(ways) == len(set(ways))
    sizes = [len(way.answers) for way in ways]
    assert sizes == sorted(sizes)


def test_what_is_built_changes_last() -> None:
    """Another output is another system: of the changes of one answer it is the last."""
    ways = nearest(conflicts(given_answers(output="score", p99="1us", predictions="24h")))
    alone = [way.answers[0] for way in ways if len(way.answers) == 1]
    assert alone
    assert "system.output" not in alone[:-1]
