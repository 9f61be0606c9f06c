"""A Triton server with one logistic model, run by the Python of an environment with pytriton.

    python triton_server.py HTTP_PORT GRPC_PORT METRICS_PORT

It says `ready` once it answers, and ends when its standard input does. The environment needs
nvidia-pytriton 0.7 and numpy < 2, on a Python no newer than the library that the package brings:
3.11.2 works, 3.11.7 does not.
"""

import sys

import numpy as np
import numpy.typing as npt
from pytriton.decorators import batch  # type: ignore[import-not-found]
from pytriton.model_config import ModelConfig, Tensor  # type: ignore[import-not-found]
from pytriton.triton import Triton, TritonConfig  # type: ignore[import-not-found]

COEFFICIENTS = np.array([0.5, -1.0, 2.0])


@batch  # type: ignore[untyped-decorator]
def logistic(features: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    raw = np.nan_to_num(features) @ COEFFICIENTS
    return {"probability": (1 / (1 + np.exp(-raw)))[:, None]}


def main() -> None:
    http, grpc, metrics = map(int, sys.argv[1:])
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        metrics_address="127.0.0.1",
        metrics_port=metrics,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="logistic",
            infer_func=logistic,
            inputs=[Tensor(name="features", dtype=np.float64, shape=(3,))],
            outputs=[Tensor(name="probability", dtype=np.float64, shape=(1,))],
            config=ModelConfig(max_batch_size=2048),
        )
        triton.run()
        print("ready", flush=True)
        sys.stdin.read()


main()
