"""Transformers of public sizes: encoders, cross-encoders, and tokens of a decoder.

Their weights are random: the time does not depend on the values.
"""

from functools import cache
from typing import Any

from groundplan.practice.calibrate.measure import Clock, Timing, measure


@measure(
    "encoder",
    "one text of 32 tokens through an encoder of 6 layers x 384 (MiniLM-L6), float32",
    "torch",
)
def encoder(clock: Clock) -> Timing:
    """A short text into a vector."""
    return _passed(clock, 6, 384, batch=1, length=32)


@measure(
    "pair",
    "one query-passage pair of 256 tokens through a cross-encoder of 6 layers x 384 in a batch "
    "of 50, float32",
    "torch",
)
def pair(clock: Clock) -> Timing:
    """Reranking a short list."""
    return _passed(clock, 6, 384, batch=50, length=256).per(50)


@measure(
    "heavy_network",
    "one pass of 128 tokens through a network of 12 layers x 768 (BERT base), float32",
    "torch",
)
def heavy_network(clock: Clock) -> Timing:
    """A network of a hundred million weights."""
    return _passed(clock, 12, 768, batch=1, length=128)


@measure(
    "token",
    "one generated token of a decoder of 12 layers x 768 (GPT-2) after 512 cached tokens, "
    "float32, one thread",
    "torch",
)
def token(clock: Clock) -> Timing:
    """What a local language model takes per word or less."""
    import torch

    from groundplan.practice.calibrate.transformers import DECODER_VOCABULARY

    decoder = _decoder()
    tokens = list(torch.randint(0, DECODER_VOCABULARY, (50, 1, 1)))
    with torch.inference_mode():
        decoder(torch.randint(0, DECODER_VOCABULARY, (1, 512)))
        return clock.each(lambda one: decoder(one, 512), tokens)


@measure(
    "prompt_token",
    "one token of a prompt of 512 through the same decoder, float32, one thread",
    "torch",
)
def prompt_token(clock: Clock) -> Timing:
    """What the same model takes to read."""
    import torch

    from groundplan.practice.calibrate.transformers import DECODER_VOCABULARY

    prompts = list(torch.randint(0, DECODER_VOCABULARY, (5, 1, 512)))
    with torch.inference_mode():
        return clock.each(_decoder(), prompts).per(512)


def _passed(clock: Clock, layers: int, width: int, *, batch: int, length: int) -> Timing:
    import torch

    from groundplan.practice.calibrate.transformers import VOCABULARY, Encoder

    torch.set_num_threads(1)
    network = Encoder(layers, width)
    tokens = [torch.randint(0, VOCABULARY, (batch, length)) for _ in range(5)]
    with torch.inference_mode():
        return clock.each(network, tokens)


@cache
def _decoder() -> Any:
    import torch

    from groundplan.practice.calibrate.transformers import Decoder

    torch.set_num_threads(1)
    return Decoder(12, 768, 1024)
