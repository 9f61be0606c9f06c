"""A model in a Hugging Face folder, by Transformers on PyTorch.

Nothing is fetched, and no code of the folder runs: neither its Python nor a pickle.
"""

import inspect
import json
import os
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from groundplan.errors import EngineError, ProjectError
from groundplan.practice.calibrate import generation
from groundplan.practice.calibrate.measure import Clock
from groundplan.practice.calibrate.model import Model, Steps, ids, largest

_NEEDS: Final = ("torch", "transformers")


class _Kind(NamedTuple):
    """What the architectures are for whose names end so."""

    ends: tuple[str, ...]
    rows: tuple[str, ...]
    loader: str
    run: Callable[[Any, str, Clock], Steps]


def model(path: Path) -> Model:
    """The model in a folder, by its `config.json`.

    Raises:
        ProjectError: the folder holds no model that can be measured.
        EngineError: a library is not installed.
    """
    kind = _kind(path, _architecture(path))
    weights = [file.stat().st_size for file in path.glob("*.safetensors") if file.is_file()]
    if not weights:
        raise ProjectError(
            f"{path} has no *.safetensors: other formats can run code as they load; save the model "
            "with save_pretrained"
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if sum(weights) > memory:
        raise ProjectError(
            f"{path} has {sum(weights) / 1e9:,.1f} GB of weights, and this machine has "
            f"{memory / 1e9:,.1f} GB of memory: name a smaller model, or a GGUF file with fewer "
            "bits a weight"
        )
    if missing := [name for name in _NEEDS if find_spec(name) is None]:
        raise EngineError(f"{path} needs {', '.join(missing)}: pip install {' '.join(missing)}")
    return Model(_name(path), path, kind.rows, lambda one, clock: _run(kind, one, clock))


def _name(path: Path) -> str:
    """What people call it: in Hugging Face's cache the folder itself is named by a revision."""
    if path.parent.name == "snapshots":
        return path.parent.parent.name.rpartition("--")[2]
    return path.name


def _architecture(path: Path) -> str:
    try:
        return str(json.loads((path / "config.json").read_bytes())["architectures"][0])
    except OSError as error:
        raise ProjectError(
            f"{path} has no config.json that can be read ({error.strerror}): name a Hugging Face "
            "folder or a GGUF file"
        ) from error
    except (ValueError, LookupError, TypeError) as error:
        raise ProjectError(
            f"{path}/config.json names no architecture: save the model with save_pretrained"
        ) from error


def _kind(path: Path, architecture: str) -> _Kind:
    for kind in _KINDS:
        if architecture.endswith(kind.ends):
            return kind
    raise ProjectError(
        f"{path} is a {architecture}, which no row of the table stands for: name a decoder "
        "(ForCausalLM), an encoder or a cross-encoder (ForSequenceClassification)"
    )


def _run(kind: _Kind, one: Model, clock: Clock) -> Steps:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is first imported
    torch, transformers = (import_module(name) for name in _NEEDS)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    network = getattr(transformers, kind.loader).from_pretrained(
        one.path,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype="auto",  # as it was saved
    )
    network.eval()
    with torch.inference_mode():
        return kind.run(network, f"{one.name} ({_described(network)})", clock)


def _described(network: Any) -> str:
    """Its class, how large it is, and what runs it."""
    count = sum(weights.numel() for weights in network.parameters())
    size = f"{count / 1e9:.3g} billion" if count >= 1e9 else f"{count / 1e6:.3g} million"
    precision = str(network.dtype).removeprefix("torch.")
    library = f"transformers {version('transformers')}"
    return f"{type(network).__name__}, {size} weights, {precision}, {library}"


class _Decoder:
    """A causal language model with the cache of what it has read."""

    def __init__(self, network: Any) -> None:
        config = network.config.get_text_config()
        self.known: int = config.vocab_size
        self.context: int = getattr(config, "max_position_embeddings", None) or 1_024
        # Only the last position's next token is wanted, as where one generates.
        takes = inspect.signature(network.forward).parameters
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self._network, self._cache = network, None

    def read(self, tokens: list[int]) -> None:
        self._cache = None
        self._pass(tokens)

    def write(self, token: int) -> None:
        self._pass([token])

    def _pass(self, tokens: list[int]) -> None:
        self._cache = self._network(
            input_ids=_tensor([tokens]),
            past_key_values=self._cache,
            use_cache=True,
            **self._last,
        ).past_key_values


def _generation(network: Any, name: str, clock: Clock) -> Steps:
    return generation.generation(_Decoder(network), name, clock)


def _encoding(network: Any, name: str, clock: Clock) -> Steps:
    """A short text into a vector, the mean of its tokens'."""
    texts = [_tensor([ids(network.config.vocab_size, 32, start)]) for start in range(5)]
    timing = clock.each(lambda one: network(input_ids=one).last_hidden_state.mean(dim=1), texts)
    return {"encoder": (f"one text of 32 tokens through {name}, one thread", timing)}


def _judging(network: Any, name: str, clock: Clock) -> Steps:
    """Pairs of a query and a passage, as many at once as there is patience for."""

    def pairs(count: int, start: int = 0) -> Any:
        return _tensor(
            [ids(network.config.vocab_size, 256, start + number) for number in range(count)]
        )

    batch = largest(lambda count: network(input_ids=pairs(count)), (1, 10, 50))
    timing = clock.each(lambda one: network(input_ids=one), [pairs(batch, at) for at in range(5)])
    what = f"one query-passage pair of 256 tokens through {name} in a batch of {batch}, one thread"
    return {"pair": (what, timing.per(batch))}


def _tensor(tokens: list[list[int]]) -> Any:
    return import_module("torch").tensor(tokens)


_KINDS: Final = (
    _Kind(("ForCausalLM", "LMHeadModel"), generation.ROWS, "AutoModelForCausalLM", _generation),
    _Kind(
        ("ForSequenceClassification",), ("pair",), "AutoModelForSequenceClassification", _judging
    ),
    _Kind(("Model", "ForMaskedLM", "ForPreTraining"), ("encoder",), "AutoModel", _encoding),
)
"""The first that fits: GPT-2's decoder is a GPT2LMHeadModel."""
