"""What several test rooms share: a small fraud project, built once per worker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings

# The figures of whoever runs the tests decide nothing here, nor in the processes they start.
os.environ["GROUNDPLAN_COSTS"] = "reference"

# How long an example takes says more of what else a machine does than of what is tested. The same
# examples are drawn in each run, so that a change is judged by itself; `make fuzz` draws others.
common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("same", common, derandomize=True)
settings.register_profile("fuzz", common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def groundplan(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "groundplan", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture(scope="session")
def transactions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of simulated transactions of a thousand customers, in published columns."""
    from groundplan.examples.fraud.simulator import simulate

    file = tmp_path_factory.mktemp("data") / "transactions.parquet"
    table = simulate(days=62, customers=1_000, terminals=2_000, start="2018-06-20", seed=7)
    pq.write_table(table.rename_columns([name.upper() for name in table.column_names]), file)
    return file


@pytest.fixture(scope="session")
def fraud(tmp_path_factory: pytest.TempPathFactory, transactions: Path) -> Path:
    """A fraud project with a live build."""
    folder = tmp_path_factory.mktemp("projects") / "card-fraud"
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    # As many terminals are compromised among a few thousand as among ten, so fraud is less rare.
    answers = folder / "groundplan.toml"
    answers.write_text(answers.read_text().replace("positive_rate = 0.008", "positive_rate = 0.04"))
    done = groundplan("build", folder, "--data", transactions)
    assert done.returncode == 0, done.stderr
    return folder


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(project: Path, state: Path) -> Iterator[Server]:
    """A server of a project, with its state in a folder."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "groundplan", "serve", str(project)),
            *("--port", "0", "--state", str(state)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split(" on ")[-1].strip()
        try:
            with httpx.Client(base_url=address, timeout=30) as client:
                yield Server(process, client)
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def server(fraud: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the fraud project that tests may share."""
    with serving(fraud, tmp_path_factory.mktemp("state")) as running:
        yield running
