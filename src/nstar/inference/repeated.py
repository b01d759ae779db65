"""What more samples will solve: pass@k of these problems, and of new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from nstar.answers import Document, Framed
from nstar.fits.fitting import Fit, fit
from nstar.fits.model import parse_model
from nstar.inference.repeated_checks import check_counts, one_population
from nstar.intervals import interval
from nstar.priors.sets import Priors
from nstar.responses import pass_rates, rate_mixtures
from nstar.runs.reading import read_runs
from nstar.samplers import density
from nstar.types import AcrossModels, Kind, Law
from nstar.verdicts import Check
from nstar.wording import three

DRAWS = 1000  # of the posterior, whose problems' rates are drawn
NEAR_SHARE = 0.1  # share of the draws that stand for an end of the zero mass's interval
TARGETS = ("these", "these_measured", "new", "new_measured")


@dataclass(frozen=True)
class PassAtK(Framed):
    """pass@k under every draw, for two targets that are not to be mixed up.

    `these` is the mean over the fitted problems of their own chance of being solved by k
    fresh samples; `these_measured` what would be counted of them, without bias, in
    `shown` samples each, those already drawn included.  `new` is the chance of a problem
    not seen yet, `new_measured` what as many new problems would show.
    """

    records_key = "predictions"

    fit: Fit
    draws: xr.Dataset  # by target, (draw, k), and zero_mass, (draw,)
    counts: np.ndarray  # samples and successes of these problems, (2, problem)
    shown: int

    def __repr__(self) -> str:
        """The medians of new problems, and the fit they follow from."""
        medians = self.draws["new"].median("draw")
        chances = ", ".join(
            f"pass@{int(k)} {three(float(medians.sel(k=k)))}"
            for k in medians["k"].to_numpy()
        )
        return f"PassAtK: {chances} of new problems; {self.fit}"

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a k; `counted` is the unbiased estimate where the samples reach."""
        records, median_samples = (
            [],
            float(np.median(self.counts[0])) if self.counts.size else None,
        )
        for k in self.draws["k"].to_numpy():
            at = self.draws.sel(k=k)
            record: Document = {"k": int(k)}
            record |= {
                n: interval(at[n], prob).as_json() if n in at else None for n in TARGETS
            }
            counted = self.counts.size and k <= self.counts[0].min()
            record["counted"] = (
                float(pass_rates.unbiased(*self.counts, k).mean()) if counted else None
            )
            record["times_the_samples"] = (
                float(k / median_samples) if median_samples else None
            )
            records.append(record)
        return records

    def zero_mass(self, prob: float = 0.9) -> Document | None:
        """Share beyond reach, and the median pass@k with it at each end of its interval.

        Beyond reach are problems never solved, or with a rate below 1e-6.  None for a law
        without such a share.
        """
        if "zero_mass" not in self.draws:
            return None
        zero = self.draws["zero_mass"].to_numpy()
        bounds = interval(zero, prob)
        document: Document = bounds.as_json()
        for name, end in (("at_lower", bounds.lower), ("at_upper", bounds.upper)):
            nearest = np.argsort(np.abs(zero - end))[
                : max(int(NEAR_SHARE * len(zero)), 1)
            ]
            median_near = self.draws.isel(draw=nearest).median("draw")
            targets = [n for n in ("these", "new") if n in median_near]
            document[name] = [
                {"k": int(k), **{n: float(median_near[n].sel(k=k)) for n in targets}}
                for k in median_near["k"].to_numpy()
            ]
        return document

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        return {
            "problems": self.counts.shape[1],
            "solved": int((self.counts[1] > 0).sum()),
            "samples": float(np.median(self.counts[0])) if self.counts.size else None,
            "shown": self.shown,
            "predictions": self.table(prob),
            "zero_mass": self.zero_mass(prob),
        }

    def checks(self) -> list[Check]:
        """Checks of extrapolation beyond the counts."""
        zero_mass = self.zero_mass()
        return check_counts(self.counts, self.draws["k"].to_numpy(), zero_mass)


