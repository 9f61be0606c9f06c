from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from groundplan.errors import BuildError
from groundplan.models import arrays

kept = st.sampled_from(["f8", "i8", "i4", "u2", "u1"]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3))
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), kept, max_size=4), st.booleans())
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, given_: dict[str, Any], turned: bool
) -> None:
    """Names, types, shapes and every bit come back, also of arrays in another order of memory;
    what comes back cannot be written to, and starts at a multiple of 64 bytes.
    """
    path = tmp_path_factory.mktemp("arrays") / "a.tables"
    asked = {name: each.T if turned else each for name, each in given_.items()}
    arrays.save(path, {"n": 1}, asked)
    facts, found = arrays.load(path)
    assert facts == {"n": 1}
    assert list(found) == list(asked)
    for name, each in asked.items():
        assert found[name].dtype == each.dtype
        assert found[name].shape == each.shape
        assert found[name].tobytes() == each.tobytes()
        assert not found[name].flags.writeable
        assert found[name].ctypes.data % 64 == 0 or not found[name].size


def test_any_damage_is_found(tmp_path: Path) -> None:
    """A byte that changed, a missing end, a header of another form: all are BuildErrors."""
    path = tmp_path / "a.tables"
    arrays.save(path, {}, {"a": np.arange(100.0), "b": np.arange(7, dtype=np.uint16)})
    whole = path.read_bytes()
    for at in range(0, len(whole), 37):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        try:
            _, found = arrays.load(path)
        except BuildError:
            continue
        # Spaces that only fill the first line up say nothing.
        assert whole[at : at + 1] == b" "
        assert found["a"].tolist() == list(range(100))
    for length in (0, 1, 63, 64, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BuildError, match="build the model again"):
            arrays.load(path)
    path.unlink()
    with pytest.raises(BuildError, match="build the model again"):
        arrays.load(path)


def test_objects_are_refused(tmp_path: Path) -> None:
    """Only numbers are kept: an array of objects would need code to be read."""
    with pytest.raises(ValueError, match="only"):
        arrays.save(tmp_path / "a.tables", {}, {"a": np.array([object()])})
