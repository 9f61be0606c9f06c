"""Reasons: what moved a score most, in sentences for people.

Features of one window function over one entity that differ in the length of the window alone
say much the same; they are one reason, whose contribution is the sum of theirs. Contributions are
additive, so the sum is exact. The member that adds most in the direction of the sum speaks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, Final, Literal, Self

import msgspec
import numpy as np

from groundplan.durable import written
from groundplan.errors import InputError
from groundplan.models.file import decoded
from groundplan.models.scorer import Floats, checked_matrix

FILE: Final = "reasons.json"

Form = Literal["count", "money", "number", "whole", "share", "since", "yes", "kind"]
"""How a value is shown: `2.5 hours`, `12.5 %`, `1,250.00`."""


class Reason(msgspec.Struct, frozen=True):
    """What one feature, or several that belong together, added to a score.

    Args:
        feature: the feature that speaks for the reason.
        description: the reason in words, with the value and what is usual.
        value: the feature's value in this row, None where it was missing.
        contribution: signed, in log-odds, of all features of the reason; above 0 it raised the
            score.
        usual: the feature's median over the training rows, None where all were missing.
        features: all features of the reason, in the order of the inputs.
    """

    feature: str
    description: str
    value: float | None
    contribution: float
    usual: float | None = None
    features: tuple[str, ...] = ()


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a reason speaks of one feature.

    Args:
        feature: its name.
        description: what it is, in plain words.
        form: how its values are shown.
        group: features of the same group are one reason.
        usual: its median over the training rows.
        places: decimal places of money.
        kinds: of a category, its values by code; empty where they are not known.
    """

    feature: str
    description: str
    form: Form
    group: str
    usual: float | None = None
    places: int = 2
    kinds: tuple[str, ...] = ()

    def around(self) -> tuple[str, str]:
        """What stands before and after a value: `4` transactions of ..., usually 0.2."""
        usual = "" if self.usual is None else f", usually {self.shown(self.usual)}"
        for form, unit in (("count", "number of "), ("since", "seconds ")):
            if self.form == form:
                return "", f" {self.description.removeprefix(unit)}{usual}"
        return f"{self.description}: ", usual

    def missing(self) -> str:
        """The sentence where the value is missing."""
        usual = "" if self.usual is None else f", usually {self.shown(self.usual)}"
        return f"{self.description}: none{usual}"

    def shown(self, value: float) -> str:
        """A value as people write it."""
        if self.form == "money":
            return f"{value:,.{self.places}f}"
        if self.form == "kind":
            known = 0 <= value < len(self.kinds)
            return self.kinds[int(value)] if known else f"number {value:.0f}"
        return _SHOWN[self.form](value)


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"


def _lasting(seconds: float) -> str:
    """A duration in the largest unit that it fills: `2.5 hours`, `45 seconds`."""
    unit, length = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    number = seconds / length
    shown = f"{number:.2g}" if number < 10 else f"{number:,.0f}"
    return f"{shown} {unit}" if shown == "1" else f"{shown} {unit}s"


_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))

_SHOWN: Final[dict[str, Callable[[float], str]]] = {
    "count": _whole,
    "whole": _whole,
    "number": _number,
    "share": lambda value: f"{value * 100:.3g} %",
    "since": _lasting,
    "yes": lambda value: "yes" if value else "no",
}


