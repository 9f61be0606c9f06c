"""The models that learn from features, as a plan speaks of each: what fits, runs, stands in."""

from typing import Final, NamedTuple

from groundplan.plan.stage import Action

_TRITON: Final = "Triton, over the Open Inference Protocol"
_USUAL: Final = "how far each value lies from its usual one"


class Learner(NamedTuple):
    """A family of models in a plan's words.

    Args:
        named: with its article, where it has one.
        fitted_by, fitted_at_scale: what fits it here, and where one machine is not enough.
        run_by, run_at_scale: what scores with it.
        beside: what is fitted beside it and compared with it.
        stands_in: the fallback of its stage.
        labelled: whether it learns from labels.
    """

    named: str
    fitted_by: str
    fitted_at_scale: str
    run_by: str
    run_at_scale: str
    beside: str
    stands_in: tuple[Action, str]
    labelled: bool = True


LEARNERS: Final = {
    "boosted_trees": Learner(
        "boosted trees",
        "LightGBM in process",
        "LightGBM on a larger machine, or distributed",
        "boosted trees, in process",
        _TRITON,
        "{plain} and a logistic regression",
        ("baseline", "the build's logistic regression"),
    ),
    "linear": Learner(
        "a logistic regression",
        "scikit-learn in process",
        "the same, on a larger machine",
        "a weighted sum, in process",
        "the same, in more processes",
        "{plain}",
        ("baseline", "the build's baseline, a logistic regression too"),
    ),
    "isolation_forest": Learner(
        "an isolation forest",
        "scikit-learn in process",
        "the same: each tree learns from a small sample",
        "an isolation forest, in process",
        _TRITON,
        _USUAL,
        ("baseline", _USUAL),
        labelled=False,
    ),
    "self_supervised": Learner(
        "a network that predicts what is held back of the history",
        "PyTorch, on an accelerator where there is one",
        "PyTorch on several accelerators",
        "ONNX Runtime, in process",
        "Triton on an accelerator",
        _USUAL,
        ("baseline", _USUAL),
        labelled=False,
    ),
}
"""By the name of the component; `{plain}` stands for what does without a model."""