def fit_counts(
    runs: Any,
    law: str | Law = "repeated_sampling",
    *,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    priors: Priors = None,
    seed: int = 0,
) -> Fit:
    """Fit a population of problems to counts, one row a problem.

    Args:
        runs: whatever `read_runs` reads, with columns `samples` and `successes`.
        law: repeated_sampling, beta_binomial, repeated_by_size (which reads N), or a
            law of your own of such a response.
        columns: our names to the table's.
        where: filters of rows.
        priors: as `nstar.fit` takes them.
        seed: the same seed gives the same draws.

    Returns:
        A fit of the population, for `pass_at_k`.

    Raises:
        ValueError: a count is none, naming file, row and value; or the rows are of
            several models or tasks, which the law takes for one population.

    Examples:
        >>> counted = nstar.fit_counts("counts.csv")  # doctest: +SKIP
        >>> nstar.pass_at_k(counted, [100, 1000])  # doctest: +SKIP
    """
    table = read_runs(runs, columns, where)
    several = isinstance(parse_model(law).law, AcrossModels)
    one_population(table, several=several)
    return fit(table, law, priors=priors, seed=seed)


def pass_at_k(
    counts: Fit,
    k: ArrayLike,
    *,
    N: float | None = None,
    shown: int | None = None,
    problems: int | None = None,
    seed: int = 0,
) -> PassAtK:
    """Predict pass@k at any k, of these problems and of new ones.

    Args:
        counts: what `fit_counts` gave.
        k: samples of each problem, whole numbers from 1.
        N: size of the model that is meant, for the repeated_by_size law (its training
            loss where the law goes by that); one not fitted has new problems alone.
        shown: samples of each problem from which the measured pass@k is counted; the
            largest k, or the most samples drawn where that is more.
        problems: how many new problems are measured; as many as these unless given.
        seed: of the rates and counts drawn.

    Returns:
        Intervals of pass@k for each k, of these problems and of new ones.

    Raises:
        ValueError: the fit is of something else, a k is none, or the size lacks.

    Examples:
        >>> counted = nstar.fit_counts("counts.csv")  # doctest: +SKIP
        >>> nstar.pass_at_k(counted, [100, 1000]).to_pandas()  # doctest: +SKIP
    """
    ks = np.unique(np.asarray(k, dtype=float))
    if not (
        ks.size
        and np.all(ks >= 1)
        and np.all(ks == np.floor(ks))
        and np.isfinite(ks).all()
    ):
        msg = f"k counts samples: expected whole numbers from 1, got {np.ravel(k).tolist()}"
        raise ValueError(msg)
    random = np.random.default_rng(seed)
    total = len(next(iter(counts.draws.values())))
    draw_indices = np.linspace(0, total - 1, min(DRAWS, total)).astype(int)
    params = {name: values[draw_indices] for name, values in counts.draws.items()}
    populations_of_rows, new_population, rows = populations(counts, params, N, random)
    counted = np.stack([counts.runs[n][rows] for n in ("samples", "successes")])
    shown_samples = int(
        max(ks.max(), counted[0].max() if counted.size else 0, shown or 0)
    )
    new_problems = problems or counted.shape[1] or len(counts.runs)
    predicted = {}
    if counted.size:
        rates = draw_rates(populations_of_rows, counted, random)
        predicted["these"] = _mean_solved(rates, ks)
        successes = counted[1] + random.binomial(
            (shown_samples - counted[0]).astype(int), rates
        )
        predicted["these_measured"] = _measured_pass_at_k(shown_samples, successes, ks)
    predicted["new"] = np.stack(
        [rate_mixtures.pass_at_k(new_population, k) for k in ks], axis=-1
    )
    new_rates = draw_new_rates(new_population, new_problems, random)
    predicted["new_measured"] = _measured_pass_at_k(
        shown_samples, random.binomial(shown_samples, new_rates), ks
    )
    data: dict[str, Any] = {
        n: (("draw", "k"), np.asarray(v)) for n, v in predicted.items()
    }
    beyond_reach = rate_mixtures.beyond_reach(new_population)
    if np.any(beyond_reach):
        data["zero_mass"] = (("draw",), beyond_reach)
    return PassAtK(counts, xr.Dataset(data, {"k": ks}), counted, shown_samples)


