r"""FLOP of inference: prefill, decoding, attention, verifiers, diffusion steps.

The convention: 2 FLOP a parameter and token, and, where the shape is known, attention
counted as both matrix products, $4\,n_{layer}\,d\,T$ for a token that attends to T others
(2 of them in Kaplan et al. 2020, arXiv:2001.08361, who count one product).  A prompt is
read once and its keys and values are shared by all samples of a problem.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nstar.costs.transformers import Transformer

PER_PARAM = 2.0  # FLOP a parameter and token, a forward pass without attention
GUIDED = 2.0  # forward passes a step with classifier-free guidance, one without


@dataclass(frozen=True)
class Serving:
    """What a problem costs one model: sizes and lengths in tokens.

    Attention is counted where `shape` is given, which then decides the parameters too;
    with N alone it is left out, and short contexts are assumed.
    """

    N: float  # parameters met by a token
    tokens: float  # generated in one sample
    prompt: float = 0.0  # tokens of the problem
    shape: Transformer | None = None
    verifier: float = 0.0  # parameters that read every sample, none unless given

    def __post_init__(self) -> None:
        """Refuse what is no size or no length."""
        given = {"N": self.N, "tokens": self.tokens}
        least = {"prompt": self.prompt, "verifier": self.verifier}
        odd = {n: v for n, v in given.items() if not (0 < v < np.inf)}
        odd |= {n: v for n, v in least.items() if not (0 <= v < np.inf)}
        if odd:
            msg = f"what a problem costs needs positive sizes and lengths, got {', '.join(f'{n} = {v:g}' for n, v in odd.items())}"
            raise ValueError(msg)

    def per_token(self, context: float) -> float:
        """FLOP of a token that attends to `context` others."""
        if self.shape is None:
            return PER_PARAM * self.N
        return self.shape.served_flop_per_token(round(context))

    @property
    def prefill(self) -> float:
        """FLOP of reading the prompt once, half of it being attended to on average."""
        return self.prompt * self.per_token(self.prompt / 2)

    @property
    def sample(self) -> float:
        """FLOP of one sample: its tokens, and the verifier's pass over them."""
        decode = self.tokens * self.per_token(self.prompt + self.tokens / 2)
        return decode + PER_PARAM * self.verifier * (self.prompt + self.tokens)

    def flop(self, samples: ArrayLike) -> np.ndarray:
        """FLOP of a problem given so many samples."""
        return self.prefill + self.sample * np.asarray(samples, dtype=float)

    def samples(self, flop: ArrayLike) -> np.ndarray:
        """Samples that this many FLOP a problem buy, whole."""
        left = (np.asarray(flop, dtype=float) - self.prefill) / self.sample
        return np.maximum(np.floor(left * (1 + 1e-12)), 0.0)


def diffusion(forward: float, steps: int, *, guided: bool = True) -> float:
    """FLOP of one picture: steps times a forward pass, twice with guidance.

    Args:
        forward: FLOP of one pass of the denoiser (twice its multiply-adds, which papers
            often call Gflops).
        steps: of the sampler.
        guided: by classifier-free guidance, which asks the denoiser twice a step.
    """
    return forward * steps * (GUIDED if guided else 1.0)
