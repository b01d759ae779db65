"""How large a vocabulary: its parameters are a third kind, against a normalised loss."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.examples import PROFILES, cycled
from nstar.laws.powers import exponents, power
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import NORMALISED_LOSS
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Vocabulary(CentredLaw):
    r"""Loss above that of word frequencies falls with size, vocabulary and data.

    $$ L_u = -E + A_1 N_{nv}^{-\alpha} + A_2 N_v^{-\alpha_v} + B D^{-\beta} $$

    (Tao et al. 2024, arXiv:2407.13623, approach 3.)  Nats per token cannot be compared
    between vocabularies, so L_u is less the loss of the unigram frequencies: negative
    for a useful model, and modelled on its own scale, not by its log.  N counts all
    parameters, N_v = V d those of the vocabulary and N_nv = N - N_v the others.  Give D
    in characters where tokenizers differ, as Tao does.
    """

    N0: float = centre_of("N", 1e9)  # parameters of the reference run
    D0: float = centre_of("D", 2e10)  # tokens of the reference run
    share: float = centre_of("vocabulary_params", 0.05, over="N")  # its N_v / N
    inputs = ("N", "D", "vocabulary_params")
    response = NORMALISED_LOSS
    words: ClassVar = {
        "normalised_level": "normalised loss at the reference run",
        "reducible": "nats of it that runs can remove",
        "vocabulary_share": "share of those that vocabulary removes",
        "alpha_v": "exponent of the loss in vocabulary parameters",
        "A_v": "vocabulary term at N_v = 1",
    }
    example: ClassVar = PROFILES | {
        "vocabulary_params": PROFILES["N"] * cycled(0.01, 0.08, 0.3, 0.03, 0.15)
    }

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Give the vocabulary its average share of the parameters."""
        return {"N": N, "D": D, "vocabulary_params": N * self.share}

    def priors(self) -> dict[str, Prior]:
        """What is left to gain at the reference run, how it is shared, and exponents.

        L_u is -3.5 to -5.5 in Tao's runs, whose floor -E is -5.53.  Their terms are
        about 0.3, 0.2 and 0.4 nats at the centre of their runs, their exponents 0.45,
        0.67 and 0.45.
        """
        return {
            "normalised_level": dist.Normal(-4.0, 2.0),
            "reducible": dist.LogNormal(0.0, 0.7),
            "vocabulary_share": dist.Beta(2.0, 5.0),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "alpha_v": dist.LogNormal(np.log(0.5), 0.4),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Normalised loss of each run."""
        alpha, beta = exponents(params)
        v, size = params["vocabulary_share"], params["size_share"]
        N_v, inner = x["vocabulary_params"], x["N"] - x["vocabulary_params"]
        by_size = power(inner / (self.N0 * (1 - self.share)), -alpha)
        by_data = power(x["D"] / self.D0, -beta)
        by_words = power(N_v / (self.N0 * self.share), -params["alpha_v"])
        falling = v * by_words + (1 - v) * (size * by_size + (1 - size) * by_data)
        return params["normalised_level"] + params["reducible"] * (falling - 1)

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Normalised loss of a run whose vocabulary has its usual share."""
        return self.expected(params, self.usual(N, D))

    def floor(self, params: Params) -> Float[Array, "..."]:
        """-E: negative, as the loss is."""
        return params["normalised_level"] - params["reducible"]

    def derived(self, params: Params) -> Derived:
        """Tao's E, A_1, A_2, B, in counts, and their exponents."""
        alpha, beta = exponents(params)
        v, size = params["vocabulary_share"], params["size_share"]
        rest = params["reducible"] * (1 - v)
        inner, N_v = self.N0 * (1 - self.share), self.N0 * self.share
        return {
            "E": -self.floor(params),
            "A": rest * size * inner**alpha,
            "A_v": params["reducible"] * v * N_v ** params["alpha_v"],
            "B": rest * (1 - size) * self.D0**beta,
            "alpha": alpha,
            "beta": beta,
        }
