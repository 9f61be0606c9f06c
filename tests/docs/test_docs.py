"""The docs are executed: every command and snippet of every page runs, in the index's order."""

import contextlib
import importlib.util
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from servers import valkey

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)?[ ]?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PORT = re.compile(r"(?<=localhost:)8\d\d\d|(?<=--port )8\d\d\d")


def pages() -> list[Path]:
    """The tutorial, then what the index lists below it, as a reader would go on."""
    index = (DOCS / "README.md").read_text()
    return [DOCS / link for link in re.findall(r"\]\(((?:tutorial|howto/[\w-]+)\.md)\)", index)]


def test_the_index_lists_every_page_and_every_link_leads_somewhere() -> None:
    """No page is out of reach, and no link of the docs or the examples is dead."""
    assert set(pages()) == {DOCS / "tutorial.md", *(DOCS / "howto").glob("*.md")}
    for page in (*DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", re.sub(r"`[^`]*`", "", page.read_text())):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"


def test_every_public_name_is_where_the_package_says() -> None:
    """What the docs import from `groundplan` can be imported: no name leads nowhere."""
    import groundplan

    for name in groundplan.__all__:
        assert getattr(groundplan, name) is not None


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Workplace:
    """The folder in which a reader follows the pages, and the servers started there."""

    def __init__(self, folder: Path, redis: str) -> None:
        self.folder = folder
        self.metrics: dict[str, str] = {}
        self._redis = redis
        self._ports: dict[str, str] = {}
        self._servers: list[subprocess.Popen[bytes]] = []
        found = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        self._environment = {"PATH": found, "HOME": str(folder), "PYTHONWARNINGS": "error"}

    def follow(self, page: Path) -> None:
        """Do what a page says, from top to bottom, and end the servers that it started."""
        try:
            for language, file, text in FENCE.findall(page.read_text()):
                if language == "console":
                    self._console(self._placed(text))
                elif language == "diff":
                    self._change(self.folder / file, text)
                elif file:
                    (self.folder / file).write_text(text)
                elif language == "python":
                    self._run(f"python - <<'END'\n{text}END\n", "")
        finally:
            self._keep_metrics()
            while self._servers:
                server = self._servers.pop()
                server.terminate()
                server.wait(30)

    def _placed(self, text: str) -> str:
        """With ports that are free here, and the store that runs here."""
        text = text.replace(
            "groundplan serve card-fraud &", "groundplan serve card-fraud --port 8000 &"
        )
        text = text.replace("redis://localhost:6379/1", self._redis)
        return PORT.sub(lambda at: self._ports.setdefault(at[0], _free_port()), text)

    def _console(self, text: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            count = next(i for i in range(1, len(lines) + 1) if _complete("\n".join(lines[:i])))
            command, expected = "\n".join(lines[:count]), "\n".join(lines[count:])
            if command.endswith("&"):
                self._serve(command)
            else:
                self._run(command, expected)

    def _run(self, command: str, expected: str) -> None:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        # Whether a promise of time holds is up to what else runs here; that it was judged is not.
        fine = {0, 2} if command.startswith("groundplan verify") else {0}
        assert done.returncode in fine, f"$ {command}\n{done.stdout}{done.stderr}"
        assert not expected or _same(done.stdout, expected), f"$ {command}\n{done.stdout}"

    def _serve(self, command: str) -> None:
        words = shlex.split(command.rstrip("& "))
        scheme = "https" if "--tls-cert" in words else "http"
        url = f"{scheme}://localhost:{words[words.index('--port') + 1]}"
        server = subprocess.Popen(
            words, cwd=self.folder, env=self._environment, stdout=subprocess.DEVNULL
        )
        self._servers.append(server)
        with httpx.Client(verify=False) as client:
            while server.poll() is None:
                with contextlib.suppress(httpx.TransportError):
                    client.get(f"{url}/health/live")
                    return
                time.sleep(0.1)
        raise AssertionError(f"{command} did not answer")

    def _keep_metrics(self) -> None:
        """What the servers of the tutorial say, for the reference."""
        for pattern, port in (("realtime", "8000"), ("batch", "8001")):
            with contextlib.suppress(httpx.TransportError, KeyError):
                url = f"http://localhost:{self._ports[port]}/metrics"
                self.metrics.setdefault(pattern, httpx.get(url).text)

    @staticmethod
    def _change(file: Path, text: str) -> None:
        lines = text.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        content = file.read_text()
        assert content.count(before) == 1, f"{file} does not hold once:\n{before}"
        file.write_text(content.replace(before, after))


def _complete(command: str) -> bool:
    """Whether a shell would run this, or wait for the next line."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def _same(printed: str, expected: str) -> bool:
    """Equal line by line but for trailing blanks; `...` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()) + "\n"
        for line in expected.strip("\n").splitlines()
    )
    flat = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines()) + "\n"
    return re.fullmatch(pattern, flat) is not None


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("reader")
    with valkey(folder / "valkey") as store:
        yield Workplace(folder, f"redis://localhost:{store.port}/1")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_every_command_of_the_docs_runs(page: Path, workplace: Workplace) -> None:
    """A reader who does what the page says gets what it shows."""
    workplace.follow(page)


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_program_says() -> None:
    """Answers, rules, components and commands: `python docs/reference.py` writes them anew."""
    found = dict(_reference().pages())
    assert {file.stem for file in found} == {"answers", "rules", "components", "commands"}
    for file, text in found.items():
        assert file.read_text() == text, f"{file.name}: run `python docs/reference.py`"


def test_every_rule_of_the_reference_has_an_example() -> None:
    """Each line of the tables is fired by answers that a file may state, and says why."""
    examples = _reference().Examples()
    from groundplan.decision.components import ROLES
    from groundplan.decision.rules import RULES

    every = {rule.name for rule in (*RULES, *(rule for role in ROLES for rule in role.rules))}
    assert set(examples.found) == every
    for name, example in examples.found.items():
        assert (example.ruling.rule, bool(example.ruling.because)) == (name, True)


def test_the_metrics_are_what_the_servers_export(workplace: Workplace) -> None:
    """Every metric of the tutorial's servers is on the page as they tell it, and no invented one.

    What counts something that has not happened, such as a comparison, may not be told yet.
    """
    if set(workplace.metrics) != {"realtime", "batch"}:
        pytest.skip("the tutorial did not run in this process")
    page = (DOCS / "reference" / "metrics.md").read_text()
    rows = [
        re.split(r" \| ", row.strip("| ")) for row in re.findall(r"^\| `.*", page, re.MULTILINE)
    ]
    shown = {name.strip("`"): (kind, labels, says, of) for name, kind, labels, says, of in rows}
    for name, metric in _reference().metrics(workplace.metrics).items():
        assert name in shown, f"{name} is not on the page: see docs/reference.py"
        kind, labels, says, of = shown[name]
        assert (kind, says) == (metric.kind, metric.says)
        assert metric.labels <= set(labels.split(", "))
        assert set(metric.of) <= set(of.split(", "))
    source = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    for name in shown:
        stem = name.removeprefix("groundplan_").removesuffix("_total")
        assert f'"{stem}"' in source or name in source, f"{name} is not in the program"
    for name, metric in _reference().LATER.items():
        assert metric.says in source, f"{name} is said otherwise in the program"
