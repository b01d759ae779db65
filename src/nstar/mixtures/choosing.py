"""Choose a mixture of data: that of least expected loss under the posterior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.mixtures import limits, searching
from nstar.mixtures.fitting import MixtureFit, fit_losses
from nstar.mixtures.laws import LAWS, USUAL
from nstar.mixtures.limits import Bounds
from nstar.mixtures.proposing import Proposal, propose
from nstar.mixtures.reading import Mixtures, require_name
from nstar.mixtures.targets import Target, parse_target
from nstar.runs.columns import suggest

DRAWS = 600
USUAL_DISTANCE = 0.95  # quantile of the runs' own distances, up to which is searched


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen mixture beside others, under draws of the posterior."""

    runs: Mixtures
    fit: MixtureFit
    target: Target
    N: float  # NaN where the table has no sizes
    D: float
    bounds: Bounds
    within: float  # greatest distance to a measured mixture that was searched
    usual: Float[np.ndarray, " row"]  # distances of the runs' mixtures to one another
    distance: float  # of the chosen mixture to the nearest measured one
    pool: Float[np.ndarray, "pool domain"]  # the chosen first
    best: Float[np.ndarray, "draw domain"]  # each draw's own best mixture
    regret: Float[np.ndarray, " draw"]
    losses: Mapping[str, Float[np.ndarray, "draw loss"]]  # by mixture: chosen, ...
    mixtures: Mapping[str, Float[np.ndarray, " domain"]]  # the same
    targets: Mapping[str, Float[np.ndarray, " draw"]]  # the same
    without: Float[np.ndarray, "draw domain"]  # change of the target with no share
    double: Float[np.ndarray, "draw domain"]  # with twice the share
    scatter: float  # sd of the target from run to run, at the chosen mixture
    next_runs: Sequence[Proposal]
    proxy_N: float


CHOSEN, MEASURED, TODAY = "chosen", "best measured", "today"


