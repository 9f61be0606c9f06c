"""The bare model behind BentoML: one worker, one row a request."""

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Bare:
    """LightGBM on features that the client brings."""

    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file="model.txt")

    @bentoml.api
    def predict(self, features: list[float]) -> float:
        return float(self.booster.predict(np.array([features]), num_threads=1)[0])
