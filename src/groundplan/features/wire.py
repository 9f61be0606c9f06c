"""The wire form of one source: from a JSON object to a checked and normalised event."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec

from groundplan.errors import InputError
from groundplan.features import wrong
from groundplan.features.columns import LAST_TIME
from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet
from groundplan.features.fields import LIMIT, NAME_LIMIT, TEXT_LIMIT, Kind
from groundplan.features.table import Table
from groundplan.units import show_duration

_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = (-(2**63), 2**63 - 1)


class Wire:
    """Decodes the events and labels of one source of a feature set.

    A body is decoded in one pass by a typed decoder. Only when that refuses is the body read
    again, slowly, to say which field broke which rule.

    Args:
        inputs: the features; what they add up decides the magnitudes that are accepted.
        position: which of `inputs.sources`.
    """

    def __init__(self, inputs: FeatureSet, position: int) -> None:
        self.source = source = inputs.sources[position]
        self._position = position
        self._table = source if isinstance(source, Table) else None
        identifier = {} if self._table else {source.id: source.id_kind}
        self._kinds: dict[str, Kind] = {**identifier, **source.fields}
        self._summed = frozenset(inputs.summed_of(position))
        self._names = frozenset({source.id, *inputs.keys(position)})
        self._fields = [*identifier, source.time.column, *source.fields]
        self._required = [name for name in self._fields if not self._optional(name)]
        plain = [self._declared(name) for name in self._fields]
        late: list[Any] = [
            (name, bool | msgspec.UnsetType, msgspec.field(default=msgspec.UNSET))
            for name in source.labels
        ]
        self._request = _decoder("Request", plain)
        self._event = _decoder("Event", [*plain, *late])
        self._late: msgspec.json.Decoder[Any] | None = None
        if late and not position:
            self._late = _decoder("Label", [self._declared(source.id), *late])
        self._normalise = tuple(_normaliser(kind) for kind in source.fields.values())
        self._no_labels = (False,) * len(source.labels)

    def request(self, body: bytes, now: int | None, tolerance: int) -> Event:
        """The event of a prediction request."""
        try:
            found = self._request.decode(body)
        except (ValueError, RecursionError) as error:
            raise self._refusal(body, labels=False, error=error) from None
        return self._made(msgspec.structs.astuple(found), now, tolerance)

    def line(self, line: bytes, now: int | None, tolerance: int) -> list[Event | Label]:
        """The event of a line, or its labels."""
        try:
            found = msgspec.structs.astuple(self._event.decode(line))
        except (ValueError, RecursionError) as error:
            labels = self._labels(line)
            if labels is None:
                raise self._refusal(line, labels=True, error=error) from None
            return list(labels)
        count = len(self._fields)
        known = tuple(value is True for value in found[count:])
        return [self._made(found[:count], now, tolerance, known)]

    def _labels(self, line: bytes) -> list[Label] | None:
        """The labels of a line that is nothing but these, else None."""
        if self._late is None:
            return None
        try:
            identifier, *values = msgspec.structs.astuple(self._late.decode(line))
        except (ValueError, RecursionError):
            return None
        pairs = zip(self.source.labels, values, strict=True)
        known = [Label(identifier, n, v) for n, v in pairs if v is not msgspec.UNSET]
        return known or None

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a prediction request, for the OpenAPI document."""
        properties = {name: self._property(name) for name in self._fields}
        return self._object(properties, self._required)

    def events_json_schema(self) -> dict[str, Any]:
        """The JSON Schema of one line of events: an event, or a label."""
        labels = {
            name: {"type": "boolean", "description": f"known {show_duration(delay)} later"}
            for name, delay in self.source.labels.items()
        }
        properties = {name: self._property(name) for name in self._fields}
        event = self._object(properties | labels, self._required)
        if self._late is None:
            return event
        late = self._object({self.source.id: self._property(self.source.id)} | labels, [])
        late |= {"required": [self.source.id], "minProperties": 2}
        return {"anyOf": [event, late]}

    def example(self) -> dict[str, Any]:
        """A prediction request that is accepted."""
        samples = {"int": 1, "float": 1.5, "bool": True, "str": "a1", "decimal": 10.0}
        body = {name: samples[kind.name] for name, kind in self._kinds.items()}
        body[self.source.time.column] = "2018-08-15T10:00:00Z"
        return {name: body[name] for name in self._fields}

    def _made(
        self,
        found: tuple[Any, ...],
        now: int | None,
        tolerance: int,
        labels: tuple[bool, ...] = (),
    ) -> Event:
        if self._table is None:
            identifier, moment, *values = found
        else:
            moment, *values = found
        time = _microseconds(moment)
        self._check_time(moment, time, now, tolerance)
        normal = tuple(make(value) for make, value in zip(self._normalise, values, strict=True))
        if self._table is not None:
            identifier = self._table.identifier(normal[0], time)
        return Event(identifier, time, normal, labels or self._no_labels, self._position)

    def _check_time(self, moment: datetime, time: int, now: int | None, tolerance: int) -> None:
        column = self.source.time.column
        if not 0 <= time < LAST_TIME:
            raise InputError(
                column, f"{column} {moment.isoformat()} is outside of 1970 to 2199: correct it"
            )
        if now is not None and time > now + tolerance:
            raise InputError(
                column,
                f"{column} {moment.isoformat()} lies {show_duration(time - now)} in the future, "
                f"and at most {show_duration(tolerance)} are allowed: send the time at which it "
                "happened, with its offset from UTC",
            )

    def _refusal(self, body: bytes, labels: bool, error: Exception) -> InputError:
        rules = {name: self._rule(name) for name in self._fields}
        late = () if labels else tuple(self.source.labels)
        if labels:
            rules |= dict.fromkeys(self.source.labels, wrong.Rule(Kind("bool"), required=False))
        return wrong.diagnosis(body, self.source.name, rules, late, error)

    def _rule(self, name: str) -> wrong.Rule:
        if name == self.source.time.column:
            return wrong.Rule(None)
        kind = self._kinds[name]
        return wrong.Rule(
            kind,
            required=not kind.optional,
            limit=self._limit(name),
            characters=self._characters(name),
        )

    def _optional(self, name: str) -> bool:
        return name in self._kinds and self._kinds[name].optional

    def _declared(self, name: str) -> tuple[Any, ...]:
        """A field of the decoder's struct."""
        if self._optional(name):
            return (name, self._type(name) | None, None)
        return (name, self._type(name))

    def _limit(self, name: str) -> float | None:
        """The largest magnitude of a number, in its own unit."""
        kind = self._kinds[name]
        if kind.name == "decimal" or name in self._summed:
            return LIMIT / kind.scale
        return None

    def _characters(self, name: str) -> tuple[int, int]:
        return (1, NAME_LIMIT) if name in self._names else (0, TEXT_LIMIT)

    def _type(self, name: str) -> Any:
        if name == self.source.time.column:
            return datetime
        kind, limit = self._kinds[name], self._limit(name)
        if kind.name == "bool":
            return bool
        if kind.name == "str":
            least, most = self._characters(name)
            return Annotated[str, msgspec.Meta(min_length=least, max_length=most)]
        if kind.name == "int":
            least, most = _INT64 if limit is None else (-int(limit), int(limit))
            return Annotated[int, msgspec.Meta(ge=least, le=most)]
        if limit is None:
            return float
        return Annotated[float, msgspec.Meta(ge=-limit, le=limit)]

    def _property(self, name: str) -> dict[str, Any]:
        if name == self.source.time.column:
            text = "RFC 3339; without an offset it is UTC"
            return {"type": "string", "format": "date-time", "description": text}
        found = self._plain_property(name)
        return found | {"type": [found["type"], "null"]} if self._optional(name) else found

    def _plain_property(self, name: str) -> dict[str, Any]:
        kind, limit = self._kinds[name], self._limit(name)
        if kind.name == "bool":
            return {"type": "boolean"}
        if kind.name == "str":
            least, most = self._characters(name)
            return {"type": "string", "minLength": least, "maxLength": most}
        if kind.name == "int":
            least, most = _INT64 if limit is None else (-int(limit), int(limit))
            return {"type": "integer", "minimum": least, "maximum": most}
        return {"type": "number"} | ({"minimum": -limit, "maximum": limit} if limit else {})

    def _object(self, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }


def _decoder(name: str, fields: list[Any]) -> msgspec.json.Decoder[Any]:
    options: dict[str, Any] = {"forbid_unknown_fields": True, "frozen": True, "gc": False}
    return msgspec.json.Decoder(msgspec.defstruct(name, fields, kw_only=True, **options))


def _normaliser(kind: Kind) -> Callable[[Any], Any]:
    if kind.optional:
        normal = _normaliser(replace(kind, optional=False))
        return lambda value: None if value is None else normal(value)
    if kind.name == "decimal":
        floor, scale = math.floor, float(kind.scale)
        return lambda value: floor(value * scale + 0.5)
    return {"int": int, "float": float, "bool": bool, "str": str}[kind.name]


def _microseconds(moment: datetime) -> int:
    since = moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
