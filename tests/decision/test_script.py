"""The decision in a browser: what the page decides is what Python decides, to the last character.

One page load in headless Chromium runs the whole grid, under a policy that allows no eval and no
network; the tests then compare its results with those of Python.
"""

import html
import itertools
import json
import random
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from answer_cases import NEAR, changed, given_answers, scaled
from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.kind import Choice, Count, Duration, Flag, Fraction, Rate, RefusedError
from groundplan.decision import Costs, Decision, decide
from groundplan.decision.board import Board
from groundplan.decision.case import KEYS, shown
from groundplan.decision.components import ROLES
from groundplan.decision.costs import reference
from groundplan.decision.domain import DOMAINS
from groundplan.decision.rules import RULES
from groundplan.decision.script import script, slots
from groundplan.decision.script.answer import literal
from groundplan.decision.script.program import Program
from groundplan.decision.script.types import FLOAT, INT, STR

TABLES: Final = (reference(), scaled(0.13), scaled(37.7))
NUMBERS: Final = tuple(key for key, domain in DOMAINS.items() if not domain.values)
TYPED: Final = {"str": STR, "int": INT, "float": FLOAT}

TWIN: Final = """
import math
import re

def root(a: int, b: int) -> str:
    return f"{math.isqrt(abs_(a))} {math.isqrt(abs_(b) ** 2)} {math.isqrt(abs_(b) ** 2 - 1)}"

def abs_(a: int) -> int:
    return max(a, -a)

def whole(a: int, b: int) -> str:
    return f"{a // b} {a % b} {-(-a // b)} {a - b * 3} {a:,} {min(a, b, 7)} {max(a, b)} {-a}"

def quotient(a: int, b: int) -> float:
    return a / b

def power(a: int, b: int) -> int:
    return (-a) ** 2 * 10 ** len(str(b)) - 2 ** 3 ** 2

def split(a: float, b: float) -> float:
    return a // b

def rest(a: float, b: float) -> float:
    return a % b

def mixed(a: int, b: float) -> float:
    return 3 * b - a * (b + 1) / 7

def texts(a: float, b: int) -> str:
    few = max(0, 6 - len(str(b)))
    return f"{a:.0f} {a:.1f} {a:,.2f} {a:.3g} {a:.6g} {a:.1g} {b:.0f} {b:,.3f} {b:.3g} {a:.{few}f}"

def rounded(a: float, b: float) -> str:
    return f"{round(a)} {int(b)} {100 * round(a, 4):.9g} {round(a, 2):.6f}"

def order(a: int, b: float) -> str:
    if a < b <= 10**18 or not a:
        return "below"
    elif a == b:
        return "equal"
    return "above" if 0 < b else "other"

def words(a: str, b: str) -> str:
    whole, sign, rest = a.partition(".")
    known = {a: 1, "b": 2}
    found = []
    for key, value in known.items():
        if key not in {"b", b}:
            found.append(f"{key}={value}`${{")
    match = re.fullmatch(r"(?P<digits>\\d[\\d_]*)\\s*(?P<unit>[a-z]+)", b.strip())
    unit = "none" if match is None else match["unit"] + match["digits"]
    return f"{whole}|{sign}|{rest}|{a.rstrip('0')}|{b.replace('0', '--')}|{unit}{', '.join(found)}"

def many(a: str, b: str) -> str:
    both = (a, b, *(word for word in (b, a) if word), "z")
    return ", ".join(sorted({one for one in both if one not in (a + "x", "z")}))

def counts(a: int, b: int) -> str:
    numbers = [a, b, *(one * 2 for one in (a, b) if one > 0)]
    total = sum(one for one in numbers if one % 2 == 0)
    first = next(one for one in (*numbers, 0) if one <= 0)
    odd = any(one % 2 for one in numbers)
    low = all(one < 10**9 for one in numbers if one)
    if odd and low:
        total += first
    return f"{total} {first} {len(numbers)} {numbers[1]} {sum(numbers[1:])}"
"""
"""Functions of the whole subset, run by Python and, compiled, by the page."""


