"""The Open Inference Protocol (V2, REST): the bare model, for clients that bring the features.

Source: Open Inference Protocol specification, KServe, "Inference Protocol REST API".
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from groundplan.errors import InputError

Matrix = NDArray[np.float64]

ROWS: Final = 4_096
"""Rows of the largest request."""


class Tensor(Struct, frozen=True, forbid_unknown_fields=True):
    """A named array: shape, datatype, and its elements in row-major order, flat or nested."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | UnsetType = UNSET


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """An output that the client asks for."""

    name: str
    parameters: dict[str, Any] | UnsetType = UNSET


class Inference(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for inference."""

    inputs: list[Tensor]
    outputs: list[Wanted] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class Inferred(Struct, frozen=True, omit_defaults=True):
    """The answer to a request for inference."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | UnsetType = UNSET


_decoder: Final = msgspec.json.Decoder(Inference)


class Model:
    """A model as the protocol sees it: one input tensor of feature rows, named outputs.

    Args:
        name: the model's name in paths.
        version: the build that it comes from.
        features: names of the columns of the input tensor, in order.
        outputs: functions from float64[n, F] to float64[n] or float64[n, F]; the first is
            computed when a request names no outputs.
    """

    def __init__(
        self,
        name: str,
        version: str,
        features: Sequence[str],
        outputs: dict[str, Callable[[Matrix], Matrix]],
    ) -> None:
        self.name = name
        self._version = version
        self._features = list(features)
        self._outputs = outputs

    def metadata(self) -> dict[str, Any]:
        """What the model takes and gives."""
        width = len(self._features)
        shapes = {"score": [-1]}
        return {
            "name": self.name,
            "versions": [self._version],
            "platform": "groundplan",
            "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, width]}],
            "outputs": [
                {"name": name, "datatype": "FP64", "shape": shapes.get(name, [-1, width])}
                for name in self._outputs
            ],
            "parameters": {"features": self._features},
        }

    def check(self, name: str, version: str | None = None) -> None:
        """Refuse another model's name or version.

        Raises:
            InputError: this server has no such model.
        """
        if name != self.name:
            raise InputError("name", f"there is no model {name!r}, only {self.name!r}")
        if version not in (None, self._version):
            raise InputError(
                "version", f"{name!r} has no version {version!r}, only {self._version!r}"
            )

    def infer(self, body: bytes) -> bytes:
        """Answer a request.

        Raises:
            InputError: the body is not a request, or its tensor does not fit the model.
        """
        try:
            request = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError("", f"not a request for inference: {error}") from error
        matrix = self._matrix(request)
        wanted = list(self._outputs)[:1]
        if request.outputs:
            wanted = [output.name for output in request.outputs]
        tensors = []
        for name in wanted:
            if name not in self._outputs:
                raise InputError(
                    "outputs", f"there is no output {name!r}, only {', '.join(self._outputs)}"
                )
            values = self._outputs[name](matrix)
            tensors.append(Tensor(name, list(values.shape), "FP64", values.ravel().tolist()))
        return msgspec.json.encode(Inferred(self.name, self._version, tensors, request.id))

    def _matrix(self, request: Inference) -> Matrix:
        width = len(self._features)
        if len(request.inputs) != 1 or request.inputs[0].name != "features":
            raise InputError("inputs", f"one tensor is taken: 'features', [n, {width}] of FP64")
        tensor = request.inputs[0]
        if tensor.datatype not in ("FP64", "FP32"):
            raise InputError("datatype", f"{tensor.datatype!r} is not taken: send FP64 or FP32")
        if len(tensor.shape) != 2 or tensor.shape[1] != width or not 1 <= tensor.shape[0] <= ROWS:
            raise InputError(
                "shape", f"{tensor.shape} does not fit [n, {width}] with n from 1 to {ROWS:,}"
            )
        flat = [
            element for row in tensor.data for element in (row if isinstance(row, list) else (row,))
        ]
        if len(flat) != prod(tensor.shape):
            raise InputError("data", f"{len(flat):,} elements do not fill the shape {tensor.shape}")
        for element in flat:
            if element is not None and (isinstance(element, bool) or not _is_number(element)):
                raise InputError("data", f"{element!r} is not a number (null for missing)")
        numbers = [np.nan if element is None else float(element) for element in flat]
        return np.array(numbers, np.float64).reshape(tensor.shape)


def _is_number(element: Any) -> bool:
    # integers beyond 2^1024 overflow a float
    return isinstance(element, float) or (isinstance(element, int) and abs(element) < 2**63)
