"""`groundplan plan`: what it shows, what if, as it grows, and in which formats."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from conftest import groundplan
from groundplan.cli import main
from groundplan.cli.changes import print_difference
from groundplan.plan.difference import difference
from groundplan.plan.document import schema
from groundplan.plan.dossier import draw_up
from groundplan.project import Project, new

HEAVY = ("numpy", "duckdb", "lightgbm", "pyarrow", "sklearn", "lmdb", "starlette", "sqlglot")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new(str(tmp_path_factory.mktemp("projects") / "card-fraud"), "fraud")


def run(*arguments: str | Path) -> Result:
    """The command line in this process: an exit code and all that it printed."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def flat(text: str) -> str:
    """A table read across the ends of its lines."""
    return re.sub(r"\s+", " ", text)


def test_a_plan_is_told_in_the_order_of_a_review(project: Path) -> None:
    """Stages, capacity, growth, failures, flips, retraining; the cost table last."""
    done = run("plan", project)
    assert done.exit_code == 0
    titles = (
        "card-fraud: realtime",
        "Before a request",
        "In a request: 100ms p99 at 500/s",
        "Capacity at the promised throughput",
        "As it grows",
        "How it fails",
        "What would change the decision",
        "Retraining",
        "costs: reference",
    )
    places = [done.output.index(title) for title in titles]
    assert places == sorted(places)
    assert "Decision log" not in done.output
    full = run("plan", project, "--full").output
    for title in ("Monitoring", "Decision log", "What breaks", "to do: ", "users see: "):
        assert title in full