def _grid() -> list[tuple[int, Answers]]:
    """Tables and answers: both sides of every break point, enumerations, gaps, random draws."""
    rng = random.Random(5)
    found: list[tuple[int, Answers]] = []
    outer = (DOMAINS["system.output"], DOMAINS["labels.kind"], DOMAINS["interpretability.level"])
    for words in itertools.product(*(domain.values for domain in outer)):
        for requests in DOMAINS["freshness.requests"].values * 2:
            start = _drawn(rng, near=0.9)
            for domain, word in zip(outer, words, strict=True):
                start = changed(start, domain.key, word)
            start = changed(start, "freshness.requests", requests)
            found += [(0, answers) for answers in _around(start, TABLES[0])]
            found += [(0, answers) for answers in _turns(rng, start, TABLES[0])]
    found += [(table, _drawn(rng, near=0.7)) for table in (0, 1, 2) for _ in range(600)]
    return found


def _around(start: Answers, costs: Costs) -> Iterator[Answers]:
    """Every value of an enumeration, and what lies on and beside each edge of a number."""
    board = Board(start, costs)
    for key, domain in DOMAINS.items():
        values = set(domain.values)
        for edge in [] if domain.values else board.edges(domain):
            values |= {edge - 1, edge, min(edge + 1, domain.most)}
        yield from (changed(start, key, value) for value in values)
        if domain.optional:
            yield changed(start, key, None)


def _turns(rng: random.Random, start: Answers, costs: Costs) -> Iterator[Answers]:
    """Both sides of where some component turns, along a few of the numbers; found by halving."""
    for key in rng.sample([*NUMBERS, "labels.delay", "policy.memory"], 5):
        kind = FIELDS[key].kind
        least, most = getattr(kind, "least", 0), getattr(kind, "most", 0)
        places = sorted(
            {least, most, *(10**power for power in range(2, 19, 2) if 10**power < most)}
        )
        for low, high in itertools.pairwise(places):
            yield from _turn(start, key, low, high, costs)


def _turn(start: Answers, key: str, low: int, high: int, costs: Costs) -> Iterator[Answers]:
    one, two = _at(start, key, low, costs), _at(start, key, high, costs)
    if one == two:
        return
    while high - low > 1:
        middle = (low + high) // 2
        if _at(start, key, middle, costs) == one:
            low = middle
        else:
            high = middle
    yield from (changed(start, key, low), changed(start, key, high))


def _at(start: Answers, key: str, value: int, costs: Costs) -> list[str]:
    """The rules that fire, of patterns and of components."""
    decision = decide(changed(start, key, value), costs)
    parts = [ruling for part in decision.components.values() for ruling in part.rulings]
    return [ruling.rule for ruling in (*decision.rulings, *parts)]


def _drawn(rng: random.Random, near: float) -> Answers:
    """Random answers; numbers are mostly those near which something turns."""
    answers = given_answers(
        engines=rng.choice([{}, {"scores": "redis://a"}, {"online_store": "é<b>"}])
    )
    if rng.random() < 0.1:
        answers = msgspec.structs.replace(answers, engines={"language_model": 'm`${1}"\\'})
    for key in KEYS:
        field = FIELDS[key]
        optional = not field.required and field.default is None
        if optional and rng.random() < 0.4:
            answers = changed(answers, key, None)
        elif isinstance(field.kind, Choice):
            answers = changed(answers, key, rng.choice(field.kind.words))
        elif isinstance(field.kind, Flag):
            answers = changed(answers, key, rng.random() < 0.5)
        elif key in NEAR and rng.random() < near:
            answers = changed(answers, key, rng.choice(NEAR[key]))
        elif isinstance(field.kind, Fraction):
            answers = changed(answers, key, rng.random() ** 4)
        else:
            answers = changed(answers, key, _number(rng, key))
    return answers


def _number(rng: random.Random, key: str) -> int:
    """A whole number of any size that the kind of an answer allows."""
    kind = FIELDS[key].kind
    least, most = getattr(kind, "least", 0), getattr(kind, "most", 0)
    drawn = int(10 ** rng.uniform(0, len(str(most)))) + rng.randrange(-3, 4)
    if rng.random() < 0.3:
        drawn = round(drawn, -len(str(drawn)) + 2)
    return int(min(max(drawn, least), most))


