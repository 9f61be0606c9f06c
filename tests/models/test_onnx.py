from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from groundplan.errors import BuildError, DefinitionError, EngineError, InputError
from groundplan.models.onnx import Onnx, OnnxModel
from model_rows import drawn_rows

ROWS = drawn_rows()
WEIGHTS = np.array([0.1, 0.2, 0.3, 0.0, -0.1, 0.5], dtype=np.float32)


def network(
    outputs: list[tuple[str, list[Any]]], width: Any = 6, sigmoid: bool = True, inputs: int = 1
) -> bytes:
    """A model of one weight for each input, its result under each of the outputs."""
    taken = [
        helper.make_tensor_value_info(f"in{i}", TensorProto.FLOAT, [None, width])
        for i in range(inputs)
    ]
    weights = numpy_helper.from_array(WEIGHTS[:, None], "w")
    nodes = [helper.make_node("MatMul", ["in0", "w"], ["raw"])]
    nodes.append(helper.make_node("Sigmoid" if sigmoid else "Identity", ["raw"], ["p"]))
    given = []
    for name, shape in outputs:
        nodes.append(helper.make_node("Identity", ["p"], [name]))
        given.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, "network", taken, given, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


PIPELINES = {
    "logistic": make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    "forest": make_pipeline(SimpleImputer(), RandomForestClassifier(10, random_state=0)),
    "network": make_pipeline(
        SimpleImputer(), StandardScaler(), MLPClassifier((8,), max_iter=400, random_state=0)
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_scores_as_scikit_learn_does(name: str, tmp_path: Path) -> None:
    """Trained here, stored as ONNX and loaded, it gives the pipeline's own probabilities; a row
    alone scores as among others. The pipeline that was handed in stays as it was.
    """
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    pipeline = PIPELINES[name]
    model = Onnx.of_sklearn(pipeline).train(ROWS.x, ROWS.y, ROWS.names)
    expected = clone(pipeline).fit(ROWS.x, ROWS.y.astype(int)).predict_proba(ROWS.x)[:, 1]
    model.save(tmp_path)
    loaded = OnnxModel.load(tmp_path)
    assert np.abs(loaded.scores(ROWS.x) - expected).max() < 1e-5
    alone = [loaded.score(row) for row in ROWS.x[:100]]
    assert alone == pytest.approx(loaded.scores(ROWS.x)[:100].tolist(), abs=1e-6)
    with pytest.raises(NotFittedError):
        pipeline.predict(ROWS.x)


def test_what_has_no_conversion_is_refused() -> None:
    """A part that is arbitrary Python cannot be stored safely; the error names the way out."""
    own = make_pipeline(SimpleImputer(), FunctionTransformer(np.sin), LogisticRegression())
    with pytest.raises(BuildError, match=r"Function\(\)"):
        Onnx.of_sklearn(own).train(ROWS.x, ROWS.y, ROWS.names)
    with pytest.raises(DefinitionError, match="predict_proba"):
        Onnx.of_sklearn(SimpleImputer())


@pytest.mark.parametrize("shape", [[None, 1], ["n", 1], [None, "k"]])
def test_a_network_is_taken_as_it_is(shape: list[Any], tmp_path: Path) -> None:
    """A file or bytes from elsewhere: its only output that can be a probability is one."""
    whole = network([("out", shape)])
    file = tmp_path / "net.onnx"
    file.write_bytes(whole)
    known = np.nan_to_num(ROWS.x)
    expected = 1 / (1 + np.exp(-(known.astype(np.float32) @ WEIGHTS)))
    for given in (whole, file, str(file)):
        model = Onnx(given).train(known, ROWS.y, ROWS.names)
        assert model.output == "out"
        assert model.scores(known) == pytest.approx(expected, abs=1e-6)


def test_the_probability_is_found_among_outputs() -> None:
    """By the only shape that fits, by its name, or by asking."""
    known = np.nan_to_num(ROWS.x)

    def output(*outputs: tuple[str, list[Any]], named: str | None = None) -> str:
        return Onnx(network(list(outputs)), named).train(known, ROWS.y, ROWS.names).output

    assert output(("a", [None, 1]), ("probability", [None, 1])) == "probability"
    assert output(("a", [None, 1]), ("b", [None, 1]), named="a") == "a"
    with pytest.raises(BuildError, match="not clear"):
        output(("a", [None, 1]), ("b", [None, 1]))
    with pytest.raises(BuildError, match="no output 'c'"):
        output(("a", [None, 1]), named="c")


def test_other_inputs_are_refused() -> None:
    """Another width, several inputs, or no model at all: each says what is needed."""
    known = np.nan_to_num(ROWS.x)
    with pytest.raises(BuildError, match="there are 5 features"):
        Onnx(network([("p1", [None, 1])])).train(known[:, :5], ROWS.y, ROWS.names[:5])
    with pytest.raises(BuildError, match="one input"):
        Onnx(network([("p1", [None, 1])], inputs=2)).train(known, ROWS.y, ROWS.names)
    with pytest.raises(BuildError, match="no ONNX model"):
        Onnx(b"nonsense").train(known, ROWS.y, ROWS.names)
    with pytest.raises(BuildError, match="cannot be read"):
        Onnx("/nowhere/model.onnx").train(known, ROWS.y, ROWS.names)
    model = Onnx(network([("p1", [None, 1])])).train(known, ROWS.y, ROWS.names)
    with pytest.raises(InputError, match="6 values"):
        model.score(np.zeros(5))


def test_what_is_no_probability_is_refused() -> None:
    """Log-odds and missing values that come through are an error that says how to end the model."""
    known = np.nan_to_num(ROWS.x)
    with pytest.raises(BuildError, match="sigmoid"):
        Onnx(network([("out", [None, 1])], sigmoid=False)).train(known, ROWS.y, ROWS.names)
    model = Onnx(network([("out", [None, 1])])).train(known, ROWS.y, ROWS.names)
    with pytest.raises(EngineError, match="missing values"):
        model.score(np.full(6, np.nan))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """A byte that changed is found before the model is read."""
    model = Onnx(network([("out", [None, 1])])).train(np.nan_to_num(ROWS.x), ROWS.y, ROWS.names)
    model.save(tmp_path)
    file = tmp_path / "model.onnx"
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(BuildError, match="checksum"):
        OnnxModel.load(tmp_path)
    (tmp_path / "onnx.json").write_text("{")
    with pytest.raises(BuildError, match="damaged"):
        OnnxModel.load(tmp_path)


def test_data_outside_the_file_is_not_read(tmp_path: Path) -> None:
    """A model that points at another file for its weights is refused: only the bytes count."""
    loaded = onnx.load_from_string(network([("out", [None, 1])]))
    onnx.external_data_helper.convert_model_to_external_data(
        loaded, location="weights.bin", size_threshold=0, convert_attribute=True
    )
    onnx.save(loaded, str(tmp_path / "net.onnx"))
    assert (tmp_path / "weights.bin").exists()
    with pytest.raises(BuildError, match="no ONNX model that runs"):
        Onnx(tmp_path / "net.onnx").train(np.nan_to_num(ROWS.x), ROWS.y, ROWS.names)
