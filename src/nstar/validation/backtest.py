"""Hold out the largest budgets, predict them, and score the predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nstar.answers import Document
from nstar.fits.fitting import Fit, fit
from nstar.fits.mixture import Posterior
from nstar.fits.model import parse_model
from nstar.predictions.allocating import measured_optima as predict_optima
from nstar.predictions.prediction import loss as predict_loss
from nstar.predictions.responding import SCATTER, is_curve, main_input, respond
from nstar.priors.sets import Priors
from nstar.runs.observations import Observations
from nstar.runs.splits import Split, split
from nstar.samplers.nuts import Settings
from nstar.scores import LEVELS, quantiles, scores
from nstar.types import Kind, Law, Noise, Response, Varying
from nstar.validation.averaging import Component, average, effective_runs
from nstar.validation.checks import check_fit
from nstar.validation.optima import check_optima, held_out_optima
from nstar.verdicts import Check, Status

TOO_NEAR = 0.05  # chance of errors so small below which intervals are for review


@dataclass(frozen=True)
class HeldOut:
    """Predictions of held-out runs by a fit of the others."""

    split: Split
    fit: Posterior
    draws: np.ndarray  # response with run noise on the law's scale, (draw, run)

    @property
    def response(self) -> Response:
        """Response of the law, or of every law averaged."""
        return self.fit.components[0].law.response

    @property
    def truth(self) -> np.ndarray:
        """Measured responses of the held-out runs, on the law's scale, (run,)."""
        columns = (self.split.test[n] for n in self.response.columns)
        return np.asarray(self.response.link(*columns))

    def record(self) -> Document:
        """Scores in log loss, and of optima where held-out budgets have profiles.

        A law whose response is not the log of the loss is scored on its own scale.  An
        average adds its weights and the scores of equal weights and of each law alone.
        """
        truth = self.truth
        return {
            "hold_out_decades": self.split.decades,
            "n_train": len(self.split.train),
            "n_test": len(self.split.test),
            **scores(self.draws, truth),
            "optima": self._optima(),
            **self._comparisons(truth),
        }

    def chance_of_small_errors(self) -> float:
        """Probability of errors as small or smaller relative to the intervals, if these hold.

        By chi-square of the errors in units of the predictive sd, read off the 90 %
        interval, with as many degrees of freedom as there are budgets, five at most: the
        errors of one extrapolation agree.
        """
        from scipy import stats  # half a second nobody else pays

        low, high = quantiles(self.draws, 0.9)
        sd = (high - low) / (2 * stats.norm.ppf(0.95))
        z = (self.truth - np.median(self.draws, axis=0)) / sd
        count = effective_runs(self.split.test)
        return float(stats.chi2.cdf(count * np.mean(np.square(z)), count))

    def _comparisons(self, truth: np.ndarray) -> Document:
        if not self.fit.mixture:
            return {}

        def score(fit: Posterior) -> Document:
            return scores(predict_held_out(fit, self.split.test, fit.seed), truth)

        laws = dict(zip(self.fit.names, self.fit.components, strict=True))
        return {
            "weights": dict(zip(laws, self.fit.weights, strict=True)),
            "equal_weights": score(self.fit.equal()),
            "laws": {name: score(part) for name, part in laws.items()},
        }

    def _optima(self) -> Document | None:
        optima = held_out_optima(self.fit, self.split, self.draws)
        return optima.record() if optima else None

    def predictions(self) -> list[dict[str, float]]:
        """Every held-out run with its row in the source and its quantiles of loss."""
        table = {"0.5": np.median(self.draws, axis=0)}
        for level in LEVELS:
            low, high = quantiles(self.draws, level)
            table |= {f"{(1 - level) / 2:g}": low, f"{(1 + level) / 2:g}": high}
        test, unlink = self.split.test, self.response.unlink
        laws = [part.law for part in self.fit.components]
        reads = [name for law in laws for name in law.inputs if name != "budget"]
        shown = dict.fromkeys(("C", "N", "D", *reads, *self.response.columns))
        return [
            {"row": int(test.rows[i])}
            | {name: test[name][i] for name in shown if name in test}
            | {
                f"q{q}": float(unlink(values)[0][i])
                for q, values in sorted(table.items(), key=lambda kv: float(kv[0]))
            }
            for i in range(len(test))
        ]


