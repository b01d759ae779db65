"""Stan through pystan, which compiles C++: as a user writes the model, and whitened."""

import logging
from typing import Any

import jax
import numpy as np

from rivals import CHAINS, DRAWS, UNKNOWNS, WARMUP, Engine, Problem, Sampled, logs

PRIORS = """
  level ~ lognormal(log(2), 1);
  floor_share ~ beta(3, 2);
  size_share ~ beta(2, 2);
  logit(alpha1) ~ student_t(4, 0.04, 0.35);
  exponent_sum ~ lognormal(log(0.63), 0.5);
  sigma ~ lognormal(log(0.01), 1);
  nu ~ gamma(2, 0.1);
"""
SURFACE = """
  real reducible = level * (1 - floor_share);
  vector[n] mu = log(
    level * floor_share
    + reducible * size_share * exp(-(1 - alpha1) * exponent_sum * N)
    + reducible * (1 - size_share) * exp(-alpha1 * exponent_sum * D));
"""
AS_WRITTEN = f"""
data {{ int n; vector[n] N; vector[n] D; vector[n] y; }}
parameters {{
  real<lower=0> level;
  real<lower=0, upper=1> floor_share;
  real<lower=0, upper=1> size_share;
  real logit_alpha1;
  real<lower=0> exponent_sum;
  real<lower=0> sigma;
  real<lower=0> nu;
}}
transformed parameters {{ real alpha1 = inv_logit(logit_alpha1); }}
model {{
  {SURFACE}
  {PRIORS.replace("logit(alpha1)", "logit_alpha1")}
  y ~ student_t(nu, mu, sigma);
}}
"""
WHITENED = f"""
data {{
  int n; vector[n] N; vector[n] D; vector[n] y;
  vector[7] at; matrix[7, 7] width;
}}
parameters {{ vector[7] z; }}
transformed parameters {{
  vector[7] u = at + width * z;
  real alpha1 = inv_logit(u[1]);
  real exponent_sum = exp(u[2]);
  real floor_share = inv_logit(u[3]);
  real level = exp(u[4]);
  real nu = exp(u[5]);
  real sigma = exp(u[6]);
  real size_share = inv_logit(u[7]);
}}
model {{
  {SURFACE}
  {PRIORS.replace("logit(alpha1)", "u[1]")}
  target += u[2] + u[4] + u[5] + u[6];
  target += log_inv_logit(u[3]) + log1m_inv_logit(u[3]);
  target += log_inv_logit(u[7]) + log1m_inv_logit(u[7]);
  y ~ student_t(nu, mu, sigma);
}}
"""


def stan_nuts(problem: Problem, *, whitened: bool) -> Engine:
    """Run Stan's NUTS with a diagonal metric, the only one pystan offers."""
    import stan

    logging.disable()
    N, D, y = logs(problem.runs)
    data: dict[str, Any] = {"n": len(y), "N": N, "D": D, "y": y}
    if whitened:
        with jax.enable_x64(True):
            mode = problem.mode()
        data |= {"at": np.asarray(mode.at), "width": np.asarray(mode.width)}
    code = WHITENED if whitened else AS_WRITTEN

    def run(seed: int) -> Sampled:
        model = stan.build(
            code, data=data, random_seed=seed + 1
        )  # once, then its cache
        found = model.sample(num_chains=CHAINS, num_samples=DRAWS, num_warmup=WARMUP)

        def of(name: str) -> np.ndarray:
            return found[name].reshape(DRAWS, CHAINS).T

        draws = {name: of(name) for name in UNKNOWNS}
        return Sampled(draws, int(of("divergent__").sum()))

    return run
