"""Whether a live run is on its ladder's forecast, and what it says of its own end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.curves.fitting import fit_curves
from nstar.curves.schedules import Schedule
from nstar.curves.watch_alarm import End, Ends, Followed, end_of, follow
from nstar.curves.watch_reading import SAME, Beside, alike, read_beside
from nstar.curves.watch_schedules import expect_by_law, expect_by_prior
from nstar.curves.watch_shapes import (
    BEGIN,
    UNKNOWN,
    Course,
    average,
    expect,
    full_bins,
    learn_shapes,
)
from nstar.curves.watch_update import Updated, observe, update
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.predictions.distances import check_prediction
from nstar.predictions.prediction import loss as predict
from nstar.verdicts import Check, Status
from nstar.wording import count, counts, digits, flop, numbers, percent, share

PLACES = 48  # of a whole run at which it is checked, at most
ALPHA = 0.05  # false alarms over a whole run
DRAWS = 4000  # of the end
FEW = 3  # curves of the ladder below which its scatter is mostly the prior's
AHEAD = 12  # places after the last that the path is drawn at
SHOWN = 8  # places that are printed
LARGEST = 700.0  # log of an e-value that is written
FAR = 6.0  # sds from the forecast's path that speak of another loss, rather than another run


@dataclass(frozen=True)
class Watch(Answer):
    """A live run beside its forecast: the test, where it stands and where it will end."""

    records_key = "places"

    fit: Posterior
    beside: Beside
    alpha: float
    before: End  # the ladder's forecast of log loss at the end, as measured
    forecast: np.ndarray  # draws of that loss, (draw,)
    course: Course  # at the places seen, then at later ones
    seen: np.ndarray  # log loss at the first places, (place,)
    followed: Followed  # of this one run
    updated: Updated
    budget: float | None
    seed: int
    source: str  # what the course is known from

    @property
    def after(self) -> Ends:
        """The forecast of log loss at the end, given the run so far."""
        return Ends(*(part[0] for part in self.followed.ends))

    @property
    def log_e(self) -> np.ndarray:
        """Log of the e-value after each place seen, (place,)."""
        return self.followed.log_e[0]

    @property
    def alarm(self) -> int | None:
        """Index of the place at which the e-value first exceeded 1/alpha; None where it never did."""
        over = np.flatnonzero(self.log_e >= -np.log(self.alpha))
        return int(over[0]) if len(over) else None

    @property
    def path(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of log loss at the course's places before the run began, (place,)."""
        weight = np.exp(self.course.weight)
        mean = weight @ self.course.mean
        spread = self.course.covariance.diagonal(axis1=1, axis2=2)
        square = weight @ (spread + (self.course.mean - mean) ** 2) + self.before.sd**2
        return self.before.mean + mean, np.sqrt(square)

    def ends(self) -> np.ndarray:
        """Draws of the loss at the end given the run so far, (draw,)."""
        return np.exp(self.after.draw(DRAWS, self.seed))

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data."""
        mean, sd = self.path
        reach = _reach(prob)
        n, alarm = len(self.seen), self.alarm
        departure = self.followed.departure
        onset = int(departure.onset[0])  # a bin may have it in its middle, and alarm
        onset = onset if alarm is None else min(onset, alarm)
        now = float(np.exp(self.seen[-1]))
        places = [
            {
                "step": float(way * self.beside.steps),
                "way": float(way),
                "loss": float(np.exp(self.seen[i])) if i < n else None,
                "forecast": {
                    "median": float(np.exp(mean[i])),
                    "lower": float(np.exp(mean[i] - reach * sd[i])),
                    "upper": float(np.exp(mean[i] + reach * sd[i])),
                },
                "log_e": float(self.log_e[i]) if i < n else None,
            }
            for i, way in enumerate(self.course.way)
        ]
        before, after = self.forecast, self.ends()
        plans = {
            name: {
                "before": interval(values[0], prob).as_json(),
                "after": interval(values[1], prob).as_json(),
            }
            for name, values in self.updated.plans.items()
        }
        return {
            "run": self.beside.live.run,
            "N": self.beside.N,
            "D": self.beside.D,
            "axis": self.beside.axis,
            "steps": self.beside.steps,
            "step": places[n - 1]["step"],
            "way": places[n - 1]["way"],
            "course_from": self.source,
            "alpha": self.alpha,
            "threshold": 1 / self.alpha,
            "log_e": float(self.log_e[-1]),
            "log_e_largest": float(self.log_e.max()),
            "on_forecast": alarm is None,
            "alarm": None
            if alarm is None
            else {"step": places[alarm]["step"], "way": places[alarm]["way"]},
            "standing": {
                "loss": now,
                "forecast": places[n - 1]["forecast"],
                "sds": float((self.seen[-1] - mean[n - 1]) / sd[n - 1]),
            },
            "departure": {
                "chance": min(float(departure.chance[0]), 1.0),
                "from_step": places[onset]["step"],
                "loss": now - float(now * np.exp(-departure.size[0])),
                "forecast_sds": float(departure.size[0] / self.before.sd),
            },
            "end": {
                "before": interval(before, prob).as_json(),
                "after": interval(after, prob).as_json(),
            },
            "law_loss_after": interval(self.updated.law_loss, prob).as_json(),
            "budget": self.budget,
            "answers": plans or None,
            "places": places,
        }

    def checks(self) -> list[Check]:
        """Check the alarm, what the course rests on, and how far the forecast reaches."""
        document = self.as_json()
        checks = [self._check_alarm(document)]
        curves = len(self.beside.ended)
        detail = f"the course between here and the end is known from {self.source}"
        if weak := curves < FEW:
            detail += f"; {FEW} curves or more of the ladder's runs in the table, with N, tokens and loss, would make it the ladder's own"
        checks.append(Check("course", Status.REVIEW if weak else Status.PASS, detail))
        sds = document["standing"]["sds"]
        if abs(sds) > FAR:
            detail = f"the loss lies {digits(abs(sds), 3)} sds {_side(sds)} its path: see that it is the loss that the ladder was fitted to, on the same data and tokenizer"
            checks.append(Check("same loss", Status.REVIEW, detail))
        checks += check_prediction(self.fit, self.beside.N, self.beside.D)
        return [*checks, self._check_ladder(), *self.beside.notes]

    def _check_ladder(self) -> Check:
        if self.alarm is None:
            return self.updated.how
        detail = "the run left its forecast, so that the ladder is left as it was: once it has ended, fit the ladder again with it if the fault is the ladder's"
        return self.updated.how._replace(detail=detail)

    def _check_alarm(self, document: Document) -> Check:
        rate = f"alarms are false in at most {percent(self.alpha)} of runs however often one checks"
        if self.alarm is None:
            detail = f"e-value {digits(_of_log(document['log_e_largest']), 3)} at most, {digits(1 / self.alpha, 3)} would be an alarm; {rate}"
            return Check("on its forecast", Status.PASS, detail)
        departure = document["departure"]
        size = departure["loss"]
        detail = (
            f"the run left its forecast: e-value above {digits(1 / self.alpha, 3)} from {self.beside.axis} {count(document['alarm']['step'], 4)}; "
            f"the loss is now {digits(abs(size), 2)} {_side(size)} where it would be ({digits(abs(departure['forecast_sds']), 2)} sds of the forecast of the end), "
            f"most likely since {count(departure['from_step'], 4)}. {_advice(size)}; {rate}"
        )
        return Check("on its forecast", Status.FAIL, detail)

    def headline(self, prob: float = 0.9) -> str:
        """Whether it is on its forecast, and where it will end."""
        document = self.as_json(prob)
        state = (
            "is on its forecast" if document["on_forecast"] else "has left its forecast"
        )
        end = document["end"]
        return (
            f"Run {document['run']} {state} at {share(document['way'])} of its way: it will end at "
            f"{numbers(end['after'], 4)}, forecast before it began {numbers(end['before'], 4)} "
            f"(loss, median [{percent(prob)} credible interval])."
        )

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The end before and after, the answer at the budget, and the path."""
        document = self.as_json(prob)
        stated = f"median [{percent(prob)} equal-tailed credible interval]"
        end = document["end"]
        yield Table(
            f"Loss at the end, as measured; {stated}",
            ["forecast", "loss"],
            [
                ["before the run", numbers(end["before"], 4)],
                [f"at {share(document['way'])} of it", numbers(end["after"], 4)],
            ],
        )
        if self.budget is not None:
            names = {
                "N": "N* (parameters)",
                "D": "D* (tokens)",
                "loss": "loss of the law",
            }
            yield Table(
                f"With {flop(self.budget)} FLOP; {stated}",
                ["", "before the run", "given the run"],
                [
                    [
                        names[name],
                        *(
                            numbers(pair[when], 4)
                            if name == "loss"
                            else counts(pair[when])
                            for when in ("before", "after")
                        ),
                    ]
                    for name, pair in (document["answers"] or {}).items()
                ],
            )
        rows = [place for place in document["places"] if place["loss"] is not None]
        shown = np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(int))
        yield Table(
            f"The run on its path; forecast before it began, {stated}",
            [document["axis"], "loss", "forecast", "e-value"],
            [
                [
                    count(row["step"], 4),
                    digits(row["loss"], 4),
                    numbers(row["forecast"], 4),
                    digits(_of_log(row["log_e"]), 2),
                ]
                for row in (rows[i] for i in shown)
            ],
        )


