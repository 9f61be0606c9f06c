"""The kinds of models and how a build says which one it holds: one line here for each family."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from groundplan.durable import written
from groundplan.errors import BuildError
from groundplan.models.attributions import Attributions
from groundplan.models.explainer import Explainer, Forested
from groundplan.models.file import decoded
from groundplan.models.linear import Linear
from groundplan.models.scorer import Bools, Floats, Scorer
from groundplan.models.surrogate import FILE as SURROGATE
from groundplan.models.surrogate import Surrogate

FILE: Final = "model.json"

KINDS: Final = {
    "boosted_trees": "groundplan.models.boosted:Trees",
    "xgboost": "groundplan.models.xgboost:XGBoostTrees",
    "linear": "groundplan.models.linear:Linear",
    "majority": "groundplan.models.majority:Majority",
    "onnx": "groundplan.models.onnx:OnnxModel",
    "function": "groundplan.models.function:FunctionModel",
    "remote": "groundplan.engines.inference:RemoteModel",
}
"""Where the model of each kind is found, loaded when a build holds one."""

SPECS: Final = {
    "BoostedTrees": "groundplan.models.boosted",
    "XGBoost": "groundplan.models.xgboost",
    "Logistic": "groundplan.models.linear",
    "Onnx": "groundplan.models.onnx",
    "Function": "groundplan.models.function",
    "Remote": "groundplan.engines.inference",
}
"""What a `system.py` may say that it trains, and where that is found."""


class Model(Scorer, Protocol):
    """A scorer that a build can hold."""

    def save(self, folder: Path) -> None:
        """Writes the model's files into the folder."""


class Spec(Protocol):
    """What `system.py` says is to be trained."""

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> Model:
        """A model from float64[n, F] inputs, NaN being missing, and bool[n] labels."""


class _Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str


def kind(model: object) -> str:
    """The kind of a model, a key of `KINDS`.

    Raises:
        BuildError: it is of none.
    """
    place = f"{type(model).__module__}:{type(model).__qualname__}"
    for name, known in KINDS.items():
        if known == place:
            return name
    raise BuildError(f"{place} is no kind of model: add it to models/kinds.py")


def save(model: Model, folder: Path) -> None:
    """Writes a model's files into a folder, and its kind into `model.json`."""
    held = _Held(kind(model))
    model.save(folder)
    written(folder / FILE, msgspec.json.encode(held))


def load(folder: Path, find: Callable[[str], Any] | None = None) -> Model:
    """Reads what `save` wrote, whatever its kind.

    Args:
        folder: of the build.
        find: the object of a name in `system.py`, for a model that is a function.

    Raises:
        BuildError: a file is missing or damaged, the kind is unknown or its library is not
            installed, or a function is gone or has changed.
    """
    held = decoded(folder / FILE, _Held)
    if held.kind not in KINDS:
        raise BuildError(
            f"{folder / FILE} holds a model of the kind {held.kind!r}, which this version does "
            f"not know ({', '.join(KINDS)}): build it again"
        )
    module, name = KINDS[held.kind].split(":")
    family = getattr(import_module(module), name)
    model: Model
    if held.kind == "function":
        model = family.load(folder, find or _nowhere)
    else:
        model = family.load(folder)
    return model


def explain(model: Scorer, x: Floats) -> Explainer:
    """What accounts for a model's scores: exactly where its family allows, else a surrogate.

    Args:
        model: any scorer.
        x: float64[n, F], rows such as it will meet, for a surrogate to learn from.
    """
    if isinstance(model, Forested):
        return Attributions.of(model)
    if isinstance(model, Linear):
        return model
    return Surrogate.of(model, x)


def load_explainer(folder: Path, model: Scorer) -> Explainer:
    """Reads what `explain(...).save(folder)` wrote.

    Raises:
        BuildError: a file is missing or damaged, or of another model.
    """
    if isinstance(model, Forested):
        return Attributions.load(folder, model)
    if isinstance(model, Linear):
        return model
    if (folder / SURROGATE).exists():
        return Surrogate.load(folder)
    raise BuildError(f"{folder} has no reasons for its model: run `groundplan build` again")


def _nowhere(_: str) -> None:
    """Where nobody says in which file a function is, there is none."""
