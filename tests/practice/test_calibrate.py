"""Calibrating: what is measured, what is left out, what is kept."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

import groundplan
from groundplan.cli.calibrate import calibrate as command
from groundplan.cli.decide import decide
from groundplan.decision import Cost, Costs, load_costs, reference_costs
from groundplan.decision.calibrated import own, place, processor, reserved
from groundplan.decision.costs import FURTHER, ROWS
from groundplan.errors import EngineError, ProjectError
from groundplan.practice.calibrate import calibrate, compare, lookups, trees, vectors
from groundplan.practice.calibrate.calibration import MEASURES, measured
from groundplan.practice.calibrate.measure import LEAST, ROUNDS, Clock, Measure, Timing

CHEAP = (
    *("http", "http_round_trip", "json_in", "json_out"),
    *("item_list", "published_score", "gbm_single", "attribution"),
    *("linear_single", "mlp_single", "mlp_row", "user_tower", "exact_10k_64"),
)
"""Rows whose preparation takes no seconds: every kind of preparation but the large ones."""

QUIET = Clock(0.01)
FRAUD = str(Path(groundplan.__file__).parent / "examples" / "fraud" / "groundplan.toml")


def silent(step: str, done: int, total: int) -> None:
    """Reports to nobody."""


def first(row: str) -> Measure:
    """The preferred way to measure a row."""
    return next(one for measures in MEASURES.values() for one in measures if one.row == row)


@pytest.fixture(scope="module")
def table() -> Costs:
    """What calibrating the cheap rows gives, all at once, of smaller stores and less training."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((lookups, "LISTS"), (lookups, "SCORES"), (trees, "ROWS")):
            patch.setattr(module, name, 2_000)
        return calibrate(silent, CHEAP, 0.01)


# The clock


def test_inputs_take_turns_and_rounds_are_counted() -> None:
    """Every input is used, and a fast call gives nine rounds, whose quartiles hold the median."""
    seen: list[int] = []

    def see(one: int) -> None:
        seen.append(one)

    timing = QUIET.each(see, [1, 2, 3])
    assert seen[:6] == [1, 2, 3, 1, 2, 3]
    assert 0 < timing.low <= timing.median <= timing.high
    rounds: list[float] = []

    def one_round(until: float) -> float:
        rounds.append(until)
        return 1.0

    QUIET.rounds(one_round)
    assert len(rounds) == ROUNDS + 1, "one to warm up"


def test_a_slow_call_gives_fewer_rounds() -> None:
    """A call that takes longer than the row may is tried, made once to warm up and three times."""
    calls: list[float] = []

    def slow(seconds: float) -> None:
        calls.append(seconds)
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    timing = QUIET.each(slow, [0.04])
    assert len(calls) == 2 + LEAST
    assert timing.median >= 40_000, "microseconds"


def test_what_others_do_meanwhile_does_not_count() -> None:
    """A long call is timed by the processor time that it takes, not by what it waits."""
    timing = QUIET.each(time.sleep, [0.02])
    assert timing.median < 10_000, "microseconds, of the 20,000 that it slept"


def test_a_timing_is_of_rounds_and_divides() -> None:
    """The median and the quartiles of the rounds, for one part of a call."""
    assert Timing.of([4.0, 1.0, 3.0, 5.0, 2.0]) == (3.0, 2.0, 4.0)
    assert Timing(500.0, 400.0, 600.0).per(100) == (5.0, 4.0, 6.0)


# What is measured


def test_every_row_has_a_measure_and_the_reference_measures_the_same() -> None:
    """What is no hosted model's can be measured, in the very way in which the reference was."""
    reference = reference_costs().rows
    own_rows = [row for row in ROWS if reference[row].source is None]
    assert {one.row for measures in MEASURES.values() for one in measures} == {*own_rows, *FURTHER}
    for row in own_rows:
        assert first(row).what == reference[row].what


