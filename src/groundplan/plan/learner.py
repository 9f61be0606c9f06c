"""The models that are trained here, as a plan speaks of each: what fits, runs, stands in."""

from typing import Final, NamedTuple

from groundplan.plan.sketch import offline
from groundplan.plan.stage import Action, Stage

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
    "two_towers": Learner(
        "two towers on who took what",
        "PyTorch, on an accelerator where there is one",
        "PyTorch on several accelerators",
        "a product of two vectors, in process",
        "the same, sharded",
        "{plain} and co-occurrence",
        ("baseline", "what is popular"),
    ),
}
"""By the name of the component; `{plain}` stands for what does without a model."""


def train(learner: Learner, *, ranked: bool) -> Stage:
    """The stage that fits a model; `ranked` says whether it puts things in order."""
    plain = "popularity" if ranked else "a majority class"
    if not learner.labelled:
        breaks = "what is unusual is not what is looked for"
        detected = (
            "a sample of the highest scores that people judge, beside the same of the plain way"
        )
    elif ranked:
        breaks = "the order is no better than popularity"
        detected = "NDCG with intervals on a later period, beside the baselines"
    else:
        breaks = "scores lose their order: what matters is missed, what does not is raised"
        detected = "ranking figures with intervals on a later period, beside the baselines"
    beside = learner.beside.format(plain=plain)
    return offline(
        "train",
        does=f"fits {learner.named} and, beside it, {beside}"
        if learner.labelled
        else f"fits {learner.named}, without labels; beside it: {beside}",
        served_by=learner.fitted_by,
        at_scale=learner.fitted_at_scale,
        breaks=breaks,
        detected=detected,
        fallback=("stale", "the live build stays live"),
    )
