"""Did the sampler do its work?  ArviZ's diagnostics, worst unknown first."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

RHAT = 1.01  # Vehtari et al. (2021, arXiv:1903.08008)
ESS = 400  # 100 a chain, ibid.; below it quantiles are not to be trusted
E_BFMI = 0.3  # Betancourt (2016, arXiv:1604.00695)
DRAWN = "waves_"  # weights that are drawn given what bends the runs, which is judged
TOLERATED = 1e-3  # of the transitions of a bent law: its amplitudes have necks
UNLIKE = 3.5  # sds of a mean rank from which a place is named
NECK = 0.1  # share of the draws that lie in one


class Diagnostics(NamedTuple):
    """The worst of each, with the unknown it belongs to."""

    rhat: float
    rhat_of: str
    ess_bulk: float
    ess_bulk_of: str
    ess_tail: float
    ess_tail_of: str
    divergences: int
    e_bfmi: float
    deepest: int  # leapfrogs of the longest trajectory

    @property
    def trouble(self) -> str:
        """Say what forbids reading the draws, or nothing."""
        if self.divergences:
            return f"{self.divergences} divergences"
        if not self.rhat <= RHAT:
            return f"R-hat of {self.rhat_of} at {self.rhat:.3f}"
        if not min(self.ess_bulk, self.ess_tail) >= ESS:
            least, name = min(
                (self.ess_bulk, self.ess_bulk_of), (self.ess_tail, self.ess_tail_of)
            )
            return f"{least:.0f} effective draws of {name}"
        return ""


def diagnose(tree: xr.DataTree, unknowns: list[str]) -> Diagnostics:
    """Compute rank-normalised R-hat, bulk and tail ESS, E-BFMI and divergences."""
    stats = tree["sample_stats"].dataset
    instead = sampled(stats)
    judged = [n for n in unknowns if not (instead and n.startswith(DRAWN))]
    posterior = tree["posterior"].dataset[judged].assign(instead)
    dims = ["chain", "draw"]
    with np.errstate(divide="ignore", invalid="ignore"):  # draws that stand still
        return _diagnose(tree, posterior, stats, dims)


def _diagnose(
    tree: xr.DataTree, posterior: xr.Dataset, stats: xr.Dataset, dims: list[str]
) -> Diagnostics:
    import arviz_stats

    rhat, rhat_of = _worst(arviz_stats.rhat(posterior, sample_dims=dims), np.nanmax)
    bulk, bulk_of = _worst(
        arviz_stats.ess(posterior, sample_dims=dims, method="bulk"), np.nanmin
    )
    tail, tail_of = _worst(
        arviz_stats.ess(posterior, sample_dims=dims, method="tail", prob=(0.05, 0.95)),
        np.nanmin,
    )
    bfmi = float(np.min(arviz_stats.bfmi(tree)["energy"]))
    return Diagnostics(
        rhat,
        rhat_of,
        bulk,
        bulk_of,
        tail,
        tail_of,
        int(stats["diverging"].sum()),
        bfmi,
        int(stats["n_steps"].max()),
    )


def sampled(stats: Mapping[Any, Any]) -> dict[str, Any]:
    """What moved in the place of unknowns that were drawn given it, (chain, draw, ...).

    Those would hide a chain that stands still behind fresh draws of their own.
    """
    return {str(name): values for name, values in stats.items() if values.ndim > 2}


def _worst(values: xr.Dataset, pick: Callable[..., Any]) -> tuple[float, str]:
    """Return the worst value over all unknowns and its name; NaN is worst of all."""
    worst = {str(n): float(pick(v.to_numpy())) for n, v in values.data_vars.items()}
    broken = [n for n, v in values.data_vars.items() if np.isnan(v.to_numpy()).any()]
    if broken:
        return float("nan"), str(broken[0])
    value = pick(list(worst.values()))
    return float(value), next(n for n, v in worst.items() if v == value)


def place(posterior: Mapping[Any, Any], diverging: Any) -> str:
    """Say in which unknown divergences are most unlike other draws, and on which side.

    Ranks of so many draws have mean 1/2 with sd (12 n)^(-1/2) where they lie anywhere.

    Args:
        posterior: (chain, draw, ...) each; numbers are looked at, arrays are not.
        diverging: which transitions diverged, (chain, draw).
    """
    diverging = np.asarray(diverging, bool).ravel()
    if not diverging.any():
        return ""
    ranks = {}
    for name, values in posterior.items():
        if np.ndim(values) == 2:
            order = np.argsort(np.argsort(np.asarray(values).ravel()))
            ranks[str(name)] = np.mean((order[diverging] + 0.5) / order.size)
    name = max(ranks, key=lambda name: abs(ranks[name] - 0.5), default="")
    sds = abs(ranks.get(name, 0.5) - 0.5) * np.sqrt(12 * diverging.sum())
    if sds < UNLIKE:
        return "they lie in no one place"
    return f"they lie where {name} is {'low' if ranks[name] < 0.5 else 'high'} (on average at its {ranks[name]:.0%} quantile)"


def in_necks(posterior: Mapping[Any, Any], diverging: Any) -> bool:
    """Say whether divergences are few, and each where an amplitude of a bend is near zero.

    Near zero is where one draw in ten has any of its amplitudes so low: each is held
    against a quantile of its own draws, the lower the more amplitudes there are.

    Args:
        posterior: of a bent law, (chain, draw, ...) each.
        diverging: which transitions diverged, (chain, draw).
    """
    diverging = np.asarray(diverging, bool)
    bends = [
        np.asarray(values)
        for name, values in posterior.items()
        if str(name).startswith("bend_") and np.ndim(values) == 2
    ]
    low = np.zeros_like(diverging)
    for values in bends:
        low |= values < np.quantile(values, 1 - (1 - NECK) ** (1 / len(bends)))
    return bool(diverging.mean() <= TOLERATED and low[diverging].all())
