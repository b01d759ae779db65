"""Where a run will end under a schedule, and what other schedules would give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.curves.fitting import CurveFit, draw_losses, fit_curves
from nstar.curves.reading import Curve, Curves
from nstar.curves.schedules import FINAL, Schedule
from nstar.intervals import interval
from nstar.verdicts import Check, Status
from nstar.wording import count, digits, numbers, percent

ALONG = 8  # steps along the way at which the loss is printed
FAR = 4.0  # times the longest curve from which a run is far beyond them
APART = 0.02  # share by which a schedule may differ from the rate at a run's last step
SAME_SIZE = 0.01  # share by which parameters of one size may differ
NOW = "decay now"


@dataclass(frozen=True)
class Ending:
    """One schedule of a run, and the losses it gives."""

    name: str
    schedule: Schedule
    step: np.ndarray  # (place,), the last is the end
    loss: Float[np.ndarray, "draw place"]  # as the run would have it
    measured: Float[np.ndarray, "draw place"]  # with a measurement's noise


@dataclass(frozen=True)
class Finish(Answer):
    """The loss of a run at its end and along the way, under one schedule or several."""

    records_key = "schedules"

    fit: CurveFit
    curves: Curves
    run: str | None  # that goes on; None for a new one
    endings: tuple[Ending, ...]
    size: float | None = (
        None  # parameters of a new run, where curves are of several sizes
    )

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data."""
        regrets = self.regrets()
        return {
            "run": self.run,
            "law": self.fit.name,
            "axis": self.curves.axis,
            "schedules": [
                {
                    "schedule": e.name,
                    "steps": float(e.step[-1]),
                    "loss": interval(e.loss[:, -1], prob).as_json(),
                    "measured": interval(e.measured[:, -1], prob).as_json(),
                    "regret": regret,
                    "along": [
                        {
                            "step": float(step),
                            "lr": float(e.schedule.at(np.array([step]))[0]),
                            "loss": interval(e.loss[:, i], prob).as_json(),
                        }
                        for i, step in enumerate(e.step)
                    ],
                }
                for e, regret in zip(self.endings, regrets, strict=True)
            ],
        }

    def regrets(self) -> list[float | None]:
        """Expected loss above the best schedule's of as many steps; none where none has as many."""
        means = [float(np.mean(e.loss[:, -1])) for e in self.endings]
        ends = [float(e.step[-1]) for e in self.endings]
        return [
            mean - min(m for m, e in zip(means, ends, strict=True) if e == end)
            if ends.count(end) > 1
            else None
            for mean, end in zip(means, ends, strict=True)
        ]

    def checks(self) -> list[Check]:
        """Check how far the run lies beyond the curves, and whether they show any decay."""
        longest = max(c.end for c in self.fit.curves)
        times = max(float(e.step[-1]) for e in self.endings) / longest
        detail = f"the run ends at {digits(times, 2)} times the longest curve"
        if far := times > FAR:
            detail += ": give a longer curve before it is relied on"
        checks = [
            Check("steps", Status.REVIEW if far else Status.PASS, detail),
        ]
        fallen = max(1 - c.lowest / c.schedule.peak for c in self.fit.curves)
        detail = f"the learning rate fell by up to {percent(round(fallen, 2))} of its peak in the curves"
        fall = max(
            1 - e.schedule.lr[-1] / max(e.schedule.peak, self.fit.scale.peak)
            for e in self.endings
        )
        if unseen := fallen < fall / 2:
            detail += f", and falls by {percent(round(fall, 2))} in the schedule: what decay brings is the prior's; give a curve that decays"
        status = Status.REVIEW if unseen else Status.PASS
        checks.append(Check("decay in the curves", status, detail))
        above = max(e.schedule.peak for e in self.endings) / self.fit.scale.peak
        if above > 1 + APART:
            detail = f"the schedule's peak is {digits(above, 3)} times the largest learning rate of the curves: a law of a schedule says nothing of other peaks"
            checks.append(Check("peak", Status.REVIEW, detail))
        if self.fit.sizes and self.size and self.fit.sizes.beyond(self.size) > 0:
            detail = f"no curve is of {count(self.size)} parameters: how the loss falls with size is a power learned from {len(self.fit.sizes.peaks)} sizes, and off by a hundredth or more where batch and warm-up change with it; give one curve of this size"
            checks.append(Check("size", Status.REVIEW, detail))
        if self.run is not None:
            checks += _joins(self.fit.curves[self.fit.runs[self.run]], self.endings)
        return [*checks, *self.fit.checks(), *self.curves.checks()]

    def headline(self, prob: float = 0.9) -> str:
        """The end under the first schedule, and which schedule ends lowest."""
        rows = self.as_json(prob)["schedules"]
        first, compared = rows[0], [row for row in rows if row["regret"] is not None]
        subject = f"run {self.run}" if self.run else "a new run"
        sentence = (
            f"Under {first['schedule']}, {subject} ends at {count(first['steps'])} with a loss of "
            f"{numbers(first['measured'], 4)} (median [{percent(prob)} credible interval])"
        )
        if compared:
            best = min(compared, key=lambda row: row["regret"])
            alike = [row for row in compared if row["steps"] == best["steps"]]
            others = max(row["regret"] for row in alike)
            sentence += (
                f"; of {len(alike)} schedules of {count(best['steps'])} {best['schedule']} ends lowest "
                f"on average, by up to {digits(others, 2)}"
            )
        return f"{sentence}."

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Ends by schedule, then each along the way."""
        document = self.as_json(prob)
        yield Table(
            f"Loss at the end; median [{percent(prob)} equal-tailed credible interval]",
            ["schedule", document["axis"], "loss of the law", "as measured", "regret"],
            [
                [
                    row["schedule"],
                    count(row["steps"]),
                    numbers(row["loss"], 4),
                    numbers(row["measured"], 4),
                    "–" if row["regret"] is None else digits(row["regret"], 2),
                ]
                for row in document["schedules"]
            ],
        )
        for row in document["schedules"]:
            yield Table(
                f"Along the way, {row['schedule']}",
                [document["axis"], "learning rate", "loss"],
                [
                    [count(p["step"], 4), digits(p["lr"], 3), numbers(p["loss"], 4)]
                    for p in row["along"]
                ],
            )


def finish(
    curves: Curves,
    schedules: Mapping[str, Schedule],
    run: str | None = None,
    *,
    law: str = "multi_power",
    size: float | None = None,
    decay_now: float | None = None,
    final: float = FINAL,
    seed: int = 0,
) -> Finish:
    """Say where a run ends under schedules, and what a decay begun now would give.

    Args:
        curves: of one recipe and data, as `read_curves` has them.
        schedules: whole, from the first step, by name.
        run: that goes on: what it has done is taken as recorded, and the schedule holds
            from its last step; a new run unless given.
        law: multi_power, multi_power_published or annealing_area.
        size: parameters of a new run, where the curves are of several sizes.
        decay_now: steps of a straight decay that begins at the run's last step.
        final: learning rate after that, as a share of the peak.
        seed: the same seed gives the same draws.

    Returns:
        For each schedule, draws of the loss at its end and along the way (nats per token,
        as the curves have them), and its regret to the one that ends lowest on average.

    Raises:
        ValueError: there is no such run or law, no schedule, or one that ends before the
            run's last step; or a size is stated of which the curves say nothing.

    Examples:
        >>> from nstar.curves.schedules import named
        >>> cosine = named("cosine", 72_000, 3e-4)
        >>> curves = nstar.read_curves("wandb.csv")  # doctest: +SKIP
        >>> nstar.finish(curves, {"cosine": cosine}).headline()  # doctest: +SKIP
    """
    requested, after = dict(schedules), 0.0
    if run is not None:
        curve = curves.curve(run)
        after = curve.end
        done = curve.schedule.until(after)
        for name, schedule in requested.items():
            if schedule.end <= after:
                msg = f"schedule {name} ends at {schedule.end:g}, and run {run!r} is at {after:g} already; give --steps of the whole run"
                raise ValueError(msg)
        requested = {name: done.then(s) for name, s in requested.items()}
        if decay_now is not None:
            if not decay_now > 0:
                msg = (
                    f"--decay-now {decay_now:g}: expected a number of steps above zero"
                )
                raise ValueError(msg)
            requested[NOW] = done.decayed(decay_now, final)
    elif decay_now is not None:
        msg = f"--decay-now needs the run that is to decay: --run NAME, one of {[c.run for c in curves.curves]}"
        raise ValueError(msg)
    if not requested:
        msg = (
            "say a schedule, as in --schedule cosine --steps 72000, or --decay-now 2000"
        )
        raise ValueError(msg)
    _require_new_size(curves, run, size)
    fit = fit_curves(curves.curves, law, seed=seed)
    begin = max(after, fit.scale.begin)
    steps = [
        np.linspace(begin, schedule.end, ALONG + 1)[1:]
        for schedule in requested.values()
    ]
    drawn = draw_losses(
        fit,
        [*requested.values()],
        steps,
        [run] * len(requested),
        sizes=[size] * len(requested),
    )
    endings = tuple(
        Ending(name, schedule, step, *losses)
        for (name, schedule), step, losses in zip(
            requested.items(), steps, drawn, strict=True
        )
    )
    return Finish(fit, curves, run, endings, size)


def _require_new_size(curves: Curves, run: str | None, size: float | None) -> None:
    """Refuse a size that no answer would follow.

    Raises:
        ValueError: the run has its own, or the curves are of one other size.
    """
    if size is None:
        return
    if run is not None:
        msg = f"--params {count(size)} is of a new run, and run {run!r} goes on: leave out one of them"
        raise ValueError(msg)
    known = {c.size for c in curves.curves}
    if len(known) > 1:
        return
    (only,) = known
    if only is None or abs(size / only - 1) > SAME_SIZE:
        of = "no size that is known" if only is None else f"{count(only)} parameters"
        msg = f"--params {count(size)}: the curves are of {of}, and do not say how the loss goes with size; give curves of several sizes, with a column of parameters"
        raise ValueError(msg)


def _joins(curve: Curve, endings: tuple[Ending, ...]) -> list[Check]:
    """Check that a schedule goes on from the learning rate at which the run is."""
    now = float(curve.schedule.at(np.array([curve.end]))[0])
    checks = []
    for ending in endings:
        knots = ending.schedule
        next_rate = float(knots.lr[np.searchsorted(knots.step, curve.end, "right") - 1])
        if abs(next_rate - now) > APART * curve.schedule.peak:
            detail = f"{ending.name} has a learning rate of {next_rate:.3g} where the run is at {now:.3g}: check --peak, --warmup and --steps"
            checks.append(Check("schedule and run", Status.REVIEW, detail))
    return checks
