"""Feast: a repository for the same features, whose values our engine computes.

Feast keeps the newest value per entity and has no windows, so the windows stay here: each event
makes a row of values per entity, as they stood when it was scored, and these rows are what Feast
stores and joins. A row of a window with `current=True` includes its own event.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.errors import EngineError, InputError
from groundplan.features import FeatureSet, offline
from groundplan.features.expressions import Constant
from groundplan.features.windows import Window

TIMESTAMP: Final = "event_timestamp"
_TYPES: Final = {"int": ("INT64", "Int64"), "str": ("STRING", "String")}


@dataclass(frozen=True)
class View:
    """A feature view: the values that belong to one key.

    Args:
        name: of the view and, with `_push`, of its push source.
        key: the field that names the entity.
        type: int or str.
        features: the features that are values of that entity alone.
    """

    name: str
    key: str
    type: str
    features: tuple[str, ...]


def views(inputs: FeatureSet) -> tuple[View, ...]:
    """A view for each entity with the features that its windows alone decide, and one of events.

    The last is keyed by the event's identifier and has the rest: what reads the request itself,
    or several entities.
    """
    source = inputs.source
    named = list(zip(inputs.names, inputs.expressions, strict=True))
    found = []
    for key in inputs.entities:
        mine = tuple(name for name, expression in named if _keys(expression) == {key})
        if mine:
            found.append(View(key.removesuffix("_id"), key, source.fields[key].name, mine))
    placed = {name for view in found for name in view.features}
    rest = tuple(name for name in inputs.names if name not in placed)
    if rest:
        found.append(View(source.name, source.id, source.id_kind.name, rest))
    return tuple(found)


def _keys(expression: Any) -> set[str]:
    """The entities whose windows an expression reads; the empty name stands for the request."""
    leaves = [leaf for leaf in expression.leaves() if not isinstance(leaf, Constant)]
    return {leaf.key if isinstance(leaf, Window) else "" for leaf in leaves}


def write(
    inputs: FeatureSet,
    history: "Path | pa.Table",
    folder: Path,
    *,
    project: str,
    online: str | None = None,
    others: "Mapping[str, Path | pa.Table] | None" = None,
) -> tuple[View, ...]:
    """Write a Feast repository: configuration, definitions, and the values of a history.

    Args:
        inputs: the features.
        history: past events, as `offline.table` takes them.
        folder: made; it must not hold anything yet.
        project: the name of the Feast project.
        online: `redis://host:port/db` for the online store, else SQLite in the folder.
        others: the histories of the other sources, by name.

    Raises:
        InputError: the folder is not empty, or the history breaks a rule.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("", f"{folder} exists and is not an empty folder: choose another")
    made = views(inputs)
    source = inputs.source
    keep = [source.time.column, *inputs.entities]
    given: dict[str, Any] = {"others": others} if others else {}
    table = offline.table(inputs, history, keep=keep, **given)
    (folder / "data").mkdir(parents=True)
    for view in made:
        pq.write_table(values(table, view, source.time.column), folder / "data" / _file(view))
    (folder / "feature_store.yaml").write_text(_configuration(project, online))
    (folder / "definitions.py").write_text(_definitions(inputs, made))
    return made


def values(table: pa.Table, view: View, time: str) -> pa.Table:
    """The rows of a view, in order of time: key, moment, features.

    Where an entity has several events at one instant, the last of them stands for all: Feast
    keeps one row per entity and moment, and windows differ there by `current=True` alone.
    """
    rows = pa.table(
        {
            view.key: table.column(view.key),
            TIMESTAMP: table.column(time).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
            **{name: table.column(name).cast(pa.float64()) for name in view.features},
        }
    )
    rows = rows.append_column("_row", pa.array(range(len(rows)), pa.int64()))
    last = rows.group_by([view.key, TIMESTAMP]).aggregate([("_row", "max")])["_row_max"]
    kept = rows.take(pc.sort_indices(last)) if len(last) == len(rows) else rows.take(last.sort())
    return kept.sort_by([(TIMESTAMP, "ascending"), ("_row", "ascending")]).drop_columns(["_row"])


