from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import BuildError
from groundplan.models.boosted import BoostedTrees, Trees
from model_rows import drawn_rows

ROWS = drawn_rows()

SMALL = BoostedTrees(trees=12, leaves=8)


@pytest.fixture(scope="module")
def trees() -> Trees:
    return SMALL.train(ROWS.x, ROWS.y, ROWS.names)


def test_the_same_data_give_the_same_model() -> None:
    """Training twice gives the same text, also where features are drawn."""
    for spec in (SMALL, msgspec.structs.replace(SMALL, feature_share=0.5, seed=3)):
        texts = {spec.train(ROWS.x, ROWS.y, ROWS.names).text for _ in range(2)}
        assert len(texts) == 1


def test_threads_do_not_change_the_trees(trees: Trees) -> None:
    """Two threads grow the trees that one grows."""
    two = msgspec.structs.replace(SMALL, threads=2).train(ROWS.x, ROWS.y, ROWS.names)
    assert two.parsed == trees.parsed


def test_a_seed_changes_what_is_drawn() -> None:
    """With a share of the features, another seed gives other trees."""
    models = [
        BoostedTrees(trees=5, feature_share=0.5, seed=seed).train(ROWS.x, ROWS.y, ROWS.names)
        for seed in (0, 1)
    ]
    assert models[0].parsed != models[1].parsed


def test_progress_counts_every_tree() -> None:
    """The callback hears of each tree once, in order, out of all."""
    heard: list[tuple[int, int]] = []
    SMALL.train(ROWS.x, ROWS.y, ROWS.names, lambda done, total: heard.append((done, total)))
    assert heard == [(done, 12) for done in range(1, 13)]


def test_a_spec_survives_json() -> None:
    """The specification is a plain record that JSON carries."""
    assert msgspec.json.decode(msgspec.json.encode(SMALL), type=BoostedTrees) == SMALL


def test_the_score_is_the_logistic_of_the_leaves(trees: Trees) -> None:
    """A row's score equals a walk down every tree by hand."""
    for row in ROWS.x[:200]:
        raw = 0.0
        for tree in trees.parsed.trees:
            place = 0
            while place >= 0:
                node = tree.nodes[place]
                left = bool(node.goes_left(row[[node.feature]])[0])
                place = node.left if left else node.right
            raw += tree.values[-place - 1]
        assert trees.score(row) == pytest.approx(1 / (1 + np.exp(-raw)), abs=1e-15)


def test_threads_may_score_at_once(trees: Trees) -> None:
    """Rows scored from eight threads get the scores that they get one by one."""
    expected = trees.scores(ROWS.x).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(trees.score, ROWS.x)) == expected


def changed(text: str, line: int, place: int, value: str) -> str:
    """A model text with one number of one line of its trees replaced.

    The sizes in the header, by which LightGBM cuts the text, are made true again, so that the
    change reaches as far as it can.
    """
    start, end = text.index("Tree=0"), text.index("end of trees")
    lines = text[start:end].splitlines()
    key, _, numbers = lines[line].partition("=")
    values = numbers.split() or [""]
    values[place % len(values)] = value
    lines[line] = f"{key}={' '.join(values)}"
    trees = "\n".join(lines) + "\n"
    sizes = " ".join(str(len(f"Tree={part}")) for part in trees.split("Tree=")[1:])
    head = [
        f"tree_sizes={sizes}" if line.startswith("tree_sizes=") else line
        for line in text[:start].splitlines()
    ]
    return "\n".join(head) + "\n" + trees + text[end:]


def tree_lines(text: str) -> list[int]:
    lines = text[text.index("Tree=0") : text.index("end of trees")].splitlines()
    return [number for number, line in enumerate(lines) if line and not line.startswith("Tree=")]


def test_a_change_that_changes_nothing_is_no_damage(trees: Trees) -> None:
    """The damage of the next test is the one number that it replaces, and nothing around it."""
    text = trees.text
    for line in tree_lines(text):
        numbers = text[text.index("Tree=0") :].splitlines()[line].partition("=")[2].split()
        assert changed(text, line, 0, numbers[0]) == text


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    place=st.integers(0, 30),
    value=st.integers(-40, 40).map(str)
    | st.sampled_from(["", "x", "nan", "inf", "1e999", "-1e999", "9" * 12, "1_0", "1.5", "1 2"]),
)
def test_a_changed_text_is_refused_or_scores(
    data: st.DataObject, place: int, value: str, trees: Trees
) -> None:
    """Whatever number of whatever field of a tree is changed into whatever, loading gives a
    BuildError or a model that scores; it never ends the process and never hangs.
    """
    line = data.draw(st.sampled_from(tree_lines(trees.text)))
    try:
        model = Trees(changed(trees.text, line, place, value))
    except BuildError:
        return
    assert 0 <= model.score(ROWS.x[0]) <= 1


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused(
    data: st.DataObject, trees: Trees, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any other byte anywhere in the file, and any cut of it, is a BuildError."""
    folder = tmp_path_factory.mktemp("build")
    trees.save(folder)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    for damaged in (whole[:place] + bytes([byte]) + whole[place + 1 :], whole[:place]):
        file.write_bytes(damaged)
        with pytest.raises(BuildError, match="damaged"):
            Trees.load(folder)


def test_the_file_is_one_that_lightgbm_reads(trees: Trees, tmp_path: Path) -> None:
    """LightGBM itself loads the file, checksum and all, and scores the same bits."""
    trees.save(tmp_path)
    theirs = lightgbm.Booster(model_file=tmp_path / "trees.txt")
    assert np.asarray(theirs.predict(ROWS.x)).tolist() == trees.scores(ROWS.x).tolist()


def test_other_kinds_of_model_are_refused(trees: Trees) -> None:
    """Many classes, regression and averaged trees are refused by name."""
    for old, new, told in (
        ("objective=binary sigmoid:1", "objective=regression", "binary"),
        ("num_class=1", "num_class=3", "binary"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=1\naverage_output", "averages"),
        ("num_cat=0", "num_cat=1", "categories"),
        ("is_linear=0", "is_linear=1", "linear"),
    ):
        assert old in trees.text
        with pytest.raises(BuildError, match=told):
            Trees(trees.text.replace(old, new, 1))


def test_settings_that_cannot_be_are_refused() -> None:
    """A setting out of LightGBM's bounds is a BuildError that shows it."""
    with pytest.raises(BuildError, match="leaves=1"):
        BoostedTrees(leaves=1).train(ROWS.x, ROWS.y, ROWS.names)


def test_labels_that_nothing_explains_still_give_a_model() -> None:
    """Where no split is found, every row has the base rate."""
    y = np.arange(40) % 4 == 0
    model = BoostedTrees(trees=3).train(np.ones((40, 2)), y, ("a", "b"))
    assert model.score(np.array([1.0, 2.0])) == pytest.approx(0.25)
