"""A transformer's shape: its parameters, and the FLOP of a token, attention included."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORWARD, BACKWARD = 2.0, 4.0  # FLOP a weight and token: one multiply-add, and two
CAUSAL = 0.5  # of the scores that a token could attend to, those before it, on average
KEYS = {
    "d_model": "width",
    "vocabulary": "vocabulary",
}  # of the catalogue, else as here
NEEDED = ("layers", "width", "ffn", "heads", "vocabulary")


@dataclass(frozen=True)
class Transformer:
    """A decoder-only transformer by its shape.

    FLOP are counted as multiplications of matrices, 2 a weight and token forwards and 4
    backwards; norms, activations and softmax, far below a per cent, are left out, as is
    looking up an embedding (Hoffmann et al. 2022, arXiv:2203.15556, appendix F).
    Recomputed activations are no model FLOP: they lower utilisation instead.
    """

    layers: int
    width: int  # of the residual stream, d_model
    ffn: int  # width of a feed-forward network, of one expert where there are several
    heads: int
    vocabulary: int
    kv_heads: int | None = None  # as many as heads unless given
    head: int | None = None  # size of a head, width / heads unless given
    gated: bool = True  # three matrices a feed-forward network, as SwiGLU has, or two
    tied: bool = False  # embedding and unembedding are one matrix
    experts: int = 1
    experts_used: int = 1  # by one token

    def __post_init__(self) -> None:
        """Refuse what is no shape."""
        odd = {
            n: v
            for n, v in vars(self).items()
            if isinstance(v, int | float) and not isinstance(v, bool) and v < 1
        }
        if odd or self.experts_used > self.experts:
            shape_text = ", ".join(
                f"{n} = {v}"
                for n, v in (
                    odd or {"experts": self.experts, "experts_used": self.experts_used}
                ).items()
            )
            msg = f"a transformer's shape must be of positive counts, no more experts used than there are; got {shape_text}"
            raise ValueError(msg)

    @property
    def attention(self) -> int:
        """Weights of queries, keys, values and outputs, all layers."""
        head_width = self.head or self.width // self.heads
        kv = self.kv_heads or self.heads
        return self.layers * self.width * head_width * (2 * self.heads + 2 * kv)

    @property
    def expert(self) -> int:
        """Weights of one feed-forward network a layer, all layers."""
        return self.layers * (3 if self.gated else 2) * self.width * self.ffn

    @property
    def router(self) -> int:
        """Weights that choose experts."""
        return self.layers * self.width * self.experts if self.experts > 1 else 0

    @property
    def norms(self) -> int:
        """Scales of two norms a layer, and a last one."""
        return (2 * self.layers + 1) * self.width

    @property
    def embedding(self) -> int:
        """Weights of one matrix between the vocabulary and the stream."""
        return self.vocabulary * self.width

    @property
    def params(self) -> int:
        """All parameters."""
        return self.params_non_embedding + (1 if self.tied else 2) * self.embedding

    @property
    def params_non_embedding(self) -> int:
        """Parameters but for embedding and unembedding."""
        return self.attention + self.experts * self.expert + self.router + self.norms

    @property
    def params_active(self) -> int:
        """Parameters that one token meets."""
        return self.params - (self.experts - self.experts_used) * self.expert

    def flop_per_token(self, context: int, *, causal: bool = True) -> dict[str, float]:
        """Training FLOP of a token by part, forwards and backwards.

        Args:
            context: tokens of a sequence.
            causal: count the scores of tokens before only, half of all; PaLM's
                convention counts all (Chowdhery et al. 2022, arXiv:2204.02311, app. B).
        """
        training_flop = FORWARD + BACKWARD
        head_width = self.head or self.width // self.heads
        scores = (
            2
            * self.layers
            * self.heads
            * head_width
            * context
            * (CAUSAL if causal else 1)
        )
        return {
            "attention weights": training_flop * self.attention,
            "attention scores": training_flop * scores,
            "feed-forward": training_flop
            * (self.experts_used * self.expert + self.router),
            "unembedding": training_flop * self.embedding,
        }

    def served_flop_per_token(self, context: int) -> float:
        """Inference FLOP of a token that attends to `context` others."""
        head_width = self.head or self.width // self.heads
        weights = (
            self.attention
            + self.experts_used * self.expert
            + self.router
            + self.embedding
        )
        return FORWARD * (weights + 2 * self.layers * self.heads * head_width * context)


def conventions(shape: Transformer, context: int) -> dict[str, float]:
    """Training FLOP a token under each usual way of counting.

    6ND has N all parameters (of a mixture of experts, the active ones), or those but
    for embeddings (Kaplan et al. 2020, arXiv:2001.08361, sec. 2.1).
    """
    training_flop = FORWARD + BACKWARD
    inactive = shape.params - shape.params_active
    return {
        "6ND": training_flop * shape.params_active,
        "6ND, without embeddings": training_flop
        * (shape.params_non_embedding - inactive),
        "exact, causal attention": sum(shape.flop_per_token(context).values()),
        "exact, all scores": sum(shape.flop_per_token(context, causal=False).values()),
    }


def of_catalogue(architecture: Mapping[str, Any]) -> Transformer | None:
    """Read the shape of a catalogued model; None where it is not a transformer's."""
    shape = {KEYS.get(name, name): value for name, value in architecture.items()}
    if not all(name in shape for name in NEEDED):
        return None
    field_names = Transformer.__dataclass_fields__
    return Transformer(**{name: shape[name] for name in field_names if name in shape})
