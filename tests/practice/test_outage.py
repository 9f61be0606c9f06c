"""A store that dies and comes back under load: answers say so, and nothing is lost."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import groundplan
from servers import valkey


@pytest.fixture
def project(tmp_path: Path, transactions: Path) -> Path:
    folder = tmp_path / "card-fraud"
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    answers = folder / "groundplan.toml"
    text = answers.read_text().replace("positive_rate = 0.008", "positive_rate = 0.04")
    text = text.replace('throughput = "500/s"', 'throughput = "100/s"')
    answers.write_text(text.replace('p99 = "100ms"', 'p99 = "500ms"'))  # tests share the machine
    return folder


def test_verify_and_consistency_pass_with_the_store_killed_in_the_middle(
    project: Path, transactions: Path, tmp_path: Path
) -> None:
    """Every promise holds: degraded answers say so, and what they asked becomes history later."""
    state = project / ".groundplan" / "verify"
    with valkey(tmp_path / "valkey") as server:
        with (project / "groundplan.toml").open("a") as answers:
            answers.write(f'\n[engines]\nonline_store = "{server.url}"\n')
        built = groundplan("build", project, "--data", transactions)
        assert built.returncode == 0, built.stderr
        with subprocess.Popen(
            [sys.executable, "-m", "groundplan", "verify", project, "--seconds", "9", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as verifying:
            while len(list((state / "log").glob("*.journal"))) == 0:
                assert verifying.poll() is None, verifying.communicate()
                time.sleep(0.05)
            time.sleep(4)
            server.kill()
            time.sleep(1)
            server.start()
            out, errors = verifying.communicate(timeout=120)
        left = list(server.client().scan_iter("groundplan:*verify*"))
    found = json.loads(out)
    broken = [promise for promise in found["promises"] if not promise["holds"]]
    assert verifying.returncode == 0, (broken, errors)
    assert found["consistency"]["degraded"] > 0
    (fallbacks,) = (p for p in found["promises"] if p["answer"] == "plan.fallbacks")
    assert "while an engine was away" in fallbacks["measured"]
    assert left == []  # the rehearsal's state is gone
    checked = groundplan("consistency", project, "--state", state)
    assert checked.returncode == 0, checked.stdout
