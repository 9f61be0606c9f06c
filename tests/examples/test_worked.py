"""The worked examples: their records are current, and what is said to flip them does."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from groundplan import constraints
from groundplan.decision import Flip, decide, flips, reference_costs
from groundplan.plan.markdown import setting

EXAMPLES = Path(__file__).parents[2] / "examples"
ANSWERS = sorted(EXAMPLES.glob("*/*.toml"))
FOLDERS = sorted({file.parent for file in ANSWERS})

DECIDED = {
    "home-feed": "ranking",
    "card-fraud": "realtime",
    "documents": "rag",
    "churn": "batch",
    "moderation-blocking": "realtime",
    "moderation-asynchronous": "batch",
    "product-search": "ranking",
}


def _printed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("records", EXAMPLES / "records.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_example_decides_what_it_shows() -> None:
    """All four patterns are shown, each by answers that decide it and fit its budgets."""
    found = {}
    for file in ANSWERS:
        answers = constraints.load(file)
        found[answers.system.name] = decide(answers, reference_costs()).pattern
    assert found == DECIDED


def test_the_records_are_what_the_program_says() -> None:
    """`python examples/records.py` writes them anew; a change of the rules shows in the review."""
    records = dict(_printed().records())
    assert len(records) == len(ANSWERS)
    for file, text in records.items():
        shown = file.read_text()
        assert shown == text, f"{file.relative_to(EXAMPLES)}: run `python examples/records.py`"


def _sentences(folder: Path) -> Iterator[str]:
    text = (folder / "README.md").read_text().partition("## What flips it")[2]
    for item in re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]:
        yield " ".join(item.split())


def _said(sentence: str) -> tuple[list[tuple[str, str]], str | None]:
    """The answers that a sentence moves, each with its value, and the decision that it names."""
    moved = re.findall(r"`(\w+\.\w+)`(?:,? (?:at|of))? `([^`]+)`", sentence)
    outcome = re.search(r"\*\*(\w+)\*\*\.$", sentence)
    assert outcome, f"no decision ends: {sentence}"
    pattern = None if outcome[1] == "conflict" else outcome[1]
    return moved, pattern


def _reaches(flip: Flip, said: list[tuple[str, str]], pattern: str | None) -> bool:
    pairs = zip(flip.answers, flip.after, strict=True)
    return flip.pattern == pattern and {(k, setting(k, v)) for k, v in pairs} <= set(said)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_three_sentences_say_what_flips_it(folder: Path) -> None:
    """Every value that they quote is one of the exact flips, and so is the decision they name."""
    sentences = list(_sentences(folder))
    assert len(sentences) == 3
    for sentence in sentences:
        said, pattern = _said(sentence)
        named = re.findall(r"`(\w+)\.toml`", sentence)
        file = folder / f"{named[0] if named else 'groundplan'}.toml"
        reached = [
            flip
            for flip in flips(constraints.load(file), reference_costs())
            if _reaches(flip, said, pattern)
        ]
        assert said, f"no answer is quoted: {sentence}"
        quoted = {
            (key, setting(key, value))
            for flip in reached
            for key, value in zip(flip.answers, flip.after, strict=True)
        }
        assert quoted == set(said), f"not a flip: {set(said) - quoted} in: {sentence}"
