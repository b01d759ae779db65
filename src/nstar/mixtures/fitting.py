"""Fit losses by domain over shares and sizes: a law, and a discrepancy integrated out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import least_squares, minimize

from nstar.mixtures import kernels, sizes
from nstar.mixtures.kernels import Hyperparameters, Rows
from nstar.mixtures.laws import LAWS, USUAL, MixtureLaw

CLOSE = 0.15  # of the spread: how near the law alone is taken to come, to start with
MOST_ROWS = 400  # from which hyperparameters are learned first
ROUNDS = 60  # of the search for them
LAST_ROUNDS = 12  # with every row
ODDEST = 2.5  # sds of the law beyond which noise grows no more
OUTLYING = 4.0  # sds from where the other rows put it, at which a row weighs less
FEW_ROWS = 200  # up to which hyperparameters are drawn, not put at their mode
PROPOSALS = 200  # of hyperparameters, from a normal at the mode
SURFACES = 16  # of them kept, as likely as they are
STEP = 1e-3  # of differences of gradients
WIDEST = 4.0  # prior sds within which hyperparameters are sought
SAME_SIZE = 1e-9  # logs of N or D within which sizes are one
LEAST_SPREAD = 1e-4  # of log losses


@dataclass(frozen=True, eq=False)
class Joint:
    """Log losses of several mixtures at one size, before noise."""

    mean: Float[np.ndarray, " row"]
    covariance: Float[np.ndarray, "row row"]
    noise: Float[np.ndarray, " row"]  # sd of one measurement


@dataclass(frozen=True, eq=False)
class Surface:
    """The log loss of one domain over shares and sizes: exactly normal about a mode.

    Levels and scales by size, the law's unknowns and the discrepancy are all integrated
    out, given the hyperparameters.
    """

    law: MixtureLaw
    unknowns: Float[np.ndarray, " unknown"]  # of the law, at the mode
    prior: Float[np.ndarray, " unknown"]  # their prior means
    spread: Float[np.ndarray, " unknown"]  # and sds
    usual: float  # mean of log losses measured
    centre: float  # the law's mean over the rows
    centre_slopes: Float[np.ndarray, " unknown"]
    unit: float  # the law's sd over the rows
    axes: Float[np.ndarray, " domain"]  # sds of coordinates
    sizes: Float[np.ndarray, "size 2"]  # measured, (log N, log D) from the middle
    scales: Float[np.ndarray, " size"]  # logs, at the mode
    shares: Float[np.ndarray, "row domain"]
    at: Float[np.ndarray, "row 2"]
    hyperparameters: Hyperparameters
    root: Float[
        np.ndarray, "row row"
    ]  # Cholesky factor of the measurements' covariance
    weights: Float[np.ndarray, " row"]  # inverse covariance times residual
    outliers: Float[np.ndarray, " row"]  # whether a row weighs less
    effective: float = np.inf  # draws that the weights of hyperparameters are worth

    def whitened(self) -> Float[np.ndarray, " row"]:
        """Residuals that are independent and standard normal, if the model is right."""
        return self.root.T @ self.weights

    def scale(self, at: Float[np.ndarray, "row 2"]) -> Float[np.ndarray, " row"]:
        """Log of the scale of log losses at a size."""
        return _between(self.sizes, self.scales, at)

    def prior_mean(
        self, shares: Float[np.ndarray, "row domain"], at: Float[np.ndarray, "row 2"]
    ) -> Float[np.ndarray, " row"]:
        """Mean of log losses before any is seen, linear about the mode."""
        log_scale = self.scale(at)
        shape = self.shape(shares)
        moved = shape * (1 + sizes.SCALE.mean(at) - log_scale)
        moved += self.slopes(shares) @ (self.prior - self.unknowns)
        return self.usual + sizes.LEVEL.mean(at) + np.exp(log_scale) * moved

    def shape(self, shares: Float[np.ndarray, "row domain"]) -> np.ndarray:
        """The law at its mode, about its mean over the rows."""
        return self.law.log_loss(self.unknowns, shares) - self.centre

    def slopes(self, shares: Float[np.ndarray, "row domain"]) -> np.ndarray:
        """Its derivatives in the unknowns."""
        return self.law.slopes(self.unknowns, shares) - self.centre_slopes

    def odd(self, shares: Float[np.ndarray, "row domain"]) -> np.ndarray:
        """How far above the usual the law puts a mixture's loss, in sds."""
        return np.clip(self.shape(shares) / self.unit, -ODDEST, ODDEST)

    def between(
        self,
        shares: Float[np.ndarray, "row domain"],
        at: Float[np.ndarray, "row 2"],
        others: Float[np.ndarray, "column domain"],
        other_at: Float[np.ndarray, "column 2"],
        *,
        smooth: bool = False,
    ) -> Float[np.ndarray, "row column"]:
        """Prior covariance of log losses, without noise; smooth without mixtures' own part."""
        h = self.hyperparameters
        a, b = np.exp(self.scale(at)), np.exp(self.scale(other_at))
        left, right = (self.slopes(s) * self.spread for s in (shares, others))
        k, _ = kernels.matern(
            kernels.place(shares) / self.axes,
            kernels.place(others) / self.axes,
            np.exp(h.lengths),
        )
        alike = np.exp(-h.decay * sizes.apart(at, other_at))
        moving = alike * (left @ right.T + np.exp(2 * h.amplitude) * k)
        moving += (
            self.shape(shares)[:, None]
            * self.shape(others)
            * sizes.SCALE.covariance(at, other_at)
        )
        total = sizes.LEVEL.covariance(at, other_at) + a[:, None] * b * moving
        if smooth:
            return total
        scatter = h.scatter(self.odd(shares), at[:, 0])
        other = h.scatter(self.odd(others), other_at[:, 0])
        i, j = np.nonzero(_same(shares, others))
        total[i, j] += h.own * scatter[i] * other[j] * alike[i, j]
        return total

    def mean(
        self,
        shares: Float[np.ndarray, "row domain"],
        at: Float[np.ndarray, " 2"],
        *,
        smooth: bool = False,
    ) -> Float[np.ndarray, " row"]:
        """Posterior mean of log losses at one size."""
        there = np.broadcast_to(at, (len(shares), 2))
        known = self.between(shares, there, self.shares, self.at, smooth=smooth)
        return self.prior_mean(shares, there) + known @ self.weights

    def left_out(self) -> Float[np.ndarray, "2 row"]:
        """Log losses of the rows as measured, and as all other rows predict them."""
        inverse = kernels.invert(self.root)
        measured = self.prior_mean(self.shares, self.at)
        measured += self.root @ (self.root.T @ self.weights)
        return np.stack([measured, measured - self.weights / np.diag(inverse)])

    def joint(
        self,
        shares: Float[np.ndarray, "row domain"],
        at: Float[np.ndarray, "*row 2"],
        *,
        smooth: bool = False,
    ) -> Joint:
        """Posterior of log losses, all mixtures together, at one size or each at its own."""
        there = np.broadcast_to(at, (len(shares), 2))
        known = self.between(shares, there, self.shares, self.at, smooth=smooth)
        left = solve_triangular(self.root, known.T, lower=True)
        prior = self.between(shares, there, shares, there, smooth=smooth)
        h = self.hyperparameters
        scatter = h.scatter(self.odd(shares), there[:, 0])
        return Joint(
            self.prior_mean(shares, there) + known @ self.weights,
            prior - left.T @ left,
            scatter if smooth else np.sqrt(1 - h.own) * scatter,
        )


