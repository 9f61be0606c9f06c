"""Profile tables: what is known about an entity from a time on."""

from collections.abc import Mapping
from typing import Any, ClassVar

from groundplan.errors import DefinitionError
from groundplan.features.entity import nearest
from groundplan.features.expressions import Expression
from groundplan.features.fields import kind
from groundplan.features.source import Source, check_key
from groundplan.features.windows import EVER, Lookup, Measure, Window

_LOOKUP = Lookup()


class Table(Source):
    """A table with versions of profiles, each valid from a time until the next.

    A column is reached as an attribute (`customers.segment`): the value that was valid at the
    moment of the event, by the rule of all windows; missing before the first version. A version
    counts once by its key and time.

    Args:
        name: a plural noun, such as `customers`.
        key: the column that names the entity.
        time: the column from which on a version is valid.
        fields: the other columns: name -> int, float, bool, str or `decimal(places)`, and with
            `| None` where a value may be missing.
        lateness: how far behind the newest version of an entity another may arrive.
        key_type: int or str.

    Raises:
        DefinitionError: a name or a type breaks a rule; the message says which and what to do.
    """

    versioned: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        *,
        key: str,
        time: str,
        fields: Mapping[str, Any],
        lateness: str = "30d",
        key_type: type[int] | type[str] = int,
    ) -> None:
        self.key = key
        check_key(f"Table({name!r})", key, kind(key_type, f"Table({name!r}), key_type"))
        super().__init__(
            name,
            time=time,
            id=f"{key}_at_{time}",
            fields={key: key_type, **fields},
            lateness=lateness,
            id_type=str,
        )

    def identifier(self, key: int | str, time: int) -> str:
        """What identifies a version: its key and its time in us."""
        return f"{key}@{time}"

    def of(self, field: str) -> "Profile":
        """The profiles that a field of the event names, where it is not called as the key is."""
        return Profile(self, field)

    def definition(self) -> dict[str, Any]:
        """The definition as plain data."""
        return super().definition() | {"key": self.key}

    def __getitem__(self, field: str) -> Expression:
        return self.of(self.key)[field]


class Profile:
    """The versions of one entity's profile, as features read them.

    Args:
        table: where they are.
        on: the field of the event that names the entity.
    """

    def __init__(self, table: Table, on: str) -> None:
        self._table = table
        self._on = on

    def __getitem__(self, field: str) -> Expression:
        table = self._table
        columns = [name for name in table.fields if name != table.key]
        if field not in columns:
            raise DefinitionError(f"{table.name} has no column {field!r}{nearest(field, columns)}")
        measure = Measure(table, table.own(field), None, gaps=table.fields[field].optional)
        return Window(_LOOKUP, table, table.key, self._on, measure, EVER)

    def __getattr__(self, field: str) -> Expression:
        if field.startswith("_"):
            raise AttributeError(field)
        return self[field]
