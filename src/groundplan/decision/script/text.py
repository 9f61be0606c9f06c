"""Texts: literals, and f-strings with the format specifications that the sentences use."""

import ast
import json
import re
from typing import Final, cast

from groundplan.decision.script.operators import as_float
from groundplan.decision.script.scope import OR, Code, Scope
from groundplan.decision.script.types import BOOL, FLOAT, INT, NONE, NUMBERS, STR, Type, bare

_SPEC: Final = re.compile(r"(?P<comma>,?)(?:\.(?P<digits>\d+|\{\})(?P<letter>[fg]))?")


def constant(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """None, a bool, a number or a text as it stands in the source."""
    value = cast(ast.Constant, node).value
    match value:
        case None:
            return Code("null", NONE)
        case bool():
            return Code("true" if value else "false", BOOL)
        case int():
            return Code(str(value), FLOAT) if wanted == FLOAT else Code(f"{value}n", INT)
        case float():
            return Code(repr(value), FLOAT)
        case str():
            return Code(quoted(value), STR)
    raise scope.outside(node, f"a literal {type(value).__name__}")


def quoted(text: str) -> str:
    """A text as a literal that may stand in a page: ASCII, and no end of a script element."""
    return json.dumps(text).replace("<", "\\u003c")


def formatted(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """An f-string, as a template literal."""
    parts = []
    for part in cast(ast.JoinedStr, node).values:
        if isinstance(part, ast.FormattedValue):
            parts.append(f"${{{_shown(scope, part)}}}")
        else:
            text = quoted(str(cast(ast.Constant, part).value))[1:-1].replace('\\"', '"')
            parts.append(text.replace("`", "\\`").replace("$", "\\$"))
    return Code(f"`{''.join(parts)}`", STR)


def _shown(scope: Scope, node: ast.FormattedValue) -> str:
    if node.conversion != -1:
        raise scope.outside(node, "a conversion such as !r")
    code = scope.code(node.value)
    type_ = bare(code.type)
    template, digits = _template(scope, node)
    match = _SPEC.fullmatch(template)
    if match is None:
        raise scope.outside(node, f"the format {template}")
    letter = match["letter"]
    if letter is None:
        if match["comma"] and code.type == INT:
            return f"$grouped(String({code.text}))"
        if match["comma"] or type_ not in (INT, STR):
            raise scope.outside(node, f"{code.type} without a format")
        return code.text if code.type == type_ else f'{code.within(OR + 1)} ?? "None"'
    if code.type not in NUMBERS:
        raise scope.outside(node, f"a number's format for {code.type}")
    number = as_float(node.value, code).text
    many = digits if match["digits"] == "{}" else match["digits"]
    if letter == "g":
        if match["comma"]:
            raise scope.outside(node, "a comma with g")
        return f"$general({number}, {many})"
    fixed = f"$fixed({number}, {many})"
    return f"$grouped({fixed})" if match["comma"] else fixed


def _template(scope: Scope, node: ast.FormattedValue) -> tuple[str, str]:
    """The specification with {} for a number of digits that is computed, and that number."""
    template, digits = "", ""
    for part in cast(ast.JoinedStr, node.format_spec).values if node.format_spec else []:
        if isinstance(part, ast.FormattedValue):
            code = scope.code(part.value)
            if code.type != INT or part.format_spec or digits:
                raise scope.outside(node, "a format that is computed, other than its digits")
            template, digits = f"{template}{{}}", f"Number({code.text})"
        else:
            template += str(cast(ast.Constant, part).value)
    return template, digits
