"""Sources of events: a time, an identifier, typed fields and labels that come later."""

import keyword
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from groundplan.errors import DefinitionError
from groundplan.features.entity import Entity, nearest
from groundplan.features.expressions import Expression
from groundplan.features.fields import Kind, kind
from groundplan.features.moment import TimePart
from groundplan.features.values import FieldValue, LabelValue
from groundplan.features.windows.window import stretch


class Source:
    """A stream of events with a time, an identifier and typed fields.

    A field is reached as an attribute (`transactions.tx_amount`) or, where its name is taken,
    as an item (`transactions["name"]`).

    Args:
        name: a plural noun, such as `transactions`.
        time: the field with the moment of the event.
        id: the field that identifies an event: an event counts once.
        fields: what a prediction request carries besides: name -> int, float, bool, str or
            `decimal(places)`, and with `| None` where a value may be missing.
        labels: bools that become known later: name -> how much later, as a duration. A label
            that never arrives is False.
        lateness: how far behind the newest event of an entity another may arrive. One of an
            entity that has nothing newer still counts when the source itself is further ahead, but
            what only its windows would reach may be forgotten by then.
        id_type: int or str.

    Raises:
        DefinitionError: a name or a type breaks a rule; the message says which and what to do.
    """

    versioned: ClassVar[bool] = False
    """Whether its events are versions of profiles, of which the latest is valid."""

    def __init__(
        self,
        name: str,
        *,
        time: str,
        id: str,
        fields: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        lateness: str = "1h",
        id_type: type[int] | type[str] = int,
    ) -> None:
        where = f"Source({name!r})"
        _check_names(where, [name], [time, id, *fields, *(labels or {})])
        self.name = name
        self.time = Time(self, time)
        self.id = id
        self.id_kind = kind(id_type, f"{where}, id_type")
        if self.id_kind.name not in ("int", "str"):
            raise DefinitionError(
                f"{where}: id_type is {id_type!r}, and an identifier is int or str"
            )
        self.fields = {field: kind(fields[field], f"{where}, {field}") for field in fields}
        self.labels = {
            label: stretch(delay, f"{where}, the delay of {label}", least=0)
            for label, delay in (labels or {}).items()
        }
        self.lateness = stretch(lateness, f"{where}, lateness", least=0)

    def by(self, key: str, of: str | None = None) -> Entity:
        """The entities that a field names, each with its own history: `by("customer_id")`.

        Args:
            key: the field of this source.
            of: where the features are about another source, its field that names the same
                entity; left out, it has the same name.

        Raises:
            DefinitionError: there is no such field, or it is not an int or a str.
        """
        where = f"{self.name}.by({key!r})"
        if key not in self.fields:
            raise DefinitionError(f"{where}: {self._unknown(key, self.fields)}")
        check_key(where, key, self.fields[key])
        return Entity(self, key, of or key)

    def kind_of(self, field: str) -> Kind:
        """The type of a field or label.

        Raises:
            DefinitionError: there is neither.
        """
        if field in self.labels:
            return Kind("bool")
        if field not in self.fields:
            raise DefinitionError(self._unknown(field, [*self.fields, *self.labels]))
        return self.fields[field]

    def definition(self) -> dict[str, Any]:
        """The definition as plain data."""
        return {
            "name": self.name,
            "time": self.time.column,
            "id": self.id,
            "id_type": str(self.id_kind),
            "fields": {field: str(kind) for field, kind in self.fields.items()},
            "labels_us": self.labels,
            "lateness_us": self.lateness,
        }

    def own(self, field: str) -> FieldValue:
        """What an event of this source itself has in a field or label.

        Raises:
            DefinitionError: there is neither.
        """
        if field in self.labels:
            at = len(self.fields) + list(self.labels).index(field)
            return LabelValue(self, field, Kind("bool"), at)
        if field not in self.fields:
            raise DefinitionError(self._unknown(field, [*self.fields, *self.labels]))
        return FieldValue(self, field, self.fields[field], list(self.fields).index(field))

    def __getitem__(self, field: str) -> Expression:
        return self.own(field)

    def __getattr__(self, field: str) -> Expression:
        if field.startswith("_"):  # what Python itself asks for, such as __deepcopy__
            raise AttributeError(field)
        return self[field]

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def _unknown(self, field: str, known: Iterable[str]) -> str:
        return f"{self.name} has no field {field!r}{nearest(field, known)}"


class Time:
    """The moment of an event, of which features use parts, all in UTC."""

    def __init__(self, source: Source, column: str) -> None:
        self._source = source
        self.column = column

    def minute(self) -> Expression:
        """The minute of the hour, 0 to 59."""
        return TimePart(self._source, "minute")

    def hour(self) -> Expression:
        """The hour of the day, 0 to 23."""
        return TimePart(self._source, "hour")

    def weekday(self) -> Expression:
        """The day of the week, from 0 for Monday to 6 for Sunday."""
        return TimePart(self._source, "weekday")

    def day(self) -> Expression:
        """The day of the month, 1 to 31."""
        return TimePart(self._source, "day")

    def month(self) -> Expression:
        """The month of the year, 1 to 12."""
        return TimePart(self._source, "month")


def check_key(where: str, field: str, kind: Kind) -> None:
    """Refuse a field that cannot name an entity.

    Raises:
        DefinitionError: it is not an int or a str, or may be missing.
    """
    if kind.name not in ("int", "str"):
        raise DefinitionError(
            f"{where}: {field} is {kind}, and a key is int or str: declare it so, or "
            "name the field that identifies the entity"
        )
    if kind.optional:
        raise DefinitionError(
            f"{where}: {field} is {kind}, and a key is always there: leave out the events without "
            "one, or give them a key of their own"
        )


def _check_names(where: str, plain: list[str], columns: list[str]) -> None:
    for name in [*plain, *columns]:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise DefinitionError(
                f"{where}: {name!r} is not a name: use letters, digits and underscores"
            )
    seen: dict[str, str] = {}
    for column in columns:
        if column.lower() in seen:
            raise DefinitionError(
                f"{where}: {seen[column.lower()]!r} and {column!r} are the same column, as "
                "capitals do not count: name each time, id, field and label once"
            )
        seen[column.lower()] = column
