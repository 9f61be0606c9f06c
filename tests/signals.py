"""What signals name, and whether a running server exports it."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

_METRIC = re.compile(r'(groundplan_[a-z0-9_]+)(?:\{((?:[^{}"]|"[^"]*")*)\})?')
_LABEL = re.compile(r'([a-z_]+)(?:="([^"]*)")?')
_COMMAND = re.compile(r"`groundplan ([a-z]+)([^`]*)`(?: ends with (\d))?")
_OPTION = re.compile(r"--[a-z-]+")
_CHECK = re.compile(r"check `([a-z]+)`|or `([a-z]+)`")


class Named(NamedTuple):
    """A metric as a text names it: with labels, and values where they are given."""

    name: str
    labels: dict[str, str | None]


class Command(NamedTuple):
    """A command as a text names it: its options, and the exit code that it is said to end with."""

    name: str
    options: tuple[str, ...]
    code: int | None


def metrics(text: str) -> list[Named]:
    """The metrics that a text names."""
    return [
        Named(name, {k: v or None for k, v in _LABEL.findall(labels)})
        for name, labels in _METRIC.findall(text)
    ]


def commands(text: str) -> list[Command]:
    """The commands that a text names."""
    return [
        Command(name, tuple(_OPTION.findall(rest)), int(code) if code else None)
        for name, rest, code in _COMMAND.findall(text)
    ]


def checks(text: str) -> set[str]:
    """The checks of a publication that a text names."""
    return {one or other for one, other in _CHECK.findall(text)}


def exported(pages: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """The samples of metrics' pages, by name as Prometheus stores it."""
    found: dict[str, list[dict[str, str]]] = {}
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
    return found


def shows(found: dict[str, list[dict[str, str]]], named: Named) -> bool:
    """Whether a sample has the name, the labels and the values that are named."""
    return any(
        all(key in labels and value in (None, labels[key]) for key, value in named.labels.items())
        for labels in found.get(named.name, [])
    )


def family(name: str) -> str:
    """The metric of a sample: a histogram's three kinds of samples are one."""
    return re.sub(r"_(bucket|sum|count)$", "", name)
