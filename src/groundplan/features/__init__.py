"""Features: one definition from which the offline SQL, the online state and the words come."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from groundplan.features.apply import apply
from groundplan.features.category import category
from groundplan.features.entity import Entity
from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet, features
from groundplan.features.fields import decimal
from groundplan.features.schema import Schema
from groundplan.features.source import Source
from groundplan.features.store import Appended, Ingested, OnlineStore, Stats
from groundplan.features.table import Table

if TYPE_CHECKING:
    from groundplan.features.embedded import EmbeddedStore

__all__ = [
    "Appended",
    "EmbeddedStore",
    "Entity",
    "Event",
    "FeatureSet",
    "Ingested",
    "Label",
    "OnlineStore",
    "Schema",
    "Source",
    "Stats",
    "Table",
    "apply",
    "category",
    "decimal",
    "features",
]


def __getattr__(name: str) -> Any:
    """The embedded store, whose engine definitions do without."""
    if name == "EmbeddedStore":
        from groundplan.features.embedded import EmbeddedStore

        return EmbeddedStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Room(ModuleType):
    """Makes `from groundplan import features` the function, though this room has its name."""

    def __call__(self, *positional: Any, **named: Any) -> FeatureSet:
        return features(*positional, **named)


sys.modules[__name__].__class__ = _Room