class Words:
    """The words of all features of a build, and how reasons are made of them.

    Args:
        words: one for each feature, in the order of the inputs.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = tuple(words)
        groups = list(dict.fromkeys(word.group for word in self.words))
        self._group = np.array([groups.index(word.group) for word in self.words], dtype=np.intp)
        self._groups = [
            [place for place, word in enumerate(self.words) if word.group == group]
            for group in groups
        ]
        named = [tuple(self.words[place].feature for place in group) for group in self._groups]
        # All that does not depend on the value is put together once.
        self._said = [
            (*word.around(), word.missing(), word.shown, named[group])
            for word, group in zip(self.words, self._group, strict=True)
        ]

    @classmethod
    def of(
        cls,
        definitions: Mapping[str, Any],
        descriptions: Sequence[str],
        x: Floats,
        kinds: Mapping[str, Sequence[int | str]] | None = None,
    ) -> Self:
        """The words of a feature set.

        Args:
            definitions: of the features and their sources, as plain data: `features`, a list in
                the order of the inputs, and `source` and `others` with the types of their fields.
            descriptions: in plain words, one for each feature.
            x: float64[n, F], the training rows, whose medians are what is usual.
            kinds: by feature, the values of a category by code, where they were learned.

        Raises:
            InputError: the lengths differ.
        """
        features = definitions["features"]
        x = checked_matrix(x, len(features))
        if len(descriptions) != len(features):
            raise InputError(
                "descriptions", f"{len(descriptions)} descriptions for {len(features)} features"
            )
        types = _types(definitions)
        return cls(
            [
                _word(definition, description, types, _median(column), (kinds or {}))
                for definition, description, column in zip(features, descriptions, x.T, strict=True)
            ]
        )

    def top(self, contributions: Floats, values: Floats, k: int) -> tuple[Reason, ...]:
        """The k reasons that moved the score most, either way, the strongest first.

        Equal contributions keep the order of the inputs, and a reason that added nothing is none,
        so that there may be fewer than k.

        Args:
            contributions: float64[F], log-odds.
            values: float64[F], the row.
            k: how many reasons to give at most.
        """
        added = contributions.tolist()
        sums: list[float] = np.bincount(self._group, contributions).tolist()
        order = sorted(range(len(sums)), key=[-abs(each) for each in sums].__getitem__)
        return tuple(
            self._reason(self._groups[at], added, values, sums[at]) for at in order[:k] if sums[at]
        )

    def _reason(self, group: list[int], added: list[float], values: Floats, total: float) -> Reason:
        speaker = group[0]
        if len(group) > 1:  # the first of equals
            speaker = (max if total > 0 else min)(group, key=added.__getitem__)
        word, value = self.words[speaker], float(values[speaker])
        before, after, missing, shown, features = self._said[speaker]
        return Reason(
            feature=word.feature,
            description=missing if isnan(value) else f"{before}{shown(value)}{after}",
            value=None if isnan(value) else value,
            contribution=total,
            usual=word.usual,
            features=features,
        )

    def save(self, folder: Path) -> None:
        """Writes `reasons.json` into the folder."""
        written(folder / FILE, msgspec.json.encode(self.words))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: the file is missing or damaged.
        """
        return cls(decoded(folder / FILE, tuple[Word, ...]))


def _types(definitions: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """The type of each field and label of each source: `decimal(2)`; labels are bool."""
    types: dict[tuple[str, str], str] = {}
    for source in (definitions["source"], *definitions.get("others", ())):
        types |= {(source["name"], field): kind for field, kind in source["fields"].items()}
        types |= {(source["name"], label): "bool" for label in source.get("labels_us", ())}
    return types


def _word(
    definition: Mapping[str, Any],
    description: str,
    types: Mapping[tuple[str, str], str],
    usual: float | None,
    kinds: Mapping[str, Sequence[int | str]],
) -> Word:
    name = definition["name"]
    read, source, function = definition, None, None
    if "window" in definition:
        function, source = definition["window"], definition["source"]
        read = (definition.get("measure") or {}).get("of") or {}
    kind = _kind(read, source, types)
    if "category" in definition:
        values = kinds.get(name) or definition.get("values") or ()
        return Word(name, description, "kind", name, usual, kinds=tuple(map(str, values)))
    return Word(
        feature=name,
        description=description,
        form=_form(function, kind),
        group=_group(definition),
        usual=usual,
        places=_places(kind),
    )


def _kind(read: Mapping[str, Any], source: str | None, types: Mapping[tuple[str, str], str]) -> str:
    """The type of what an expression gives: that of its field, `bool` of a condition."""
    for key in ("field", "label"):
        if key in read:
            found = [
                kind
                for (owner, field), kind in types.items()
                if field == read[key] and source in (None, owner)
            ]
            return found[0] if found else "float"
    if "is" in read or "missing" in read:
        return "bool"
    return "int" if "part" in read else "float"


def _form(function: str | None, kind: str) -> Form:
    """How the values of a window function over a type are shown; None is no window."""
    if function in ("count", "distinct"):
        return "count"
    if function in ("share", "since"):
        return "share" if function == "share" else "since"
    if kind.startswith("bool"):
        return "share" if function in ("mean", "std") else "yes" if function != "sum" else "count"
    if kind.startswith("decimal"):
        return "money"
    whole = kind.startswith("int") and function not in ("mean", "std")
    return "whole" if whole else "number"


def _group(definition: Mapping[str, Any]) -> str:
    """What features of one reason have in common: everything but name and length."""
    if "window" not in definition:
        return str(definition["name"])
    same = {key: value for key, value in definition.items() if key not in ("name", "length_us")}
    return msgspec.json.encode(same, order="deterministic").decode()


def _places(kind: str) -> int:
    """Decimal places of `decimal(2)`, 2 of any other type."""
    inside = kind.partition("(")[2].partition(")")[0]
    return int(inside) if kind.startswith("decimal") and inside.isdigit() else 2


def _median(column: Floats) -> float | None:
    """The median of what is not missing; of two in the middle, the lower, which did occur."""
    known = np.sort(column[~np.isnan(column)])
    return float(known[(len(known) - 1) // 2]) if len(known) else None