def _texts(rng: random.Random) -> list[tuple[str, str]]:
    """Texts of every kind, valid and not."""
    units = {
        "latency.p99": ("us", "ms", "s", " m", "h ", "d", "w", "S", "", "/s", "\x1cs", "\ufeffs"),
        "latency.throughput": ("/s", "/m", " / h", "/d", "/w", "", "s", "/s "),
        "policy.memory": ("B", "KB", "MB", " GB", "TB", "gb", "GiB", ""),
    }
    amounts = (
        "0",
        "1",
        "500",
        "1.5",
        "0.0005",
        "1_000",
        "2.",
        ".5",
        "-1",
        "1e3",
        "00.50",
        "1__0",
        "123456789012345678",
        "0.123456789123456789",
        "99999999999999999999999",
    )
    found = [(key, f"{n}{unit}") for key, ends in units.items() for n in amounts for unit in ends]
    found += [("candidates.per_request", text) for text in (*amounts, "10_000", " 7 ", "+5", "007")]
    found += [("labels.positive_rate", text) for text in (*amounts, "0.5", "1e-5", "2e-1_0", "1.0")]
    found += [("latency.streamed", text) for text in ("true", "false", "yes", "1", " true ")]
    found += [("labels.kind", text) for text in ("explicit", "none", "Explicit", "")]
    return found


def _read(key: str, text: str) -> Any:
    """A text as the file's reader takes it; None where it is refused."""
    kind = FIELDS[key].kind
    quoted = not isinstance(kind, Count | Fraction | Flag)
    try:
        return kind.read(text if quoted else tomllib.loads(f"x = {text}")["x"])
    except (RefusedError, tomllib.TOMLDecodeError):
        return None


def _twins(rng: random.Random) -> list[tuple[str, list[Any]]]:
    """Calls of the twin's functions with numbers of every size, halves and neighbours of both."""
    space: dict[str, Any] = {}
    exec(TWIN, space)
    found: list[tuple[str, list[Any]]] = []
    draw: dict[str, Callable[[], Any]] = {
        "int": lambda: (
            rng.choice([1, -1]) * int(10 ** rng.uniform(0, rng.choice([2, 9, 17, 40]))) or 1
        ),
        "float": lambda: rng.choice(
            [
                rng.randrange(1, 4000) / 8,
                -rng.randrange(1, 400) / 16,
                10 ** rng.uniform(-9, 16),
                rng.uniform(0.5, 1000),
                float(rng.randrange(1, 10**6)),
                0.5,
                9.995,
                99950.0,
                0.00009995,
            ]
        ),
        "str": lambda: "".join(
            rng.choice("a0.b5_ é\x1c\x85\u3000\ufeff😀\uffee<$") for _ in range(rng.randrange(6))
        ),
    }
    for name, function in space.items():
        types = [
            one.__name__
            for part, one in getattr(function, "__annotations__", {}).items()
            if part != "return"
        ]
        found += [(name, [draw[one]() for one in types]) for _ in range(400 if types else 0)]
    # A hair above the middle between two doubles: what is cut off decides.
    for _ in range(50):
        tie = (2**52 + rng.randrange(2**52)) * 2 + 1
        bottom = 3 ** rng.randrange(30, 60)
        found.append(("quotient", [tie * 2**40 * bottom + rng.choice([-1, 0, 1]), bottom]))
    return found


Results = dict[str, Any]


def _browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium on this machine: the decision in a page is not compared")
    return found


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """What the page is asked."""
    rng = random.Random(6)
    return {
        "grid": _grid(),
        "boards": [_drawn(rng, near=0.8) for _ in range(250)],
        "values": [(key, _number(rng, key)) for key in KEYS if _whole(key) for _ in range(300)],
        "texts": _texts(rng),
        "twins": _twins(rng),
    }


def _whole(key: str) -> bool:
    return hasattr(FIELDS[key].kind, "least")


