"""The track record of a project's forecasts: scores, coverage and checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from nstar.answers import Document
from nstar.ledger.chances import Chances, ScoredChoice, score_choices
from nstar.ledger.choices import Choice
from nstar.ledger.entries import Ledger
from nstar.ledger.frozen import Scores, interval
from nstar.ledger.records import Forecast, Outcome, reason_not_counted
from nstar.scores import LEVELS
from nstar.verdicts import Check, Status, worst
from nstar.wording import digits, percent

CENTRAL = 0.95  # probability of the binomial counts that coverage is compared with
# error of the log loss above which a check asks for its unit; bits are off by 0.37
FAR_ERROR = 0.25
LEVEL = "0.9"  # of the intervals whose coverage is judged


class ScoredForecast(NamedTuple):
    """A forecast, the outcome of its run, and its scores."""

    forecast: Forecast
    outcome: Outcome
    scores: Scores
    not_counted: str | None  # why its scores do not count


class Coverage(NamedTuple):
    """How many intervals of a level contain the measured loss, and how many should."""

    covered: int
    total: int
    lower: int  # ends of the central 95 % of binomial counts
    upper: int

    @property
    def plausible(self) -> bool:
        """Whether the count is within the central 95 % of binomial counts."""
        return self.lower <= self.covered <= self.upper

    def as_json(self) -> dict[str, int]:
        """Plain data."""
        names = ("held", "of", "lower", "upper")
        return dict(zip(names, self, strict=True))


@dataclass(frozen=True)
class Record:
    """Scores of the forecasts that count, and names of the rest."""

    scored: tuple[ScoredForecast, ...]
    open: tuple[str, ...]
    failing: tuple[str, ...]  # frozen although a check failed
    chances: Chances  # of choices, scored likewise

    @property
    def counted(self) -> list[ScoredForecast]:
        """Those whose forecast preceded the loss, of a run that was not fitted."""
        return [scored for scored in self.scored if scored.not_counted is None]

    def coverage(self) -> dict[str, Coverage]:
        """Coverage of the intervals by level.

        Its bounds are binomial, as if forecasts were independent; those of one fit err
        together, so that counts beyond them are less unlikely than they seem.
        """
        counted, levels = self.counted, {}
        for level in LEVELS if counted else ():
            covered = sum(scored.scores.covered[str(level)] for scored in counted)
            levels[str(level)] = Coverage(
                covered, len(counted), *central(len(counted), level)
            )
        return levels

    def means(self) -> dict[str, float]:
        """Mean scores, and the bias and rms of the log error, as `nstar.scores` has them."""
        scores = [scored.scores for scored in self.counted]
        if not scores:
            return {}
        error = np.array([score.error for score in scores])
        return {
            "crps": _mean([score.crps for score in scores]),
            "interval_score": _mean([score.interval_score for score in scores]),
            "log_density": _mean([score.log_density for score in scores]),
            "bias": _mean(error),
            "rmse": float(np.sqrt(np.mean(np.square(error)))),
        }

    def checks(self) -> list[Check]:
        """Checks of coverage, of forecasts that do not count, and of units."""
        checks = [self._coverage(), *self._not_counted(), *self._far_losses()]
        checks += self.chances.checks()
        if self.failing:
            detail = f"{', '.join(self.failing)}: frozen although a check failed at the time; scored like the rest: read them apart"
            checks.append(Check("forecasts frozen", Status.REVIEW, detail))
        return checks

    def _coverage(self) -> Check:
        name, n = "forecasts hold", len(self.counted)
        if not n and self.chances.counted:
            return Check(name, Status.PASS, "no forecast of a loss is scored yet")
        if not n:
            detail = f"none is scored yet; open: {', '.join(self.open) or 'none'}"
            return Check(name, Status.PASS, detail)
        coverage = self.coverage()[LEVEL]
        detail = (
            f"{coverage.covered} of {n} scored forecasts lie in their {percent(float(LEVEL))} intervals; "
            f"{coverage.lower} to {coverage.upper} would be no surprise (central {percent(CENTRAL)} of binomial counts, "
            "as if they erred each by itself)"
        )
        if coverage.plausible:
            return Check(name, Status.PASS, detail)
        kind = "narrow" if coverage.covered < coverage.lower else "wide"
        detail += f": these intervals have been too {kind}; expect the same of the next"
        return Check(name, Status.REVIEW, detail)

    def _not_counted(self) -> list[Check]:
        return [
            Check(
                f"forecast {scored.forecast.name}",
                Status.REVIEW,
                f"{scored.not_counted}; its score does not count",
            )
            for scored in self.scored
            if scored.not_counted
        ]

    def _far_losses(self) -> list[Check]:
        """Checks of losses so far from their forecasts that the unit may be wrong."""
        return [
            Check(
                f"loss of {scored.forecast.name}",
                Status.REVIEW,
                f"{scored.outcome.loss:g} is {digits(float(np.exp(-scored.scores.error)), 3)} times the median forecast: is it in the unit "
                f"of the fitted losses ({scored.forecast.basis['loss_unit']}) and of the same validation set? If not, enter it again with --again",
            )
            for scored in self.scored
            if abs(scored.scores.error) > FAR_ERROR
            and not scored.scores.covered[str(LEVELS[-1])]
        ]

    def as_json(self) -> Document:
        """Plain data; null where nothing counts yet."""
        means = self.means()
        none = dict.fromkeys(("crps", "log_density", "bias", "rmse"))
        score = means.pop("interval_score", None)
        return {
            "scored": len(self.scored),
            "counted": len(self.counted),
            "open": list(self.open),
            "coverage": {
                level: coverage.as_json() for level, coverage in self.coverage().items()
            }
            or None,
            "interval_score": None if score is None else {"0.9": score},
            **none,
            **means,
            "chances": self.chances.as_json(),
        }


def central(n: int, p: float) -> tuple[int, int]:
    """Ends of the central 95 % of binomial counts of n."""
    below = bdtr(np.arange(n + 1), n, p)
    low, high = np.searchsorted(below, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2])
    return int(low), int(high)


def track_record(ledger: Ledger) -> Record:
    """Score every forecast whose run has a loss.

    Args:
        ledger: the forecasts, and the outcomes that were entered.

    Returns:
        Coverage, CRPS, bias and log density over the forecasts that count.

    Examples:
        >>> nstar.track_record(nstar.Ledger()).as_json()
    """
    outcomes, scored = ledger.outcomes, []
    for name, forecast in ledger.forecasts.items():
        if outcome := outcomes.get(name):
            scores = forecast.measured.score(outcome.loss)
            scored.append(
                ScoredForecast(
                    forecast,
                    outcome,
                    scores,
                    reason_not_counted(
                        forecast.among_data, forecast.frozen, outcome.measured
                    ),
                )
            )
    frozen = [*ledger.forecasts.values(), *ledger.choices.values()]
    failing = (f.name for f in frozen if worst(list(f.checks)) is Status.FAIL)
    choices = score_choices(ledger)
    return Record(tuple(scored), tuple(ledger.open), tuple(failing), choices)


def as_json(ledger: Ledger, prob: float) -> Document:
    """Every forecast with its outcome, and the record, as plain data."""
    record = track_record(ledger)
    scored = {entry.forecast.name: entry for entry in record.scored}
    return {
        "ledger": ledger.source,
        "entries": len(ledger.entries),
        "head": ledger.head,
        "forecasts": [
            _forecast(ledger, f, prob, scored.get(name))
            for name, f in ledger.forecasts.items()
        ],
        "choices": [
            _choice(ledger, choice, record.chances.of(name))
            for name, choice in ledger.choices.items()
        ],
        "record": record.as_json(),
    }


def _forecast(
    ledger: Ledger, f: Forecast, prob: float, scored: ScoredForecast | None
) -> Document:
    return {
        "name": f.name,
        "frozen": f.frozen,
        "hash": ledger.hash_of(f.name),
        "note": f.note,
        "N": f.N,
        "D": f.D,
        "C": f.C,
        "budget": f.budget,
        "decades_beyond_data": f.decades_beyond_data,
        "data": f.basis["data"],
        "law": ",".join(law["law"] for law in f.basis["laws"]),
        "loss_unit": f.basis["loss_unit"],
        "loss": interval(f.law_loss, prob).as_json(),
        "measured": f.measured.interval(prob).as_json(),
        "status": str(worst(list(f.checks))),
        "among_data": list(f.among_data),
        "outcome": {"loss": scored.outcome.loss} | _outcome(scored) if scored else None,
    }


def _choice(ledger: Ledger, c: Choice, scored: ScoredChoice | None) -> Document:
    names = "name", "frozen", "note", "baseline", "recipe", "C", "decades_beyond_data"
    return {n: getattr(c, n) for n in names} | {
        "hash": ledger.hash_of(c.name),
        "data": c.basis["data"],
        "loss_unit": c.basis["loss_unit"],
        "chance": c.chance,
        "chance_of_law": c.chance_of_law,
        "multiplier": dict(c.multiplier) | {"prob": c.prob},
        "runs": {name: dict(run) for name, run in c.runs.items()},
        "status": str(worst(list(c.checks))),
        "among_data": list(c.among_data),
        "outcome": _outcome(scored) | {"losses": dict(scored.outcome.losses)}
        if scored
        else None,
    }


def _outcome(scored: ScoredForecast | ScoredChoice) -> Document:
    outcome = scored.outcome
    return {
        "measured": outcome.measured,
        "entered": outcome.entered,
        "note": outcome.note,
        "measured_again": outcome.replaces is not None,
        **scored.scores.as_json(),
        "counted": scored.not_counted is None,
        "why_not": scored.not_counted,
    }


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values))