def _of_log(log_e: float) -> float:
    return float(np.exp(min(log_e, LARGEST)))


def _side(size: float) -> str:
    return "above" if size > 0 else "below"


def _advice(size: float) -> str:
    if size > 0:
        return "Look at what changed then (data, learning rate, batch, hardware, a spike not recovered from), and go back to the checkpoint before it if it is a fault"
    return "See that the evaluation, its data and the schedule did not change; if they did not, the run does better than its ladder and the forecast given the run holds"


def _reach(prob: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + prob) / 2))


def watch(
    fit: Posterior,
    curves: Any,
    *,
    run: str | None = None,
    N: float | None = None,
    D: float | None = None,
    steps: float | None = None,
    schedule: Schedule | None = None,
    budget: float | None = None,
    alpha: float = ALPHA,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    seed: int | None = None,
) -> Watch:
    """Say whether a live run is on its ladder's forecast, as often as one likes.

    Args:
        fit: of the ladder's loss, without this run.
        curves: a table with a row for each step: run, step (or tokens), loss, and N, D and
            lr where there are any; the ladder's own curves in it teach the course of runs.
        run: that goes on; the table's only one unless given.
        N: its parameters, and D: tokens of its whole run, unless the table has them.
        D: likewise.
        steps: of its whole run, as the table counts them; by D unless given.
        schedule: of its whole run, where the table has no learning rates to its end.
        budget: FLOP for which the ladder's answer is given before and after.
        alpha: probability of a false alarm over the whole run.
        columns: our names (run, step, lr, L, N, D) to the table's, where they differ.
        where: filters of rows.
        seed: of draws; the fit's own unless given.

    Returns:
        The verdict with its headline, checks, tables and figure.

    Raises:
        TableProblems: naming each problem of the table.
        ValueError: what `read_beside` refuses, a law without a loss, an alpha that is no
            probability, or a course that nothing is known of.

    Examples:
        >>> answer = nstar.watch(fit, "curves.csv", run="hero")  # doctest: +SKIP
        >>> answer.headline()  # doctest: +SKIP
    """
    if not 0 < alpha < 1:
        msg = f"alpha {alpha:g}: expected the probability of a false alarm, as in 0.05"
        raise ValueError(msg)
    for part in fit.components:
        if not part.law.response.log_loss:
            msg = f"the {type(part.law).__name__} law predicts no loss, of which a run could be watched: fit a loss surface"
            raise ValueError(msg)
    seed = fit.seed if seed is None else seed
    beside = read_beside(
        curves,
        fit.runs,
        run=run,
        N=N,
        D=D,
        steps=steps,
        schedule=schedule,
        columns=columns,
        where=where,
    )
    draws = predict(fit, beside.N, beside.D, seed=seed)["measured"].to_numpy()[:, 0]
    before = end_of(draws)
    binned = average(full_bins(beside.live, PLACES), PLACES)
    ahead = np.linspace(binned.way[-1], 1.0, AHEAD + 1)[1:]
    ahead = ahead[ahead > binned.way[-1]]
    way = np.append(binned.way, ahead)
    course, source = course_of(
        beside, before, way, np.append(binned.count, np.ones(len(ahead)))
    )
    followed = follow(course, before, binned.log_loss[None])
    ends = Ends(*(part[0] for part in followed.ends))
    after = end_of(np.exp(ends.draw(DRAWS, seed)))
    left = bool(np.any(followed.log_e >= -np.log(alpha)))
    seen = None if left else observe(before, after)
    updated = update(fit, beside.N, beside.D, seen, after, budget, seed)
    return Watch(
        fit,
        beside,
        alpha,
        before,
        draws,
        course,
        binned.log_loss,
        followed,
        updated,
        budget,
        seed,
        source,
    )


