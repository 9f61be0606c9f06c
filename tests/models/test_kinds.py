import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundplan.errors import BuildError
from groundplan.models import kinds
from groundplan.models.attributions import Attributions
from groundplan.models.boosted import BoostedTrees
from groundplan.models.function import Function
from groundplan.models.linear import Linear, Logistic
from groundplan.models.majority import Majority
from groundplan.models.onnx import Onnx
from groundplan.models.scorer import Floats
from groundplan.models.surrogate import Surrogate
from groundplan.models.xgboost import XGBoost
from model_rows import drawn_rows

ROWS = drawn_rows()
KNOWN = np.nan_to_num(ROWS.x)


def amount_alone(x: Floats) -> Floats:
    """The probability of a row from its first input."""
    values: Floats = 1 / (1 + np.exp(-np.nan_to_num(x[:, 0])))
    return values


def _logistic_pipeline() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())


SPECS: dict[str, Any] = {
    "boosted_trees": BoostedTrees(trees=10),
    "xgboost": XGBoost(trees=10),
    "linear": Logistic(),
    "onnx": Onnx.of_sklearn(_logistic_pipeline()),
    "function": Function(amount_alone),
}


@pytest.fixture(scope="module", params=SPECS)
def trained(request: pytest.FixtureRequest) -> tuple[str, kinds.Model]:
    model: kinds.Model = SPECS[request.param].train(ROWS.x, ROWS.y, ROWS.names)
    return request.param, model


def test_a_build_says_which_kind_it_holds(trained: tuple[str, kinds.Model], tmp_path: Path) -> None:
    """What is loaded, without saying its kind, scores what was saved, to the bit."""
    kind, model = trained
    kinds.save(model, tmp_path)
    assert json.loads((tmp_path / "model.json").read_text()) == {"kind": kind}
    loaded = kinds.load(tmp_path, globals().get)
    assert type(loaded) is type(model)
    assert loaded.scores(ROWS.x).tolist() == model.scores(ROWS.x).tolist()
    assert loaded.score(ROWS.x[0]) == model.score(ROWS.x[0])


def test_every_kind_is_explained(trained: tuple[str, kinds.Model], tmp_path: Path) -> None:
    """Each family has an explainer that survives the disk, says how faithful it is, and gives many
    rows the bits of each; an exact one adds up to the log-odds of the score.
    """
    _, model = trained
    explainer = kinds.explain(model, ROWS.x)
    kinds.save(model, tmp_path)
    explainer.save(tmp_path)
    loaded = kinds.load_explainer(tmp_path, kinds.load(tmp_path, globals().get))
    assert loaded.names == ROWS.names
    assert loaded.faithful == explainer.faithful
    rows = loaded.rows(ROWS.x[:50])
    assert rows.tobytes() == explainer.rows(np.asfortranarray(ROWS.x[:50])).tobytes()
    for row, many in zip(ROWS.x[:50], rows, strict=True):
        found, kept = explainer.row(row), loaded.row(row)
        assert many.tobytes() == kept.contributions.tobytes()
        assert found.contributions.tolist() == kept.contributions.tolist()
        assert found.base == kept.base
        if "exact" in loaded.faithful:
            score = 1 / (1 + np.exp(-(kept.contributions.sum() + kept.base)))
            assert model.score(row) == pytest.approx(score, abs=1e-6)


def test_each_family_has_its_explainer() -> None:
    """Trees and linear models are explained exactly, anything else by a surrogate."""
    for kind, expected in (
        ("boosted_trees", Attributions),
        ("xgboost", Attributions),
        ("linear", Linear),
        ("function", Surrogate),
    ):
        model = SPECS[kind].train(ROWS.x, ROWS.y, ROWS.names)
        assert type(kinds.explain(model, ROWS.x)) is expected


def test_a_kind_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """A model of another version's kind, a damaged file, none at all: each says what to do."""
    with pytest.raises(BuildError, match="build"):
        kinds.load(tmp_path)
    (tmp_path / "model.json").write_text('{"kind": "oracle"}')
    with pytest.raises(BuildError, match="'oracle'"):
        kinds.load(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(BuildError, match="damaged"):
        kinds.load(tmp_path)
    with pytest.raises(BuildError, match=r"models/kinds\.py"):
        kinds.kind(object())


def test_reasons_of_another_model_are_refused(tmp_path: Path) -> None:
    """Tables that were made from one model are not taken for another's."""
    one, other = (BoostedTrees(trees=n).train(ROWS.x, ROWS.y, ROWS.names) for n in (3, 4))
    Attributions.of(one).save(tmp_path)
    with pytest.raises(BuildError, match="another model"):
        kinds.load_explainer(tmp_path, other)


def test_a_build_without_reasons_says_so(tmp_path: Path) -> None:
    """A model that needs a surrogate and has none in its build is refused when loaded."""
    with pytest.raises(BuildError, match="no reasons"):
        kinds.load_explainer(tmp_path, Majority.train(ROWS.y, ROWS.names))


def test_the_table_of_specs_names_what_there_is() -> None:
    """Every name in the table of specs is a class with `train`, of every kind but the base rate."""
    from importlib import import_module

    for name, module in kinds.SPECS.items():
        assert callable(getattr(import_module(module), name).train)
    assert len(kinds.SPECS) == len(kinds.KINDS) - 1