def choose(
    runs: Mixtures,
    target: str = "mean",
    N: float | None = None,
    D: float | None = None,
    *,
    limit: Sequence[str] = (),
    available: Mapping[str, float] | None = None,
    max_repeats: Mapping[str, float] | None = None,
    today: Mapping[str, float] | None = None,
    within: float | None = None,
    next_runs: int = 3,
    law: str = USUAL,
    seed: int = 0,
) -> Choice:
    """Fit the losses and choose a mixture.

    Args:
        runs: on mixtures, as read.
        target: a loss, a weighted sum, `mean` or `worst`.
        N: parameters of the model it is for; the largest of the table unless given.
        D: its tokens; the table's for its largest unless given.
        limit: bounds of shares, as in `github<=0.2`.
        available: tokens there are, by domain.
        max_repeats: times that they may be repeated, by domain; `""` is all others.
        today: shares of today's mixture, by domain.
        within: greatest distance to a measured mixture, a share of the data; what the
            runs have among themselves unless given.
        next_runs: how many proxy runs to name.
        law: name of the mixture law.
        seed: of the draws.

    Raises:
        ValueError: a name is none of the table's, or limits leave no mixture.
    """
    if law not in LAWS:
        msg = f"law {law!r}: there is none; {suggest(law, LAWS)}"
        raise ValueError(msg)
    goal = parse_target(target, runs.losses)
    sized = runs.N[np.isfinite(runs.N)]
    if N is None:
        N = float(sized.max()) if len(sized) else np.nan
    largest = runs.D[runs.N == N] if len(sized) else runs.D
    table_D = largest[np.isfinite(largest)]
    if D is None:
        D = float(table_D.max()) if len(table_D) else np.nan
    bounds = limits.bounds(runs, limit, available or {}, max_repeats or {}, D)
    now = None if today is None else _today(today, runs.domains)
    keep = [runs.losses.index(name) for name in goal.losses]
    fit = fit_losses(
        runs.domains,
        runs.shares,
        runs.N,
        runs.D,
        goal.losses,
        runs.values[:, keep],
        law,
        seed,
    )
    at = fit.place(N, D)
    measured = np.unique(np.round(runs.shares, 6), axis=0)
    measured /= measured.sum(axis=1, keepdims=True)
    usual = searching.neighbours(measured)
    far = float(np.quantile(usual, USUAL_DISTANCE)) if within is None else within
    pool = searching.search(fit, goal, at, measured, bounds, far, seed)
    inside = np.all(
        (measured >= bounds.low - 1e-6) & (measured <= bounds.high + 1e-6), axis=1
    )
    ran = measured[inside] if inside.any() else measured
    best_ran = ran[[np.argmin(searching.expected(fit, goal, ran, at))]]
    drawn = goal.of(
        fit.draw(np.concatenate([pool, best_ran]), at, DRAWS, goal.losses, smooth=True)
    )
    everything = np.concatenate([pool, best_ran])
    chosen = int(np.argmin(drawn.mean(axis=0)))
    order = np.concatenate([[chosen], np.delete(np.arange(len(everything)), chosen)])
    pool, drawn = everything[order], drawn[:, order]
    compared = {CHOSEN: pool[0], MEASURED: best_ran[0]}
    if now is not None:
        compared[TODAY] = now
    domains = len(runs.domains)
    beside = np.concatenate(
        [
            np.stack([*compared.values()]),
            *(_with_share(pool[0], i, 0.0) for i in range(domains)),
            *(_with_share(pool[0], i, 2.0) for i in range(domains)),
        ]
    )
    losses = fit.draw(beside, at, DRAWS, goal.losses, smooth=True)
    of_target = goal.of(losses)
    k = len(compared)
    change = of_target[:, k:] - of_target[:, :1]
    # the same draws with noise and without it
    clean, noisy = (
        goal.of(
            fit.draw(
                beside[:1], at, DRAWS, goal.losses, smooth=True, measured=measured_too
            )
        )
        for measured_too in (False, True)
    )
    proxy = _proxy(runs)
    return Choice(
        runs,
        fit,
        goal,
        N,
        D,
        bounds,
        far,
        usual,
        float(searching.distances(pool[:1], measured).min()),
        pool,
        pool[np.argmin(drawn, axis=1)],
        drawn[:, 0] - drawn.min(axis=1),
        {name: losses[:, i] for i, name in enumerate(compared)},
        compared,
        {name: of_target[:, i] for i, name in enumerate(compared)},
        change[:, :domains],
        change[:, domains:],
        float(np.std(noisy - clean)),
        propose(fit, goal, pool, at, fit.place(*proxy), bounds, next_runs),
        proxy[0],
    )


def _today(
    today: Mapping[str, float], domains: Sequence[str]
) -> Float[np.ndarray, " domain"]:
    """Read today's shares.

    Raises:
        ValueError: they name no domain of the table, or do not sum to one.
    """
    shares = np.zeros(len(domains))
    for name, share in today.items():
        shares[domains.index(require_name(name, domains, "--today: domain"))] = share
    total = shares.sum()
    if abs(total - 1) > 0.02 or shares.min() < 0:
        hint = "; divide them by 100" if abs(total - 100) < 2 else ""
        msg = f"--today: shares must sum to one, these sum to {total:.4g}{hint}"
        raise ValueError(msg)
    return shares / total


def _with_share(
    shares: Float[np.ndarray, " domain"], i: int, times: float
) -> Float[np.ndarray, "1 domain"]:
    """Multiply one share, at the cost or gain of all others in proportion."""
    new = min(times * shares[i], 1.0)
    rest = 1 - shares[i]
    moved = shares * ((1 - new) / rest if rest > 0 else 1.0)
    moved[i] = new
    return moved[None] / moved.sum()


def _proxy(runs: Mixtures) -> tuple[float, float]:
    """Size at which most mixtures were run: that of proxies."""
    if not np.isfinite(runs.N).any():
        return np.nan, np.nan
    sizes, count = np.unique(runs.N[np.isfinite(runs.N)], return_counts=True)
    N = sizes[np.argmax(count)]
    D = runs.D[(runs.N == N) & np.isfinite(runs.D)]
    return float(N), float(np.median(D)) if len(D) else np.nan