def fit_surfaces(
    shares: Float[np.ndarray, "row domain"],
    at: Float[np.ndarray, "row 2"],
    loss: Float[np.ndarray, " row"],
    own: int | None,
    law: str = USUAL,
) -> tuple[Surface, ...]:
    """Fit one domain's loss.

    Returns:
        equally likely surfaces: draws of the hyperparameters where the rows are few, and
        one at their mode otherwise.

    Args:
        shares: of the domains, sum one.
        at: log N and log D from the middle of the table.
        loss: above zero.
        own: the domain that the loss is of, where it is among the shares.
        law: name of the mixture law.
    """
    y, form = np.log(loss), LAWS[law]
    domains = shares.shape[1]
    prior, spread = form.centre(domains, own), form.spread(domains)
    steps, group = np.unique(at, axis=0, return_inverse=True)
    group = group.ravel()
    unknowns, scales = _law_alone(form, prior, spread, shares, steps, group, y)
    shape, slopes = form.log_loss(unknowns, shares), form.slopes(unknowns, shares)
    start = Hyperparameters.of(kernels.usual(_spread(y, group), domains)[0])
    axes = kernels.place(shares).std(axis=0) * np.sqrt(domains)
    surface = Surface(
        form,
        unknowns,
        prior,
        spread,
        float(y.mean()),
        float(shape.mean()),
        slopes.mean(axis=0),
        max(float(shape.std()), LEAST_SPREAD),
        np.where(axes > 0, axes, 1.0),
        steps,
        scales,
        shares,
        at,
        start,
        np.eye(1),
        np.zeros(1),
        np.zeros(len(y), bool),
    )
    rows = _rows(surface, y)
    prior_of = kernels.usual(_spread(y, group), domains)
    mode = _search(rows.take(_subset(shares)), start, *prior_of, ROUNDS)
    extra = _outlying(kernels.covariance(rows, mode), rows.residual)
    rows = replace(rows, extra=extra)
    if extra.any() or len(y) > MOST_ROWS:
        mode = _search(rows, mode, *prior_of, LAST_ROUNDS)
    if len(y) > FEW_ROWS:
        return (_given(surface, rows, mode),)
    drawn, effective = _draw(rows, mode, *prior_of)
    surface = replace(surface, effective=effective)
    return tuple(_given(surface, rows, h) for h in drawn)


