"""What a feature set is about: one main source, and others that fit it."""

from collections.abc import Sequence
from typing import Any

from groundplan.errors import DefinitionError
from groundplan.features.expressions import Expression
from groundplan.features.moment import TimePart
from groundplan.features.source import Source
from groundplan.features.values import FieldValue, LabelValue
from groundplan.features.windows import Window


def check_expression(name: str, expression: Expression) -> None:
    """Refuse what is no feature.

    Raises:
        DefinitionError: it is no expression, a text, or reads a label of the event itself.
    """
    if not isinstance(expression, Expression):
        raise DefinitionError(not_an_expression(name, expression))
    if expression.text:
        raise DefinitionError(
            f"{name}: {expression.describe()} is text, and a feature is a number: compare it, "
            f'as in {name}=source.{expression.describe()} == "...", or make a category of it'
        )
    for node in expression.nodes():
        if isinstance(node, LabelValue):
            raise DefinitionError(
                f"{name}: {node.source.name}.{node.field} is a label: it is not known when the "
                f"event arrives. Use it in a window with the label's delay, such as "
                f'{node.source.name}.by(key).mean("{node.field}", "30d", delay=...)'
            )


def main_source(pairs: Sequence[tuple[str, Expression]], of: Source | None) -> Source:
    """The source whose events have the features: the one whose own fields and times are read.

    Args:
        pairs: the features, as (name, expression).
        of: the source that the author names, or None.

    Raises:
        DefinitionError: there are several, or none.
    """
    nodes = [node for _, expression in pairs for node in expression.nodes()]
    direct = {id(n.source): n.source for n in nodes if isinstance(n, FieldValue | TimePart)}
    if of is not None:
        direct.setdefault(id(of), of)
    past = {id(n.source): n.source for n in nodes if isinstance(n, Window)}
    found = direct or {at: source for at, source in past.items() if not source.versioned}
    named = ", ".join(source.name for source in found.values())
    if len(found) == 1:
        (main,) = found.values()
        if isinstance(main, Source) and not main.versioned:
            return main
        raise DefinitionError(
            f"features(of={main!r}): the features are about the events of a Source: name one"
        )
    if direct:
        raise DefinitionError(
            f"a feature set is about the events of one source, and this one reads the own fields "
            f"of {named}: read the others through windows, as in source.by(key).last(field, length)"
        )
    raise DefinitionError(
        f"a feature set is about the events of one source, and this one may be about "
        f"{named or 'none'}: say which, as in features(..., of=source)"
    )


def check_window(window: Window, main: Source) -> None:
    """Refuse a window that does not fit the source whose events have the features.

    Raises:
        DefinitionError: it does not find its entity there, or reads what is not known.
    """
    if window.source is main:
        if window.on != window.key:
            raise DefinitionError(
                f"{main.name}.by({window.key!r}, of={window.on!r}): `of` names a field of another "
                f"source, and the features are about {main.name} itself: leave it out"
            )
        return
    here = f"{window.source.name}.by({window.key!r})"
    name = f'{window.source.name}.by("{window.key}", of="...")'
    if window.source.versioned:
        name = f'{window.source.name}.of("...")'
    if window.on not in main.fields:
        raise DefinitionError(
            f"{here}: {main.name} has no field {window.on!r} to find the entity by: name the one "
            f"that it has, as in {name}"
        )
    mine, theirs = main.fields[window.on], window.source.fields[window.key]
    if mine.name != theirs.name or mine.optional:
        raise DefinitionError(
            f"{here}: {main.name}.{window.on} is {mine}, and {window.source.name}.{window.key} is "
            f"{theirs}: keys must be of one type, int or str, and always there"
        )
    if window.current:
        raise DefinitionError(
            f"{here}: current=True adds the event itself, which is one of {main.name}, not of "
            f"{window.source.name}: leave it out"
        )
    if window.measure.labels:
        raise DefinitionError(
            f"{here}: {window.measure.labels[0]} is a label of {window.source.name}, and labels "
            f"come only to the events of {main.name}: declare it as a field of a source of its own"
        )


def check_sources(sources: Sequence[Source]) -> None:
    """Refuse two sources of one name.

    Raises:
        DefinitionError: there are two.
    """
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(
                f"two sources are called {name}: a name says whose events come; rename one"
            )


def not_an_expression(name: str, value: Any) -> str:
    """The message about what stands where a feature belongs."""
    return (
        f"{name}: {value!r} is not a feature: use a field (source.amount), a part of the time "
        '(source.time.hour()), a window (source.by(key).count("7d")) or arithmetic over these'
    )
