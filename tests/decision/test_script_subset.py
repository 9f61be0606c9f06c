"""The compiler of the decision: what is in the subset is said, and all else fails the build."""

import re
import textwrap

import pytest

from groundplan.decision.components import ROLES
from groundplan.decision.rules import RULES
from groundplan.decision.script import OutsideError, compiled, script
from groundplan.decision.script.program import Program
from groundplan.decision.script.source import Read, read
from groundplan.decision.script.types import FLOAT, INT, STR

CONDITION = "lambda a, w: a.features < RUN,"


def replaced(module: str, old: str, new: str) -> Read:
    """The sources with a piece of one module replaced."""

    def reading(name: str) -> str:
        text = read(name)
        if name != f"groundplan.decision.{module}":
            return text
        assert old in text, old
        return text.replace(old, new, 1)

    return reading


def twin(source: str, name: str, *types: object) -> str:
    """One function of a module of its own, compiled; its text."""
    program = Program(lambda module: textwrap.dedent(source))
    program.root("groundplan.twin", name, *types)  # type: ignore[arg-type]  # the tests' types
    return program.chunks[-1]


@pytest.mark.parametrize(
    ("construct", "problem"),
    [
        ("lambda a, w: math.sqrt(a.features) < RUN,", "no constant of these modules"),
        ("lambda a, w: abs(a.features) < RUN,", "abs of these arguments"),
        ("lambda a, w: eval('a.features < 1'),", "eval of these arguments"),
        ("lambda a, w: a.features.bit_length() < 9,", "a field of int"),
        ("lambda a, w: a.feature < RUN,", "has no field feature"),
        ("lambda a, w: a.features < '1h',", "Lt of int and str"),
        ("lambda a, w: a.features == w,", "Eq of int and"),
        ("lambda a, w: a.features is RUN,", "Is of int and int"),
        ("lambda a, w: a.output < 'b',", "Lt of str and str"),
        ("lambda a, w: a.features + 'x' < RUN,", "Add of int and str"),
        ("lambda a, w: a.features & 1 == 0,", "BitAnd of integers"),
        ("lambda a, w: a.positive_rate ** 2 < RUN,", "Pow of floats"),
        ("lambda a, w: (x := a.features) < RUN,", "NamedExpr"),
        ("lambda a, w: [x for x in (1,) for y in (2,)] == a,", "more than one `for`"),
        ("lambda a, w: a.features,", "the result is int, and bool is wanted"),
        ("lambda a, w, x=1: a.features < RUN,", "no known types"),
        ("lambda a, w: any(f() for f in (lambda: True,)),", "no known types"),
        ("lambda a, w: bool(a.features),", "bool of these arguments"),
        ("lambda a, w: a.features in (x for x in {1, 2}),", "which has no order"),
        ("lambda a, w: a.output in {('a', 1)},", "a set of anything but texts or integers"),
        ("lambda a, w: work.slower('batch', a, w),", "work has no slower"),
        ("lambda a, w: work.slow(a, w),", "arguments that are not those of the function"),
        ("lambda a, w: work.slow('batch', w, a),", "where groundplan.decision.case.Case is wanted"),
        ("lambda a, w: work.slow,", "a function that is not called"),
        ("lambda a, w: f'{a.features!r}' == a.output,", "a conversion such as !r"),
        ("lambda a, w: f'{a.features:>9}' == a.output,", "the format >9"),
        ("lambda a, w: f'{a.positive_rate}' == a.output,", "float] without a format"),
        ("lambda a, w: f'{a.streamed}' == a.output,", "bool without a format"),
        ("lambda a, w: a.output.upper() == 'A',", "a field of str"),
        ("lambda a, w: w.ns.get('http') < 1,", "a field of dict"),
        ("lambda a, w: a.output[::-1] == 'a',", "a slice other than"),
        ("lambda a, w: [1, 'a'] == a,", "a sequence of several types"),
        ("lambda a, w: (a.features or 'x') == 1,", "int or str"),
        ("lambda a, w: (yield) or True,", "Yield"),
        ("lambda a, w: 1j == a.features,", "a literal complex"),
    ],
)
def test_a_rule_outside_of_the_subset_is_refused(construct: str, problem: str) -> None:
    """A rule that the page cannot run fails the build, with the file, the line and the reason."""
    reading = replaced("rules", CONDITION, construct)
    text = reading("groundplan.decision.rules")
    line = text[: text.index(construct)].count("\n") + 1
    with pytest.raises(OutsideError, match=re.escape(problem)) as refused:
        compiled(reading)
    assert str(refused.value).startswith(f"rules.py:{line}: ")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("for pattern in (): pass", "a module that does more than define"),
        ("if RUN: RULES = ()", "a module that does more than define"),
        ("RULES[0].reads.clear()", "a module that does more than define"),
        ("RUN, TUNED = 1, 2", "a module that does more than define"),
        ("RUN = 3", "RUN is defined twice"),
    ],
)
def test_a_module_that_changes_its_tables_is_refused(statement: str, problem: str) -> None:
    """What a module does after it has defined its tables would be lost, so it is refused."""
    text = read("groundplan.decision.rules")
    reading = replaced("rules", text, f"{text}\n{statement}\n")
    with pytest.raises(OutsideError, match=problem):
        compiled(reading)


