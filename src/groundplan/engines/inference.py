"""A model on a server of its own, over the Open Inference Protocol: Triton and its like.

Source: Open Inference Protocol, "Inference Protocol REST API", and Triton's binary tensor data
extension, which sends the numbers of tensors as they stand in memory, behind the JSON. JSON has
no NaN, so a server without the extension is sent null for a missing value.
"""

import os
from collections.abc import Callable
from math import isnan
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt

from groundplan import units
from groundplan.durable import written
from groundplan.engines.connections import Connections, Reply
from groundplan.errors import BuildError, DefinitionError, EngineError
from groundplan.models.file import content
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
    checked_training,
)

FILE: Final = "remote.json"

_BINARY: Final = "binary_tensor_data"
_LENGTH: Final = "Inference-Header-Content-Length"
_TYPES: Final = {"FP32": "<f4", "FP64": "<f8"}
_ROWS: Final = 1_024  # of one request
_SETTLING: Final = 5 * units.SECOND  # for questions about the model, which no client waits for


class Remote(msgspec.Struct, frozen=True):
    """A model that a server holds already; nothing is trained.

    Args:
        url: `http://host:port` of the server.
        model: its name there.
        version: of the model; empty takes the server's own choice.
        output: the output that holds the probability; None finds it where only one can be.
        timeout: that a call may take where the caller does not say less: `50ms`.
        key: the name of the environment variable that holds the server's API key, sent as a
            bearer token; empty sends none.

    Raises:
        DefinitionError: the URL or the timeout is none.
    """

    url: str
    model: str
    version: str = ""
    output: str | None = None
    timeout: str = "100ms"
    key: str = ""

    def __post_init__(self) -> None:
        """Refuses what no call could use."""
        Connections(self.url).close()
        try:
            units.duration(self.timeout)
        except ValueError as error:
            raise DefinitionError(f"the timeout of {self.url}: {error}") from error

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> "RemoteModel":
        """The model as it is, after a look at what it takes and gives, and a trial.

        Raises:
            InputError: shapes or names do not fit each other.
            EngineError: the server cannot be reached, or does not have this model.
            BuildError: the model takes or gives something else.
        """
        x, y = checked_training(x, y, tuple(names))
        model = RemoteModel(self, tuple(names))
        model.check()
        model.scores(x[:_ROWS])
        if progress is not None:
            progress(1, 1)
        return model


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class _Server(msgspec.Struct):
    extensions: list[str] = []


class _Metadata(msgspec.Struct):
    inputs: list[_Tensor]
    outputs: list[_Tensor]


class _Answer(msgspec.Struct):
    outputs: list[_Tensor]


class _Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    remote: Remote
    names: tuple[str, ...]


class _Agreed(NamedTuple):
    """What the server said of the model."""

    input: str
    dtype: str
    output: str
    binary: bool