def populations(
    counts: Fit,
    params: Mapping[str, np.ndarray],
    N: float | None,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Populations of problems under draws of a fit.

    Args:
        counts: what `fit_counts` gave.
        params: draws of the law's unknowns, (draw, ...) each.
        N: size of the model that is meant, for the repeated_by_size law.
        random: NumPy's generator, of a new model's scatter.

    Returns:
        Parameters of the populations of the fitted problems, (draw, problem, ...), and of
        new problems, (draw, ...); and rows of the fitted problems in the table.

    Raises:
        ValueError: the fit is not of counts, or its law needs the model's size.
    """
    law, runs = counts.law, counts.runs
    if law.response.kind is not Kind.COUNTS:
        msg = f"the {type(law).__name__} law is not of successes among samples; fit the counts with nstar.fit_counts"
        raise ValueError(msg)
    rows = np.arange(len(runs))
    if N is not None and not isinstance(law, AcrossModels):
        msg = f"the {type(law).__name__} law is of one model, and a size ({N:g}) says nothing to it: leave it out, or fit several models with repeated_by_size"
        raise ValueError(msg)
    if isinstance(law, AcrossModels):
        if N is None:
            msg = f"which model? say its {law.by}; those fitted have {', '.join(f'{s:.4g}' for s in law.sizes)}"
            raise ValueError(msg)
        rows = np.flatnonzero(np.isclose(runs[law.by], N, rtol=1e-3))
    x = {name: runs[name][rows] for name in law.inputs}
    with jax.enable_x64(True):
        skeleton, numbers = density.split(law, counts.noise)
        populations_of_rows = (
            np.asarray(density.expected(skeleton, numbers, params, x))
            if rows.size
            else np.zeros((0, 0, 3))
        )
        if rows.size:
            return populations_of_rows, populations_of_rows[:, 0], rows
        assert isinstance(law, AcrossModels)  # noqa: S101  no other law leaves none
        scatter = random.standard_normal((2, len(params["tail"])))
        return (
            populations_of_rows,
            np.asarray(law.around(params, np.asarray(N), *scatter)),
            rows,
        )


def draw_rates(
    populations: np.ndarray, counts: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Draw each problem's success rate given its counts.

    Args:
        populations: parameters of the populations, (draw, problem, ...).
        counts: samples and successes, (2, problem).
        random: NumPy's generator.

    Returns:
        Rates, (draw, problem).
    """
    posteriors = (
        rate_mixtures.given_counts(populations[:, i], n, s)
        for i, (n, s) in enumerate(counts.T)
    )
    return np.concatenate(
        [rate_mixtures.drawn(posterior, 1, random) for posterior in posteriors], axis=1
    )


def draw_new_rates(
    population: np.ndarray, number: int, random: np.random.Generator
) -> np.ndarray:
    """Draw success rates of `number` new problems, (draw, problem)."""
    return rate_mixtures.drawn(rate_mixtures.parts(population), number, random)


def _mean_solved(rates: np.ndarray, ks: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        log_fail = np.log1p(-rates)
    return np.stack([-np.expm1(k * log_fail).mean(axis=1) for k in ks], axis=-1)


def _measured_pass_at_k(
    shown: int, successes: np.ndarray, ks: np.ndarray
) -> np.ndarray:
    return np.stack(
        [pass_rates.unbiased(shown, successes, k).mean(axis=1) for k in ks], axis=-1
    )
