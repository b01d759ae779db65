"""Curves of several sizes: one law of a schedule, whose scale goes with the number of parameters."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from nstar.curves.laws import Bell, Parts, ScheduleLaw, Unknowns
from nstar.curves.progress import Paths


@dataclass(frozen=True)
class Sized:
    r"""A law of a schedule whose floor falls with size, and whose terms are scaled by it.

    $$ E(N) = E_0\,(1 - q + q\,(N / N_0)^{-a}), \qquad
       a(N) \propto N^{g}, \quad b(N) \propto N^{h} $$

    N_0 is the size of the lowest loss; all else is shared.  Chinchilla's coefficients
    (Hoffmann et al. 2022, arXiv:2203.15556) have q about .3 at 100M parameters and a of
    .34; reductions by progress and by decay are nearly the same at 25M to 1B.
    """

    law: ScheduleLaw

    def priors(self, loss: float) -> dict[str, Bell]:
        """Those of the law, and of what goes with size."""
        return self.law.priors(loss) | {
            "log_size_share": Bell(float(np.log(0.25)), 0.4),
            "log_size_power": Bell(float(np.log(0.34)), 0.3),
            "progress_by_size": Bell(0.0, 0.1),
            "decay_by_size": Bell(0.0, 0.15),
        }

    def parts(self, p: Unknowns, paths: Paths) -> Parts:
        """The loss of curves, (curve, point)."""
        larger = jnp.asarray(paths.log_size)[:, None]
        share = jnp.minimum(jnp.exp(p["log_size_share"]), 0.9)
        fallen = jnp.expm1(-jnp.exp(p["log_size_power"]) * larger)
        scaled = {
            "log_floor": p["log_floor"] + jnp.log1p(share * fallen),
            "log_progress": p["log_progress"] + p["progress_by_size"] * larger,
            "log_decay": p["log_decay"] + p["decay_by_size"] * larger,
        }
        return self.law.parts(p | scaled, paths)
