from concurrent.futures import ThreadPoolExecutor

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


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_text_is_refused_or_scores(data: st.DataObject, trees: Trees) -> None:
    """Whatever number of the tree text is changed, loading gives a BuildError or a model that
    scores; it never ends the process and never hangs.
    """
    start, end = trees.text.index("Tree=0"), trees.text.index("end of trees")
    lines = trees.text[start:end].splitlines()
    place = data.draw(
        st.sampled_from(
            [
                i
                for i, text in enumerate(lines)
                if text.startswith(
                    (
                        "left_child=",
                        "right_child=",
                        "split_feature=",
                        "num_leaves=",
                        "leaf_count=",
                        "num_cat=",
                        "decision_type=",
                    )
                )
            ]
        )
    )
    key, _, numbers = lines[place].partition("=")
    values = numbers.split()
    values[data.draw(st.integers(0, len(values) - 1))] = str(data.draw(st.integers(-40, 40)))
    lines[place] = f"{key}={' '.join(values)}"
    changed = "\n".join(lines) + "\n\n"
    # The sizes in the header are where LightGBM cuts the text; keep them true to reach further.
    sizes = [len(f"Tree={part}") for part in changed.split("Tree=")[1:]]
    head = trees.text[:start].splitlines()
    head = [
        f"tree_sizes={' '.join(map(str, sizes))}" if h.startswith("tree_sizes") else h for h in head
    ]
    text = "\n".join(head) + "\n\n" + changed + trees.text[end:]
    try:
        model = Trees(text)
    except BuildError:
        return
    assert 0 <= model.score(ROWS.x[0]) <= 1


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
