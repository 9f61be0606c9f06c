"""Commands answer quickly, say what is wrong, and exit with the code that they promise."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from conftest import groundplan

HEAVY = ("numpy", "duckdb", "lightgbm", "pyarrow", "sklearn", "starlette", "uvicorn", "sqlglot")


def test_help_loads_no_model_or_data_library() -> None:
    """`groundplan --help` answers from the standard library, click and msgspec alone."""
    probe = (
        "import sys, groundplan.cli\n"
        "try: groundplan.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for verb in ("new", "decide", "plan", "schema", "features", "build", "serve", "verify"):
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize(
    "verb", ["new", "decide", "plan", "schema", "features", "build", "serve", "verify"]
)
def test_every_command_teaches(verb: str) -> None:
    """Each command's help says what it does in a first sentence and lists its options."""
    page = groundplan(verb, "--help").stdout
    assert f"Usage: python -m groundplan {verb}" in page or f"groundplan {verb}" in page
    assert len(page.splitlines()) > 5


def test_decide_exits_0_2_or_1(tmp_path: Path) -> None:
    """Decided, conflict, error: three codes; the JSON of a conflict has a null pattern."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    decided = groundplan("decide", folder, "--json")
    assert decided.returncode == 0
    assert json.loads(decided.stdout)["pattern"] == "realtime"
    file = folder / "groundplan.toml"
    text = file.read_text()
    file.write_text(text.replace("per_request = 1", "per_request = 5_000_000"))
    conflict = groundplan("decide", file, "--json")
    assert conflict.returncode == 2
    found = json.loads(conflict.stdout)
    assert found["pattern"] is None
    assert found["conflicts"]
    assert groundplan("plan", folder).returncode == 2
    file.write_text(text.replace("per_request = 1", "per_request = 0"))
    wrong = groundplan("decide", folder)
    assert wrong.returncode == 1
    assert "candidates.per_request" in wrong.stderr


def test_the_text_of_a_conflict_names_the_nearest_change(tmp_path: Path) -> None:
    """A person reads which answers cannot hold together and what to change."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    file = folder / "groundplan.toml"
    file.write_text(file.read_text().replace("per_request = 1", "per_request = 5_000_000"))
    shown = groundplan("decide", folder)
    assert shown.returncode == 2
    assert "These cannot hold together" in shown.stdout
    assert "nearest change" in shown.stdout


def test_a_blank_project_asks_its_questions(tmp_path: Path) -> None:
    """Every missing answer is named with its question; the file as such is sound TOML."""
    folder = tmp_path / "mine"
    assert groundplan("new", folder).returncode == 0
    asked = groundplan("decide", folder)
    assert asked.returncode == 1
    for key in ("labels.kind", "latency.p99", "freshness.predictions", "candidates.per_request"):
        assert key in asked.stderr


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    """A folder with anything in it is left alone."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    refused = groundplan("new", tmp_path / "mine", "--from", "fraud")
    assert refused.returncode == 1
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_the_schema_is_one_that_editors_take() -> None:
    """`groundplan schema` prints a valid JSON Schema."""
    Draft202012Validator.check_schema(json.loads(groundplan("schema").stdout))


def test_a_folder_without_answers_says_how_to_start(tmp_path: Path) -> None:
    """The error names the file that is missing and the command that writes one."""
    done = groundplan("decide", tmp_path)
    assert done.returncode == 1
    assert "groundplan.toml is not there" in done.stderr
    assert "groundplan new" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/sys is of Linux")
def test_what_the_system_refuses_is_a_sentence() -> None:
    """No room and no right to write are no faults of the program: the place, and what to do."""
    done = groundplan("new", "/sys/mine", "--from", "churn")
    assert done.returncode == 1
    assert "error: /sys/mine" in done.stderr
    assert "run it as a user who may" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_and_verify_without_a_build_say_what_to_run(tmp_path: Path) -> None:
    """Before the first build, the error is the command to run."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    for command in (("serve", "--port", "0"), ("verify",)):
        done = groundplan(*command, folder)
        assert done.returncode == 1
        assert "run `groundplan build` first" in done.stderr


def test_a_pattern_that_is_only_planned_says_so(tmp_path: Path) -> None:
    """Building a ranking system is refused with what this version does do."""
    folder = tmp_path / "films"
    groundplan("new", folder, "--from", "fraud")
    file = folder / "groundplan.toml"
    text = file.read_text().replace('output = "score"', 'output = "ranking"')
    text = text.replace("per_request = 1", "per_request = 1_000_000").replace("audit", "none")
    file.write_text(text)
    done = groundplan("build", folder)
    assert done.returncode == 1
    assert "decide ranking" in done.stderr
    assert "(it does batch, realtime)" in done.stderr


