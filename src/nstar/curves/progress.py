"""What a law of a schedule reads: points of curves with the learning rate before them, padded."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nstar.curves.schedules import Schedule

JUMP = 0.02  # of the peak, from which both ends of a change of learning rate are kept
FINE = 500  # places among which they are chosen
GRID = 100  # places of a schedule that are kept, besides points and jumps
LOWEST = 1e-3  # learning rate as a share of the peak, at zero
PADDED = 64, 20  # places and points come in multiples of these: few shapes to compile


class Paths(NamedTuple):
    """Curves as arrays, (curve, ...): those shorter than others repeat their last place."""

    step: (
        np.ndarray
    )  # of each place of the schedule, in units of `Scale.steps`, (curve, place)
    rate: np.ndarray  # learning rate as a share of `Scale.peak`, (curve, place)
    begin: np.ndarray  # index of the place where the warm-up ends, (curve,)
    point: np.ndarray  # index of the place of each point, (curve, point)
    log_size: np.ndarray  # parameters, over those of the lowest curve, (curve,)
    there: np.ndarray  # whether it is a point, rather than padding, (curve, point)
    log_step: np.ndarray  # (curve, point)
    way: np.ndarray  # that the learning rate has gone up and down, (curve, point)


class Scale(NamedTuple):
    """Units in which a law reads curves."""

    steps: float  # of the longest curve
    peak: float  # the largest learning rate of any
    begin: float  # the step at which the law begins: the warm-up's end


def trace(schedule: Schedule, points: np.ndarray, scale: Scale) -> tuple:
    """Thin a schedule to the places that matter for the loss at points, (point,)."""
    knots = _thin(schedule, scale)
    begin = min(max(scale.begin, float(schedule.step[0])), float(points[0]))
    step = np.unique(np.concatenate([[0.0, begin], points, knots]))
    step = step[step <= points[-1]]
    rate = schedule.at(step)
    jumps = np.flatnonzero(np.diff(schedule.step) == 0)
    for knot in jumps:  # a place for each side
        at = np.searchsorted(step, schedule.step[knot])
        if at < len(step) and step[at] == schedule.step[knot]:
            step = np.insert(step, at, step[at])
            rate = np.insert(rate, at, schedule.lr[knot])
            rate[at + 1] = schedule.lr[knot + 1]
    if schedule.step[0] > 0:  # not recorded: taken for a rise from zero
        rate[step < schedule.step[0]] = 0.0
    return step, rate, np.searchsorted(step, begin), np.searchsorted(step, points)


def gather(
    schedules: Sequence[Schedule],
    points: Sequence[np.ndarray],
    scale: Scale,
    log_size: np.ndarray | None = None,
) -> Paths:
    """Pad the traces of several curves to one shape; they are of one size unless it is said."""
    traces = [trace(s, p, scale) for s, p in zip(schedules, points, strict=True)]
    places, most = (
        -(-max(len(t[i]) for t in traces) // by) * by
        for i, by in zip((0, 3), PADDED, strict=True)
    )

    def pad(values: np.ndarray, size: int) -> np.ndarray:
        return np.concatenate([values, np.full(size - len(values), values[-1])])

    step = np.stack([pad(t[0], places) for t in traces])
    rate = np.stack([pad(t[1], places) for t in traces]) / scale.peak
    begin = np.array([t[2] for t in traces])
    point = np.stack([pad(t[3], most) for t in traces])
    way = np.cumsum(np.abs(np.diff(rate, axis=1, prepend=0.0)), axis=1)
    way -= np.take_along_axis(way, begin[:, None], 1)
    return Paths(
        step / scale.steps,
        rate,
        begin,
        point,
        np.zeros(len(traces)) if log_size is None else log_size,
        np.arange(most) < np.array([[len(t[3])] for t in traces]),
        np.log(np.take_along_axis(step, point, 1) / scale.begin),
        np.take_along_axis(way, point, 1),
    )


def _thin(schedule: Schedule, scale: Scale) -> np.ndarray:
    """Keep the knots between which the learning rate or the steps go on by a hundredth."""
    between = np.linspace(schedule.step[0], schedule.end, FINE)
    step = np.unique(np.concatenate([schedule.step, between]))
    change = np.abs(np.diff(schedule.at(step))) / scale.peak
    way = np.diff(step) / schedule.end
    passed = np.append(0.0, np.cumsum(change / max(change.sum(), JUMP) + way / 4))
    marks = np.linspace(0, passed[-1], GRID)
    places_used = np.unique(np.searchsorted(passed, marks - 1e-12))
    ends = np.flatnonzero(change > JUMP)
    return step[np.unique(np.concatenate([places_used, ends, ends + 1]))]
