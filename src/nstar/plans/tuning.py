"""Learning rate and batch of a run: their best, and what tuning cost the runs measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans.divergence import Divergence, learn
from nstar.predictions.distances import check_prediction
from nstar.predictions.prediction import loss as predict
from nstar.runs.observations import Observations
from nstar.types import Tunable
from nstar.verdicts import Check, Status
from nstar.wording import count, digits, numbers, percent, share

MUCH = 0.01  # mean log loss that tuning cost the runs, from which it is for review
OUTSIDE = 0.5  # chance that an optimum lies beyond the settings tried, likewise
RISKY = 0.05  # chance that the recommended run diverges, likewise
NAMES = ("lr", "batch")


@dataclass(frozen=True)
class Tuning(Answer):
    """The best learning rate and batch of runs to be made, under every draw."""

    records_key = "runs"

    fit: Posterior
    N: np.ndarray  # parameters, (run,)
    D: np.ndarray  # tokens, (run,)
    lr: Float[np.ndarray, "draw run"]  # best learning rate
    batch: Float[np.ndarray, "draw run"]  # best batch as the runs count it
    loss: Float[np.ndarray, "draw run"]  # of the tuned run
    given_away: np.ndarray  # mean loss that taking the median optimum costs, (run,)
    cost: (
        np.ndarray
    )  # mean log loss that tuning cost each measured run, (measured run,)
    settings: tuple[tuple[float, float], ...]  # learning rate and batch, as asked
    setting_cost: (
        np.ndarray
    )  # mean loss of each setting above the tuned, (setting, run)
    divergence: Divergence
    chance_diverges: np.ndarray  # of each run at the median settings, (run,)
    setting_diverges: np.ndarray  # of each setting, (setting, run)

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data."""
        runs = [
            {
                "N": float(self.N[i]),
                "D": float(self.D[i]),
                "lr": interval(self.lr[:, i], prob).as_json(),
                "batch": interval(self.batch[:, i], prob).as_json(),
                "loss": interval(self.loss[:, i], prob).as_json(),
                "regret": float(self.given_away[i]),
                "diverges": float(self.chance_diverges[i]),
                "settings": [
                    {
                        "lr": lr,
                        "batch": batch,
                        "regret": float(cost[i]),
                        "diverges": float(chance[i]),
                    }
                    for (lr, batch), cost, chance in zip(
                        self.settings,
                        self.setting_cost,
                        self.setting_diverges,
                        strict=True,
                    )
                ],
            }
            for i in range(len(self.N))
        ]
        draws = self.fit.parts[0].draws
        exponents = {
            f"{name}_by_{of}": interval(draws[f"{name}_by_{of}"], prob).as_json()
            for name in NAMES
            for of in ("size", "data")
        }
        worst = int(np.argmax(self.cost))
        return {
            "runs": runs,
            "exponents": exponents,
            "tuning_cost": {
                "mean": float(self.cost.mean()),
                "median": float(np.median(self.cost)),
                "largest": float(self.cost[worst]),
                "row": int(self.fit.runs.rows[worst]),
            },
            "divergence": {
                "diverged": self.divergence.diverged,
                "stable": self.divergence.stable,
                "log_odds": interval(self.divergence.log_odds, prob).as_json(),
                "rise": interval(self.divergence.rise, prob).as_json(),
            },
        }

    def checks(self) -> list[Check]:
        """Check how far the runs lie from those measured, and their optimum from settings tried."""
        checks = check_prediction(self.fit, self.N, self.D)
        tried = self.fit.runs
        for name in NAMES:
            low, high = float(tried[name].min()), float(tried[name].max())
            values = getattr(self, name)
            beyond = float(np.mean((values < low) | (values > high), axis=0).max())
            detail = f"the runs tried {name} from {low:.3g} to {high:.3g}; the optimum lies beyond with probability {beyond:.2g}"
            if beyond > OUTSIDE:
                detail += f": it is extrapolated; try {name} nearer to it at the largest size you can afford"
            status = Status.REVIEW if beyond > OUTSIDE else Status.PASS
            checks.append(Check(f"settings of {name} tried", status, detail))
        mean = float(self.cost.mean())
        detail = f"tuning cost the measured runs {share(mean)} of their loss on average"
        if mean > MUCH:
            detail += "; a law fitted to them without a learning rate and a batch would take it for noise or for size"
        status = Status.REVIEW if mean > MUCH else Status.PASS
        checks.append(Check("what tuning cost the runs", status, detail))
        return [*checks, self._diverges()]

    def _diverges(self) -> Check:
        worst = int(np.argmax(self.chance_diverges))
        chance, of = float(self.chance_diverges[worst]), self.divergence
        detail = f"at the median settings the run of {count(self.N[worst])} parameters diverges with probability {digits(chance, 2)}; {of.diverged} of the {of.diverged + of.stable} runs measured did"
        if chance < RISKY:
            return Check("divergence", Status.PASS, detail)
        detail += (
            ": take a lower learning rate, and see with --setting what it gives away"
        )
        return Check("divergence", Status.REVIEW, detail)

    def headline(self, prob: float = 0.9) -> str:
        """The settings of the largest run."""
        run = max(self.as_json(prob)["runs"], key=lambda run: run["N"] * run["D"])
        return (
            f"For {count(run['N'])} parameters on {count(run['D'])} tokens: learning rate "
            f"{numbers(run['lr'], 2)}, batch {numbers(run['batch'], 2)} (median [{percent(prob)} credible interval])."
        )

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Optima by run, regret of settings, exponents."""
        document = self.as_json(prob)
        yield Table(
            f"Best learning rate and batch; median [{percent(prob)} equal-tailed credible interval]",
            [
                *("N", "D", "learning rate", "batch", "loss of the tuned run"),
                *("regret", "diverges"),
            ],
            [
                [
                    count(r["N"]),
                    count(r["D"]),
                    numbers(r["lr"], 3),
                    numbers(r["batch"], 3),
                    numbers(r["loss"], 4),
                    digits(r["regret"], 2),
                    digits(r["diverges"], 2),
                ]
                for r in document["runs"]
            ],
        )
        yield (
            "Regret is the loss that the median settings give away on average, since the "
            "best ones are not known exactly; the last column is the chance that a run at them "
            "diverges."
        )
        if self.settings:
            yield Table(
                "Settings asked about: mean loss given away to the tuned run",
                ["N", "D", "learning rate", "batch", "regret", "diverges"],
                [
                    [
                        count(r["N"]),
                        count(r["D"]),
                        digits(s["lr"], 3),
                        digits(s["batch"], 3),
                        digits(s["regret"], 2),
                        digits(s["diverges"], 2),
                    ]
                    for r in document["runs"]
                    for s in r["settings"]
                ],
            )
        e = document["exponents"]
        yield (
            f"The best learning rate goes as N to the {numbers(e['lr_by_size'])} and D to the "
            f"{numbers(e['lr_by_data'])}, the best batch as N to the {numbers(e['batch_by_size'])} "
            f"and D to the {numbers(e['batch_by_data'])} (Step Law, arXiv:2503.04715, has -0.713, "
            "0.307, 0 and 0.571, N without embeddings)."
        )
        cost = document["tuning_cost"]
        yield (
            f"Tuning cost the measured runs {share(cost['mean'])} of their loss on average, "
            f"at most {share(cost['largest'])} (row {cost['row']})."
        )


def tune(
    fit: Posterior,
    runs: Sequence[tuple[float, float]],
    settings: Sequence[tuple[float, float]] = (),
    diverged: Observations | None = None,
) -> Tuning:
    """Find the best learning rate and batch of runs to be made.

    Args:
        fit: a fit of the tuning law to runs of several learning rates and batches.
        runs: parameters and tokens of each run.
        settings: learning rates and batches whose regret is to be told, in the units of
            the runs.
        diverged: runs that diverged, with N, D and lr; the fit learns from the others.

    Raises:
        ValueError: the law knows no learning rate, or a number is not positive.

    Example:
        >>> fit = nstar.fit("sweep.csv", "tuning")
        >>> nstar.plans.tuning.tune(fit, [(7e9, 140e9)]).headline()
    """
    if fit.mixture or not isinstance(law := fit.parts[0].straight, Tunable):
        msg = "only a fit of the tuning law says a learning rate and a batch; fit with --law tuning"
        raise ValueError(msg)
    N, D = np.array(runs, dtype=float).reshape(-1, 2).T
    if not (len(N) and np.all(np.isfinite([N, D])) and np.all(np.array([N, D]) > 0)):
        msg = (
            f"runs to tune: expected parameters and tokens above zero, got {list(runs)}"
        )
        raise ValueError(msg)
    if settings and not np.all(np.array(settings) > 0):
        msg = f"settings: expected learning rates and batches above zero, got {list(settings)}"
        raise ValueError(msg)
    (part,) = fit.parts
    draws = {n: v for n, v in part.draws.items() if np.ndim(v) == 1}
    measured = {name: part.runs[name] for name in ("N", "D", *NAMES)}
    loss = predict(fit, N, D)["loss"].to_numpy()
    with jax.enable_x64(True):
        lr, batch = (
            np.asarray(v) for v in jax.vmap(lambda p: law.best(p, N, D))(draws)
        )
        medians = [
            (np.median(lr[:, [i]]), np.median(batch[:, [i]])) for i in range(len(N))
        ]

        def regret(setting: Sequence[tuple[float, float]]) -> np.ndarray:
            rates, batches = np.array(setting, dtype=float).T
            x = {"N": N, "D": D, "lr": rates, "batch": batches}
            excess = jax.vmap(lambda p: law.excess(p, x))(draws)
            return np.mean(loss * np.asarray(jnp.expm1(excess)), axis=0)

        cost = np.mean(
            np.asarray(jax.lax.map(lambda p: law.excess(p, measured), draws)), axis=0
        )
        measured_best = jax.vmap(lambda p: law.best(p, measured["N"], measured["D"])[0])
        stable = np.log(measured["lr"] / np.asarray(measured_best(draws)))
        lost = np.zeros((len(stable), 0))
        if diverged is not None and len(diverged):
            x = diverged["N"], diverged["D"]
            best = jax.vmap(lambda p: law.best(p, *x)[0])(draws)
            lost = np.log(diverged["lr"] / np.asarray(best))
        divergence = learn(stable, lost, fit.seed)
        given_away = regret(medians)
        of_settings = [regret([setting] * len(N)) for setting in settings]
    return Tuning(
        fit,
        N,
        D,
        lr,
        batch,
        loss,
        given_away,
        cost,
        tuple((float(a), float(b)) for a, b in settings),
        np.array(of_settings).reshape(len(settings), len(N)),
        divergence,
        divergence.chance(np.log(np.median(lr, axis=0) / lr)),
        np.reshape(
            [divergence.chance(np.log(rate / lr)) for rate, _ in settings],
            (len(settings), len(N)),
        ),
    )
