"""Transformers of public sizes with random weights, which take as long as trained ones.

Plain PyTorch in float32, eager, as many teams serve them on CPUs.
"""

from typing import Any, Final

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

VOCABULARY: Final = 30_522  # of BERT and MiniLM
DECODER_VOCABULARY: Final = 50_257  # of GPT-2


class Encoder:
    """A BERT-shaped encoder with mean pooling.

    Args:
        layers: how many.
        width: of a token's vector, a multiple of 12.
    """

    def __init__(self, layers: int, width: int) -> None:
        self._embed = nn.Embedding(VOCABULARY, width)
        self._place = nn.Embedding(512, width)
        layer = nn.TransformerEncoderLayer(
            width, 12, 4 * width, dropout=0.0, activation="gelu", batch_first=True
        )
        self._layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()

    def __call__(self, tokens: Any) -> Any:
        """One vector per row of tokens [batch, length]."""
        places = torch.arange(tokens.shape[1])
        return self._layers(self._embed(tokens) + self._place(places)).mean(dim=1)


class _Block:
    """One pre-norm decoder layer with its key and value cache."""

    def __init__(self, width: int, context: int) -> None:
        self._heads = width // 64
        self._before, self._after = nn.LayerNorm(width), nn.LayerNorm(width)
        self._qkv, self._out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self._up, self._down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self._keys = torch.zeros(1, self._heads, context, 64)
        self._values = torch.zeros(1, self._heads, context, 64)

    def __call__(self, x: Any, at: int) -> Any:
        """The layer's output for the tokens x [1, n, width] at positions at..at+n-1."""
        count = x.shape[1]
        split = self._qkv(self._before(x)).view(1, count, 3, self._heads, 64)
        query, self._keys[:, :, at : at + count], self._values[:, :, at : at + count] = (
            split.permute(2, 0, 3, 1, 4)
        )
        seen = scaled_dot_product_attention(
            query,
            self._keys[:, :, : at + count],
            self._values[:, :, : at + count],
            is_causal=count > 1,
        )
        x = x + self._out(seen.transpose(1, 2).reshape(1, count, -1))
        return x + self._down(gelu(self._up(self._after(x))))


class Decoder:
    """A GPT-2-shaped decoder; the likeliest next token only.

    Args:
        layers: how many.
        width: of a token's vector, a multiple of 64.
        context: tokens at most.
    """

    def __init__(self, layers: int, width: int, context: int) -> None:
        self._embed = nn.Embedding(DECODER_VOCABULARY, width)
        self._place = nn.Embedding(context, width)
        self._blocks = [_Block(width, context) for _ in range(layers)]
        self._norm = nn.LayerNorm(width)

    def __call__(self, tokens: Any, at: int = 0) -> Any:
        """The next token after tokens [1, n], which stand at positions at..at+n-1."""
        x = self._embed(tokens) + self._place(torch.arange(at, at + tokens.shape[1]))
        for block in self._blocks:
            x = block(x, at)
        return (self._norm(x[:, -1]) @ self._embed.weight.T).argmax(dim=-1)
