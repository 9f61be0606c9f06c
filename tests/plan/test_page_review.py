"""The page in a design review: on one screen, on a phone, on paper, and while answers move."""

import shlex
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from answer_cases import changed, given_answers
from browser import Browser
from groundplan.cli import main
from groundplan.constraints import FIELDS
from groundplan.decision import conflicts, decide
from groundplan.plan.dossier import Dossier, draw_up
from groundplan.plan.page import page
from pattern_cases import KINDS

PATTERNS: Final = ("realtime", "batch", "ranking", "rag")
PRICES: Final = {"core": 20.0, "gb": 3.0, "gb_disk": 0.1}
READER: Final = (Path(__file__).parent / "reader.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dossiers() -> dict[str, Dossier]:
    """A plan of each pattern, with prices."""
    return {kind: draw_up(given_answers(**case), prices=PRICES) for kind, case in KINDS.items()}


def _pause(browser: Browser, milliseconds: int = 400) -> None:
    browser.evaluate(f"new Promise((done) => setTimeout(done, {milliseconds}))")


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_screen_says_what_why_and_what_would_flip_it(
    kind: str, browser: Browser, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """Before anything is scrolled stand the pattern, why the others are out, and a flip to try."""
    browser.screen(1440, 900)
    browser.open(files / f"{kind}.html")
    bottoms = browser.evaluate(
        """["h1", ".patterns .chosen", ".patterns .reason", ".turns li .chip", ".turns li .try"]
        .map((one) => document.querySelector(one).getBoundingClientRect().bottom)"""
    )
    assert all(0 < bottom <= 900 for bottom in bottoms)
    foretold = browser.evaluate(
        """[...document.querySelectorAll(".turns li")].map((one) => {
          one.querySelector(".try").click();
          return [one.querySelector(".chip").textContent,
            document.getElementById("decision").dataset.pattern];
        })"""
    )
    assert foretold
    assert all(said == came for said, came in foretold)
    flips = dossiers[kind].flips
    others = {flip.pattern for flip in flips if len(flip.answers) == 1} - {None}
    if others:
        assert foretold[0][0] in others  # another pattern tells more than a conflict


@pytest.mark.parametrize("kind", PATTERNS)
def test_failure_modes_are_short_and_lose_nothing(
    kind: str, browser: Browser, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """Folded per component, main risks first; all of them on demand and without a script."""
    every = dossiers[kind].failures
    causes = [one.cause.replace("`", "") for one in every]
    main_causes = [one.cause.replace("`", "") for one in every if one.main]
    seen = "[...document.querySelectorAll('.cause')].filter((one) => one.checkVisibility())"
    texts = f"{seen}.map((one) => one.textContent)"
    opened = "[...document.querySelectorAll('.mode')].filter((one) => one.checkVisibility()).length"
    browser.screen(390, 844, phone=True)
    browser.open(files / f"{kind}.html")
    assert browser.evaluate(texts) == (main_causes or causes)
    browser.evaluate("document.querySelector('.filter [value=all]').click()")
    assert browser.evaluate(texts) == causes
    assert browser.evaluate(opened) == 0
    browser.evaluate("document.getElementById('unfold').click()")
    assert browser.evaluate(opened) == len(causes)
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
    assert browser.evaluate(f"(() => {{ {READER} return contrast(); }})()") == []
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(files / f"{kind}.html")
    assert browser.evaluate(texts) == causes
    folds = "[...document.querySelectorAll('details[data-phone]')]"
    assert browser.evaluate(f"{folds}.every((one) => one.open)")
    browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_phone_folds_what_a_wide_screen_shows(browser: Browser, files: Path) -> None:
    """Turned to a wide screen, every such fold is open again, since its handle is gone there."""
    heights = []
    for size, phone, opened in (((390, 844), True, False), ((1440, 900), False, True)):
        browser.screen(*size, phone=phone)
        if phone:
            browser.open(files / "realtime.html")
        _pause(browser, 100)
        folds = "[...document.querySelectorAll('details[data-phone]')]"
        assert browser.evaluate(f"{folds}.map((one) => one.open)") == [opened] * 5
        heights.append(browser.evaluate("document.documentElement.scrollHeight"))
    assert heights[0] < 14_000


def test_paper_shows_every_failure_mode(browser: Browser, files: Path) -> None:
    """Whatever the filter says, and where no script opens the folds."""
    browser.screen(690, 1000)
    shown_modes = (
        "[...document.querySelectorAll('.mode')].filter((one) => one.checkVisibility()).length"
    )
    for scripted in (True, False):
        browser.call("Emulation.setScriptExecutionDisabled", value=not scripted)
        browser.open(files / "realtime.html")
        browser.media(printed=True)
        if scripted:
            browser.evaluate("dispatchEvent(new Event('beforeprint'))")
        total = browser.evaluate("document.querySelectorAll('.mode').length")
        assert browser.evaluate(shown_modes) == total
        browser.media()
    browser.call("Emulation.setScriptExecutionDisabled", value=False)


# While answers move.


def test_what_does_not_move_steps_back(browser: Browser, files: Path) -> None:
    """With an answer moved, each part that stays says so in sight; with none, none does."""
    stale = "[...document.querySelectorAll('.stale')].map((one) => one.checkVisibility())"
    grey = """[...document.querySelectorAll('.filed > :not(.stale, h2, script)')]
        .every((one) => getComputedStyle(one).filter === 'grayscale(1)')"""
    browser.screen(1280, 900)
    browser.open(files / "realtime.html")
    assert not any(browser.evaluate(stale))
    assert not browser.evaluate(grey)
    browser.open(files / "realtime.html", "#latency.p99=90ms")
    assert len(browser.evaluate(stale)) == browser.evaluate(
        "document.querySelectorAll('.filed').length"
    )
    assert all(browser.evaluate(stale))
    assert browser.evaluate(grey)
    moving = "['decision', 'answers', 'why'].map((one) => document.getElementById(one))"
    assert not browser.evaluate(f"{moving}.some((one) => one.matches('.filed'))")


def test_the_command_draws_the_plan_of_the_moved_answers(
    browser: Browser, dossiers: dict[str, Dossier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the copy button gives, typed in the project's folder, writes the page of exactly the
    answers that were moved, at the same prices and growth."""
    (tmp_path / "groundplan.toml").write_text(FRAUD, encoding="utf-8")
    (tmp_path / "system.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    start = "plan --prices core=20,gb=3 --at traffic=4x,corpus=2x --out plan.html"
    assert CliRunner().invoke(main, shlex.split(start)).exit_code == 0
    browser.open(
        tmp_path / "plan.html", "#latency.p99=80ms&labels.delay=&interpretability.level=none"
    )
    command = browser.evaluate("document.querySelector('[data-live=command]').textContent")
    program, *words = shlex.split(command)
    assert program == "groundplan"
    assert words[-2:] == ["--out", "plan.html"]
    assert CliRunner().invoke(main, words).exit_code == 0
    browser.open(tmp_path / "plan.html")
    said = browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-said]')]"
        ".map((one) => [one.dataset.said, one.textContent]))"
    )
    assert (said["latency.p99"], said["interpretability.level"]) == ("80ms", "none")
    assert "labels.delay" not in said
    assert browser.evaluate("document.querySelector('#growth .money').children.length") == 4
    options = browser.evaluate("JSON.parse(document.getElementById('data').textContent).options")
    assert options == ["--prices core=20,gb=3", "--at traffic=4x,corpus=2x"]


FRAUD: Final = """
[system]
name = "card-fraud"
goal = "Score every card transaction"
output = "score"

[labels]
kind = "explicit"
delay = "7d"

[latency]
p99 = "100ms"
throughput = "500/s"

[freshness]
predictions = "0s"
features = "1s"
requests = "unforeseen"

[candidates]
per_request = 1

[interpretability]
level = "explain"
"""


def test_the_keyboard_reaches_the_command(browser: Browser, files: Path) -> None:
    """The sentence of a part leads to the bar, and the next stop there copies the command."""
    browser.screen(1280, 900)
    browser.open(files / "realtime.html", "#latency.p99=90ms")
    browser.evaluate("document.querySelector('#capacity .stale a').focus()")
    browser.press("Enter")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.id") == "copy"
    ring = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    browser.press("Enter")
    _pause(browser, 100)
    assert browser.evaluate("document.getElementById('copy').textContent") == "copied"


@pytest.mark.parametrize(
    ("kind", "moves"),
    [
        ("realtime", {"latency.p99": "100us"}),
        ("realtime", {"system.output": "answer", "latency.p99": "20ms"}),
        ("ranking", {"latency.p99": "2ms", "policy.cores": "2"}),
        ("rag", {"latency.p99": "50ms", "latency.throughput": "9000/s", "policy.cores": "4"}),
        ("batch", {"freshness.predictions": "0s", "candidates.per_request": "100000000"}),
    ],
)
def test_a_conflict_while_moving_names_the_answers(
    kind: str,
    moves: dict[str, str],
    browser: Browser,
    files: Path,
    dossiers: dict[str, Dossier],
) -> None:
    """The smallest sets that the page finds are those of Python, and two of them are told."""
    answers = dossiers[kind].answers
    for key, text in moves.items():
        answers = changed(answers, key, _read(key, text))
    assert decide(answers).pattern is None
    fragment = "&".join(f"{key}={text}" for key, text in moves.items())
    browser.screen(1280, 900)
    browser.open(files / f"{kind}.html", f"#{fragment}")
    _pause(browser)
    sets = {one.answers for one in conflicts(answers)}
    items = "[...document.querySelectorAll('.clash [data-set-of]')]"
    told = browser.evaluate(f"{items}.map((one) => one.dataset.setOf)")
    assert {tuple(one.split()) for one in told} <= sets
    rest = browser.evaluate("document.querySelector('.clash li:not([data-set-of])')?.textContent")
    assert len(told) == min(2, len(sets))
    assert (rest or "").startswith(f"And {len(sets) - 2} more" if len(sets) > 2 else "")
    links = browser.evaluate(f"{items}[0].querySelectorAll('a').length")
    assert links == len(told[0].split())
    assert "cannot hold together" in browser.evaluate(
        "document.querySelector('[data-live=changed]').textContent"
    )
    browser.evaluate("document.getElementById('reset').click()")
    assert browser.evaluate("document.querySelector('.clash').checkVisibility()") is False


def _read(key: str, text: str) -> Any:
    kind = FIELDS[key].kind
    return kind.read(int(text)) if text.isdigit() else kind.read(text)


# Money.


@pytest.mark.parametrize("kind", PATTERNS)
def test_the_cost_of_growth_stands_in_the_page(
    kind: str, files: Path, dossiers: dict[str, Dossier]
) -> None:
    """Now and at each grown step, where prices were given; elsewhere no money at all."""
    text = (files / f"{kind}.html").read_text(encoding="utf-8")
    assert "<dt>now</dt>" in text
    for one in ("traffic 10x", "corpus 10x", "history 10x", "all 10x"):
        assert f"<dt>{one}" in text
    assert "What a month costs" not in page(draw_up(dossiers[kind].answers))
