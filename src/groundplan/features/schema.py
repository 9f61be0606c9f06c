"""The wire form of a feature set's sources: JSON in, checked and normalised events out."""

from typing import Any, Final

from groundplan.errors import InputError
from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet
from groundplan.features.wire import Wire
from groundplan.units import SECOND

TOLERANCE: Final = 5 * SECOND
"""How far ahead of the clock an event may be: two machines' clocks differ."""


class Schema:
    """Decodes prediction requests, and events and labels of the sources of a feature set.

    Times are RFC 3339 texts (`2018-08-15T10:00:00Z`); without an offset they are UTC. Every
    field is required but those that may be missing, which are null or left out; no other is
    allowed.

    Args:
        inputs: the features; what they add up decides the magnitudes that are accepted.
    """

    def __init__(self, inputs: FeatureSet) -> None:
        self.source = inputs.source
        self._wires = {source.name: Wire(inputs, at) for at, source in enumerate(inputs.sources)}
        self._main = self._wires[inputs.source.name]

    def decode(self, body: bytes, now: int | None = None, tolerance: int = TOLERANCE) -> Event:
        """The event of a prediction request.

        Args:
            body: one JSON object with the identifier, the time and the fields.
            now: us since 1970; with it, an event from the future is refused.
            tolerance: us that an event may be ahead of `now`.

        Raises:
            InputError: the body breaks the schema; it names the field and the rule.
        """
        return self._main.request(body, now, tolerance)

    def decode_events(
        self,
        body: bytes,
        now: int | None = None,
        tolerance: int = TOLERANCE,
        source: str | None = None,
    ) -> list[Event | Label]:
        """The events and labels of a body: one JSON object, or one per line (NDJSON).

        An object with a time is a whole event, with or without its labels. Another is a label
        of the main source that became known: the identifier and one label or more.

        Args:
            body: what was sent.
            now: us since 1970; with it, an event from the future is refused.
            tolerance: us that an event may be ahead of `now`.
            source: whose events they are, by name; the main one where it is left out.

        Raises:
            InputError: a line breaks the schema; nothing of the body counts. Or there is no such
                source.
        """
        wire = self._wire(source)
        lines = [line for line in body.splitlines() if line.strip()]
        if not lines:
            raise InputError("", "the body is empty: send one JSON object, or one per line")
        if lines[0].strip() == b"{":  # one object, written over several lines
            lines = [body]
        found: list[Event | Label] = []
        for at, line in enumerate(lines):
            try:
                found += wire.line(line, now, tolerance)
            except InputError as error:
                where = f"line {at + 1}: " if len(lines) > 1 else ""
                raise InputError(error.field, where + error.message) from None
        return found

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a prediction request, for the OpenAPI document."""
        return self._main.json_schema()

    def events_json_schema(self, source: str | None = None) -> dict[str, Any]:
        """The JSON Schema of one line of events of a source: an event, or a label."""
        return self._wire(source).events_json_schema()

    def example(self, source: str | None = None) -> dict[str, Any]:
        """A prediction request, or an event of another source, that is accepted."""
        return self._wire(source).example()

    def _wire(self, source: str | None) -> Wire:
        if source is None:
            return self._main
        if source not in self._wires:
            raise InputError(
                "", f"there is no source {source!r}: events are of {', '.join(self._wires)}"
            )
        return self._wires[source]
