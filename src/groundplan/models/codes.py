"""Reason codes: which reasons a batch answer names, and under which short codes.

Contributions are additive, so that of a code is the sum of those of its features. A code is what
the project calls it, or the name of its feature; the windows over one entity that differ in
their length alone are one reason, as in `reasons`.
"""

import difflib
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from groundplan.errors import DefinitionError
from groundplan.models.reasons import Words
from groundplan.models.scorer import Bools, Floats, checked_matrix

Numbers = npt.NDArray[np.int16]

MOST: Final = 8
"""Reasons that an answer may name."""

LEAST: Final = 0.1
"""Of what the strongest reason of a row added: what adds less is named only where it is that one.

Regulation B asks for the specific, principal reasons (12 CFR 1002.9(b)(2)), and says how many are
too many (four, in its official interpretation) but not how weak is too weak: the tenth is ours.
"""

_ROWS: Final = 1 << 16  # rows that are chosen for at once, which bounds the memory


class Reasons(Struct, frozen=True):
    """What the reasons of published answers are.

    Args:
        top: how many at most, 1 to 8; one that is weak beside the strongest (`LEAST`) is none.
        only: those that `raised` the score, that `lowered` it, or `both`.
        decisions: the decisions that need reasons; None for all. Others cost no attributions.
        codes: by feature, its code and its description for people; a feature without has its own
            name and description. Features of the same code are one reason.

    Raises:
        DefinitionError: a value breaks its rule.
    """

    top: int = 4
    only: Literal["raised", "lowered", "both"] = "both"
    decisions: tuple[str, ...] | None = None
    codes: Mapping[str, tuple[str, str]] = {}

    def __post_init__(self) -> None:
        """Refuses what no answer could keep."""
        if type(self.top) is not int or not 1 <= self.top <= MOST:
            raise DefinitionError(f"Reasons(top={self.top!r}): give a whole number, 1 to {MOST}")
        if self.only not in ("raised", "lowered", "both"):
            raise DefinitionError(
                f'Reasons(only={self.only!r}): give "raised", "lowered" or "both"'
            )
        if isinstance(self.decisions, str):
            raise DefinitionError(
                f'Reasons(decisions={self.decisions!r}): give a tuple, ("{self.decisions}",)'
            )
        _check_codes(self.codes)

    def needs(self, decisions: tuple[str, ...]) -> Bools:
        """Which of a project's decisions need reasons, bool[len(decisions)].

        With `decided` as uint8[n], positions in `decisions`, the rows to explain are
        `needs(decisions)[decided]`.
        """
        wanted = decisions if self.decisions is None else self.decisions
        return np.array([each in wanted for each in decisions], dtype=np.bool_)


class Named(Struct, frozen=True):
    """A code that an answer may name.

    Args:
        code: short and stable.
        description: in plain words.
        features: the features of which it speaks, in the order of the inputs.
    """

    code: str
    description: str
    features: tuple[str, ...]