@pytest.fixture(scope="module")
def page(cases: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the page answers, in one load."""
    browser, folder = _browser(), tmp_path_factory.mktemp("page")
    program = Program(lambda name: TWIN)
    space: dict[str, Any] = {}
    exec(TWIN, space)
    for name in {name for name, _ in cases["twins"]}:
        stated = [v.__name__ for k, v in space[name].__annotations__.items() if k != "return"]
        program.root("groundplan.twin", name, *(TYPED[one] for one in stated))
    own = (Path(__file__).parents[2] / "src/groundplan/decision/script/runtime.js").read_text()
    asked = {
        "grid": [[table, slots(answers)] for table, answers in cases["grid"]],
        "boards": [slots(answers) for answers in cases["boards"]],
        "numbers": NUMBERS,
        "values": [[key, str(value)] for key, value in cases["values"]],
        "texts": cases["texts"],
    }
    calls = ",\n".join(
        f"[twin${name}, [{', '.join(map(literal, values))}]]" for name, values in cases["twins"]
    )
    blocks = [
        *(f"{{{script(table)}\n(globalThis.tables ??= []).push(groundplan);}}" for table in TABLES),
        f"{{{own}\n{chr(10).join(program.chunks)}\nglobalThis.twins = [{calls}];}}",
        f"const asked = {json.dumps(asked)};".replace("<", "\\u003c"),
        RUNNER,
    ]
    policy = "default-src 'none'; script-src 'nonce-grid'; require-trusted-types-for 'script'"
    text = [
        '<!doctype html><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<pre id="out"></pre>',
        *(f'<script nonce="grid">{block}</script>' for block in blocks),
    ]
    file = folder / "page.html"
    file.write_text("\n".join(text), encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--disable-background-networking", "--disable-component-update"),
            *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    match = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None, f"the page did not answer: {done.stderr[-2000:]}"
    results: Results = json.loads(html.unescape(match[1]))
    assert "error" not in results, results["error"]
    return results


RUNNER: Final = r"""
const out = document.getElementById("out");
try {
  const plain = (key, value) => (typeof value === "bigint" ? String(value) : value);
  const attempt = (ask) => {
    try { return ask(); } catch (error) { return { refused: `${error}` }; }
  };
  const words = new Map();
  const word = (value) => {
    const text = JSON.stringify(value, plain);
    if (!words.has(text)) words.set(text, words.size);
    return words.get(text);
  };
  const grid = asked.grid.map(([table, answers]) => {
    const { pattern, standing, rulings, components, ...rest } = tables[table].decide(answers);
    return [pattern, standing, rulings.map(word), Object.entries(components).map(word), rest];
  });
  const [one] = tables;
  const boards = asked.boards.map((answers) => asked.numbers.map((key) => one.edges(answers, key)));
  const values = asked.values.map(([key, value]) => {
    const text = one.shown(key, value);
    return [text, one.read(key, text)];
  });
  const texts = asked.texts.map(([key, text]) => attempt(() => one.read(key, text)));
  const called = twins.map(([ask, values]) => attempt(() => String(ask(...values))));
  let evaluates = true;
  try { new Function("return 1"); } catch { evaluates = false; }
  const wrong = [
    { p99: 1.5 }, { p99: 2 ** 60 }, { P99: 1 }, { output: "scores" }, { throughput: null },
  ];
  const refusals = wrong.map((change) =>
    attempt(() => one.decide({ ...asked.boards[0], ...change })));
  const result = {
    words: [...words.keys()].map((text) => JSON.parse(text)),
    grid, boards, values, texts, called, evaluates, refusals,
    fields: one.fields, patterns: one.patterns,
  };
  out.textContent = JSON.stringify(result, plain);
} catch (error) {
  out.textContent = JSON.stringify({ error: `${error}\n${error.stack}` });
}
"""


def _expected(decision: Decision) -> dict[str, Any]:
    return {
        "pattern": decision.pattern,
        "standing": list(decision.standing),
        "rulings": [msgspec.to_builtins(ruling) for ruling in decision.rulings],
        "components": [[n, msgspec.to_builtins(c)] for n, c in decision.components.items()],
        "costs": decision.costs,
    }


def test_the_page_decides_as_python_does(cases: dict[str, Any], page: Results) -> None:
    """Pattern, standing, sentences and components are equal, character for character."""
    grid, words = cases["grid"], page["words"]
    assert len(grid) == len(page["grid"]) > 10_000
    wrong = []
    for (table, answers), got in zip(grid, page["grid"], strict=True):
        wanted = json.loads(json.dumps(_expected(decide(answers, TABLES[table]))))
        pattern, standing, rulings, components, rest = got
        found = {
            "pattern": pattern,
            "standing": standing,
            "rulings": [words[i] for i in rulings],
            "components": [words[i] for i in components],
            **rest,
        }
        if found != wanted:
            parts = [name for name in wanted if found[name] != wanted[name]]
            wrong.append(
                {
                    "answers": slots(answers),
                    "page": [found[n] for n in parts],
                    "python": [wanted[n] for n in parts],
                }
            )
    assert not wrong, f"{len(wrong)} of {len(grid)} differ: {json.dumps(wrong[:3], indent=1)}"


def test_the_grid_has_every_rule_pattern_and_conflict(cases: dict[str, Any]) -> None:
    """Each rule of patterns and of components gives its sentence somewhere on the grid."""
    fired: set[str] = set()
    patterns = set()
    for table, answers in cases["grid"]:
        decision = decide(answers, TABLES[table])
        patterns.add(decision.pattern)
        parts = [ruling for part in decision.components.values() for ruling in part.rulings]
        fired |= {ruling.rule for ruling in (*decision.rulings, *parts)}
    known = {rule.name for rule in RULES} | {rule.name for role in ROLES for rule in role.rules}
    assert known - fired == set()
    assert patterns == {"batch", "realtime", "ranking", "rag", None}


def test_edges_are_those_of_the_board(cases: dict[str, Any], page: Results) -> None:
    """Every number's edges, and the pattern on both ends of each range, are Python's."""
    for answers, got in zip(cases["boards"], page["boards"], strict=True):
        board = Board(answers, TABLES[0])
        for key, found in zip(NUMBERS, got, strict=True):
            domain = DOMAINS[key]
            edges = board.edges(domain)
            assert found["edges"] == [str(edge) for edge in edges], (slots(answers), key)
            starts = [domain.least, *edges]
            ends = [*(edge - 1 for edge in edges), domain.most]
            for one, least, most in zip(found["ranges"], starts, ends, strict=True):
                assert (one["least"], one["most"]) == (str(least), str(most))
                for value in (least, most):
                    board.put(domain.slot, value)
                    assert one["pattern"] == board.now(), (slots(answers), key, value)
            board.put(domain.slot, None)
            assert ("unstated" in found) == domain.optional
            if domain.optional:
                assert found["unstated"] == board.now(), (slots(answers), key)
            board.back(domain.slot)


def test_values_are_shown_as_the_file_shows_them(cases: dict[str, Any], page: Results) -> None:
    """Any number of any answer is written as the file writes it, and read back the same."""
    for (key, value), (text, back) in zip(cases["values"], page["values"], strict=True):
        assert text == str(shown(key, value)), key
        assert back == str(FIELDS[key].kind.read(shown(key, value))), key


def test_texts_are_read_as_the_file_reads_them(cases: dict[str, Any], page: Results) -> None:
    """A text gives the same value as in the file, and what the file refuses is refused."""
    accepted = 0
    for (key, text), got in zip(cases["texts"], page["texts"], strict=True):
        value = _read(key, text)
        if value is None:
            assert key in got["refused"], (key, text, got)
            continue
        accepted += 1
        whole = isinstance(value, int) and not isinstance(value, bool)
        assert got == (str(value) if whole else value), (key, text)
    assert accepted > 100


def test_compiled_functions_compute_as_python_does(cases: dict[str, Any], page: Results) -> None:
    """Arithmetic, rounding, formats, texts and containers of the subset, on awkward values."""
    space: dict[str, Any] = {}
    exec(TWIN, space)
    for (name, values), got in zip(cases["twins"], page["called"], strict=True):
        wanted = space[name](*values)
        assert isinstance(got, str), (name, values, got)
        assert (float(got) if isinstance(wanted, float) else got) == (
            wanted if isinstance(wanted, float) else str(wanted)
        ), (name, values)


def test_the_page_may_not_evaluate_text(page: Results) -> None:
    """The policy that the page ran under was in force: the script needs no eval."""
    assert page["evaluates"] is False


def test_answers_of_another_kind_are_refused(page: Results) -> None:
    """Fractions, unsafe Numbers, unknown slots, unknown words and gaps are no answers."""
    said = [one["refused"] for one in page["refusals"]]
    assert all(one.startswith("TypeError") for one in said)
    for word, one in zip(("1.5", "latency.p99", "P99", "scores", "is missing"), said, strict=True):
        assert word in one


def test_fields_describe_the_answers(page: Results) -> None:
    """Key, kind, options, bounds, requirement and meaning of each answer, in the file's order."""
    assert [field["key"] for field in page["fields"]] == list(KEYS)
    for described in page["fields"]:
        field = FIELDS[described["key"]]
        assert described["doc"] == field.doc
        assert described["required"] == field.required
        assert described["kind"] == type(field.kind).__name__.lower()
        assert described["options"] == (
            list(field.kind.words) if isinstance(field.kind, Choice) else None
        )
        if isinstance(field.kind, Count | Duration | Rate):
            assert described["most"] == str(field.kind.most)
    assert [one["name"] for one in page["patterns"]] == ["batch", "realtime", "ranking", "rag"]
