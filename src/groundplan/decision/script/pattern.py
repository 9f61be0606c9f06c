"""Regular expressions: the few signs that mean the same in both languages, translated."""

import ast
from typing import Final, cast

from groundplan.decision.script.scope import Scope

SPACE: Final = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Python calls a space in a text, as the inside of a character class."""
_CLASSES: Final = {"d": "0-9", "s": SPACE}
_SIGNS: Final = set("()[]*+?|-_:<>,")


def translated(scope: Scope, node: ast.expr) -> str:
    """The regular expression of a `re.fullmatch`; digits are those of ASCII only."""
    pattern, found, inside, at = _constant(scope, node), [], False, 0
    while at < len(pattern):
        sign, after = pattern[at], pattern[at + 1 : at + 2]
        if sign == "\\":
            if after in _CLASSES:
                found.append(_CLASSES[after] if inside else f"[{_CLASSES[after]}]")
            elif after == ".":
                found.append("\\.")
            else:
                raise scope.outside(node, f"\\{after} in a regular expression")
            at += 2
            continue
        if pattern.startswith("(?", at) and not pattern.startswith(("(?P<", "(?:"), at):
            raise scope.outside(node, f"{pattern[at : at + 3]} in a regular expression")
        if sign == "/":
            found.append("\\/")
        elif (sign.isalnum() and sign.isascii()) or sign in _SIGNS:
            found.append(sign)
        else:
            raise scope.outside(node, f"{sign} in a regular expression")
        inside = sign == "[" or (inside and sign != "]")
        at += 1
    return f"/^(?:{''.join(found).replace('(?P<', '(?<')})$/u"


def _constant(scope: Scope, node: ast.expr) -> str:
    """A text that is known before the program runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            _constant(scope, part.value if isinstance(part, ast.FormattedValue) else part)
            for part in node.values
        ]
        return "".join(parts)
    found = scope.find(node)
    if found is not None and found.kind == "constant":
        value = cast(ast.expr, found.module.definitions[found.name])
        return _constant(Scope(scope.program, found.module), value)
    raise scope.outside(node, "a regular expression that is not a constant")
