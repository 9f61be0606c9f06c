"""Reading the answers: every problem at once, each one complete."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from answer_cases import given_answers, random_answers
from groundplan.constraints import FIELDS, QUESTIONS, Answers, load, parse, render
from groundplan.constraints.answers import TABLES
from groundplan.constraints.file import literal
from groundplan.errors import ConstraintError
from groundplan.units import DAY, MILLISECOND, MINUTE

FRAUD = """
[system]
name = "card-fraud"
goal = "Score every card transaction inside payment authorization"
output = "score"              # score | ranking | answer

[labels]
kind = "explicit"
positive_rate = 0.008
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
catalog = 10_000_000

[interpretability]
level = "audit"

[engines]
online_store = "redis://localhost:6379/0"

[policy]
private_corpus = true
fine_tuning = false
external_api = "inference"
hosts = 1
cores = 2
memory = "24GB"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConstraintError) as caught:
        parse(text, "groundplan.toml")
    return caught.value.problems


def problem(line: str, instead: str) -> str:
    """The only problem of the fraud file with one line replaced."""
    name = instead.split(" = ", maxsplit=1)[0]
    text = re.sub(rf"^{name} = [^#\n]*", instead, FRAUD, flags=re.MULTILINE) if not line else ""
    (only,) = problems(text or FRAUD.replace(line, instead))
    return only


def test_every_key_of_the_concept_is_read_into_integers() -> None:
    """The file of the concept gives the records that it states, with integers of one unit."""
    answers = parse(FRAUD, "groundplan.toml")
    assert answers.latency.p99 == 100 * MILLISECOND
    assert answers.latency.throughput == 500 * 10**9
    assert answers.labels.delay == 7 * DAY
    assert answers.policy.memory == 24 * 10**9
    assert answers.candidates.catalog == 10_000_000
    assert answers.engines == {"online_store": "redis://localhost:6379/0"}
    assert not answers.latency.streamed
    assert answers.freshness.knowledge is None