def backtest(
    runs: Observations,
    law: str | Law | Sequence[str | Law | Component] = "coupled",
    noise: str | Noise | None = None,
    *,
    discrepancy: str | None = None,
    hold_out: Sequence[float] = (1.0,),
    test: Observations | None = None,
    seed: int = 0,
    settings: Settings | None = None,
    tick: Callable[[int, int], None] = lambda done, total: None,
    priors: Priors = None,
    along: str | None = None,
) -> list[HeldOut]:
    """Fit the smaller runs and predict the larger ones, for each number of decades.

    Args:
        runs: a ladder.
        law: a law with a loss, or several to be averaged: their weights come from splits
            of the smaller runs alone.
        noise: its likelihood.
        discrepancy: "waves" or "none", as `fit` takes it.
        hold_out: decades of compute below the largest run that are held out.
        test: runs to predict in place of a split; the law is then fitted to all of `runs`.
        seed: of the fits and of the predictive noise.
        settings: of the fits.
        tick: progress of the sampling.
        priors: as `fit` takes them.
        along: the input whose largest values are held out; compute unless given, or the
            law's main input where it reads no compute (tokens, samples, size).

    Raises:
        ValueError: a split leaves too few runs, or the law predicts several numbers.
    """
    along = along or default_along(runs, law)
    if test is not None:
        beyond = float(np.log10(test[along].max() / runs[along].max()))
        splits = [Split(beyond, runs, test)]
    else:
        splits = [split(runs, h, along) for h in hold_out]
    outcomes = []
    for part in splits:
        train = replace(part.train, notes=())
        if isinstance(law, Sequence) and not isinstance(law, str):
            posterior = average(
                train, law, noise, priors, seed, settings, tick, discrepancy=discrepancy
            )
        else:
            posterior = fit(
                train, law, noise, priors, seed, settings, tick, discrepancy=discrepancy
            )
        outcomes.append(
            HeldOut(part, posterior, predict_held_out(posterior, part.test, seed))
        )
    return outcomes


def default_along(
    runs: Observations, law: str | Law | Sequence[str | Law | Component]
) -> str:
    """Input along which runs are held out unless given: C, or a law's main input."""
    if isinstance(law, Sequence) and not isinstance(law, str):
        return "C"
    parsed = parse_model(law).law
    if "C" in parsed.inputs or (not is_curve(parsed) and "C" in runs):
        return "C"
    return main_input(parsed)


def predict_held_out(fit: Posterior, test: Observations, seed: int) -> np.ndarray:
    """Draws of the measured response of held-out runs, on the law's scale, (draw, run).

    Raises:
        ValueError: the held-out runs lack an input of the law.
    """
    laws = [part.law for part in fit.components]
    x = {}
    for law in laws:
        for name in ("N", "D") if isinstance(law, Varying) else law.inputs:
            if name not in test:
                msg = f"{test.source}: the runs to predict have no column {name!r}, which the {type(law).__name__} law reads"
                raise ValueError(msg)
            x[name] = test[name]
    if laws[0].response.tokens_only:
        optima = predict_optima(fit, test["C"], seed=seed)
        if optima is not None:  # the law says how measured optima scatter
            return np.log(optima[1])
    if isinstance(fit, Fit) and is_curve(fit.law):
        scatter_inputs = {
            n: test[n]
            for n in SCATTER
            if n in test and fit.law.response.kind is Kind.ACCURACY
        }
        draws = respond(fit, x | scatter_inputs, seed)["measured"]
    else:
        draws = predict_loss(fit, x=x, seed=seed)["measured"]
    return np.asarray(laws[0].response.link(draws.to_numpy()))


def check_backtest(outcomes: Sequence[HeldOut]) -> list[Check]:
    """Check the sampler and the width of intervals on held-out runs and measured optima."""
    checks = []
    for outcome in outcomes:
        name = f"{outcome.split.decades:g} decades held out"
        checks += [
            c._replace(name=f"{name}: {c.name}")
            for c in check_fit(outcome.fit)
            if c.status is Status.FAIL
        ]
        if weights_check := outcome.fit.how:
            checks.append(weights_check._replace(name=f"{name}: {weights_check.name}"))
        record = outcome.record()
        covered, n = record["coverage"]["0.9"], record["n_test"]
        detail = f"90 % intervals of a measured run held {covered:.0%} of {n} runs"
        status = Status.PASS if covered >= 0.75 else Status.REVIEW
        if status is Status.REVIEW:
            detail += "; beyond these runs, intervals of this law are too narrow by as much: compare another law, or count on wider ones"
        elif (chance := outcome.chance_of_small_errors()) < TOO_NEAR:
            status = Status.REVIEW
            detail += (
                f"; errors this small beside the intervals have a chance of {chance:.1%}: on these runs "
                "they are wider than they need be, and what they say of larger ones may be too"
            )
        checks.append(Check(name, status, detail))
        if record["optima"]:
            checks.append(check_optima(f"{name}: optima", record["optima"]))
    return checks
