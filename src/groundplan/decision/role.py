"""A role inside a pattern, the options that can fill it, and the choice by elimination."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from groundplan.decision.case import Case
from groundplan.decision.ruling import Rule, Ruling
from groundplan.decision.work import Work


class Option(NamedTuple):
    """One way to fill a role: its name, what it is, the shapes in which it is possible, its cost.

    A shape is a pattern, or a pattern with `-answer` where the output is a text: `batch`,
    `realtime` and `ranking` say what they can do with numbers only. `takes` is in nanoseconds
    of a request, beyond what every request of the pattern takes.
    """

    name: str
    what: str
    shapes: frozenset[str]
    takes: Callable[[Case, Work], int] = lambda a, w: 0


class Role(NamedTuple):
    """A role, its options in order of choice, and the rules that rule options out."""

    name: str
    options: tuple[Option, ...]
    rules: tuple[Rule, ...]


class Component(msgspec.Struct, frozen=True, gc=False):
    """What fills a role, why, and what was ruled out."""

    role: str
    choice: str
    because: str
    rulings: tuple[Ruling, ...]


def shape(pattern: str, output: str) -> str:
    """The shape of a pattern for an output."""
    return f"{pattern}-answer" if output == "answer" and pattern != "rag" else pattern


def within(roles: tuple[Role, ...], form: str) -> tuple[Role, ...]:
    """The roles that a shape has, each with the options and rules that concern it."""
    found = []
    for role in roles:
        options = tuple(option for option in role.options if form in option.shapes)
        names = {option.name for option in options}
        if options:
            rules = tuple(rule for rule in role.rules if rule.out in names)
            found.append(Role(role.name, options, rules))
    return tuple(found)


def fill(role: Role, a: Case, w: Work) -> Component:
    """The first option that no rule rules out; the table's tests show that there is one.

    What it takes of a request is added to what the case has taken, for the roles that follow.
    """
    rulings = tuple(
        [
            Ruling(rule.name, rule.out, rule.because(a, w), rule.reads)
            for rule in role.rules
            if rule.when(a, w)
        ]
    )
    out = {ruling.rules_out for ruling in rulings}
    option = next(option for option in role.options if option.name not in out)
    a.taken += option.takes(a, w)
    return Component(role.name, option.name, option.what, rulings)
