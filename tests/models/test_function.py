import linecache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest

from groundplan.errors import BuildError, DefinitionError, EngineError
from groundplan.models.function import Function, FunctionModel
from model_rows import drawn_rows

ROWS = drawn_rows()

SYSTEM = """
import numpy as np

def half(x):
    return 1 / (1 + np.exp(-x))

def score(x, state):
    return half(np.nan_to_num(x) @ state["weights"])

def fit(x, y):
    return {"weights": np.nan_to_num(x[y]).mean(axis=0), "rows": np.array(len(x))}

def other(x):
    return np.zeros(len(x))
"""


def system(folder: Path, text: str) -> ModuleType:
    """A `system.py` with this text, run as a module of its own."""
    file = folder / "system.py"
    file.write_text(text)
    linecache.checkcache(str(file))
    module = ModuleType("system")
    exec(compile(text, str(file), "exec"), module.__dict__)
    return module


def of(folder: Path, text: str, name: str) -> FunctionType:
    f = getattr(system(folder, text), name)
    assert isinstance(f, FunctionType)
    return f


def test_what_fit_gives_reaches_the_function(tmp_path: Path) -> None:
    """The function of a loaded build scores with the arrays that training gave, to the bit."""
    module = system(tmp_path, SYSTEM)
    model = Function(module.score, module.fit).train(ROWS.x, ROWS.y, ROWS.names)
    expected = module.score(ROWS.x, module.fit(ROWS.x, ROWS.y))
    assert model.scores(ROWS.x).tolist() == expected.tolist()
    model.save(tmp_path)
    loaded = FunctionModel.load(tmp_path, vars(system(tmp_path, SYSTEM)).get)
    assert loaded.names == ROWS.names
    assert loaded.scores(ROWS.x).tolist() == expected.tolist()
    assert not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("1 / (1 +", "1 / (1.5 +"), ('state["weights"]', 'state["weights"] * 2')],
    ids=["a function that it calls", "the function itself"],
)
def test_a_function_that_changed_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """Another source, of the function or of one that it calls, is not what was judged; what the
    function does not use may change.
    """
    module = system(tmp_path, SYSTEM)
    Function(module.score, module.fit).train(ROWS.x, ROWS.y, ROWS.names).save(tmp_path)
    with pytest.raises(BuildError, match="'score' has changed"):
        FunctionModel.load(tmp_path, vars(system(tmp_path, SYSTEM.replace(old, new))).get)
    unused = SYSTEM.replace("np.zeros", "np.ones")
    FunctionModel.load(tmp_path, vars(system(tmp_path, unused)).get)


def test_a_function_that_is_gone_is_refused(tmp_path: Path) -> None:
    """A build whose function is not defined any more says which it was."""
    module = system(tmp_path, SYSTEM)
    Function(module.other).train(ROWS.x, ROWS.y, ROWS.names).save(tmp_path)
    with pytest.raises(BuildError, match="no function 'other'"):
        FunctionModel.load(tmp_path, lambda _: None)


@pytest.mark.parametrize("wrong", [lambda x: x, max, np.mean, Function])
def test_what_has_no_name_of_its_own_is_refused(wrong: Any) -> None:
    """A lambda, a built-in, an object: none can be found again by name."""
    with pytest.raises(DefinitionError, match="top level"):
        Function(wrong)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return x[:, 0] * 0 + 2", "no probability"),
        ("return x[:, 0] * np.nan", "no probability"),
        ("return x", "one probability"),
        ("return 0.5", "one probability"),
        ("raise KeyError('no')", "failed: KeyError"),
        ("return (np.arange(len(x)) + len(x)) / 1000", "alone than among others"),
    ],
)
def test_what_is_no_row_wise_probability_is_refused(
    tmp_path: Path, body: str, message: str
) -> None:
    """Training tries the function, and says what it gave instead."""
    f = of(tmp_path, f"import numpy as np\ndef f(x):\n    {body}\n", "f")
    with pytest.raises(BuildError, match=message):
        Function(f).train(ROWS.x, ROWS.y, ROWS.names)


@pytest.mark.parametrize("given", ["None", "{}", '{"a": "text"}', '{"a": [object()]}'])
def test_fit_gives_arrays_of_numbers_or_nothing(tmp_path: Path, given: str) -> None:
    """What cannot be kept as numbers is refused when it is trained."""
    module = system(tmp_path, f"{SYSTEM}\ndef fit(x, y):\n    return {given}\n")
    with pytest.raises(BuildError, match="arrays"):
        Function(module.score, module.fit).train(ROWS.x, ROWS.y, ROWS.names)


def test_a_function_that_fails_later_is_an_engine_error(tmp_path: Path) -> None:
    """An error on a row that training did not see is one that a fallback answers for."""
    text = "import numpy as np\ndef f(x):\n    return np.where(x[:, 0] > 1e6, 9.0, 0.5)\n"
    model = Function(of(tmp_path, text, "f")).train(ROWS.x, ROWS.y, ROWS.names)
    with pytest.raises(EngineError, match="no probability"):
        model.score(np.full(6, 1e7))