class RemoteModel:
    """A model behind a URL. The server is asked about it once, when it is first needed.

    Args:
        remote: where it is.
        names: of the inputs, in the order of the columns.
    """

    def __init__(self, remote: Remote, names: tuple[str, ...]) -> None:
        self.remote, self.names = remote, names
        headers = {"Content-Type": "application/json"}
        if remote.key:
            headers["Authorization"] = f"Bearer {os.environ.get(remote.key, '')}"
        self._connections = Connections(remote.url, headers)
        version = f"/versions/{remote.version}" if remote.version else ""
        self._path = f"/v2/models/{remote.model}{version}"
        self._timeout = units.duration(remote.timeout)
        self._agreed: _Agreed | None = None
        self._turn = Lock()

    def score(self, row: Floats, timeout_us: int | None = None) -> float:
        """The probability of one row, float64[F].

        Args:
            row: the inputs.
            timeout_us: us that the call may take; None takes the model's own.

        Raises:
            InputError: the row has another shape.
            EngineError: the server did not answer in time, or gave no probability.
        """
        matrix = checked_row(row, len(self.names))[None]
        return float(self._run(matrix, timeout_us or self._timeout)[0])

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F], 1,024 in a call of up to 5 s.

        Raises:
            InputError: the rows have another width.
            EngineError: the server did not answer in time, or gave no probabilities.
        """
        matrix = checked_matrix(matrix, len(self.names))
        parts = [matrix[at : at + _ROWS] for at in range(0, len(matrix), _ROWS)]
        wait = max(self._timeout, _SETTLING)
        return np.concatenate([np.empty(0), *(self._run(part, wait) for part in parts)])

    def fault(self) -> str:
        """Why it cannot answer; empty when it can."""
        try:
            self._connections.call("GET", f"{self._path}/ready", self._timeout)
        except EngineError as error:
            return str(error)
        return ""

    def check(self) -> None:
        """Ask the server what the model takes and gives, and hold it to our inputs.

        Raises:
            EngineError: the server cannot be reached, or does not have this model.
            BuildError: the model takes or gives something else.
        """
        self._agreement()

    def save(self, folder: Path) -> None:
        """Writes `remote.json`: where the model is, and the names of its inputs."""
        written(folder / FILE, msgspec.json.encode(_Held(self.remote, self.names)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; the server is not asked yet.

        Raises:
            BuildError: the file is missing or damaged.
        """
        try:
            held = msgspec.json.decode(content(folder / FILE), type=_Held)
        except (msgspec.DecodeError, DefinitionError) as error:
            raise BuildError(f"{folder / FILE} is damaged ({error}): build it again") from error
        return cls(held.remote, held.names)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _run(self, matrix: Floats, timeout_us: int) -> Floats:
        agreed = self._agreement(timeout_us)
        found = self._infer(matrix, agreed, timeout_us)
        if not ((found >= 0) & (found <= 1)).all():
            raise EngineError(
                f"{self.remote.url}: the output {agreed.output!r} of {self.remote.model} holds "
                "what is no probability: end the model in a sigmoid"
            )
        return found

    def _infer(self, matrix: Floats, agreed: _Agreed, timeout_us: int) -> Floats:
        numbers = matrix.astype(agreed.dtype)
        tensor: dict[str, Any] = {
            "name": agreed.input,
            "shape": list(matrix.shape),
            "datatype": "FP32" if agreed.dtype == "<f4" else "FP64",
        }
        output: dict[str, Any] = {"name": agreed.output}
        raw, headers = b"", {}
        if agreed.binary:
            raw = numbers.tobytes()
            tensor["parameters"] = {"binary_data_size": len(raw)}
            output["parameters"] = {"binary_data": True}
        else:
            tensor["data"] = [None if isnan(each) else each for each in numbers.ravel().tolist()]
        head = msgspec.json.encode({"inputs": [tensor], "outputs": [output]})
        if agreed.binary:
            headers = {_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
        path = f"{self._path}/infer"
        reply = self._connections.call("POST", path, timeout_us, head + raw, headers)
        try:
            return _probabilities(reply, agreed.output, len(matrix))
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise EngineError(
                f"{self.remote.url}{path} answered otherwise than asked ({error})"
            ) from (error)

    def _agreement(self, timeout_us: int = _SETTLING) -> _Agreed:
        if self._agreed is None:
            with self._turn:
                if self._agreed is None:
                    self._agreed = self._ask(timeout_us)
        return self._agreed

    def _ask(self, timeout_us: int) -> _Agreed:
        call = self._connections.call
        try:
            server = msgspec.json.decode(call("GET", "/v2", timeout_us).body, type=_Server)
            model = msgspec.json.decode(call("GET", self._path, timeout_us).body, type=_Metadata)
        except msgspec.DecodeError as error:
            raise EngineError(
                f"{self.remote.url} does not speak the Open Inference Protocol ({error})"
            ) from error
        asked = self._input(model.inputs)
        return _Agreed(
            input=asked.name,
            dtype=_TYPES[asked.datatype],
            output=self._output(model.outputs),
            binary=_BINARY in server.extensions,
        )

    def _input(self, inputs: list[_Tensor]) -> _Tensor:
        width = len(self.names)
        if len(inputs) == 1:
            (found,) = inputs
            wide = len(found.shape) == 2 and found.shape[1] in (width, -1)
            if found.datatype in _TYPES and wide and found.shape[0] == -1:
                return found
        raise BuildError(
            f"{self.remote.model} at {self.remote.url} takes {_shown(inputs)}: it has to take one "
            f"tensor, [-1, {width}] of FP32 or FP64"
        )

    def _output(self, outputs: list[_Tensor]) -> str:
        wanted = self.remote.output
        fits = [each.name for each in outputs if _fits(each)]
        if wanted is None and len(fits) > 1:
            fits = [name for name in fits if "prob" in name.lower() or name == "score"] or fits
        if wanted is not None and wanted in fits:
            return wanted
        if wanted is None and len(fits) == 1:
            return fits[0]
        raise BuildError(
            f"{self.remote.model} at {self.remote.url} gives {_shown(outputs)}: name the output "
            '[-1], [-1, 1] or [-1, 2] with the probability, Remote(..., output="...")'
        )


def _fits(output: _Tensor) -> bool:
    wide = len(output.shape) == 1 or (len(output.shape) == 2 and output.shape[1] in (1, 2))
    return output.datatype in _TYPES and wide and output.shape[0] == -1


def _shown(tensors: list[_Tensor]) -> str:
    return ", ".join(f"{each.name} {each.shape} {each.datatype}" for each in tensors) or "nothing"


def _probabilities(reply: Reply, output: str, rows: int) -> Floats:
    """The probabilities of an answer, float64[rows]; the last of two columns is the label's.

    Raises:
        ValueError: the output is not there, or of another shape than the data.
    """
    length = int(reply.headers.get(_LENGTH.lower(), len(reply.body)))
    answer = msgspec.json.decode(reply.body[:length], type=_Answer)
    at = length
    for tensor in answer.outputs:
        size = int(tensor.parameters.get("binary_data_size", 0))
        if tensor.name == output:
            return _column(tensor, reply.body[at : at + size] if size else None, rows)
        at += size
    raise ValueError(f"no output {output!r}")


def _column(tensor: _Tensor, raw: bytes | None, rows: int) -> Floats:
    if tensor.datatype not in _TYPES or not tensor.shape or tensor.shape[0] != rows:
        raise ValueError(f"{tensor.name} is {tensor.shape} of {tensor.datatype} for {rows} rows")
    numbers: npt.NDArray[Any]
    if raw is not None:
        numbers = np.frombuffer(raw, _TYPES[tensor.datatype])
    else:
        numbers = np.array(tensor.data, dtype=np.float64)
    return numbers.astype(np.float64).reshape(tensor.shape).reshape(rows, -1)[:, -1]
