"""`groundplan decide` and `plan` of answers that conflict: each thing once, the nearest first."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings

from answer_cases import given_answers, random_answers
from groundplan.cli import main
from groundplan.constraints import Answers
from groundplan.constraints.file import render
from groundplan.decision import conflicts
from groundplan.decision.conflicts import nearest
from groundplan.plan.dossier import draw_up
from groundplan.plan.page import page


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


@pytest.mark.parametrize(("p99", "refused"), [("1ms", ["p99"]), ("100ms", [])])
def test_decide_says_where_the_plan_refuses(tmp_path: Path, p99: str, refused: list[str]) -> None:
    """What is decided stays decided; but that waiting breaks its p99 is not left for `plan`."""
    file = tmp_path / "groundplan.toml"
    file.write_text(render(given_answers(p99=p99)))
    told, done = run("decide", file, "--json"), run("decide", file)
    assert (told.exit_code, done.exit_code) == (0, 0)
    assert [one["resource"] for one in json.loads(told.output)["refused"]] == refused
    assert ("`groundplan plan` refuses this" in done.output) is bool(refused)
    assert run("plan", file).exit_code == (2 if refused else 0)


def test_a_flip_of_cores_says_that_the_plan_may_ask_for_more(tmp_path: Path) -> None:
    """A rule asks for the least that carries the pattern, the plan for all that it runs."""
    file = tmp_path / "groundplan.toml"
    answers = given_answers(throughput="20000/s", cores=64)
    file.write_text(render(answers))
    told = " ".join(run("decide", file).output.split())
    assert "policy.cores 64" in told
    assert "`groundplan plan` adds what components and scheduled work take" in told
    assert "or for more cores" in page(draw_up(answers))
    file.write_text(render(given_answers(p99="100ms")))
    assert "scheduled work take" not in " ".join(run("decide", file).output.split())
