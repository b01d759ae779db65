"""Prior predictive check: what the prior expects of runs with these inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from nstar.answers import Answer, Document, Table
from nstar.costs.cost_line import WIDEST, of_runs, optimum
from nstar.costs.training import PerParamToken
from nstar.departures.bending import straight
from nstar.departures.discrepancy import Bent
from nstar.fits.model import parse_model
from nstar.intervals import interval
from nstar.predictions.distances import check_distance
from nstar.predictions.simulation import simulate
from nstar.priors.sets import Priors
from nstar.runs.observations import Observations
from nstar.samplers import density
from nstar.samplers.density import Skeleton
from nstar.types import Allocation, Array, Law, Noise, Params, Surface
from nstar.verdicts import Check, Status
from nstar.wording import flop, numbers, percent, three

DRAWS = 1000
FAR = 0.01  # prior probability of as extreme a value, both tails, below which to review


@dataclass(frozen=True)
class PriorPredictive(Answer):
    """Tables simulated from the prior at the inputs of the runs, and their statistics."""

    records_key = "statistics"

    runs: Observations
    law: Law
    simulated: (
        xr.Dataset
    )  # the response's columns, (draw, run), and the unknowns, (draw,)
    plan: xr.Dataset  # N, D and loss at budgets, (draw, budget): the law's line
    notes: tuple[Check, ...] = ()

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a statistic: its measured value and its interval under the prior."""
        records = []
        for name, (measured, simulated) in self._statistics().items():
            simulated = simulated[np.isfinite(simulated)]
            below = float(np.mean(simulated < measured))
            records.append(
                {
                    "statistic": name,
                    "measured": float(measured),
                    "prior": interval(simulated, prob).as_json(),
                    "probability": min(1.0, 2 * min(below, 1 - below)),
                }
            )
        return records

    def budgets(self, prob: float = 0.9) -> list[Document]:
        """N*, D* and loss at each budget under the prior alone."""
        return [
            {"C": float(C)}
            | {
                str(n): interval(v.sel(budget=C).to_numpy(), prob).as_json()
                for n, v in self.plan.data_vars.items()
            }
            for C in self.plan.budget
        ]

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        return {"statistics": self.table(prob), "budgets": self.budgets(prob)}

    def checks(self) -> list[Check]:
        """Check that the prior covers the runs, and how far the budgets lie beyond them."""
        C = self.plan.budget.to_numpy()
        far = [check_distance(self.runs, C)] if C.size and "C" in self.runs else []
        return [self.check(), *far, *self.notes]

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The measured statistics beside those of the prior, and the prior's plan."""
        yield Table(
            f"What the prior of the {type(straight(self.law)).__name__} law expects of runs with these inputs; median [{percent(prob)} equal-tailed interval]",
            ["statistic", "measured", "prior expects", "probability of one as extreme"],
            [
                [
                    r["statistic"],
                    three(r["measured"]),
                    numbers(r["prior"]),
                    three(r["probability"]),
                ]
                for r in self.table(prob)
            ],
        )
        if budgets := self.budgets(prob):
            names = [n for n in ("N", "D", "loss") if n in budgets[0]]
            yield Table(
                "Under the prior alone",
                ["budget (FLOP)", *names],
                [[flop(b["C"]), *(numbers(b[n]) for n in names)] for b in budgets],
            )

    def check(self) -> Check:
        """Check that the measured statistics lie among those the prior expects."""
        unlikely = [r for r in self.table() if r["probability"] < FAR]
        if not unlikely:
            detail = (
                "what was measured lies well within what the prior expects of such runs"
            )
            return Check("prior predictive", Status.PASS, detail)
        details = "; ".join(
            f"{r['statistic']} is {r['measured']:.3g}, the prior expects {r['prior']['lower']:.3g} to {r['prior']['upper']:.3g} (90 %)"
            for r in unlikely
        )
        detail = f"{details}: check the units and columns of the table, or set a prior that knows better with --prior"
        return Check("prior predictive", Status.REVIEW, detail)

    def _statistics(self) -> dict[str, tuple[float, np.ndarray]]:
        name = self.law.response.columns[0]
        value, simulated = self.runs[name], self.simulated[name].to_numpy()
        statistics = {
            f"median {name}": (np.median(value), np.median(simulated, axis=1)),
            f"least {name}": (value.min(), simulated.min(axis=1)),
            f"largest {name}": (value.max(), simulated.max(axis=1)),
        }
        wide = "C" in self.runs and np.ptp(np.log(self.runs["C"])) > 0.5
        if wide and (value > 0).all():
            statistics[f"slope of log {name} on log C"] = (
                _slope(self.runs["C"], value[None])[0],
                _slope(self.runs["C"], simulated),
            )
        return statistics


