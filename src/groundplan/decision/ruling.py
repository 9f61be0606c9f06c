"""A rule, and the ruling that it gives: what is out, and the sentence that says why."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from groundplan.decision.case import Case
from groundplan.decision.work import Work

Edge = tuple[str, Callable[[Case, Work], int | None]]
"""A slot of the case, and the value at which a condition turns: it holds on one side only.

The condition is constant below the value, and constant from the value on.
"""


class Rule(NamedTuple):
    """One line of a table.

    Args:
        name: what rulings are called by.
        out: the pattern or option that it rules out.
        reads: the dotted keys of all answers that the condition and the sentence read.
        when: the condition.
        because: the sentence, which quotes the user's numbers.
        edges: for each numeric answer that it reads, where the condition turns.
        instead: a simpler pattern whose sufficiency is the whole reason. Such a rule only ever
            saves work, so it takes no part in a conflict.
        output: the only output for which it can hold; empty where it can for several.
    """

    name: str
    out: str
    reads: tuple[str, ...]
    when: Callable[[Case, Work], bool]
    because: Callable[[Case, Work], str]
    edges: tuple[Edge, ...] = ()
    instead: str | None = None
    output: str = ""


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """What a rule ruled out, and why; `answers` are the dotted keys that it read."""

    rule: str
    rules_out: str
    because: str
    answers: tuple[str, ...]
