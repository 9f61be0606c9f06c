"""A server's background check keeps the last report, and outlives checks that fail."""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from groundplan.monitoring.consistency import Example, FeatureReport, Report
from groundplan.monitoring.watch import Watch, command

REPORT = Report(
    rows=10,
    features=(FeatureReport("count", 7, 2, 0, 0, 1, 3.0, (Example(5, 1, 2.0, None),)),),
    beyond=4,
)


def _printing(folder: Path, code: int) -> list[str]:
    file = folder / "report.json"
    file.write_bytes(msgspec.json.encode(REPORT))
    return [sys.executable, "-c", f"print(open({str(file)!r}).read()); raise SystemExit({code})"]


def test_a_report_becomes_figures(tmp_path: Path) -> None:
    """Each feature's differences are gauges by outcome; an inconsistent report is a report too."""
    watch = Watch(_printing(tmp_path, 2))
    assert [figure.name for figure in watch.figures()] == ["consistency_failures"]
    asyncio.run(watch.check())
    assert watch.report == REPORT
    found = {(f.name, f.labels.get("outcome")): f.value for f in watch.figures()}
    assert found["consistency_differing", "mismatch"] == 2
    assert found["consistency_differing", "late"] == 1
    assert found["consistency_beyond", None] == 4
    assert "Not consistent" in watch.page("card-fraud", "b")


def test_a_check_that_fails_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A check that could not compare leaves the last report standing, and is counted."""
    watch = Watch(_printing(tmp_path, 0))
    asyncio.run(watch.check())
    watch._command = [sys.executable, "-c", "raise SystemExit('no build')"]
    asyncio.run(watch.check())
    assert watch.report == REPORT
    assert watch.failures == 1
    assert "no build" in caplog.text


@pytest.mark.parametrize(
    "command",
    [["/nowhere/python"], [sys.executable, "-c", "print('a warning on a line of its own')"]],
    ids=["not started", "not a report"],
)
def test_a_check_that_fails_otherwise_is_followed_by_others(
    tmp_path: Path, command: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a check that cannot be started nor a stray line of output ends the watch."""
    watch = Watch(command, every=0.0, share=1.0)

    async def run() -> None:
        task = asyncio.create_task(watch.run())
        while watch.failures < 2:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        watch._command = _printing(tmp_path, 0)
        while watch.report is None:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert watch.report == REPORT
    assert "the consistency check failed" in caplog.text


def test_a_cancelled_watch_leaves_no_process(tmp_path: Path) -> None:
    """When the server stops, so does its check."""
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    watch = Watch([sys.executable, "-c", code], every=0.0)

    async def run() -> None:
        task = asyncio.create_task(watch.run())
        while not mark.exists() or not mark.read_text():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not Path(f"/proc/{mark.read_text()}").exists()


def test_the_command_is_the_one_of_the_command_line(tmp_path: Path) -> None:
    """What a server runs is what a person would: the command, with these options."""
    from groundplan.cli.consistency import consistency

    line = command(tmp_path, tmp_path, 7)
    arguments = line[line.index("consistency") + 1 :]
    (tmp_path / "groundplan.toml").touch()
    context = consistency.make_context("consistency", arguments)
    assert (context.params["last"], context.params["as_json"]) == (7, True)