@pytest.mark.parametrize("row", CHEAP)
def test_a_row_is_measured(table: Costs, row: str) -> None:
    """A figure above nothing with its spread, described, and of this machine."""
    cost = table.rows[row]
    assert cost.source is None, table.left.get(row)
    assert cost.what == first(row).what
    assert cost.spread is not None
    assert 0 < cost.spread[0] <= cost.value <= cost.spread[1] < 1e6


def test_the_table_says_what_it_is(table: Costs) -> None:
    """Its name is the user's and says how much is borrowed; borrowed rows say why."""
    count = sum(row in ROWS for row in CHEAP)
    assert table.name.startswith(f"your calibration ({count} of 19 rows")
    assert table.processor == processor()
    assert "numpy" in table.machine
    assert set(table.rows) == {*ROWS, *CHEAP}
    assert set(table.left) == {*ROWS, *FURTHER} - {*CHEAP}
    assert table.left["text_match"] == "not asked for"
    assert "hosted" in table.left["token_hosted"]


def test_an_exact_scan_finds_the_nearest() -> None:
    """What the scan is timed on is a search: its top is the top of a full sort."""
    points, queries = vectors.vectors(10_000, 64)
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    full = np.argsort(-(points @ queries[0]))[:50]
    found = np.argpartition(points @ queries[0], 10_000 - 50)[10_000 - 50 :]
    assert set(found) == set(full)
    assert vectors._recall([found], np.array([full])) == 1
    assert vectors._recall([found[:25]], np.array([full])) == 0.5


# What is left out


def test_what_needs_a_library_is_marked() -> None:
    """By the name to install it by; nothing is tried."""
    need = Measure("pair", "a step", lambda clock: pytest.fail("it ran"), ("no_such", "msgspec"))
    assert measured(need, QUIET) == "needs no_such"
    assert need._replace(needs=("msgspec",)).missing == []


@pytest.mark.parametrize(
    "error",
    [EngineError("no recall"), OSError("disk full"), MemoryError(), lmdb.DiskError("disk full")],
)
def test_what_fails_is_marked_and_the_rest_goes_on(error: Exception) -> None:
    """A full disk costs one row, not the two minutes."""

    def run(clock: Clock) -> Timing:
        raise error

    found = measured(Measure("pair", "a step", run, ()), QUIET)
    assert found == f"failed: {str(error) or 'MemoryError'}"


