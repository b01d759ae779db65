r"""Linear-Gaussian update of a posterior by runs that are not made yet.

Let $f$ be the responses of candidate runs (the law's, with its discrepancy and the
scatter of its budgets), $t$ the target quantities, and $K$ their joint
covariance over the draws of the posterior.  A set $S$ of runs is measured with run noise
of variance $V_S$.  Were all this jointly normal, the posterior covariance and the
distribution of the posterior's mean before anything is measured would be

$$ \mathrm{Cov}(t \mid y_S) = K_{tt} - K_{tS} (K_{SS} + V_S)^{-1} K_{St}, \qquad
   E[t \mid y_S] \sim \mathrm{Normal}\big(E[t],\ K_{tS} (K_{SS} + V_S)^{-1} K_{St}\big) $$

(Raiffa & Schlaifer 1961, ch. 5; Strong et al. 2015, doi:10.1177/0272989X15575286, do so by
regression).  Nothing is fitted again and only $K_{SS} + V_S$ of the runs chosen is ever
solved, by one row of its Cholesky factor a run: run $i$ adds the row $c_i / \sqrt{d_i}$, where
$c_i$ is its covariance with $t$ given those before it and $d_i$ its own variance with
noise, and each row times an independent standard normal is what that run will move.

Draws limit this.  $n$ draws span $n - 1$ directions, and a run that has nothing to do with
a target explains $1/(n - 2)$ of it by chance; each covariance is therefore shrunk to what
is left of its squared correlation after that (Ezekiel's adjusted $R^2$), and to nothing
below it.
"""

from dataclasses import dataclass

import numpy as np

LEAST = 1e-12  # of a run's prior variance: below it nothing remains to be learned


@dataclass(frozen=True)
class Joint:
    """Factors of the joint covariance of candidates and targets: K = factors^T factors."""

    runs: np.ndarray  # (factor, candidate)
    targets: np.ndarray  # (factor, target)
    noise: np.ndarray  # variance of run noise, (candidate,)
    draws: int | None = None  # number behind the factors; none where they are exact

    @classmethod
    def of_draws(
        cls, runs: np.ndarray, targets: np.ndarray, noise: np.ndarray
    ) -> "Joint":
        """Covariances over draws of runs (draw, candidate) and targets (draw, target)."""
        n = len(runs)
        centred = ((v - v.mean(axis=0)) / np.sqrt(n - 1) for v in (runs, targets))
        return cls(*centred, np.asarray(noise, dtype=float), n)


@dataclass(frozen=True)
class Belief:
    """Posterior once some runs are measured: rows of a Cholesky factor, one a run."""

    joint: Joint
    runs: np.ndarray  # (run measured, candidate)
    targets: np.ndarray  # (run measured, target)

    @classmethod
    def initial(cls, joint: Joint) -> "Belief":
        """Belief before any run is measured."""
        sizes = joint.runs.shape[1], joint.targets.shape[1]
        return cls(joint, *(np.empty((0, size)) for size in sizes))

    def variance(self) -> np.ndarray:
        """Posterior variance of each target, (target,)."""
        total = np.square(self.joint.targets).sum(axis=0)
        return np.maximum(total - np.square(self.targets).sum(axis=0), 0.0)

    def response_variance(self) -> np.ndarray:
        """Posterior variance of each candidate's response, without noise, (candidate,)."""
        total = np.square(self.joint.runs).sum(axis=0)
        return np.maximum(total - np.square(self.runs).sum(axis=0), 0.0)

    def rows(self) -> np.ndarray:
        """Row that each candidate would add if it were measured next, (candidate, target)."""
        joint = self.joint
        c = joint.runs.T @ joint.targets - self.runs.T @ self.targets
        variance = self.response_variance()
        d = variance + joint.noise
        learned = variance <= LEAST * np.square(joint.runs).sum(axis=0)
        scale = np.where(learned | (d <= 0), 0.0, 1 / np.sqrt(np.where(d > 0, d, 1.0)))
        return self._shrunk(c, variance[:, None]) * scale[:, None]

    def measure(self, i: int) -> "Belief":
        """Measure candidate i; a run may be made again."""
        joint = self.joint
        g = joint.runs.T @ joint.runs[:, i] - self.runs.T @ self.runs[:, i]
        c = joint.targets.T @ joint.runs[:, i] - self.targets.T @ self.runs[:, i]
        variance, total = max(g[i], 0.0), float(np.square(joint.runs[:, i]).sum())
        if variance <= LEAST * total:
            g, c, d = 0 * g, 0 * c, 1.0
        else:
            c, d = self._shrunk(c, variance), variance + joint.noise[i]
        scale = 1 / np.sqrt(d)
        return Belief(
            joint,
            np.vstack([self.runs, g * scale]),
            np.vstack([self.targets, c * scale]),
        )

    def _shrunk(self, c: np.ndarray, variance: np.ndarray | float) -> np.ndarray:
        """Shrink covariances by what this number of draws shows by chance (adjusted R^2)."""
        n = self.joint.draws
        if n is None:
            return c
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.minimum(np.square(c) / (variance * self.variance()), 1.0)
            shrinkage = 1 - (1 - r2) / (r2 * (n - 2))
        return c * np.sqrt(np.clip(np.nan_to_num(shrinkage), 0.0, 1.0))