def _slope(C: np.ndarray, values: np.ndarray) -> np.ndarray:
    x = np.log(C) - np.log(C).mean()
    return np.log(np.maximum(values, 1e-300)) @ x / (x @ x)


def prior_predictive(
    runs: Observations | Any,
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    priors: Priors = None,
    budgets: Sequence[float] = (),
    *,
    discrepancy: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> PriorPredictive:
    """Draw tables from the prior at the inputs of these runs, and N*, D* and loss at budgets.

    Nothing is fitted: a prior that expects losses of 0.01 or 1000 at runs like these, or
    an N* no one would train, is seen here before it does harm (Gelman et al. 2020,
    arXiv:2011.01808, sec. 2.4).

    Args:
        runs: what `read_runs` returns, or anything it reads.
        law: name of a law, or a law.
        noise: name of a noise, or a noise.
        priors: as `fit` takes them.
        budgets: training FLOP at which the prior's own plan is computed.
        discrepancy: as `fit` takes it.
        draws: tables.
        seed: the same seed gives the same tables.

    Raises:
        ValueError: the law, the noise, the discrepancy or the priors are unknown, or the
            law cannot be fitted to the runs.
    """
    model = parse_model(law, noise, priors, discrepancy)
    with jax.enable_x64(True):
        law, noise, _, _, used, _, notes = model.placed(runs)
        tables = simulate(law, used, None, noise, priors=priors, draws=draws, seed=seed)
        names = [n for n in (*law.priors(), *noise.priors(law.response))]
        unknowns = {
            n: tables[f"unknown_{n}" if f"unknown_{n}" in tables else n].to_numpy()
            for n in names
        }
        skeleton, numbers = density.split(law, noise)
        C = np.asarray(budgets, dtype=float)
        bent = isinstance(law, Bent)  # then searched as a plan is
        span = of_runs(used["N"], used["D"]) if bent else WIDEST
        optima = _plan(skeleton, used.cost, span, numbers, unknowns, C)
    plan = xr.Dataset(
        {n: (("draw", "budget"), np.asarray(v)) for n, v in optima.items()},
        {"budget": C},
    )
    return PriorPredictive(used, law, tables, plan, notes)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _plan(
    skeleton: Skeleton,
    cost: PerParamToken,
    span: tuple[float, float],
    numbers: Any,
    unknowns: Any,
    budgets: Array,
) -> dict[str, Array]:
    law, _ = skeleton.fill(numbers)

    def optimum_of_draw(params: Params, C: Array) -> dict[str, Array]:
        if isinstance(law, Allocation):
            log_N, log_D = law.log_optimum(params, C)
        elif isinstance(law, Surface):
            log_N, log_D = optimum(partial(law.loss, params), cost, C, span)
        else:
            return {}
        N, D = jnp.exp(log_N), jnp.exp(log_D)
        loss = {"loss": law.loss(params, N, D)} if isinstance(law, Surface) else {}
        return {"N": N, "D": D} | loss

    at_budgets = jax.vmap(optimum_of_draw, (None, 0))
    return jax.vmap(at_budgets, (0, None))(unknowns, budgets)
