"""A law of the design benchmark's own: mixtures of experts by how they route."""

from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import numpyro.distributions as dist

from nstar.laws.experts import Experts
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior


@dataclass(frozen=True)
class Routed:
    r"""`Experts`, where hashing makes experts worth less and several at once more.

    $$ \hat N = N\,k^{\kappa} \left(\hat N_{experts}/N\right)^{h} $$

    h is one for a learned or balanced router and an unknown for a hash of the token
    (Clark et al. 2022, arXiv:2202.01169, fit each router apart and find hashing worst);
    k is the number of experts that a token meets, which N does not count.
    """

    of: Experts = field(default_factory=Experts)

    inputs = (*Experts.inputs, "k", "hashed")
    response = LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Routed":
        """Put the reference run where experts have it."""
        return replace(self, of=self.of.at(x, cost))

    def priors(self) -> dict[str, Prior]:
        """Hashing is worth about as much, and so is a second expert as a fifth more size."""
        more = {
            "hash_worth": dist.LogNormal(jnp.log(0.9), 0.3),
            "of_several": dist.Normal(0.2, 0.2),
        }
        return self.of.priors() | more

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        N = x["N"]
        gain = jnp.log(self.of.effective(params, x)[0] / N)
        worth = jnp.where(x["hashed"] > 0, params["hash_worth"], 1.0)
        size = N * jnp.exp(worth * gain + params["of_several"] * jnp.log(x["k"]))
        return jnp.log(self.of.plain().loss(params, size, x["D"]))
