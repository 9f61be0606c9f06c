"""Features: one definition from which the offline SQL, the online state and the words come."""

import sys
from types import ModuleType
from typing import Any

from groundplan.features.embedded import EmbeddedStore
from groundplan.features.event import Event, Label
from groundplan.features.feature_set import FeatureSet, features
from groundplan.features.fields import decimal
from groundplan.features.schema import Schema
from groundplan.features.source import Entity, Source
from groundplan.features.store import Ingested, OnlineStore, Stats

__all__ = [
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
    "decimal",
    "features",
]


class _Room(ModuleType):
    """Makes `from groundplan import features` the function, though this room has its name."""

    def __call__(self, *positional: Any, **named: Any) -> FeatureSet:
        return features(*positional, **named)


sys.modules[__name__].__class__ = _Room