class Coded:
    """The codes of a build, and how contributions become the reasons of a row.

    A feature's code is its own in `Reasons.codes`; else that of the first feature with one among
    those that `Words` takes for one reason with it; else the name of the first of these. Codes
    stand in the order of their first feature.

    Args:
        words: of the build.
        reasons: of the project.

    Raises:
        DefinitionError: a code is of a feature that there is not, or is also the name of a
            feature that has no code.
    """

    def __init__(self, words: Words, reasons: Reasons) -> None:
        self._top, self._only = reasons.top, reasons.only
        names = [word.feature for word in words.words]
        given = {feature: code for feature, (code, _) in reasons.codes.items()}
        _check_features(given, names)
        groups: dict[str, list[str]] = {}
        for word in words.words:
            groups.setdefault(word.group, []).append(word.feature)
        called: dict[str, str] = {}
        for group in groups.values():
            shared = next((given[each] for each in group if each in given), group[0])
            called |= {each: given.get(each, shared) for each in group}
        of_code: dict[str, list[str]] = {}
        for name in names:
            of_code.setdefault(called[name], []).append(name)
        said = dict(reasons.codes.values())
        described = {word.feature: word.description for word in words.words}
        self.codes: tuple[Named, ...] = tuple(
            Named(code, said.get(code) or joined([described[f] for f in features]), tuple(features))
            for code, features in of_code.items()
        )
        order = list(of_code)
        self._code = [order.index(called[name]) for name in names]

    def sums(self, contributions: Floats) -> Floats:
        """What each code added, float64[n, codes], in log-odds.

        Args:
            contributions: float64[n, F], of the features.

        Raises:
            InputError: the rows have another width.
        """
        contributions = checked_matrix(contributions, len(self._code))
        found = np.zeros((len(contributions), len(self.codes)))
        for feature, code in enumerate(self._code):
            found[:, code] += contributions[:, feature]
        return found

    def choose(
        self, contributions: Floats, needed: Bools | None = None
    ) -> tuple[Numbers, npt.NDArray[np.int32]]:
        """The reasons of each row, as the two arrays of an Arrow list column.

        They are the codes that moved the score most in the wanted direction, the strongest
        first, as far as each is at least `LEAST` of the strongest; equally strong ones keep the
        order of the codes, and a code that added nothing is none. So a row has a reason wherever
        something speaks in that direction. +n and -n stand for the nth code, counted from 1, which
        raised or lowered the score.

        Args:
            contributions: float64[n, F], in log-odds.
            needed: bool[m] with n true values: the rows that the contributions are of; the
                others have no reasons. None where all rows have contributions.

        Returns:
            The reasons of all rows one after the other, int16, and where those of each row
            begin, int32[rows + 1]: `pa.ListArray.from_arrays(offsets, values)`.

        Raises:
            InputError: the rows have another width.
        """
        chosen = np.zeros((len(contributions), self._top), dtype=np.int16)
        for start in range(0, len(contributions), _ROWS):
            block = slice(start, start + _ROWS)
            self._strongest(self.sums(contributions[block]), chosen[block])
        kept = chosen != 0
        counts = np.count_nonzero(kept, axis=1)
        if needed is not None:
            counts, those = np.zeros(len(needed), dtype=np.intp), counts
            counts[needed] = those
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return chosen[kept], offsets

    def _strongest(self, sums: Floats, chosen: Numbers) -> None:
        """Writes the reasons of rows, int16[n, top], from float64[n, codes]; 0 where none is."""
        strength = {"both": np.abs, "raised": np.positive, "lowered": np.negative}[self._only](sums)
        rows = np.arange(len(sums))
        least = LEAST * strength.max(axis=1)
        for place in range(min(self._top, len(self.codes))):
            best = strength.argmax(axis=1)  # the first of equals
            there = (strength[rows, best] > 0) & (strength[rows, best] >= least)
            number = np.where(sums[rows, best] > 0, best + 1, -best - 1)
            chosen[:, place] = np.where(there, number, 0)
            strength[rows, best] = 0.0


def joined(descriptions: list[str]) -> str:
    """One description for several that say much the same: what differs stands side by side.

    >>> joined(["calls in the last day", "calls in the last 7 days"])
    'calls in the last day or 7 days'
    """
    split = [each.split() for each in dict.fromkeys(descriptions)]
    if len(split) == 1:
        return descriptions[0]
    shortest = min(map(len, split))
    alike = [len({each[at] for each in split}) == 1 for at in range(shortest)]
    start = (*alike, False).index(False)
    back = [len({each[-at] for each in split}) == 1 for at in range(1, shortest - start + 1)]
    end = (*back, False).index(False)
    between = [" ".join(each[start : len(each) - end]) for each in split]
    if not start or not all(between):
        return "; ".join(dict.fromkeys(descriptions))
    comma = "," if all(each.endswith(",") for each in between) else ""
    between = [each.rstrip(",") for each in between]
    differing = f"{', '.join(between[:-1])} or {between[-1]}{comma}"
    return " ".join([*split[0][:start], differing, *split[0][len(split[0]) - end :]])


def _check_codes(codes: Mapping[str, tuple[str, str]]) -> None:
    said: dict[str, str] = {}
    for feature, pair in codes.items():
        fits = isinstance(pair, tuple | list) and len(pair) == 2
        if not fits or not all(isinstance(each, str) and each.strip() for each in pair):
            raise DefinitionError(
                f"Reasons(codes={{{feature!r}: {pair!r}}}): give a code and a description, as in "
                f'("R01", "length of the contract")'
            )
        code, description = pair
        if said.setdefault(code, description) != description:
            raise DefinitionError(
                f"code {code!r} is described as {said[code]!r} and as {description!r}: features "
                "of one code are one reason, which has one description"
            )


def _check_features(given: Mapping[str, str], names: list[str]) -> None:
    for feature in given:
        if feature not in names:
            near = difflib.get_close_matches(feature, names, n=1)
            raise DefinitionError(
                f"Reasons(codes=...) names {feature!r}, which is no feature: "
                + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}")
            )
    for feature, code in given.items():
        if code in names and code not in given:
            raise DefinitionError(
                f"code {code!r} of {feature!r} is also the name of a feature without a code: give "
                "it one too, or choose another"
            )
