"""The text of the answers while they come and go."""

from importlib import resources
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from answer_cases import random_answers, value_of
from groundplan.constraints import FIELDS, Answers, parse
from groundplan.constraints.draft import assumed_in, values_in, written
from groundplan.constraints.kind import Plain
from groundplan.constraints.question import ASKED, ASKED_BY_KEY

EXAMPLES = ("blank", "fraud", "churn", "credit")


def text_of(example: str) -> str:
    file = resources.files("groundplan.examples") / example / "groundplan.toml"
    return file.read_text().replace("{{name}}", example)


def plain(answers: Answers) -> dict[str, Plain | None]:
    values = {key: value_of(answers, key) for key in ASKED_BY_KEY}
    return {
        key: None
        if value is None or value == FIELDS[key].default
        else FIELDS[key].kind.plain(value)
        for key, value in values.items()
    }


def present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


@settings(max_examples=30, deadline=None)
@drawn(answers=random_answers(), assumed=st.frozensets(st.sampled_from(sorted(ASKED_BY_KEY))))
def test_a_new_file_says_what_was_answered(answers: Answers, assumed: frozenset[str]) -> None:
    """Nothing more, nothing less; what was assumed is marked; it parses to the answers."""
    values = plain(answers)
    text = written(None, values, assumed)
    assert values_in(text) == present(values)
    assert assumed_in(text) == {key for key in assumed if values[key] is not None}
    parsed = parse(text, "a file")
    assert all(value_of(parsed, key) == value_of(answers, key) for key in ASKED_BY_KEY)


@pytest.mark.parametrize("example", EXAMPLES)
@settings(max_examples=6, deadline=None)
@drawn(answers=random_answers(), again=random_answers())
def test_other_lines_stay(example: str, answers: Answers, again: Answers) -> None:
    """Changing answers keeps comments and other tables; changing them back gives the file."""
    before = text_of(example)
    text = written(written(before, plain(answers)), plain(again))
    rest = {key: v for key, v in values_in(before).items() if key not in ASKED_BY_KEY}
    assert values_in(text) == {**present(plain(again)), **rest}
    for table in ("labels", "freshness", "interpretability"):
        assert [line for line in text.splitlines() if line.startswith(f"[{table}]")] == [
            line for line in before.splitlines() if line.startswith(f"[{table}]")
        ]
    if example != "blank":
        assert "# " + before.split("kind =")[1].split("# ")[1].splitlines()[0] in text


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_file_that_says_so_already_is_not_touched(example: str) -> None:
    """To the byte, so that nothing is written for nothing."""
    before = text_of(example)
    said = values_in(before)
    if example != "blank":
        assert written(before, {key: said.get(key) for key in ASKED_BY_KEY}) == before


def test_what_is_open_becomes_a_comment_and_comes_back() -> None:
    """A required answer that is taken away keeps its last value in the comment."""
    before = text_of("fraud")
    values = {key: values_in(before).get(key) for key in ASKED_BY_KEY}
    opened = written(before, {**values, "latency.p99": None})
    assert '# p99 = "100ms"               # open: the whole request\n' in opened
    assert written(opened, values) == before


def test_an_assumption_is_marked_until_it_is_stated() -> None:
    """The mark goes with the first answer, even one that says the same."""
    before = text_of("fraud")
    values = {key: values_in(before).get(key) for key in ASKED_BY_KEY}
    marked = written(before, values, {"latency.p99"})
    assert assumed_in(marked) == {"latency.p99"}
    assert "# assumed: the whole request" in marked
    assert written(marked, values) == before


@pytest.mark.parametrize(
    "text",
    [
        'system = {name = "a", goal = "b # c", output = "score"}\n',
        'system.name = "a"\nlatency.p99 = "1s"\n[schedule]\nscore = "0 3 * * *"\n',
        '[system]\nname = """a\nb"""\n[engines]\nscores = "redis://a#b"\n',
        '["system"]\nname = "a"\n',
    ],
)
def test_a_file_in_another_form_is_written_anew(text: str) -> None:
    """Values that do not stand one on a line of their table are kept, not mangled."""
    before = values_in(text)
    values = {asked.key: before.get(asked.key) for asked in ASKED}
    changed = {**values, "latency.p99": "20ms", "system.goal": 'a "goal" # with a hash'}
    new = written(text, changed)
    rest = {key: value for key, value in before.items() if key not in ASKED_BY_KEY}
    assert values_in(new) == {**present(changed), **rest}


def test_a_new_file_names_only_what_belongs_to_its_answers() -> None:
    """Without labels no word of their share or delay; comments in the words of the output."""
    some = {"system.output": "score", "labels.kind": "explicit"}
    assert "# delay" in written(None, some)
    none = written(None, {**some, "labels.kind": "none"})
    assert "delay" not in none
    assert "positive_rate" not in none
    assert "# optional: all things that can be asked about" in none
    assert "all passages" in written(None, {**some, "system.output": "answer"})
