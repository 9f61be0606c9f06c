"""The page and the model card of a build: complete, of themselves, and safe to open."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from groundplan.patterns.batch.building.report import page
from groundplan.patterns.batch.building.report.axes import ceiling, ticks
from groundplan.patterns.batch.building.training import build
from groundplan.rollout.builds import Build
from patterns.batch.projects import SYSTEM, small


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build whose decisions cost, and which has published figures beside it."""
    project = small(tmp_path_factory.mktemp("projects") / "small")
    system = SYSTEM.replace(
        'Bands.top("leave", call=0.05, offer=0.2)',
        'Bands.costs("leave", "call_them", act_wrongly=50, miss=200)',
    ).replace('decisions=("call", "offer")', 'decisions=("call_them",)')
    system += '\npublished = {"a <b>forest</b>": (0.8, None), "a | b": (0.7, None)}\n'
    system += 'card = {"caveats": "Made up."}\n'
    (Path(project.folder) / "system.py").write_text(system)
    return build(project, None, lambda step, done, total: None)


class Tags(HTMLParser):
    """The tags of a page, which must close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(built: Build) -> None:
    """One file: every tag closes, nothing is fetched, no script runs, and drawings are XML."""
    text = (built.folder / "report.html").read_text()
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert not {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object"}
    assert not [attributes for _, attributes in tags.seen if {"src", "href"} & attributes.keys()]
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    drawings = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(drawings) == 5  # calibration, histogram, gain, lift, cost
    for drawing in drawings:
        assert ElementTree.fromstring(drawing).get("aria-label")
        assert "nan" not in drawing


def test_the_page_tells_every_figure(built: Build) -> None:
    """Figures, published ones, decisions, codes and groups stand on it, and texts are escaped."""
    text = (built.folder / "report.html").read_text()
    report = built.manifest.report
    for model in report["models"]:
        assert f"{model['roc_auc']['value']:.3f}" in text
        assert f"{model['brier']['low']:.3f}–{model['brier']['high']:.3f}" in text
    assert "a &lt;b&gt;forest&lt;/b&gt;" in text
    assert "<b>forest" not in text
    for code in report["codes"]:
        assert f"<code>{code['code']}</code>" in text
    for group in report["fairness"][0]["groups"]:
        assert f"{group['rows']:,}" in text
    assert "call them" in text
    assert built.manifest.build in text
    assert "29 CFR 1607.4(D)" in text


def test_nothing_is_equal_opportunity_where_nobody_said_what_people_want(built: Build) -> None:
    """Without `favourable` the page and the card show both differences and name neither."""
    for file in ("report.html", "model_card.md"):
        text = (built.folder / file).read_text()
        assert "reatest difference of true positive rates: " in text
        assert "reatest difference of false positive rates: " in text
        assert "qual opportunity" not in text


def test_what_is_not_known_is_a_dash(built: Build) -> None:
    """A figure that there is none of (null in the manifest) does not stop the page."""
    report = msgspec.json.decode(msgspec.json.encode(built.manifest.report))
    nothing = {"value": None, "low": None, "high": None}
    report["decisions"][1]["precision"] = nothing
    report["fairness"][0]["groups"][0]["roc_auc"] = nothing
    report["fairness"][0]["ratios"] = []
    report["codes"] = []
    made = page(msgspec.structs.replace(built.manifest, report=report), "goal")
    assert "–" in made
    assert "Too few rows to compare groups" in made
    assert "What moves scores" not in made


def test_the_card_has_all_its_parts(built: Build) -> None:
    """The model card has the parts of Mitchell et al., the figures, and what nobody stated."""
    text = (built.folder / "model_card.md").read_text()
    parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert parts == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Decisions",
        "Evaluation and training data",
        "Quantitative analyses by group",
        "Reasons",
        "Ethical considerations",
        "Caveats and recommendations",
    ]
    assert "Made up." in text
    assert "Intended use: Not stated: say it in `card` of system.py." in text
    auc = built.manifest.report["models"][0]["roc_auc"]
    assert f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]" in text
    for line in text.splitlines():
        if line.startswith("| "):
            assert line.endswith(" |")
    (published,) = (line for line in text.splitlines() if line.startswith(r"| a \| b"))
    table = text[: text.index(published)].rpartition("\n\n")[2]
    assert len(re.findall(r"(?<!\\)\|", published)) == table.partition("\n")[0].count("|")


def test_ticks_are_round_and_few() -> None:
    """Ticks are multiples of 1, 2 or 5 of a power of ten inside the range; a ceiling is one."""
    assert ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks(143, 172, 5) == [150, 160, 170]
    assert ceiling(0.83) == pytest.approx(1.0)
    assert ceiling(3.6) == 4
    assert ceiling(0.031) == pytest.approx(0.04)
