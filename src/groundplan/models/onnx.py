"""A model in ONNX: any scikit-learn pipeline or network, run by onnxruntime on one thread."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np

from groundplan.durable import written
from groundplan.errors import BuildError, DefinitionError, EngineError
from groundplan.models.file import content, decoded
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
    checked_training,
)

FILE: Final = "model.onnx"
FACTS: Final = "onnx.json"

_CLOSE: Final = 1e-5  # from the pipeline's own probabilities, after conversion
_TRIED: Final = 1_000
_ROUNDING: Final = 1e-6  # a float32 sum of probabilities may pass 1 by as much
_INPUTS: Final = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class _Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: tuple[str, ...]
    output: str
    sha256: str


@dataclass(frozen=True)
class Onnx:
    """A model that was trained elsewhere, taken as it is.

    Args:
        model: a path, or the bytes of the file.
        output: the output that holds the probability; None finds it where only one can be.
    """

    model: Path | str | bytes
    output: str | None = None

    @staticmethod
    def of_sklearn(pipeline: Any) -> "OfSklearn":
        """A scikit-learn classifier or pipeline that is trained here and stored as ONNX."""
        if not (hasattr(pipeline, "fit") and hasattr(pipeline, "predict_proba")):
            raise DefinitionError(
                f"{pipeline!r} is no scikit-learn classifier: it needs fit and predict_proba"
            )
        return OfSklearn(pipeline)

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> "OnnxModel":
        """Takes the model as it is, after a trial on the first rows; nothing is learned.

        Raises:
            InputError: shapes or names do not fit each other.
            BuildError: the file is no model, takes other inputs, or gives no probabilities.
        """
        x, y = checked_training(x, y, tuple(names))
        whole = self.model if isinstance(self.model, bytes) else content(Path(self.model))
        model = OnnxModel(whole, tuple(names), self.output)
        try:
            model.scores(x[:_TRIED])
        except EngineError as error:
            raise BuildError(str(error)) from error
        if progress is not None:
            progress(1, 1)
        return model


@dataclass(frozen=True)
class OfSklearn:
    """A scikit-learn classifier that is trained here, converted, and held to its own answers."""

    pipeline: Any

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> "OnnxModel":
        """Fits a copy of the pipeline and converts it, in float64 where its parts allow.

        Raises:
            InputError: shapes or names do not fit each other.
            BuildError: only one class is present, a part has no conversion, or the conversion's
                probabilities differ from the pipeline's by more than 1e-5.
        """
        from sklearn.base import clone

        x, y = checked_training(x, y, tuple(names))
        fitted = clone(self.pipeline).fit(x, y.astype(np.int64))
        expected = fitted.predict_proba(x[:_TRIED])[:, 1]
        tried: list[str] = []
        for double in (True, False):
            try:
                model = OnnxModel(_converted(fitted, x.shape[1], double), tuple(names), None)
                wrong = float(np.abs(model.scores(x[:_TRIED]) - expected).max())
            except Exception as error:  # skl2onnx raises whatever its converters raise
                tried.append(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
                continue
            if wrong <= _CLOSE:
                if progress is not None:
                    progress(1, 1)
                return model
            tried.append(f"its probabilities differ from the pipeline's by {wrong:.1e}")
        raise BuildError(
            f"{type(self.pipeline).__name__} cannot be converted to ONNX: in float64, {tried[0]}; "
            f"in float32, {tried[1]}; take parts that skl2onnx knows, or Function()"
        )


class OnnxModel:
    """A model in ONNX; its probabilities have the digits of the numbers that it computes in.

    A row alone and among others may differ in the last of them, as matrix products do.

    Args:
        whole: the bytes of the file.
        names: of the inputs, in the order of the columns.
        output: the output that holds the probability; None finds it where only one can be.

    Raises:
        BuildError: the bytes are no model, or its inputs or outputs do not fit.
    """

    def __init__(self, whole: bytes, names: tuple[str, ...], output: str | None) -> None:
        self.names, self._whole = names, whole
        self._session = _session(whole)
        self._input, self._dtype = _input(self._session, len(names))
        self.output = _output(self._session, output)

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F].

        Raises:
            InputError: the row has another shape.
            EngineError: the model failed, or gave no probability.
        """
        return float(self._run(checked_row(row, len(self.names))[None])[0])

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F].

        Raises:
            InputError: the rows have another width.
            EngineError: the model failed, or gave no probabilities.
        """
        matrix = checked_matrix(matrix, len(self.names))
        return self._run(matrix) if len(matrix) else np.empty(0)

    def save(self, folder: Path) -> None:
        """Writes `model.onnx` and `onnx.json` into the folder."""
        written(folder / FILE, self._whole)
        facts = _Facts(self.names, self.output, hashlib.sha256(self._whole).hexdigest())
        written(folder / FACTS, msgspec.json.encode(facts))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: a file is missing or damaged.
        """
        facts = decoded(folder / FACTS, _Facts)
        whole = content(folder / FILE)
        if hashlib.sha256(whole).hexdigest() != facts.sha256:
            raise BuildError(f"{folder / FILE} is damaged (its checksum differs): build it again")
        return cls(whole, facts.names, facts.output)

    def _run(self, matrix: Floats) -> Floats:
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            inputs = {self._input: matrix.astype(self._dtype, copy=False)}
        try:
            (given,) = self._session.run([self.output], inputs)
        except Exception as error:  # onnxruntime has many kinds, none of them public
            raise EngineError(f"the ONNX model failed: {_first_line(error)}") from error
        # Two columns are the classes' probabilities, in order; the second is the label's.
        found = np.asarray(given, dtype=np.float64).reshape(len(matrix), -1)[:, -1]
        wrong = ~((found >= -_ROUNDING) & (found <= 1 + _ROUNDING))
        if wrong.any():
            raise EngineError(
                f"the output {self.output!r} of the ONNX model holds what is no probability, "
                f"{found[wrong][0]}: end the model in a sigmoid, and let it take missing values "
                "(NaN)"
            )
        return found.clip(0.0, 1.0)