def _given(surface: Surface, rows: Rows, h: Hyperparameters) -> Surface:
    """Condition a surface on its rows."""
    root = cholesky(kernels.covariance(rows, h), lower=True)
    first = solve_triangular(root, rows.residual, lower=True)
    return replace(
        surface,
        hyperparameters=h,
        root=root,
        weights=solve_triangular(root.T, first),
        outliers=rows.extra > 0,
    )


def _draw(
    rows: Rows, mode: Hyperparameters, mean: np.ndarray, sd: np.ndarray
) -> tuple[list[Hyperparameters], float]:
    """Draw hyperparameters from a normal at the mode, by their weight.

    Returns:
        the draws, and how many proposals their weights are worth.
    """
    rng, v = np.random.default_rng(2), mode.vector()

    def of(u: np.ndarray) -> tuple[float, np.ndarray]:
        return kernels.negative_log_posterior(u, rows, mean, sd)

    bend = np.stack(
        [(of(v + s)[1] - of(v - s)[1]) / (2 * STEP) for s in STEP * np.eye(len(v))]
    )
    values, vectors = np.linalg.eigh((bend + bend.T) / 2)
    width = vectors / np.sqrt(np.maximum(values, 1 / sd.max() ** 2))
    z = rng.standard_normal((PROPOSALS, len(v)))
    proposed = np.clip(v + z @ width.T, mean - WIDEST * sd, mean + WIDEST * sd)
    log = np.array([-of(u)[0] for u in proposed]) + (z**2).sum(axis=1) / 2
    weight = np.exp(log - log.max())
    effective = float(weight.sum() ** 2 / np.sum(weight**2))
    weight = np.minimum(weight, weight.mean() * np.sqrt(PROPOSALS))
    picked = rng.choice(PROPOSALS, SURFACES, p=weight / weight.sum())
    return [Hyperparameters.of(u) for u in proposed[picked]], effective