@given(random_answers())
def test_what_is_rendered_is_read_back(answers: Answers) -> None:
    """Writing any answers as a file and reading it gives equal answers, to the last unit."""
    if answers.latency.throughput > 9 * 10**15:  # beyond the precision of a parsed rate
        answers = given_answers()
    assert parse(render(answers), "groundplan.toml") == answers


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("p99 = 100", 'p99 = "100ms"'),
        ('p99 = "100 msec"', 'p99 = "100ms"'),
        ('p99 = "100"', 'p99 = "100ms"'),
        ('p99 = "0.1 seconds"', 'p99 = "0.1s"'),
        ('p99 = "1m30s"', 'p99 = "90s"'),
        ('p99 = "0ms"', 'p99 = "100ms"'),
        ('p99 = "-5ms"', 'p99 = "5ms"'),
        ("p99 = inf", 'p99 = "100ms"'),
        ("p99 = true", 'p99 = "100ms"'),
        ("p99 = [1]", 'p99 = "1ms"'),
        ("throughput = 500", 'throughput = "500/s"'),
        ('throughput = "500rps"', 'throughput = "500/s"'),
        ('throughput = "30 per minute"', 'throughput = "30/m"'),
        ('throughput = "5k/s"', 'throughput = "5000/s"'),
        ('throughput = "0/s"', 'throughput = "500/s"'),
        ("delay = 7", 'delay = "7d"'),
        ("positive_rate = 8", "positive_rate = 0.08"),
        ("positive_rate = 0.8e3", "positive_rate = 1.0"),
        ('positive_rate = "0.8%"', "positive_rate = 0.008"),
        ("positive_rate = -0.2", "positive_rate = 0.2"),
        ("positive_rate = nan", "positive_rate = 0.01"),
        ("positive_rate = true", "positive_rate = 0.01"),
        ("per_request = 0", "per_request = 1"),
        ("per_request = -3", "per_request = 1"),
        ("per_request = true", "per_request = 1"),
        ("per_request = 3.0", "per_request = 3"),
        ('per_request = "20k"', "per_request = 20000"),
        ('memory = "24gb"', 'memory = "24GB"'),
        ('memory = "24GiB"', 'memory = "25.8GB"'),
        ("memory = 24", 'memory = "24GB"'),
        ("memory = 0", 'memory = "24GB"'),
        ('output = "scores"', 'output = "score"'),
        ('requests = "unforseen"', 'requests = "unforeseen"'),
        ('level = "audited"', 'level = "audit"'),
        ("level = 3", 'level = "none"'),
        ('fine_tuning = "no"', "fine_tuning = false"),
        ("private_corpus = 1", "private_corpus = true"),
        ('goal = "  "', "goal = "),
        ("name = 7", 'name = "7"'),
        ("online_store = 6379", 'online_store = "6379"'),
    ],
)
def test_a_wrong_value_is_answered_with_the_nearest_form(wrong: str, nearest: str) -> None:
    """The message has file, key, value, rule and the nearest correct form, and is one line."""
    message = problem("", wrong)
    name, value = wrong.split(" = ", maxsplit=1)
    table = next((f.table for f in FIELDS.values() if f.name == name), "engines")
    assert message.startswith(f"groundplan.toml: {table}.{name} = ")
    assert value.strip('" []')[:4] in message or value in {"[1]", '"  "', "0.8e3"}
    assert f"; write {nearest}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "instead", "expected"),
    [
        ("predictions =", "predictons =", 'write predictions = "0s"'),
        ("online_store =", "online_stor =", "write online_store = "),
        ("[labels]", "[lables]", "write [labels]"),
        ("[engines]", "[zzz]\n[engines]", "remove it"),
        ("catalog =", "zzz =", "remove it"),
        ('p99 = "100ms"', 'p99 = "100ms"\nlevel = "none"', "write it under [interpretability]"),
        ("[system]", 'p99 = "1s"\n[system]', "write it under [latency]"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_known(
    line: str, instead: str, expected: str
) -> None:
    """A misspelt or misplaced key is one problem, which says what it should have been."""
    assert expected in problem(line, instead)


def test_a_table_that_is_a_value_is_said_to_be_one() -> None:
    """`latency = 5` at the top is answered with how a table is written."""
    text = re.sub(r"\[latency\]\np99.*\nthroughput.*\n", "", FRAUD)
    found = problems(f"latency = 5\n{text}")
    assert "groundplan.toml: latency = 5: it must be a table; write [latency] on a line" in found[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"throughput": 'throughput = "500/s"\nstreamed = true'}, "latency.streamed = true"),
        ({"requests": 'requests = "foreseen"\nknowledge = "0s"'}, 'freshness.knowledge = "0s"'),
        ({"catalog": "catalog = 5", "per_request": "per_request = 6"}, "per_request = 6"),
    ],
)
def test_answers_that_exclude_each_other_are_named(change: dict[str, str], expected: str) -> None:
    """A stream or knowledge for a score, and more candidates than the catalog, are refused."""
    text = FRAUD
    for name, line in change.items():
        text = re.sub(rf"^{name} = .*", line, text, flags=re.MULTILINE)
    (message,) = problems(text)
    assert expected in message
    assert "write " in message


def test_an_answer_may_stream_and_know() -> None:
    """What is refused for a score is accepted for an answer."""
    text = FRAUD.replace('"score"', '"answer"').replace(
        'requests = "unforeseen"', 'requests = "unforeseen"\nknowledge = "10m"'
    )
    answers = parse(text.replace('p99 = "100ms"', 'p99 = "1s"\nstreamed = true'), "x")
    assert answers.latency.streamed
    assert answers.freshness.knowledge == 10 * MINUTE


@pytest.mark.parametrize("key", [field.key for field in FIELDS.values() if field.required])
def test_a_missing_answer_is_named_with_its_question(key: str) -> None:
    """Each required key that is left out is one problem, with the question and what it decides."""
    table, name = key.split(".")
    text = re.sub(rf"^{name} = .*\n", "", FRAUD, flags=re.MULTILINE)
    (message,) = problems(text)
    assert f"{key} is missing" in message
    for question in QUESTIONS:
        if question.table == table:
            assert question.text in message
            assert question.decides in message
            assert f"question {question.number}" in message


