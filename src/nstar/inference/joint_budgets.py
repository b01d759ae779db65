r"""Training and sampling from one budget: which size, how many tokens, how many samples.

$$ C = 6 N D + Q \, k \, 2 N t $$

for Q problems over the model's lifetime, k samples each of t tokens (Sardana et al. 2024,
arXiv:2401.00448, with k; Roberts et al. 2026, T^2, who make the population of problems a
function of the training loss).  The loss is of one fit, the population at a loss of
another, of counts by loss; no public set has both with strategies, so this is proven on
simulated runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.inference.repeated_checks import check_counts
from nstar.intervals import interval
from nstar.predictions.distances import (
    check_distance,
    check_prediction,
    check_shared_losses,
)
from nstar.predictions.prediction import law_loss
from nstar.responses import rate_mixtures
from nstar.types import AcrossModels
from nstar.verdicts import Check, Status
from nstar.wording import count, flop, numbers, percent, share, shares

PER_TOKEN = 2.0  # FLOP a parameter and generated token, without attention
LEAST = 0.02  # share of the budget that training must have at least
DRAWS = 400


@dataclass(frozen=True)
class Choice:
    """The best size and tokens for one number of samples."""

    samples: int
    N: float
    D: float
    training: float  # share of the budget
    loss: np.ndarray  # (draw,)
    solved: np.ndarray  # pass@k of new problems, (draw,)
    best: float  # share of draws in which this k and N beat every other

    def as_json(self, prob: float) -> Document:
        """Plain data."""
        return {
            "samples": self.samples,
            "N": self.N,
            "D": self.D,
            "training": self.training,
            "expected": float(self.solved.mean()),
            "loss": interval(self.loss, prob).as_json(),
            "pass_at_k": interval(self.solved, prob).as_json(),
            "best": self.best,
        }


@dataclass(frozen=True)
class Lifetime(Answer):
    """N, D and k for one budget of training and samples, best expected pass@k first."""

    records_key = "choices"

    loss: Fit
    counts: Fit
    budget: float  # FLOP
    problems: float
    tokens: float  # of a sample
    choices: tuple[Choice, ...]

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        runs = self.counts.runs
        return {
            "counts": {
                "data": runs.source,
                "data_sha256": runs.sha256,
                "rows": len(runs),
            },
            "budget": self.budget,
            "problems": self.problems,
            "tokens": self.tokens,
            "choices": [choice.as_json(prob) for choice in self.choices],
        }

    def checks(self) -> list[Check]:
        """Checks of what no public data support, and of extrapolation."""
        return check_joint(self.loss, self.counts, self.choices[0])

    def headline(self, prob: float = 0.9) -> str:
        """The best size, tokens and samples."""
        best = self.choices[0].as_json(prob)
        return (
            f"{flop(self.budget)} FLOP for training and {count(self.problems)} problems: {count(best['N'])} parameters on {count(best['D'])} tokens, "
            f"{best['samples']} samples of a problem, which solve {shares(best['pass_at_k'])}."
        )

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Best size and tokens for each number of samples."""
        yield Table(
            f"Best size and tokens for each number of samples; median [{percent(prob)} equal-tailed credible interval]",
            [
                "samples",
                "N (parameters)",
                "D (tokens)",
                "training's share",
                "loss",
                "new problems solved",
                "probability of being the best",
            ],
            [
                [
                    str(r["samples"]),
                    count(r["N"]),
                    count(r["D"]),
                    share(r["training"]),
                    numbers(r["loss"], 4),
                    shares(r["pass_at_k"]),
                    share(r["best"]),
                ]
                for r in self.as_json(prob)["choices"]
            ],
        )