FUNCTIONS = {
    "while": ("while a: a = a - 1\n    return a", "While"),
    "try": ("try:\n        return a\n    finally: pass", "Try"),
    "assert": ("assert a\n    return a", "Assert"),
    "nested": ("def g() -> int: return 1\n    return a", "FunctionDef"),
    "import": ("import math\n    return a", "Import"),
    "recursion": ("return f(a - 1) if a else 0", "needs itself"),
    "gap": ("if a:\n        return 1", "may end without a result"),
    "type": ("b = 1\n    b = 'x'\n    return a", "another type"),
    "leak": ("for x in (1, 2):\n        b = x\n    return x", "not local"),
    "shadow": ("x = 0\n    for x in (1, 2):\n        x\n    return x", "a name already"),
    "result": ("return 'x'", "str where int is the result"),
    "late": ("return [lambda: x for x in (1, 2)][0]()", "no known types"),
    "quotient": ("return a / 2", "float where int is the result"),
    "sum": ("return sum((0.5, 1.5))", "sum of these arguments"),
    "pattern": ("re.fullmatch('a$', 'a')\n    return a", "a statement of this kind"),
    "lookahead": (
        "m = re.fullmatch('(?=a)a', 'a')\n    return 1 if m else a",
        "(?= in a regular expression",
    ),
    "anchor": ("m = re.fullmatch('a$', 'a')\n    return 1 if m else a", "$ in a regular"),
    "builtin": ("return len('x')", "len of these arguments"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_outside_of_the_subset_is_refused(name: str) -> None:
    """Statements and calls that mean something else in the script, or nothing, are refused."""
    body, problem = FUNCTIONS[name]
    imports = "import re\n" + ("from somewhere import len\n" if name == "builtin" else "")
    source = f"{imports}\ndef f(a: int) -> int:\n    {body}\n"
    with pytest.raises(OutsideError, match=re.escape(problem)) as refused:
        twin(source, "f", INT)
    assert str(refused.value).startswith("twin.py:")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("a // b", "$floor(a, b)"),
        ("a / b", "$divide(a, b)"),
        ("a * (b + 1) - (a - b)", "a * (b + 1n) - (a - b)"),
        ("-(-a // b)", "-$floor(-a, b)"),
        ("(-a) ** 2", "(-a) ** 2n"),
        ("2 * x", "2 * x"),
        ("a * x", "Number(a) * x"),
        ("a == x", "a == x"),
        ("a == b", "a === b"),
        ("0 < a <= b", "0n < a && a <= b"),
        ("not a or b and x", None),
        ("a < b or a == b and x < a", "a < b || a === b && x < a"),
        ("(a < b or a == b) and x < a", "(a < b || a === b) && x < a"),
        ("s in {'a', 'b'}", '["a", "b"].includes(s)'),
        ("s not in ('a', 'b')", '!["a", "b"].includes(s)'),
        ("f'{a:,} {x:.3g} {x:,.2f}'", "`${$grouped(String(a))} ${$general(x, 3)}"),
        ("f'`{s}${{{s}}}</script>'", "`\\`${s}\\${${s}}\\u003c/script>`"),
        ("max(0, a - len(s))", "$max(0n, a - BigInt([...s].length))"),
        ("sum(y for y in (a, b) if y > 1)", "[a, b].filter((y) => y > 1n).reduce("),
        ("any(y > 1 for y in (a, b))", "[a, b].some((y) => y > 1n)"),
        ("next(y for y in (a, b) if y > 1)", "$found([a, b].find((y) => y > 1n))"),
        ("a if s else b", "s ? a : b"),
    ],
)
def test_an_expression_is_said_as_expected(expression: str, text: str | None) -> None:
    """Each operator becomes what it means for the types of its operands."""
    source = f"def f(a: int, b: int, x: float, s: str):\n    return {expression}\n"
    if text is None:
        with pytest.raises(OutsideError):
            twin(source, "f", INT, INT, FLOAT, STR)
        return
    assert f"return {text}" in twin(source, "f", INT, INT, FLOAT, STR)