def test_an_empty_file_has_one_problem_for_each_required_key() -> None:
    """All problems come at once."""
    required = [field.key for field in FIELDS.values() if field.required]
    assert [one.split(": ")[1].split()[0] for one in problems("")] == required


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[system]\nname = \n", "line 2, column 8"),
        ("x = [", "end of document"),
        ("a = 2020-13-45", "line 1"),
        ("x = 1\nx = 2", ""),
        ("x = " + "[" * 20_000, ""),
        ("x = " + "9" * 5_000, ""),
    ],
)
def test_broken_toml_is_one_problem_with_its_place(text: str, place: str) -> None:
    """What is not TOML at all is said with the line, not with a traceback."""
    (message,) = problems(text)
    assert message.startswith("groundplan.toml: ")
    assert place in message
    assert "not TOML" in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Missing files and other encodings are answered like any other problem."""
    with pytest.raises(ConstraintError, match="cannot be read"):
        load(tmp_path / "groundplan.toml")
    (tmp_path / "latin.toml").write_bytes(b'[system]\nname = "\xe9"')
    with pytest.raises(ConstraintError, match="byte 17 is not UTF-8"):
        load(tmp_path / "latin.toml")
    (tmp_path / "good.toml").write_text(FRAUD, encoding="utf-8")
    assert load(tmp_path / "good.toml") == parse(FRAUD, "x")


_KEYS = st.sampled_from([*(field.name for field in FIELDS.values()), "zz", "p9", "online_store"])
_VALUES = st.recursive(
    st.none().map(lambda _: "1979-05-27T07:32:00Z")
    | st.booleans().map(literal)
    | st.integers().map(str)
    | st.integers(10**20, 10**400).map(str)
    | st.floats().map(lambda number: repr(number).replace("+", ""))
    | st.text().map(literal)
    | st.from_regex(r"\A[-+]?[0-9_]{1,30}([.,][0-9]{1,3})?(e[0-9]{1,5})? ?[a-zA-Z/%]{0,9}\Z").map(
        literal
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=3,
)


@given(
    st.lists(st.tuples(st.sampled_from([*TABLES, "zz", "latensy", ""]), _KEYS, _VALUES), max_size=9)
)
@example([("latency", "p99", '"' + "9" * 500 + 'd"')])
@example([("latency", "p99", '"1e99999ms"')])
@example([("candidates", "per_request", '"1e999999999"')])
@example([("labels", "positive_rate", '"1e99999"')])
@example([("system", "name", '"\\u007f\\u0000"')])
def test_garbage_is_never_more_than_a_constraint_error(lines: list[tuple[str, str, str]]) -> None:
    """No file, however strange, raises anything but the error that lists its problems."""
    tables: dict[str, dict[str, str]] = {}
    for table, key, value in lines:
        tables.setdefault(table, {})[key] = value
    text = "\n".join(f"{key} = {value}" for key, value in tables.pop("", {}).items())
    for table, rows in tables.items():
        text += f"\n[{table}]\n" + "\n".join(f"{key} = {value}" for key, value in rows.items())
    for message in problems(text):
        assert message.startswith("groundplan.toml: ")
        assert "\n" not in message


@given(st.sampled_from(sorted(FIELDS)), _VALUES)
def test_the_nearest_form_is_itself_accepted(key: str, value: str) -> None:
    """Whatever was written, the value that the message suggests has no problem of its own."""
    field = FIELDS[key]
    found = _messages_for(f"[{field.table}]\n{field.name} = {value}", key)
    for message in found:
        suggested = message.rsplit("; write ", maxsplit=1)[1]
        assert _messages_for(f"[{field.table}]\n{suggested}", key) == []


def _messages_for(text: str, key: str) -> list[str]:
    return [one for one in problems(text) if one.startswith(f"groundplan.toml: {key} = ")]


def test_literals_are_what_toml_reads_back() -> None:
    """Texts with quotes, escapes and control characters survive."""
    import tomllib

    strange: list[Any] = ['"', "\\", "\x7f", "\x00", "é", "😀", "a\nb", True, 3, 0.1]
    for value in strange:
        assert tomllib.loads(f"x = {literal(value)}")["x"] == value