def test_a_row_that_fails_now_is_not_kept_from_before(
    table: Costs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure that could not be measured again is the reference's, and says why."""

    def run(clock: Clock) -> Timing:
        raise OSError("disk full")

    monkeypatch.setitem(MEASURES, "requests", (first("json_in")._replace(run=run),))
    again = calibrate(silent, ["json_in"], 0.01, table)
    assert again.left["json_in"] == "failed: disk full"
    assert "json_in" not in again.rows


def test_an_unknown_row_is_refused() -> None:
    """With those that can be measured; a hosted model's cannot."""
    for row in ("gbm", "token_hosted"):
        with pytest.raises(ProjectError, match=f"'{row}' is no row.*gbm_row"):
            calibrate(silent, [row])


def test_measuring_one_row_keeps_the_others(table: Costs) -> None:
    """Of this machine and version; those of another are dropped."""
    again = calibrate(silent, ["json_in"], 0.01, table)
    assert set(again.rows) == set(table.rows)
    assert again.left == table.left
    assert again.rows["http"] == table.rows["http"]
    other = msgspec.structs.replace(table, processor="an abacus")
    fresh = calibrate(silent, ["json_in"], 0.01, other)
    assert fresh.left["http"] == "not asked for"
    assert fresh.us("http") == reference_costs().us("http")


# Beside the reference


def test_ratios_stand_beside_the_reference(table: Costs) -> None:
    """Twice as slow is 2; what was not measured has no ratio, and says what it needs."""
    reference = reference_costs()
    rows = {
        **table.rows,
        "http": Cost(2 * reference.us("http"), "us", reference.rows["http"].what),
        "vector_exact": Cost(1.0, "us", "in another way"),
    }
    left = {row: why for row, why in table.left.items() if row != "vector_exact"}
    left["pair"] = "needs torch"
    lines = {
        line.row: line
        for line in compare(msgspec.structs.replace(table, rows=rows, left=left), reference)
    }
    assert list(lines) == [*ROWS, *FURTHER]
    assert (lines["http"].ratio, lines["http"].why) == (2.0, "")
    assert (lines["pair"].mine, lines["pair"].ratio) == (None, None)
    assert lines["pair"].why == "needs torch"
    assert lines["pair"].reference == reference.us("pair")
    assert lines["vector_exact"].why == "measured in another way than the reference"


# The command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command of the command line with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GROUNDPLAN_COSTS")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # the command sets them, and this puts them back

    def call(what: Any, *arguments: str) -> Any:
        found = CliRunner().invoke(what, arguments, catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found

    return call


def test_the_command_measures_keeps_shows_and_forgets(run: Any) -> None:
    """What it wrote is what decisions use from then on, and they say so."""
    assert "costs: reference" in run(decide, FRAUD).output
    shown = run(command, "--only", "json_in", "--only", "linear_single", "--seconds", "0.01")
    path = place()
    assert path is not None
    assert f"written to {path}" in shown.stderr
    assert "dense layers: done" in shown.stderr
    assert "your calibration (1 of 19 rows" in shown.stdout
    assert "not asked for: http, lookup, " in shown.stdout
    assert load_costs(path).rows["linear_single"].source is None
    decided = run(decide, FRAUD).output
    assert "costs: your calibration (1 of 19 rows" in decided
    assert "(not asked for)" in decided
    assert run(command, "--forget").output == f"{path} is deleted\n"
    assert "no table" in run(command, "--forget").output
    assert "costs: reference" in run(decide, FRAUD).output


def test_comparing_shows_what_is_there(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is there is not measured again, as JSON or as a table."""
    run(command, "--only", "json_in", "--seconds", "0.01")
    before = own()
    shown = run(command, "--compare")
    assert "written" not in shown.stderr
    assert "not asked for" in shown.stdout
    found = msgspec.json.decode(run(command, "--compare", "--json").stdout)
    assert found["costs"]["rows"]["json_in"]["value"] == before.us("json_in")  # type: ignore[union-attr]
    assert next(line for line in found["compared"] if line["row"] == "json_in")["mine"]
    assert own() is before
    monkeypatch.setenv("GROUNDPLAN_COSTS", "reference")
    assert "decisions use that table" in run(command, "--compare").stdout


HEEDS = """
import signal
from groundplan.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main(prog_name="groundplan")
"""
"""The command line, also where the tests run in the background, which ignores Ctrl-C."""


def test_one_measures_at_a_time_and_a_stopped_one_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one is refused before it disturbs; Ctrl-C ends the first, and no row is written."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calibrating = [sys.executable, "-c", HEEDS, "calibrate", "--seconds", "0.01"]
    rows = ("--only", "json_in", "--only", "text_match")
    with subprocess.Popen(
        [*calibrating, *rows],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:  # the first group is done, and the second takes seconds
            if line == "requests: done\n":
                break
        with pytest.raises(EngineError, match="another `groundplan calibrate`"), reserved():
            pass
        process.send_signal(signal.SIGINT)
        out, said = process.communicate()
    assert process.returncode == 130
    assert said == "\nstopped: nothing is written, and the table is as it was\n"
    assert out == ""
    assert os.listdir(tmp_path / "groundplan") == []
    with reserved():
        pass


def test_a_cache_that_cannot_be_written_costs_no_measuring(run: Any, tmp_path: Path) -> None:
    """It is named before anything is measured, not two minutes later."""
    (tmp_path / "cache").touch()
    with pytest.raises(EngineError, match="XDG_CACHE_HOME"):
        run(command, "--only", "no_row")