def course_of(
    beside: Beside, before: End, way: np.ndarray, counts: np.ndarray
) -> tuple[Course, str]:
    """The course of the run at places, and in words what it is known from.

    Args:
        beside: the run and the curves beside it.
        before: the forecast of its end.
        way: places as shares of the run, (place,).
        counts: measurements that each is the mean of, (place,).

    Raises:
        ValueError: there is neither a curve of its schedule nor a schedule to its end.
    """
    same = alike(beside)
    tracks = [
        t
        for t, s in zip(beside.tracks, same, strict=True)
        if s and np.sum(t.way >= BEGIN) > 2
    ]
    if tracks:
        size = beside.live.size
        if any(t.size == UNKNOWN for t in tracks):  # then none is compared by its size
            tracks, size = [t._replace(size=UNKNOWN) for t in tracks], UNKNOWN
        shapes = learn_shapes(tracks, near=size)
        words = f"{len(tracks)} curves of the ladder under the same schedule"
        return expect(shapes, size, way, counts), words
    schedule = beside.schedule
    if schedule is None or schedule.end < beside.steps * 0.999:
        msg = f"steps without a schedule: nothing says how run {beside.live.run!r} goes on to {beside.axis} {beside.steps:g}; state it, as in --schedule cosine --steps {beside.steps:g}, or add curves of the ladder that have ended to the table"
        raise ValueError(msg)
    of_size = [
        s.curve
        for s in beside.ended
        if beside.rates and (not s.N or abs(s.N / beside.N - 1) <= SAME)
    ]
    if of_size:
        words = f"a law of the schedule fitted to {len(of_size)} curves of this size"
        return expect_by_law(fit_curves(of_size), schedule, beside.steps, way, counts)[
            0
        ], words
    words = "the priors of a law of its schedule: no curve beside it has ended"
    loss = float(np.exp(before.mean))
    return expect_by_prior(schedule, beside.steps, loss, way, counts), words