def test_planning_loads_no_model_or_data_library(project: Path) -> None:
    """A plan in text and in JSON starts no library that only running needs."""
    probe = (
        "import sys, groundplan.cli\n"
        "for more in ([], ['--json'], ['--what-if', 'latency.p99=50ms']):\n"
        f"    try: groundplan.cli.main(['plan', {str(project)!r}, *more])\n"
        "    except SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_supposed_answer_is_shown_as_a_difference(project: Path) -> None:
    """Signs, sections and a last line that counts what would be built."""
    changes = ("freshness.predictions=24h", "freshness.features=24h", "freshness.requests=foreseen")
    done = run("plan", project, *(f"--what-if={change}" for change in changes))
    assert done.exit_code == 0
    assert re.search(r"~ +pattern +realtime -> batch", done.output)
    assert re.search(r"\+ +lookup \(online\)", done.output)
    assert re.search(r"- +score \(online\)", done.output)
    assert re.search(r"~ +features +streaming -> nightly", done.output)
    for title in ("Rulings", "Components", "Stages and budgets", "Capacity", "Failure modes"):
        assert f"\n{title}\n" in done.output
    last = done.output.strip().splitlines()[-1]
    before = draw_up(Project(project).answers)
    found = json.loads(run("plan", project, "--json", *(f"--what-if={c}" for c in changes)).output)
    tally = found["tally"]
    assert last == (
        f"{tally['add']} to add, {tally['change']} to change, {tally['remove']} to remove "
        "of the components and stages."
    )
    assert found["before"]["decision"]["pattern"] == before.decision.pattern
    assert sum(tally.values()) == sum(
        len(found["difference"][part]) for part in ("components", "stages")
    )


def test_the_exit_code_is_that_of_the_plan_as_it_would_be(project: Path) -> None:
    """0 planned, 2 a conflict, 1 a value that cannot be read; the nearest is named."""
    assert run("plan", project, "--what-if", "latency.p99=90ms").exit_code == 0
    conflict = run("plan", project, "--what-if", "latency.p99=100us")
    assert conflict.exit_code == 2
    assert "realtime -> conflict" in conflict.output
    assert "decides realtime" in flat(conflict.output)
    assert "Failure modes" not in conflict.output
    loose = run("plan", project, "--what-if", "candidates.per_request=10M")
    strict = run("plan", project, "--what-if", "candidates.per_request=10_000_000")
    assert (loose.exit_code, loose.output) == (2, strict.output)
    two = run("plan", project, "--what-if", "candidates.per_request=10.000")
    assert two.exit_code == 1
    assert "write candidates.per_request=10000" in two.output


def test_a_plan_that_cannot_hold_exits_2_in_every_form(project: Path, tmp_path: Path) -> None:
    """What no number of processes or not the stated memory holds is said wherever a plan is read.

    Each form tells the same sentence, with what would make it fit; the difference tells it too.
    """
    answers = project / "groundplan.toml"
    text = answers.read_text()
    short = tmp_path / "short"
    short.mkdir()
    tight = short / "groundplan.toml"
    tight.write_text(text.replace('p99 = "100ms"', 'p99 = "500us"'))
    assert tight.read_text() != text
    said = "no number of processes holds a p99 of 500us"
    for form in ("text", "md", "html", "json"):
        done = run("plan", short, "--format", form)
        assert done.exit_code == 2, done.output
        assert said in flat(done.output), form
        assert "latency.p99 = " in flat(done.output), form
    found = json.loads(run("plan", short, "--json").output)["capacity"]["shortages"]
    assert [one["resource"] for one in found if one["estimate"] == "typical"] == ["p99"]
    changed = run("plan", project, "--what-if", "latency.p99=500us")
    assert changed.exit_code == 2
    assert "server: p99" in flat(changed.output)
    narrow = run("plan", project, "--what-if", "policy.memory=1GB", "--format", "md")
    assert narrow.exit_code == 2
    assert "of memory are needed" in flat(narrow.output)


def test_growth_says_what_it_needs_then(project: Path) -> None:
    """Cores, memory and storage at the grown size stand in the text as they do in JSON."""
    printed = flat(run("plan", project, "--at", "traffic=10x").output)
    assert "traffic 10x: it then needs " in printed
    found = json.loads(run("plan", project, "--at", "traffic=10x", "--json").output)
    cores = found["growth"][0]["capacity"]["total"]["cores"]
    assert f"{cores['typical']:.0f} cores" in printed.split("it then needs ")[1]


def test_what_changes_nothing_says_so(project: Path) -> None:
    """The same answer is no difference, and another goal has no consequence."""
    same = run("plan", project, "--what-if", "latency.p99=100ms")
    assert same.output.strip() == "Nothing is different."
    goal = run("plan", project, "--what-if", "system.goal=Win")
    assert "Nothing changes" in goal.output


def test_colours_are_for_a_terminal_only(project: Path) -> None:
    """Green comes, red goes, yellow differs; a pipe gets the signs alone."""
    from rich.console import Console

    answers = Project(project).answers
    from groundplan.constraints.supposed import supposed

    loose = supposed(answers, ["interpretability.level=none", "freshness.requests=foreseen"])
    found = difference(draw_up(answers), draw_up(supposed(loose, ["freshness.predictions=24h"])))
    out = Console(force_terminal=True, color_system="standard", width=110)
    with out.capture() as capture:
        print_difference(out, found)
    assert "\x1b[33m" in capture.get()
    assert "\x1b[" not in run("plan", project, "--what-if", "latency.p99=50ms").output


def test_growth_names_what_gives_out(project: Path) -> None:
    """`--at` scales all axes or those that are named, and refuses what is no factor."""
    ten = run("plan", project, "--at", "10x")
    assert ten.exit_code == 0
    assert "traffic 10x" in ten.output
    assert "all 10x" in ten.output
    some = run("plan", project, "--at", "traffic=3x,corpus=100x").output
    assert "traffic 3x, corpus 100x" in flat(some)
    assert "history" not in some[some.index("As it grows") : some.index("How it fails")]
    for text, near in (
        *(("trafic=3x", "traffic=3x"), ("half", "--at 10x"), ("corpus=0x", "10x")),
        ("traffic=3x,traffic=4x", "--at has traffic already"),
    ):
        refused = run("plan", project, "--at", text)
        assert refused.exit_code == 1
        assert near in refused.output


def test_money_needs_prices(project: Path) -> None:
    """Nothing is said of cost without a price, and wrong prices are named."""
    assert "cost a month" not in run("plan", project).output
    assert "cost a month" in run("plan", project, "--prices", "core=20,gb=3,gb_disk=0.1").output
    refused = run("plan", project, "--prices", "cores=20,gb=-3")
    assert refused.exit_code == 1
    assert "write core=20" in refused.output
    assert "gb=-3: a price is a number" in refused.output
    twice = run("plan", project, "--prices", "core=1,core=2")
    assert twice.exit_code == 1
    assert "core=2: --prices has core already" in twice.output


def test_json_has_a_schema(project: Path) -> None:
    """What is printed keeps the schema that `groundplan schema --of` prints."""
    for kind, more in (("plan", []), ("comparison", ["--what-if", "latency.p99=20ms"])):
        printed = json.loads(run("schema", "--of", kind).output)
        found = json.loads(run("plan", project, "--format", "json", *more).output)
        Draft202012Validator(printed).validate(found)
    assert json.loads(run("schema", "--of", "plan").output) == schema()
    assert json.loads(run("schema").output)["title"].startswith("groundplan.toml")


def test_a_file_is_written_in_the_format_of_its_name(project: Path, tmp_path: Path) -> None:
    """Markdown, HTML, JSON and text by suffix; --format overrules it; nothing is left behind."""
    begins = {"a.md": "# card-fraud", "a.json": "{", "a.html": "<!", "a.txt": "\ncard-fraud"}
    for name, begin in begins.items():
        done = run("plan", project, "--out", tmp_path / name)
        assert done.exit_code == 0, done.output
        assert done.output == f"{tmp_path / name}: written\n"
        assert (tmp_path / name).read_text().lower().startswith(begin), name
    assert run("plan", project, "--out", tmp_path / "b.txt", "--format", "json").exit_code == 0
    json.loads((tmp_path / "b.txt").read_text())
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*begins, "b.txt"])
    assert run("plan", project, "--out", tmp_path / "A.HTML").exit_code == 0
    assert (tmp_path / "A.HTML").read_text().startswith("<!")
    other = run("plan", project, "--out", tmp_path / "a.pdf")
    assert other.exit_code == 1
    assert "a.html, or say which with --format" in other.output
    assert not (tmp_path / "a.pdf").exists()
    assert run("plan", project, "--out", tmp_path / "a.pdf", "--format", "md").exit_code == 0
    away = run("plan", project, "--out", tmp_path / "no" / "a.md")
    assert away.exit_code == 1
    assert "cannot be written" in away.output


