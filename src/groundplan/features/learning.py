"""The mapping of categories, learned from events."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from groundplan.errors import InputError
from groundplan.features.category import Category
from groundplan.features.columns import matched, value_of
from groundplan.features.history import History, opened
from groundplan.features.sql import column

if TYPE_CHECKING:
    import pyarrow as pa

    from groundplan.features.feature_set import FeatureSet


def learned(
    inputs: "FeatureSet",
    events: "Path | pa.Table",
    others: "Mapping[str, Path | pa.Table]",
) -> dict[str, list[int | str]]:
    """The values of each learned category, the most frequent first, ties in order.

    Args:
        inputs: the features.
        events: the main source's.
        others: by name, the profile tables whose columns are categories.

    Raises:
        InputError: a table or a column is missing.
    """
    found: dict[str, list[int | str]] = {}
    for category in inputs.categories:
        if category.written:
            continue
        source = category.of.source
        given = events if source is inputs.source else others.get(source.name)
        if given is None:
            raise InputError(
                "",
                f"category({category.key}) is learned from {source.name}, and there are none: name "
                f"their file or table, as in others={{{source.name!r}: ...}}",
            )
        with opened(given) as history:
            found[category.key] = _values(category, history)
    return found


def _values(category: Category, history: History) -> list[int | str]:
    source, field = category.of.source, category.of.field
    assert field is not None
    columns = matched(source, [field], history.present)
    values = exp.select(value_of(columns[field], source.kind_of(field)).as_("value"))
    counted = (
        exp.select(column("value"), exp.Count(this=exp.Star()).as_("events"))
        .from_(values.from_(history.relation).subquery("read"))
        .where(column("value").is_(exp.null()).not_())
        .group_by(column("value"))
        .order_by("events DESC", "value")
        .limit(category.most)
    )
    rows = history.connection.execute(counted.sql("duckdb")).fetchall()
    return [value for value, _ in rows]
