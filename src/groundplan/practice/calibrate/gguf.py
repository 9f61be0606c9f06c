"""A language model in a GGUF file, by llama.cpp on one thread of the processor."""

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from groundplan.errors import EngineError, ProjectError
from groundplan.practice.calibrate.generation import ROWS, generation
from groundplan.practice.calibrate.measure import Clock
from groundplan.practice.calibrate.model import Model, Steps

MAGIC: Final = b"GGUF"
CONTEXT: Final = 1_024


def is_one(path: Path) -> bool:
    """Whether a file begins as GGUF files do.

    Raises:
        ProjectError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise ProjectError(
            f"{path} cannot be read ({error.strerror}): name a file that can"
        ) from error


def model(path: Path) -> Model:
    """The model in a file.

    Raises:
        EngineError: the library is not installed.
    """
    if find_spec("llama_cpp") is None:
        raise EngineError(f"{path} needs llama-cpp-python: pip install llama-cpp-python")
    return Model(path.name, path, ROWS, _run)


class _Decoder:
    """A model with the cache of what it has read."""

    def __init__(self, network: Any) -> None:
        self.known: int = network.n_vocab()
        kind = network.metadata.get("general.architecture", "")
        trained = network.metadata.get(f"{kind}.context_length", CONTEXT)
        self.context = min(CONTEXT, int(trained))
        self._network = network

    def read(self, tokens: list[int]) -> None:
        self._network.reset()
        self._network.eval(tokens)

    def write(self, token: int) -> None:
        self._network.eval([token])


def _run(one: Model, clock: Clock) -> Steps:
    network = import_module("llama_cpp").Llama(
        str(one.path),
        n_ctx=CONTEXT,
        n_threads=1,
        n_threads_batch=1,
        n_gpu_layers=0,
        verbose=False,
    )
    try:
        # Generating with an encoder ends the process.
        if "bert" in (kind := network.metadata.get("general.architecture", "")):
            raise ProjectError(
                f"{one.path} is an encoder ({kind}), which generates nothing: name its Hugging "
                "Face folder"
            )
        size = f"{one.path.stat().st_size / 1e9:.3g} GB"
        name = f"{one.name} ({size}, llama-cpp-python {version('llama-cpp-python')})"
        return generation(_Decoder(network), name, clock)
    finally:
        network.close()
