"""What answers for a key that no run has scored: an average, or the model there and then."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from groundplan.errors import BuildError, DefinitionError, InputError
from groundplan.features import Event, FeatureSet, Schema
from groundplan.models.kinds import kind
from groundplan.patterns.batch.definition import Definition
from groundplan.patterns.batch.live import agreeing
from groundplan.project import Project
from groundplan.rollout.builds import Build
from groundplan.scores.scored import Because, Live, Scored

if TYPE_CHECKING:
    from groundplan.patterns.batch.runs.scoring import Loaded

SEGMENT: Final = "segment average"
OVERALL: Final = "overall average"
LIVE: Final = "live score"
"""What an answer says stood in for a score."""

WARM: Final = 20
"""Rehearsals by which it is measured what a live score takes."""


def average(live: Live, key: int | str, segment: str | None = None) -> Scored:
    """The average of a segment where the version has it, else that of all rows.

    Args:
        live: the version that answers.
        key: whom the answer is about.
        segment: the value of the segment's field, as text; None where it is not known.
    """
    version = live.version
    found = version.segments.get(segment) if segment is not None else None
    one = found or version.overall
    return Scored(key, one.score, one.decision, (), live, SEGMENT if found else OVERALL)


def text_of(value: Any) -> str | None:
    """A segment's value in JSON as part files have it: booleans are `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | str) else None


class OnDemand:
    """The model of a build, for rows that come with a request.

    Its scores, decisions and reasons are those that a run at this moment would publish.

    Args:
        build: the name of the build.
        inputs: its features, none of which reads a history.
        key: the field, or the identifier, that says whom a row is about.
        loaded: what runs score with.
        clock: us since 1970.
    """

    def __init__(
        self,
        build: str,
        inputs: FeatureSet,
        key: str,
        loaded: "Loaded",
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.build = build
        self._inputs = inputs
        self._key = key
        self._loaded = loaded
        self._codes = loaded.codes
        self._clock = clock
        self._schema = Schema(inputs)
        source = inputs.source
        self._time, self._id = source.time.column, source.id
        self._number: int | str = 0 if source.id_kind.name == "int" else "0"
        described = self._schema.json_schema()
        self._known = frozenset(described["properties"])
        self._required = frozenset(described["required"]) - {self._time, self._id, key}
        self.us = 0.0
        """What a live score takes here, us."""
        self.measure()

    @classmethod
    def of(cls, project: Project, definition: Definition, build: str) -> Self | None:
        """The model of a build; None where a live score is not to be had from it.

        That is so where a feature reads a history, where the model is on another server, and
        where answers or definitions have changed since the build.

        Raises:
            BuildError: the build is gone, or a file of it is damaged.
        """
        if definition.inputs.windows:
            return None
        # With the model libraries, which a server that only looks up does without.
        from groundplan.patterns.batch.runs.scoring import Loaded

        found = Build(project.home / "builds" / build)
        try:
            inputs = agreeing(project, found)
        except (BuildError, DefinitionError):
            return None
        loaded = Loaded(project, found)
        if kind(loaded.model) == "remote":
            return None
        return cls(build, inputs, definition.key, loaded)

    def takes(self, fields: Mapping[str, Any]) -> bool:
        """Whether the fields are a whole row; key, identifier and time may be left out."""
        return self._required <= fields.keys()

    def check(self, key: int | str, fields: Mapping[str, Any]) -> None:
        """Refuse fields that the source does not have, and the key of somebody else.

        Raises:
            InputError: it names the field.
        """
        for field in fields:
            if field not in self._known:
                raise InputError(
                    f"rows.{key}.{field}",
                    f"the row of {key!r} has the field {field!r}, and there are "
                    f"{', '.join(sorted(self._known))}",
                )
        if fields.get(self._key, key) != key:
            raise InputError(
                f"rows.{key}.{self._key}",
                f"the row of {key!r} has the {self._key} {fields[self._key]!r}: send each row "
                "under its own key",
            )

    def score(self, live: Live, key: int | str, fields: Mapping[str, Any]) -> Scored:
        """The answer for a row as it stands now.

        Args:
            live: the version whose place it takes.
            key: whom the row is about.
            fields: of the main source; the time is that of the clock, whatever they say.

        Raises:
            InputError: a field is not of its type; it names the field.
        """
        score, decision, reasons = self._answered(key, fields)
        return Scored(key, score, decision, reasons, live, LIVE)

    def _answered(
        self, key: int | str, fields: Mapping[str, Any]
    ) -> tuple[float, str, tuple[Because, ...]]:
        try:
            event = self._event(key, fields)
        except InputError as error:
            raise InputError(f"rows.{key}.{error.field}".rstrip("."), error.message) from None
        score, decided, chosen = self._loaded.alone(self._inputs.row(event, ()))
        named = [(self._codes[abs(n) - 1], n > 0) for n in chosen]
        reasons = tuple(Because(code.code, code.description, up) for code, up in named)
        return score, self._loaded.cuts.names[decided], reasons

    def _event(self, key: int | str, fields: Mapping[str, Any]) -> Event:
        body = {self._id: self._number, **fields, self._key: key, self._time: _EPOCH}
        event = self._schema.decode(msgspec.json.encode(body))
        return msgspec.structs.replace(event, time=self._clock())

    def measure(self) -> None:
        """See what a live score takes here: the median of some rehearsals."""
        example = self._schema.example()
        took = []
        for _ in range(WARM):
            began = time.perf_counter_ns()
            self._answered(example[self._key], example)
            took.append((time.perf_counter_ns() - began) / 1_000)
        self.us = median(took)


_EPOCH: Final = "1970-01-01T00:00:00Z"
