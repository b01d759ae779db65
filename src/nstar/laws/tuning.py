"""The loss of a run by its learning rate and batch too: least at an optimum that moves."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float, Real

from nstar.laws.coupled import Coupled
from nstar.laws.examples import PROFILES, cycled
from nstar.laws.reference_run import centre_of
from nstar.laws.surface import LossSurface
from nstar.responses.scales import TUNED_LOSS
from nstar.types import Array, Derived, Inputs, Params, Prior

SERIES = 1e-3  # of the exponent, below which the penalty's series is exact
MOST = 50.0  # e-folds of the penalty, beyond which it is as good as infinite


@dataclass(frozen=True)
class Tuning(LossSurface):
    r"""A surface of tuned runs, and what a learning rate and a batch off their best cost.

    $$ L = L_\text{tuned}(N, D) + P, \quad
       P = \ell\,\nu^{p} \delta^{q} \left(h_u\,\varphi(u; s_u) + h_v\,\varphi(v; s_v)\right),
       \quad \varphi(z; s) = \frac{2\,(e^{s z} - 1 - s z)}{s^2} $$

    $$ u = \log lr - \log lr^*, \quad v = \log b - \log b^* - r u, \quad
       lr^* = lr_0\,\nu^{a} \delta^{b}, \quad b^* = b_0\,\nu^{c} \delta^{d}, \quad
       \nu = N / N_0, \ \delta = D / D_0 $$

    The tuned loss is that of `Coupled`, l its level.  The optimum moves as power laws of
    N and D (Step Law: Li et al. 2025, arXiv:2503.04715, eq. 1).  The penalty is a
    parabola for s = 0 and steeper to one side otherwise (Varian's LINEX, 1975), as a rate
    that is too high costs more than one that is too low; the best batch follows the rate
    by r.  `loss` is of tuned runs, so that every plan has tuning marginalised; a run
    to come without a rate or a batch (NaN) is tuned in it.
    """

    lr0: float = centre_of("lr", 2e-3)
    batch0: float = centre_of("batch", 256.0)
    inputs = ("N", "D", "lr", "batch")
    response = TUNED_LOSS
    words: ClassVar = {
        **Coupled.words,
        "log_lr": "log of the best learning rate at the reference run, from the runs' centre",
        "lr_by_size": "exponent of the best learning rate in N",
        "lr_by_data": "exponent of the best learning rate in D",
        "log_batch": "log of the best batch at the reference run, from the runs' centre",
        "batch_by_size": "exponent of the best batch in N",
        "batch_by_data": "exponent of the best batch in D",
        "batch_by_lr": "exponent by which the best batch follows a learning rate off its best",
        "lr_cost": "what an e-fold of learning rate off its best costs, share of the level",
        "batch_cost": "what an e-fold of batch off its best costs, share of the level",
        "lr_skew": "how much faster a learning rate costs above its best than below",
        "batch_skew": "how much faster a batch costs above its best than below",
        "cost_by_size": "exponent of these costs in N",
        "cost_by_data": "exponent of these costs in D",
        "best_lr": "best learning rate at the reference run",
        "best_batch": "best batch at the reference run, as the runs count it",
    }
    example: ClassVar = PROFILES | {
        "lr": 2e-3 * cycled(1.0, 0.3, 2.5, 0.6, 1.5, 0.4, 4.0),
        "batch": 256.0 * cycled(1.0, 2.0, 0.5, 4.0, 0.25),
    }

    def priors(self) -> dict[str, Prior]:
        """Those of the coupled law; the optimum about the runs' centre, exponents as published.

        Step Law prints lr* ~ N^-0.713 D^0.307 and batch* ~ D^0.571; other studies have
        0 to -0.5 in N and -0.2 to 0.3 in D, and 0.3 to 0.8 for the batch.
        """
        return {
            **self.tuned().priors(),
            "log_lr": dist.Normal(0.0, 1.0),
            "lr_by_size": dist.Normal(-0.4, 0.3),
            "lr_by_data": dist.Normal(0.1, 0.25),
            "log_batch": dist.Normal(0.0, 1.0),
            "batch_by_size": dist.Normal(0.0, 0.25),
            "batch_by_data": dist.Normal(0.5, 0.25),
            "batch_by_lr": dist.Normal(0.4, 0.4),
            "lr_cost": dist.LogNormal(np.log(0.008), 1.0),
            "batch_cost": dist.LogNormal(np.log(0.008), 1.0),
            "lr_skew": dist.Normal(0.4, 0.5),
            "batch_skew": dist.Normal(0.0, 0.5),
            "cost_by_size": dist.Normal(0.0, 0.25),
            "cost_by_data": dist.Normal(-0.1, 0.25),
        }

    def tuned(self) -> Coupled:
        """Return the surface of runs that are tuned."""
        return Coupled(self.N0, self.D0)

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Inputs of tuned runs (N, D): their rate and batch need no number."""
        none = np.full(np.broadcast_shapes(np.shape(N), np.shape(D)), np.nan)
        return {"N": N, "D": D, "lr": none, "batch": none}

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of a tuned run of N parameters on D tokens."""
        return self.tuned().loss(params, N, D)

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run, tuned as it was."""
        return jnp.log(self.loss(params, x["N"], x["D"])) + self.excess(params, x)

    def excess(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log of each run's loss over that of a tuned run."""
        lr, batch = self.best(params, x["N"], x["D"])
        u = _distance(x["lr"], lr)
        v = _distance(x["batch"], batch * jnp.exp(params["batch_by_lr"] * u))
        n, d = jnp.log(x["N"] / self.N0), jnp.log(x["D"] / self.D0)
        scale = jnp.exp(params["cost_by_size"] * n + params["cost_by_data"] * d)
        cost = params["lr_cost"] * _steeper(u, params["lr_skew"])
        cost = cost + params["batch_cost"] * _steeper(v, params["batch_skew"])
        tuned = self.loss(params, x["N"], x["D"])
        return jnp.log1p(params["level"] * scale * cost / tuned)

    def best(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Best learning rate and batch of a run of N parameters on D tokens."""
        n, d = jnp.log(N / self.N0), jnp.log(D / self.D0)
        lr = params["log_lr"] + params["lr_by_size"] * n + params["lr_by_data"] * d
        batch = params["log_batch"]
        batch = batch + params["batch_by_size"] * n + params["batch_by_data"] * d
        return self.lr0 * jnp.exp(lr), self.batch0 * jnp.exp(batch)

    def derived(self, params: Params) -> Derived:
        """Those of the coupled law, and the best rate and batch of the reference run."""
        return {
            **self.tuned().derived(params),
            "best_lr": self.lr0 * jnp.exp(params["log_lr"]),
            "best_batch": self.batch0 * jnp.exp(params["log_batch"]),
        }


def _distance(
    value: Real[Array, "*#runs"], best: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """Log of a value over its best; zero where the value is NaN."""
    missing = jnp.isnan(value)
    return jnp.where(missing, 0.0, jnp.log(jnp.where(missing, 1.0, value) / best))


def _steeper(
    z: Float[Array, "*#runs"], skew: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """The square of z, made steeper above zero by the skew and flatter below."""
    t = jnp.minimum(skew * z, MOST)
    small = jnp.abs(t) < SERIES
    safe = jnp.where(small, 1.0, t)
    ratio = 2 * (jnp.expm1(safe) - safe) / jnp.square(safe)
    return jnp.square(z) * jnp.where(small, 1 + t / 3 + jnp.square(t) / 12, ratio)
