"""How the forecasts of a project have fared, all together: what to expect of the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr

from nstar.ledger.entries import Ledger
from nstar.ledger.foretold import Forecast, Outcome, no_forecast
from nstar.ledger.frozen import Scored, interval
from nstar.scores import LEVELS
from nstar.verdicts import Check, Status, worst
from nstar.wording import digits, percent

CENTRAL = 0.95  # of the binomial counts that coverage is held against
FAR = (
    0.25  # error of the log loss from which its unit is asked after; bits are 0.37 off
)
LEVEL = "0.9"  # of the intervals whose coverage is judged


class Settled(NamedTuple):
    """A forecast whose run is done."""

    forecast: Forecast
    outcome: Outcome
    scored: Scored
    why_not: str | None  # it counts for nothing


class Held(NamedTuple):
    """How many intervals of a level held what came, and how many should."""

    held: int
    of: int
    lower: int  # of the central 95 % of binomial counts
    upper: int

    @property
    def usual(self) -> bool:
        """Say whether that many are nothing strange."""
        return self.lower <= self.held <= self.upper


@dataclass(frozen=True)
class Record:
    """Scores of the forecasts that count, and names of the rest."""

    settled: tuple[Settled, ...]
    open: tuple[str, ...]
    failing: tuple[str, ...]  # frozen although a check failed

    @property
    def counted(self) -> list[Settled]:
        """Those that were forecasts: made before the loss was known, of a run not fitted."""
        return [one for one in self.settled if one.why_not is None]

    def coverage(self) -> dict[str, Held]:
        """By level: held, of how many, and the central 95 % of what chance would do.

        Binomial counts, as if forecasts erred each by itself; those of one fit err
        together, so that more or fewer are less strange than they seem.
        """
        each, found = self.counted, {}
        for level in LEVELS if each else ():
            held = sum(one.scored.held[str(level)] for one in each)
            found[str(level)] = Held(held, len(each), *central(len(each), level))
        return found

    def means(self) -> dict[str, float]:
        """Mean scores, and the bias and rms of the log error, as `nstar.scores` has them."""
        each = [one.scored for one in self.counted]
        if not each:
            return {}
        error = np.array([one.error for one in each])
        return {
            "crps": _mean([one.crps for one in each]),
            "interval_score": _mean([one.interval_score for one in each]),
            "log_density": _mean([one.log_density for one in each]),
            "bias": _mean(error),
            "rmse": float(np.sqrt(np.mean(np.square(error)))),
        }

    def checks(self) -> list[Check]:
        """Say what a reader of the scores should know."""
        found = [self._coverage(), *self._left_out(), *self._far()]
        if self.failing:
            detail = f"{', '.join(self.failing)}: frozen although a check failed at the time; scored like the rest"
            found.append(Check("forecasts frozen", Status.REVIEW, detail))
        return found

    def _coverage(self) -> Check:
        name, n = "forecasts hold", len(self.counted)
        if not n:
            detail = f"none is scored yet; open: {', '.join(self.open) or 'none'}"
            return Check(name, Status.PASS, detail)
        held = self.coverage()[LEVEL]
        detail = (
            f"{held.held} of {n} scored forecasts lie in their {percent(float(LEVEL))} intervals; "
            f"{held.lower} to {held.upper} would be no surprise (central {percent(CENTRAL)} of binomial counts, "
            "as if they erred each by itself)"
        )
        if held.usual:
            return Check(name, Status.PASS, detail)
        kind = "narrow" if held.held < held.lower else "wide"
        detail += f": these intervals have been too {kind}; expect the same of the next"
        return Check(name, Status.REVIEW, detail)

    def _left_out(self) -> list[Check]:
        return [
            Check(
                f"forecast {one.forecast.name}",
                Status.REVIEW,
                f"{one.why_not}; its score does not count",
            )
            for one in self.settled
            if one.why_not
        ]

    def _far(self) -> list[Check]:
        """Ask after the unit of a loss that is far from all that was said."""
        return [
            Check(
                f"loss of {one.forecast.name}",
                Status.REVIEW,
                f"{one.outcome.loss:g} is {digits(float(np.exp(-one.scored.error)), 3)} times the median forecast: is it in the unit "
                f"of the fitted losses ({one.forecast.basis['loss_unit']}) and of the same validation set? If not, enter it again with --again",
            )
            for one in self.settled
            if abs(one.scored.error) > FAR and not one.scored.held[str(LEVELS[-1])]
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data; null where nothing counts yet."""
        means = self.means()
        none = dict.fromkeys(("crps", "log_density", "bias", "rmse"))
        score = means.pop("interval_score", None)
        return {
            "scored": len(self.settled),
            "counted": len(self.counted),
            "open": list(self.open),
            "coverage": {
                level: held._asdict() for level, held in self.coverage().items()
            }
            or None,
            "interval_score": None if score is None else {"0.9": score},
            **none,
            **means,
        }


def central(n: int, p: float) -> tuple[int, int]:
    """Ends of the central 95 % of binomial counts of n."""
    below = bdtr(np.arange(n + 1), n, p)
    low, high = np.searchsorted(below, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2])
    return int(low), int(high)


def track_record(ledger: Ledger) -> Record:
    """Score every forecast whose run is done, and gather them."""
    outcomes, settled = ledger.outcomes, []
    for name, forecast in ledger.forecasts.items():
        if outcome := outcomes.get(name):
            scored = forecast.measured.scored(outcome.loss)
            settled.append(
                Settled(forecast, outcome, scored, no_forecast(forecast, outcome))
            )
    failing = (f.name for f in ledger.forecasts.values() if _status(f) is Status.FAIL)
    return Record(tuple(settled), tuple(ledger.open), tuple(failing))


def as_json(ledger: Ledger, prob: float) -> dict[str, Any]:
    """Every forecast with its outcome, and the record, as plain data."""
    record = track_record(ledger)
    settled = {one.forecast.name: one for one in record.settled}
    return {
        "ledger": ledger.source,
        "entries": len(ledger.entries),
        "head": ledger.head,
        "forecasts": [
            _forecast(ledger, f, prob, settled.get(name))
            for name, f in ledger.forecasts.items()
        ],
        "record": record.as_json(),
    }


def _forecast(
    ledger: Ledger, f: Forecast, prob: float, settled: Settled | None
) -> dict[str, Any]:
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
        "law": ",".join(one["law"] for one in f.basis["laws"]),
        "loss_unit": f.basis["loss_unit"],
        "loss": interval(f.law_loss, prob).as_json(),
        "measured": f.measured.interval(prob).as_json(),
        "status": str(_status(f)),
        "among_data": list(f.among_data),
        "outcome": _outcome(settled) if settled else None,
    }


def _outcome(one: Settled) -> dict[str, Any]:
    said = one.outcome
    return {
        "loss": said.loss,
        "measured": said.measured,
        "entered": said.entered,
        "note": said.note,
        "measured_again": said.replaces is not None,
        **one.scored.as_json(),
        "counted": one.why_not is None,
        "why_not": one.why_not,
    }


def _status(forecast: Forecast) -> Status:
    return worst(list(forecast.checks))


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values))