def test_markdown_and_html_are_of_the_plan_as_it_would_be(project: Path) -> None:
    """With --what-if the record is of the supposed answers."""
    supposed = run("plan", project, "--format", "md", "--what-if", "latency.p99=70ms").output
    assert 'p99 = "70ms"' in supposed
    assert 'p99 = "100ms"' not in supposed


def test_the_state_of_a_key_is_told_when_asked(project: Path) -> None:
    """`--per-key` loads system.py and says how the online state of a key grows."""
    done = groundplan("plan", project, "--per-key")
    assert done.returncode == 0, done.stderr
    assert "transactions of a customer" in done.stdout
    assert "Online state" not in run("plan", project).output


def test_a_planned_pattern_says_that_it_is_only_planned(project: Path, tmp_path: Path) -> None:
    """Nothing of a ranking plan pretends to run."""
    file = tmp_path / "films.toml"
    text = (
        (project / "groundplan.toml").read_text().replace('output = "score"', 'output = "ranking"')
    )
    file.write_text(
        text.replace("per_request = 1", "per_request = 1_000_000").replace("audit", "none")
    )
    done = run("plan", file)
    assert done.exit_code == 0
    assert "This version plans it and does not build it" in done.output
    assert "How it would fail" in done.output
    assert "does not build it" not in run("plan", project).output


def test_a_conflict_is_a_plan_of_ways_out(project: Path, tmp_path: Path) -> None:
    """Without a pattern there is no stage to show, but what to change; every format copes."""
    file = tmp_path / "groundplan.toml"
    text = (project / "groundplan.toml").read_text()
    file.write_text(text.replace('p99 = "100ms"', 'p99 = "100us"'))
    done = run("plan", file)
    assert done.exit_code == 2
    assert "These cannot hold together: latency.p99" in done.output
    assert "`groundplan decide`" in done.output
    for form in ("json", "md", "html"):
        other = run("plan", file, "--format", form)
        assert other.exit_code == 2, other.output
        assert "latency.p99" in other.output


def test_a_size_at_which_the_answers_conflict_takes_one_line(project: Path, tmp_path: Path) -> None:
    """All axes that lead there in one sentence, and no list of what is lost."""
    file = tmp_path / "groundplan.toml"
    text = (project / "groundplan.toml").read_text()
    file.write_text(f"{text}\n[policy]\nhosts = 1\ncores = 2\n")
    done = flat(run("plan", file, "--at", "1000x").output)
    assert done.count("the answers conflict then") == 1
    assert "traffic 1000x; all 1000x: the answers conflict then" in done
    assert "-> nothing" not in done