def test_a_float_parameter_stays_exact_for_an_int() -> None:
    """A function of floats is compiled once more for integers, which stay BigInts."""
    source = """
    def half(x: float) -> float:
        return x / 2

    def less(x: float, y: float) -> bool:
        return 2 * x < y

    def both(a: int, x: float) -> float:
        return half(a) + half(x) if less(a, x) or less(x, a) else x
    """
    program = Program(lambda module: textwrap.dedent(source))
    program.root("groundplan.twin", "both", INT, FLOAT)
    text = "\n".join(program.chunks)
    assert "return $divide(x, 2n)" in text
    assert "return x / 2" in text
    assert "twin$half$int(a) + twin$half(x)" in text
    assert "twin$less$int$float(a, x) || twin$less$float$int(x, a)" in text
    assert "return 2n * x < y" in text
    assert "return 2 * x < y" in text


def test_words_of_the_other_language_are_no_names() -> None:
    """A Python name that JavaScript keeps for itself gets another one."""
    found = twin("def f(new: int) -> int:\n    default = new\n    return default\n", "f", INT)
    assert "function twin$f(new$)" in found
    assert "const default$ = new$;" in found


def test_a_new_rule_of_the_subset_is_said() -> None:
    """A rule that is added in the manner of the others runs in the page without further ado."""
    rule = """
    Rule(
        "batch-many",
        "batch",
        ("candidates.per_request",),
        lambda a, w: a.per_request // 7 > 10**6 and a.kind not in {"none"},
        lambda a, w: f"{show_count(a.per_request)} are many",
    ),
    Rule(
        "batch-features","""
    old = 'Rule(\n        "batch-features",'
    text = compiled(replaced("rules", f"    {old}", rule))
    assert "when: (a, w) => $floor(a.per_request, 7n) > 10n ** 6n && !" in text


def test_every_rule_and_component_is_in_the_script() -> None:
    """No rule of patterns or components is left out."""
    names = [rule.name for rule in RULES]
    names += [option.name for role in ROLES for option in role.options]
    text = script()
    # The rules that functions make have their names made in the page too.
    assert all(f'"{name}"' in text or re.fullmatch(r"\d+[mhd]", name) for name in names)


def test_the_script_stands_in_a_page() -> None:
    """It is ASCII, small, ends no script element, and neither evaluates text nor loads anything."""
    text = script()
    assert text.isascii()
    assert len(text) < 150_000
    words = (
        r"</|<!--|\b(eval|Function|import|fetch|XMLHttpRequest|setTimeout)\b|\b(document|window)\."
    )
    assert re.findall(words, text) == []
    assert text == script()


def test_every_name_of_a_module_is_defined() -> None:
    """What the script refers to by a module's name is defined in it."""
    text = script()
    used = set(re.findall(r"\b[a-z]+\$[A-Za-z_]\w*(?:\$int)?", text))
    defined = set(re.findall(r"(?:const|function) ([a-z]+\$[A-Za-z_]\w*(?:\$int)?)", text))
    assert used == defined