@pytest.mark.parametrize(
    ("example", "command"),
    [
        ("churn", ("consistency",)),
        ("churn", ("dataset", "--out", "rows.parquet")),
        ("churn", ("replay",)),
        ("churn", ("ingest",)),
        ("churn", ("export", "feast", "--out", "repository")),
        ("fraud", ("score",)),
        ("fraud", ("rollback",)),
    ],
)
def test_a_command_of_another_pattern_says_what_does_its_work(
    tmp_path: Path, example: str, command: tuple[str, ...]
) -> None:
    """A command for one pattern names it, the pattern decided, and what is there instead."""
    folder = tmp_path / "system"
    groundplan("new", folder, "--from", example)
    done = groundplan(*command, folder)
    assert done.returncode == 1
    assert "and this command is for" in done.stderr
    assert "there, `groundplan" in done.stderr


def test_an_error_in_system_py_names_its_line(tmp_path: Path) -> None:
    """A mistake in the project's own code is shown with file and line, not as a stack trace."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    file = folder / "system.py"
    file.write_text(file.read_text().replace('"tx_amount", "7d"', '"tx_amuont", "7d"'))
    done = groundplan("build", folder)
    assert done.returncode == 1
    assert "system.py, line" in done.stderr
    assert "tx_amount" in done.stderr
    assert "Traceback" not in done.stderr


def test_features_keeps_rows_and_their_order(
    fraud: Path, transactions: Path, tmp_path: Path
) -> None:
    """One row per event, in the file's own order, whatever that is."""
    events = pq.read_table(transactions).slice(0, 5_000)
    shuffled = events.take(list(reversed(range(5_000))))
    pq.write_table(shuffled, tmp_path / "events.parquet")
    done = groundplan(
        *("features", tmp_path / "events.parquet"),
        *("--out", tmp_path / "features.parquet", "--project", fraud),
    )
    assert done.returncode == 0, done.stderr
    made = pq.read_table(tmp_path / "features.parquet")
    assert made.num_rows == 5_000
    assert made.column("transaction_id").to_pylist() == (
        shuffled.column("TRANSACTION_ID").to_pylist()
    )
    assert len(made.column_names) == 16


def test_features_names_a_missing_column(fraud: Path, transactions: Path, tmp_path: Path) -> None:
    """A file that lacks a column of the source is refused before anything is written."""
    events = pq.read_table(transactions).slice(0, 100).drop_columns(["TX_AMOUNT"])
    pq.write_table(events, tmp_path / "events.parquet")
    out = tmp_path / "features.parquet"
    done = groundplan("features", tmp_path / "events.parquet", "--out", out, "--project", fraud)
    assert done.returncode == 1
    assert "tx_amount" in done.stderr
    assert not out.exists()


def test_build_reports_figures_beside_the_published_ones(fraud: Path) -> None:
    """The build has its own figures with intervals, both baselines, and what was published."""
    (folder,) = (fraud / ".groundplan" / "builds").iterdir()
    report = json.loads((folder / "manifest.json").read_text())["report"]
    names = [model["name"] for model in report["models"]]
    assert names == ["boosted trees", "logistic regression", "majority class"]
    trees, _, majority = report["models"]
    assert trees["roc_auc"]["low"] <= trees["roc_auc"]["value"] <= trees["roc_auc"]["high"]
    assert trees["average_precision"]["low"] > majority["average_precision"]["high"]
    assert report["published"]["XGBoost"] == [0.862, 0.639, 0.273]
    assert report["gate"]["passed"]


def test_verify_holds_every_promise(fraud: Path) -> None:
    """A short verification of the small project passes, and says so by figures and exit code."""
    for _ in range(4):  # a machine with other work to do may break what the program keeps
        done = groundplan("verify", fraud, "--seconds", "4", "--json")
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert all(promise["holds"] for promise in found["promises"])
    answers = {promise["answer"] for promise in found["promises"]}
    assert {"latency.p99", "latency.throughput", "freshness.features", "features"} <= answers
    assert found["consistency"]["rows"] > 2_000


def test_verify_exits_2_when_a_promise_is_broken(
    fraud: Path, transactions: Path, tmp_path: Path
) -> None:
    """A promise that no machine keeps is found broken, and the exit code says so."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    file = folder / "groundplan.toml"
    text = file.read_text().replace('features = "1s"', 'features = "10us"')
    file.write_text(text.replace("positive_rate = 0.008", "positive_rate = 0.5"))
    assert groundplan("build", folder, "--data", transactions).returncode == 0
    done = groundplan("verify", folder, "--seconds", "1", "--json")
    assert done.returncode == 2, done.stdout + done.stderr
    broken = {p["answer"] for p in json.loads(done.stdout)["promises"] if not p["holds"]}
    assert {"freshness.features", "labels.positive_rate"} <= broken