def joint(
    loss: Fit,
    counts: Fit,
    budget: float,
    *,
    problems: float,
    tokens: float,
    samples: Sequence[int] = (1, 4, 16, 64, 256),
    sizes: Sequence[float] | None = None,
    seed: int = 0,
) -> Lifetime:
    """Choose N, D and k for a total budget, under every draw; best expected pass@k first.

    Args:
        loss: a fit of a loss surface.
        counts: a fit of the repeated_by_size law with `by="L"`, of the same loss.
        budget: FLOP of training and of all samples.
        problems: asked over the lifetime.
        tokens: generated in a sample.
        samples: of a problem, numbers that are tried.
        sizes: parameters that are tried, a grid about the runs' own unless given.
        seed: of models' scatter about the population's line.

    Raises:
        ValueError: the counts are not by loss, or nothing can be paid.
    """
    law = counts.law
    if not (isinstance(law, AcrossModels) and law.by == "L"):
        msg = 'samples and training meet in the loss: fit the counts with RepeatedBySize(by="L")'
        raise ValueError(msg)
    default_sizes = np.geomspace(
        loss.runs["N"].min() / 3, loss.runs["N"].max() * 30, 41
    )
    sizes_tried = default_sizes if sizes is None else np.asarray(sizes, float)
    N, k = (
        v.ravel()
        for v in np.meshgrid(sizes_tried, np.asarray(samples, float), indexing="ij")
    )
    D = (budget - problems * k * PER_TOKEN * N * tokens) / (6 * N)
    affordable: np.ndarray = np.greater_equal(6 * N * D, LEAST * budget)
    if not affordable.any():
        msg = f"{budget:.3g} FLOP pay no training beside {problems:.3g} problems of {tokens:g} tokens a sample, at any size tried"
        raise ValueError(msg)
    N, k, D = N[affordable], k[affordable], D[affordable]
    L = _thin_draws(np.asarray(law_loss(loss, N, D)))
    draws = {n: _thin_draws(v) for n, v in counts.draws.items()}
    random = np.random.default_rng(seed)
    scatter = random.standard_normal((2, len(L), 1))
    with jax.enable_x64(True):
        columns = {n: v[:, None] for n, v in draws.items() if v.ndim == 1}
        population = law.around(columns, L, *scatter)
        solved = rate_mixtures.pass_at_k(population, k)
    best_share = np.bincount(solved.argmax(axis=1), minlength=len(k)) / len(solved)
    choices = []
    for number_of_samples in np.unique(k):
        at = np.flatnonzero(k == number_of_samples)
        i = at[np.argmax(solved[:, at].mean(axis=0))]
        choices.append(
            Choice(
                int(number_of_samples),
                float(N[i]),
                float(D[i]),
                float(6 * N[i] * D[i] / budget),
                L[:, i],
                solved[:, i],
                float(best_share[at].sum()),
            )
        )
    best_first = sorted(choices, key=lambda choice: -choice.solved.mean())
    return Lifetime(loss, counts, budget, problems, tokens, tuple(best_first))


def check_joint(loss: Fit, counts: Fit, best: Choice) -> list[Check]:
    """Check what no public data support, and extrapolation beyond the models seen."""
    detail = "no public set has losses and counts of the same models with strategies: how problems follow the loss is the law's line, proven on simulated runs, and the loss of both tables must be of one validation set"
    checks = [Check("loss and problems", Status.REVIEW, detail)]
    seen, L = counts.runs["L"], float(np.median(best.loss))
    low, high = float(seen.min()), float(seen.max())
    detail = f"the best model's loss is {L:.3g}; those that were sampled have {low:.3g} to {high:.3g}"
    status = Status.PASS
    if not low <= L <= high:
        status = Status.REVIEW
        detail += "; pass@k there follows from the line: sample a model nearer to it"
    checks.append(Check("loss within the counts", status, detail))
    checks += check_shared_losses(loss.runs["L"], seen, "the models that were sampled")
    samples = np.stack([counts.runs[n] for n in ("samples", "successes")])
    checks += check_counts(samples, np.array([best.samples]), None)
    checks += check_prediction(loss, best.N, best.D)
    checks.append(check_distance(loss.runs, best.N, "size within the runs", "N"))
    return checks


def _thin_draws(draws: np.ndarray) -> np.ndarray:
    """Take `DRAWS` of the draws, evenly, (draw, ...)."""
    return draws[np.linspace(0, len(draws) - 1, DRAWS).astype(int)]
