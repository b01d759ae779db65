"""Which run would settle the choice of a recipe, and whether it is worth its compute."""

from typing import NamedTuple

import numpy as np

from nstar.answers import Document
from nstar.multipliers.curves import Curves

DRAWS = 400  # that stand for the truth, and for what a run may measure
STEPS = (10**-0.5, 1.0, 10**0.5)  # sizes of a run, over the largest of its recipe
FAR = np.log(1e3)  # log multiplier that counts for no more


class Settling(NamedTuple):
    """A run that could be made, or one of two recipes each, and what it does for the choice."""

    recipes: tuple[str, ...]
    C: float  # FLOP of each
    N: tuple[float, ...]
    D: tuple[float, ...]
    saves: float  # of the budget, in expectation: share of its FLOP
    costs: float  # likewise, of all

    @property
    def worth(self) -> bool:
        """Whether it saves more than it costs."""
        return self.saves > self.costs

    def as_json(self) -> Document:
        """Plain data."""
        return {
            **self._asdict(),
            "recipes": list(self.recipes),
            "N": list(self.N),
            "D": list(self.D),
            "worth": self.worth,
        }


class Beliefs(NamedTuple):
    """What is believed before another run: curves, and what each choice gains."""

    curves: Curves
    names: tuple[str, ...]
    log_multiplier: np.ndarray  # of each recipe at the budget, (draw, recipe)
    largest: np.ndarray  # FLOP of each recipe's largest run
    sigma: np.ndarray  # sd of the scatter of single runs, (draw,)
    pair: np.ndarray  # sd of what runs of a pair share


def settle(beliefs: Beliefs, budget: float, seed: int) -> list[Settling]:
    """What another run, or a pair with the present choice, would do for the choice.

    Preposterior analysis by nested Monte Carlo (Raiffa & Schlaifer 1961): every draw is the
    truth in turn, the run measures it with noise, draws are weighed by how well they
    expected that, and the choice is made again.

    Args:
        beliefs: what is believed.
        budget: FLOP.
        seed: of what is measured.

    Returns:
        Runs that cost less than the budget, the best value for its cost first.
    """
    random = np.random.default_rng(seed)
    draws = len(beliefs.sigma)
    at = np.linspace(0, draws - 1, min(DRAWS, draws)).astype(int)
    gain = np.clip(beliefs.log_multiplier[at], -FAR, FAR)
    chosen = int(np.argmax(gain.mean(axis=0)))
    sigma, pair = beliefs.sigma[at], beliefs.pair[at]
    alone = [(g,) for g in range(len(beliefs.names))]
    pairs = [(g, chosen) for g in range(len(beliefs.names)) if g != chosen]
    runs = []
    for recipes in (*alone, *pairs):
        sizes = beliefs.largest[list(recipes)].min() * np.array(STEPS)
        for C in sizes[len(recipes) * sizes < budget]:
            expected = beliefs.curves.at(C)[at][:, list(recipes)]
            log_weight = np.zeros((len(at), len(at)))
            for value, sd in _independent(expected, sigma, pair):
                measured = value + sd * random.standard_normal(len(at))
                off = (measured[:, None] - value) / sd
                log_weight -= 0.5 * np.square(off) + np.log(sd)
            np.fill_diagonal(log_weight, -np.inf)  # a draw judges no run of its own
            weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
            after = weight / weight.sum(axis=1, keepdims=True) @ gain
            saves = float(np.mean(after.max(axis=1) - after[:, chosen]))
            path = np.exp([beliefs.curves.path(C, g) for g in recipes])
            runs.append(
                Settling(
                    tuple(beliefs.names[g] for g in recipes),
                    float(C),
                    tuple(map(float, path[:, 0])),
                    tuple(map(float, path[:, 1])),
                    saves,
                    float(len(recipes) * C / budget),
                )
            )
    return sorted(runs, key=lambda run: run.costs - run.saves)


def _independent(
    expected: np.ndarray, sigma: np.ndarray, pair: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What runs measure, as independent values and their sds: a pair's difference and mean."""
    if expected.shape[1] == 1:
        return [(expected[:, 0], np.hypot(sigma, pair))]
    difference = expected[:, 0] - expected[:, 1]
    mean_sd = np.hypot(sigma / np.sqrt(2), pair)
    return [(difference, sigma * np.sqrt(2)), (expected.mean(axis=1), mean_sd)]