def _session(whole: bytes) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise BuildError("onnxruntime is not installed: pip install 'groundplan[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it has to say arrives as an error
    try:
        return onnxruntime.InferenceSession(whole, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many kinds, none of them public
        raise BuildError(f"this is no ONNX model that runs here: {_first_line(error)}") from error


def _input(session: Any, width: int) -> tuple[str, Any]:
    """The name and the type of the only input, which takes rows of this width."""
    inputs = session.get_inputs()
    told = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
    if len(inputs) != 1 or inputs[0].type not in _INPUTS or len(inputs[0].shape) != 2:
        raise BuildError(
            f"the ONNX model takes {told or 'nothing'}: give it one input of shape [n, {width}], "
            "float or double"
        )
    if isinstance(inputs[0].shape[1], int) and inputs[0].shape[1] != width:
        raise BuildError(f"the ONNX model takes {told}, and there are {width} features")
    return inputs[0].name, _INPUTS[inputs[0].type]


def _output(session: Any, wanted: str | None) -> str:
    """The output that holds probabilities: as named, or the only one that can."""
    outputs = session.get_outputs()
    told = ", ".join(f"{each.name} {each.type} {each.shape}" for each in outputs)
    fits = [each.name for each in outputs if _fits(each)]
    if wanted is not None and wanted not in fits:
        raise BuildError(
            f"the ONNX model has no output {wanted!r} of shape [n], [n, 1] or [n, 2]; it has {told}"
        )
    if wanted is None and len(fits) > 1:
        fits = [name for name in fits if "prob" in name.lower()] or fits
    if wanted is None and len(fits) != 1:
        raise BuildError(
            f"which output of the ONNX model is the probability is not clear; it has {told}: name "
            'it, Onnx(..., output="..."), and export classifiers without ZipMap'
        )
    return wanted or fits[0]


def _fits(output: Any) -> bool:
    if output.type not in _INPUTS or len(output.shape) not in (1, 2):
        return False
    return len(output.shape) == 1 or output.shape[1] in (1, 2) or isinstance(output.shape[1], str)


def _converted(fitted: Any, width: int, double: bool) -> bytes:
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    except ModuleNotFoundError as error:
        raise BuildError("skl2onnx is not installed: pip install 'groundplan[onnx]'") from error
    kind = DoubleTensorType if double else FloatTensorType
    options = {id(fitted): {"zipmap": False}}
    converted = to_onnx(fitted, initial_types=[("features", kind([None, width]))], options=options)
    return bytes(converted.SerializeToString())


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
