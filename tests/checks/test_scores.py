"""The conformance suite of published scores, on every adapter that there is."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from groundplan.checks.scores import CHECKS, Check, Unmet, answers, refusals, swaps, versions
from groundplan.errors import EngineError
from groundplan.scores.embedded import EmbeddedScores
from groundplan.scores.scored import Scored
from groundplan.scores.version import Version


def test_the_inventory() -> None:
    """There are twenty-seven checks; one more, or one fewer, is on purpose."""
    assert len(CHECKS) == 27
    assert all(check.__doc__ for check in CHECKS.values())


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_embedded_scores_conform(check: Check, tmp_path: Path) -> None:
    """The embedded store meets every check."""
    check(lambda: EmbeddedScores(tmp_path / "scores"))


class Mixing(EmbeddedScores):
    """A store with a fault: many keys are read one by one, of whatever version is live then."""

    def get_many(self, keys: Sequence[int | str]) -> list[Scored | None]:
        return [self.get(key) for key in keys]


class Overwriting(EmbeddedScores):
    """A store with a fault: what is loaded is live."""

    def load(self, version: Version, parts, progress=None) -> None:  # type: ignore[no-untyped-def]
        super().load(version, parts, progress)
        self.point(version.name)


class Careless(EmbeddedScores):
    """A store with a fault: it does not look at what it loads."""

    def load(self, version: Version, parts, progress=None) -> None:  # type: ignore[no-untyped-def]
        try:
            super().load(version, parts, progress)
        except ValueError as error:
            raise EngineError("something is wrong") from error


class Confusing(EmbeddedScores):
    """A store with a fault: a text of digits is taken for an integer."""

    def get(self, key: int | str) -> Scored | None:
        return super().get(int(key) if isinstance(key, str) and key.isdecimal() else key)


@pytest.mark.parametrize(
    ("faulty", "check", "says"),
    [
        (Mixing, swaps.readers_see_one_version_at_a_time, "twenty keys come from"),
        (Overwriting, versions.a_version_is_invisible_until_it_is_live, "only loaded"),
        (
            Careless,
            refusals.a_key_that_stands_twice_is_refused,
            "the key 0 in rows 0 and 3 ends in EngineError",
        ),
        (Confusing, answers.a_key_that_was_not_scored_has_none, "'0' was not scored"),
    ],
)
def test_a_faulty_store_is_found(
    faulty: type[EmbeddedScores], check: Check, says: str, tmp_path: Path
) -> None:
    """A store that breaks a promise does not pass the check of it, which says what it saw."""
    with pytest.raises(Unmet, match=says):
        check(lambda: faulty(tmp_path / "scores", look_us=0))