def _law_alone(
    form: MixtureLaw,
    prior: np.ndarray,
    spread: np.ndarray,
    shares: np.ndarray,
    steps: np.ndarray,
    group: np.ndarray,
    y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Put the law where least squares has it, with a level and a scale for each size.

    Returns:
        its unknowns, and the logs of the scales.
    """
    n, near = len(prior), CLOSE * _spread(y, group)
    whiten = [
        np.linalg.inv(
            cholesky(
                path.covariance(steps, steps) + 1e-9 * np.eye(len(steps)), lower=True
            )
        )
        for path in (sizes.LEVEL, sizes.SCALE)
    ]
    means = [y.mean() + sizes.LEVEL.mean(steps), sizes.SCALE.mean(steps)]
    k = len(steps)

    def split(q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return q[:n], q[n : n + k], q[n + k :]

    def residuals(q: np.ndarray) -> np.ndarray:
        u, levels, scales = split(q)
        h = form.log_loss(u, shares)
        expected = levels[group] + np.exp(scales)[group] * (h - h.mean())
        return np.concatenate(
            [
                (expected - y) / near,
                (u - prior) / spread,
                whiten[0] @ (levels - means[0]),
                whiten[1] @ (scales - means[1]),
            ]
        )

    def jacobian(q: np.ndarray) -> np.ndarray:
        u, _, scales = split(q)
        h, slopes = form.log_loss(u, shares), form.slopes(u, shares)
        scale, member = np.exp(scales)[group], np.eye(k)[group]
        seen = np.hstack(
            [
                scale[:, None] * (slopes - slopes.mean(axis=0)),
                member,
                (scale * (h - h.mean()))[:, None] * member,
            ]
        )
        of_priors = np.zeros((n + 2 * k, n + 2 * k))
        of_priors[:n, :n] = np.diag(1 / spread)
        of_priors[n : n + k, n : n + k], of_priors[n + k :, n + k :] = whiten
        return np.vstack([seen / near, of_priors])

    start = np.concatenate([prior, *means])
    best = least_squares(residuals, start, jac=jacobian, x_scale="jac", max_nfev=100).x
    u, _, scales = split(best)
    return u, scales


def _rows(surface: Surface, y: np.ndarray) -> Rows:
    """Gather what the covariance of the measurements is made of."""
    shares, at = surface.shares, surface.at
    scale, shape = np.exp(surface.scale(at)), surface.shape(shares)
    left = surface.slopes(shares) * surface.spread
    moved = (scale * shape)[:, None] * (scale * shape)
    return Rows(
        kernels.place(shares) / surface.axes,
        sizes.apart(at, at),
        sizes.LEVEL.covariance(at, at) + moved * sizes.SCALE.covariance(at, at),
        left @ left.T,
        scale,
        surface.odd(shares),
        at[:, 0],
        np.zeros(len(y)),
        y - surface.prior_mean(shares, at),
        np.nonzero(_same(shares, shares) & ~np.eye(len(y), dtype=bool)),
    )


def _search(
    rows: Rows,
    start: Hyperparameters,
    mean: np.ndarray,
    sd: np.ndarray,
    rounds: int,
) -> Hyperparameters:
    """Find the mode of the hyperparameters."""
    best = minimize(
        kernels.negative_log_posterior,
        start.vector(),
        args=(rows, mean, sd),
        jac=True,
        method="L-BFGS-B",
        bounds=[*zip(mean - WIDEST * sd, mean + WIDEST * sd, strict=True)],
        options={"maxiter": rounds, "maxfun": rounds + rounds // 2},
    )
    return Hyperparameters.of(best.x)


def _outlying(K: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Variance beyond the model's that rows need which are far from where others put them."""
    inverse = kernels.invert(cholesky(K, lower=True))
    variance = 1 / np.diag(inverse)
    error = variance * (inverse @ residual)
    far = np.abs(error) > OUTLYING * np.sqrt(variance)
    return np.where(far, error**2 - variance, 0.0)


def _same(shares: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell which pairs are one mixture, (row, column)."""
    both = np.round(np.concatenate([shares, others]), 6)
    _, mixture = np.unique(both, axis=0, return_inverse=True)
    mixture = mixture.ravel()
    return mixture[: len(shares), None] == mixture[len(shares) :]


def _subset(shares: np.ndarray) -> np.ndarray:
    """Choose rows for the hyperparameters: whole mixtures, with every size of each."""
    if len(shares) <= MOST_ROWS:
        return np.arange(len(shares))
    _, mixture = np.unique(np.round(shares, 6), axis=0, return_inverse=True)
    mixture = mixture.ravel()
    order = np.random.default_rng(0).permutation(mixture.max() + 1)
    rows = np.concatenate([np.flatnonzero(mixture == m) for m in order])
    return np.sort(rows[:MOST_ROWS])


def _between(
    steps: np.ndarray, scales: np.ndarray, at: np.ndarray
) -> Float[np.ndarray, " row"]:
    """Log scales at any size, from those of the sizes measured."""
    off = scales - sizes.SCALE.mean(steps)
    known = sizes.SCALE.covariance(steps, steps) + 1e-9 * np.eye(len(steps))
    return sizes.SCALE.mean(at) + sizes.SCALE.covariance(at, steps) @ np.linalg.solve(
        known, off
    )


def _spread(y: np.ndarray, group: np.ndarray) -> float:
    """Sd of log losses within sizes."""
    means = np.bincount(group, y) / np.bincount(group)
    return max(float(np.std(y - means[group])), LEAST_SPREAD)


@dataclass(frozen=True, eq=False)
class MixtureFit:
    """Surfaces of all losses of a table, and how their errors go together."""

    losses: tuple[str, ...]
    surfaces: tuple[
        tuple[Surface, ...], ...
    ]  # by loss; those of one are equally likely
    middle: Float[np.ndarray, " 2"]  # log N and log D that places are counted from
    correlation: Float[np.ndarray, "loss loss"]  # of departures, from loss to loss
    law: str
    seed: int = 0

    def place(self, N: float = np.nan, D: float = np.nan) -> Float[np.ndarray, " 2"]:
        """Return a size from the middle; NaN is the middle's."""
        at = np.log([N, D]) - self.middle
        return np.where(np.isfinite(at), at, 0.0)

    def mean(
        self,
        loss: str,
        shares: Float[np.ndarray, "row domain"],
        at: Float[np.ndarray, " 2"],
        *,
        smooth: bool = False,
    ) -> Float[np.ndarray, " row"]:
        """Posterior mean of the log of one loss at one size."""
        surfaces = self.surfaces[self.losses.index(loss)]
        return np.mean([s.mean(shares, at, smooth=smooth) for s in surfaces], axis=0)

    def draw(
        self,
        shares: Float[np.ndarray, "row domain"],
        at: Float[np.ndarray, "*row 2"],
        draws: int,
        losses: Sequence[str] | None = None,
        *,
        measured: bool = False,
        smooth: bool = False,
    ) -> Float[np.ndarray, "draw row loss"]:
        """Draw losses of mixtures, jointly over mixtures and losses.

        Args:
            shares: of the mixtures.
            at: as `place` gives it, one size or each mixture's.
            draws: how many.
            losses: which; all unless given.
            measured: with the noise of one measurement each.
            smooth: without the part that is a mixture's own, which says nothing of others.
        """
        names = list(losses or self.losses)
        which = [self.losses.index(name) for name in names]
        rng = np.random.default_rng([self.seed, 1])
        among = self.correlation[np.ix_(which, which)]
        root = cholesky(among, lower=True)
        seen = self.surfaces[which[0]][0].sizes
        off = np.abs(np.atleast_2d(at)[:, None] - seen).max(axis=-1)
        new = bool(np.any(off.min(axis=1) > SAME_SIZE))
        levels = sizes.SHARED_LEVEL * np.ones_like(among) if new else among.copy()
        np.fill_diagonal(levels, 1.0)
        of_level = rng.standard_normal((draws, len(which))) @ cholesky(levels)
        of_rows = rng.standard_normal((draws, len(shares), len(which))) @ root.T
        of_noise = rng.standard_normal((draws, len(shares), len(which))) @ root.T
        drawn = np.empty((draws, len(shares), len(which)))
        for column, index in enumerate(which):
            surfaces = self.surfaces[index]
            turn = np.arange(draws) % len(surfaces)
            for k, surface in enumerate(surfaces):
                joint, now = surface.joint(shares, at, smooth=smooth), turn == k
                with_level = joint.covariance.mean(axis=1)  # of every mixture alike
                by_level = with_level / np.sqrt(max(with_level.mean(), 1e-300))
                rest = joint.covariance - np.outer(by_level, by_level)
                log = joint.mean + of_level[now, column, None] * by_level
                log += of_rows[now, :, column] @ _symmetric_root(rest)
                if measured:
                    log += joint.noise * of_noise[now, :, column]
                drawn[now, :, column] = np.exp(log)
        return drawn


def _symmetric_root(V: np.ndarray) -> np.ndarray:
    """Square root of a covariance; directions that rounding made negative are zero."""
    values, vectors = np.linalg.eigh(V)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


SHRINK = 20.0  # rows' worth of no correlation, from loss to loss


def fit_losses(
    domains: Sequence[str],
    shares: Float[np.ndarray, "row domain"],
    N: Float[np.ndarray, " row"],
    D: Float[np.ndarray, " row"],
    losses: Sequence[str],
    values: Float[np.ndarray, "row loss"],
    law: str = USUAL,
    seed: int = 0,
) -> MixtureFit:
    """Fit every loss of a table.

    Args:
        domains: names of the shares.
        shares: of each run's data, sum one.
        N: parameters; NaN where not known.
        D: tokens; NaN where not known.
        losses: names.
        values: of the losses; NaN where not measured.
        law: name of the mixture law.
        seed: of the draws.
    """
    logs = np.log(np.column_stack([N, D]))
    known = [np.unique(column[np.isfinite(column)]) for column in logs.T]
    middle = np.array([c.mean() if len(c) else np.nan for c in known])
    at = np.where(np.isfinite(logs), logs - middle, 0.0)
    surfaces, white = [], np.full(values.shape, np.nan)
    for column, name in enumerate(losses):
        there = np.isfinite(values[:, column])
        same = domains.index(name) if name in domains else None
        fitted = fit_surfaces(
            shares[there], at[there], values[there, column], same, law
        )
        surfaces.append(fitted)
        white[there, column] = np.clip(fitted[0].whitened(), -4, 4)
    return MixtureFit(
        tuple(losses), tuple(surfaces), middle, _correlate(white), law, seed
    )


def _correlate(white: np.ndarray) -> np.ndarray:
    """Correlation of departures from loss to loss, shrunk towards none."""
    filled = np.where(np.isfinite(white), white, 0.0)
    product = filled.T @ filled
    sd = np.sqrt(np.diag(product))
    n = np.isfinite(white).sum(axis=0).min()
    correlation = product / (sd[:, None] * sd) * n / (n + SHRINK)
    np.fill_diagonal(correlation, 1.0)
    return correlation