def apply(folder: Path) -> None:
    """Register a repository's definitions, as `feast apply` does.

    Raises:
        EngineError: Feast is not installed, or it refused; the message has what it said.
    """
    command = [sys.executable, "-m", "feast.cli.cli", "-c", str(folder), "apply"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise EngineError(
            f"feast did not take {folder}: {' '.join(said) or 'no reason given'}; it must be "
            "installed (pip install 'groundplan[feast]') and its online store must run"
        )


def push(folder: Path) -> dict[str, int]:
    """Push the newest values of every entity into the repository's online store.

    Returns:
        How many entities each view got.

    Raises:
        EngineError: Feast is not installed or its online store cannot be reached.
    """
    try:
        from feast import FeatureStore
        from feast.data_source import PushMode
    except ImportError as error:
        raise EngineError("feast is missing: pip install 'groundplan[feast]'") from error
    store = FeatureStore(repo_path=str(folder))
    pushed = {}
    for view in store.list_feature_views():
        rows = pq.read_table(folder / "data" / f"{view.name}.parquet")
        newest = _newest(rows, view.entity_columns[0].name)
        try:
            store.push(f"{view.name}_push", newest.to_pandas(), to=PushMode.ONLINE)
        except Exception as error:  # whatever the client library of its online store raises
            raise EngineError(
                f"feast could not push {view.name}: {error}: does its online store run?"
            ) from error
        pushed[view.name] = len(newest)
    return pushed


def _newest(rows: pa.Table, key: str) -> pa.Table:
    """The last row of each key of rows in order of time."""
    numbered = rows.append_column("_row", pa.array(range(len(rows)), pa.int64()))
    last = numbered.group_by(key).aggregate([("_row", "max")])["_row_max"]
    return rows.take(last.sort())


def _file(view: View) -> str:
    return f"{view.name}.parquet"


def _configuration(project: str, online: str | None) -> str:
    lines = [
        f"project: {''.join(c if c.isalnum() else '_' for c in project).lower()}",
        "registry: data/registry.db",
        "provider: local",
        "offline_store:",
        "  type: file",
        "online_store:",
        *(f"  {line}" for line in _online(online)),
        "entity_key_serialization_version: 3",
    ]
    return "\n".join(lines) + "\n"


def _online(url: str | None) -> list[str]:
    if url is None:
        return ["type: sqlite", "path: data/online.db"]
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise InputError("online", f"{url!r} is not redis://host:port/db: name such an address")
    words = [f"{parts.hostname}:{parts.port or 6379}"]
    words += [f"db={parts.path.strip('/')}"] if parts.path.strip("/") else []
    words += ["password=${REDIS_PASSWORD}"] if parts.password else []
    words += ["ssl=true"] if parts.scheme == "rediss" else []
    return ["type: redis", f'connection_string: "{",".join(words)}"']


def _definitions(inputs: FeatureSet, made: tuple[View, ...]) -> str:
    words = dict(zip(inputs.names, inputs.descriptions, strict=True))
    blocks = [_HEAD.format(name=inputs.source.name, fingerprint=inputs.fingerprint())]
    for view in made:
        value_type, field_type = _TYPES[view.type]
        fields = [
            f"        Field(name={name!r}, dtype=Float64, description={words[name]!r}),"
            for name in view.features
        ]
        blocks.append(
            _VIEW.format(
                name=view.name,
                key=view.key,
                file=f"data/{_file(view)}",
                value_type=value_type,
                field_type=field_type,
                fields="\n".join(fields),
                timestamp=TIMESTAMP,
            )
        )
    return "\n".join(blocks)


_HEAD: Final = '''"""Features of {name}, by `groundplan export feast`: do not edit, export again.

Groundplan computes their values and pushes them; Feast stores and joins them. The definitions:
{fingerprint}
"""

from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Float64, Int64, String

HERE = Path(__file__).resolve().parent
'''

_VIEW: Final = """
{name}_entity = Entity(name={name!r}, join_keys=[{key!r}], value_type=ValueType.{value_type})
{name}_push = PushSource(
    name="{name}_push",
    batch_source=FileSource(
        name="{name}_values", path=str(HERE / {file!r}), timestamp_field={timestamp!r}
    ),
)
{name}_view = FeatureView(
    name={name!r},
    entities=[{name}_entity],
    ttl=None,
    schema=[
        Field(name={key!r}, dtype={field_type}),
{fields}
    ],
    source={name}_push,
)
"""
