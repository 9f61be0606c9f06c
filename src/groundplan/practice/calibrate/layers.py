"""Linear models and small dense networks in NumPy."""

from typing import Any

from groundplan.practice.calibrate.measure import Clock, Timing, measure
from groundplan.practice.calibrate.trees import rows


@measure("linear_single", "one row of 30 features through a logistic regression in NumPy", "numpy")
def linear(clock: Clock) -> Timing:
    """The simplest model."""
    import numpy as np

    weights, mean, scale = np.random.default_rng(8).random((3, 30))

    def score(r: Any) -> float:
        return float(1 / (1 + np.exp(-((r - mean) / scale @ weights))))

    return clock.each(score, rows())


@measure("user_tower", "one row through a user tower in NumPy: 128-256-64, float32", "numpy")
def tower(clock: Clock) -> Timing:
    """The half of a two-tower model that runs in a request."""
    import numpy as np

    rng = np.random.default_rng(10)
    first, second = (rng.normal(size=s).astype(np.float32) for s in ((128, 256), (256, 64)))
    users = list(rng.normal(size=(1_000, 128)).astype(np.float32))
    return clock.each(lambda user: np.maximum(user @ first, 0) @ second, users)


@measure(
    "mlp_single",
    "one single row through a multilayer perceptron in NumPy: 30-64-32-1, float32",
    "numpy",
)
def perceptron(clock: Clock) -> Timing:
    """A small network, a row at a time."""
    import numpy as np

    score = _perceptron()
    return clock.each(score, list(np.asarray(rows(), np.float32)[:, None]))


@measure(
    "mlp_row",
    "one row in a batch of 500 through the same perceptron",
    "numpy",
)
def perceptron_batch(clock: Clock) -> Timing:
    """A small network, many rows at once."""
    import numpy as np

    score = _perceptron()
    return clock.each(score, list(np.asarray(rows(), np.float32).reshape(10, 500, 30))).per(500)


def _perceptron() -> Any:
    import numpy as np

    rng = np.random.default_rng(12)
    sizes = ((30, 64), (64, 32), (32, 1))
    first, second, last = (rng.normal(scale=0.1, size=size).astype(np.float32) for size in sizes)

    def score(x: Any) -> Any:
        return 1 / (1 + np.exp(-(np.maximum(np.maximum(x @ first, 0) @ second, 0) @ last)))

    return score
