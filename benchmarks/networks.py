"""Transformers of public sizes with random weights, which take as long as trained ones.

Plain PyTorch in float32, eager, as many teams serve them on CPUs.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

VOCABULARY = 30_522  # of BERT and MiniLM
DECODER_VOCABULARY = 50_257  # of GPT-2


class Encoder(nn.Module):
    """A BERT-shaped encoder with mean pooling and one output per text."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.place = nn.Embedding(512, width)
        layer = nn.TransformerEncoderLayer(
            width, 12, 4 * width, dropout=0.0, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """One vector per row of tokens [batch, length]."""
        places = torch.arange(tokens.shape[1])
        return self.layers(self.embed(tokens) + self.place(places)).mean(dim=1)


class Block(nn.Module):
    """One pre-norm decoder layer with its key and value cache."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.keys = torch.zeros(1, self.heads, context, 64)
        self.values = torch.zeros(1, self.heads, context, 64)

    def forward(self, x: Tensor, at: int) -> Tensor:
        """The layer's output for the tokens x [1, n, width] at positions at..at+n-1."""
        count = x.shape[1]
        split = self.qkv(self.before(x)).view(1, count, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        query, self.keys[:, :, at : at + count], self.values[:, :, at : at + count] = split
        seen = scaled_dot_product_attention(
            query,
            self.keys[:, :, : at + count],
            self.values[:, :, : at + count],
            is_causal=count > 1,
        )
        x = x + self.out(seen.transpose(1, 2).reshape(1, count, -1))
        return x + self.down(gelu(self.up(self.after(x))))


class Decoder(nn.Module):
    """A GPT-2-shaped decoder; logits of the last position only."""

    def __init__(self, layers: int, width: int, context: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(DECODER_VOCABULARY, width)
        self.place = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, context) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, at: int = 0) -> Tensor:
        """The next token after tokens [1, n], which stand at positions at..at+n-1."""
        x = self.embed(tokens) + self.place(torch.arange(at, at + tokens.shape[1]))
        for block in self.blocks:
            x = block(x, at)
        return (self.norm(x[:, -1]) @ self.embed.weight.T).argmax(dim=-1)
