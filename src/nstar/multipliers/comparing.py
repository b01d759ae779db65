"""Which recipe is better at a budget, by how much compute, how sure, and what decides it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.intervals import Interval
from nstar.multipliers import arms, joint, tables
from nstar.multipliers.curves import REACH, Curves, follow
from nstar.multipliers.floors import FLOORS, Floor, pocket_multipliers
from nstar.multipliers.joint import Model, Priors, place
from nstar.multipliers.ladders import Ladders
from nstar.multipliers.reading import ACCEPTED, find_baseline, find_ladders
from nstar.multipliers.sampling import DRAWS, Draws, free, sample
from nstar.multipliers.settling import Beliefs, Settling, settle
from nstar.plans.bills import Guess, draw_guess, format_guess
from nstar.predictions.crossings import finite
from nstar.runs.columns import suggest
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs
from nstar.verdicts import Check, Status

OPTIMUM, RUNS = "optimum", "runs"
SPREAD_OF_RATIO = 0.3  # sd of log D/N at a given compute from which optima are seen
UNDECIDED = 0.9  # chance below which the runs do not tell two recipes apart
POINTS = 25  # of curves in the document
WORTH_A_WORD = 0.005  # share of draws


@dataclass(frozen=True)
class Recipes(Answer):
    """Recipes beside a baseline at budgets.

    The multiplier of a recipe at C is m where the baseline needs m C FLOP for the loss that
    the recipe reaches with C; above one the recipe is better.
    """

    runs: Observations
    model: Model
    draws: Draws
    curves: Curves
    baseline: str
    budgets: tuple[float, ...]  # FLOP
    path: str  # how a budget is spent, in words
    ratio: np.ndarray | None  # log D/N by recipe as a line in log C; None at optima
    seed: int
    by: str
    # relative tokens a second of recipes at equal FLOP, as given, and their draws
    speeds: Mapping[str, tuple[str, np.ndarray]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The recipes."""
        return self.model.ladders.names

    @property
    def top(self) -> float:
        """Largest compute that every recipe has a run of, FLOP."""
        return float(arms.largest_compute(self.model.ladders).min())

    @cached_property
    def floors(self) -> tuple[Floor, ...]:
        """Multipliers where the floors are otherwise: a fit anew for each."""
        return tuple(self._with_floor(floor) for floor in FLOORS)

    @cached_property
    def pocket(self) -> dict[str, float | None]:
        """Multiplier of each recipe by the pocket formula; None where it has none."""
        base = self._number(self.baseline)
        return pocket_multipliers(self.model.ladders, self.draws, base)

    def log_multiplier(self, name: str, C: float | None = None) -> np.ndarray:
        """Draws of the log of a recipe's multiplier, (draw,).

        Infinite where the baseline never reaches the recipe's loss.

        Args:
            name: of a recipe.
            C: budget in FLOP; the first that was asked for unless given.
        """
        C = self._budget(C)
        loss = self.curves.at(C)[:, self._number(name)]
        base = self._number(self.baseline)
        return self.curves.log_compute(base, loss) - np.log(C)

    def multiplier(
        self, name: str, C: float | None = None, prob: float = 0.9
    ) -> Interval:
        """Median and equal-tailed interval of a recipe's multiplier."""
        return _interval(np.exp(self.log_multiplier(name, C)), prob)

    def chance_better(
        self, name: str, C: float | None = None, *, than: str | None = None
    ) -> float:
        """Probability that a recipe's loss is below the baseline's, or another's."""
        loss = self.curves.at(self._budget(C))
        other = self._number(than or self.baseline)
        return float(np.mean(loss[:, self._number(name)] < loss[:, other]))

    def chances_best(self, C: float | None = None) -> dict[str, float]:
        """Probability of each recipe to have the least loss."""
        best = np.argmin(self.curves.at(self._budget(C)), axis=1)
        return {name: float(np.mean(best == g)) for g, name in enumerate(self.names)}

    def best(self, C: float | None = None) -> str:
        """The recipe of least expected log loss: the one to choose."""
        loss = self.curves.at(self._budget(C)).mean(axis=0)
        return self.names[int(np.argmin(loss))]

    def settle(self, C: float | None = None) -> list[Settling]:
        """Runs that could be made next, by what they do for the choice at a budget."""
        C = self._budget(C)
        scales = joint.unpack(self.draws.log_scales)
        beliefs = Beliefs(
            self.curves,
            self.names,
            np.stack([self.log_multiplier(name, C) for name in self.names], axis=1),
            arms.largest_compute(self.model.ladders),
            scales.sigma[:, 0, 0],
            scales.pair[:, 0, 0],
        )
        return settle(beliefs, C, self.seed)

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number; a bound that does not exist is null."""
        return {
            "by": self.by,
            "baseline": self.baseline,
            "recipes": list(self.names),
            "path": self.path,
            "largest_common_compute": self.top,
            "prob": prob,
            "seed": self.seed,
            "budgets": [self._at(C, prob) for C in self.budgets],
            "floors": [self._floor(floor) for floor in self.floors],
            "pocket": dict(self.pocket),
            "curves": self._curves(prob),
        }

    def records(self, prob: float = 0.9) -> list[Document]:
        """One record for each budget and recipe."""
        budgets = [self._at(C, prob) for C in self.budgets]
        return [{"C": at["C"]} | record for at in budgets for record in at["recipes"]]

    def checks(self) -> list[Check]:
        """What of it is not to be relied on."""
        return [
            self._sampled(),
            *arms.check_arms(self.model.ladders, self.draws, self.budgets),
            *self.runs.notes,
        ]

    def headline(self, prob: float = 0.9) -> str:
        """The choice at the first budget, and how sure it is."""
        return tables.headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Multipliers and chances by budget; what cannot be told apart; what the floor does."""
        return tables.all_tables(self.as_json(prob))

    def _at(self, C: float, prob: float) -> Document:
        loss = np.exp(self.curves.at(C))
        best = loss.min(axis=1)
        rank = np.argsort(np.argsort(loss, axis=1), axis=1) + 1
        chances = self.chances_best(C)
        before = self.curves.at(self.top)
        order = self._order(loss), self._order(before)
        beyond = np.log10(C / arms.largest_compute(self.model.ladders))
        records = []
        for g, name in enumerate(self.names):
            log_m = self.log_multiplier(name, C)
            regret = self.curves.log_compute(g, np.log(best)) - np.log(C)
            changed = order[0][:, g] != order[1][:, g]
            records.append(
                {
                    "recipe": name,
                    "loss": _document(loss[:, g], prob),
                    "multiplier": _document(np.exp(log_m), prob),
                    "log_multiplier": _document(log_m, prob),
                    "unbounded": float(np.mean(log_m == np.inf)),
                    "chance_better": self.chance_better(name, C),
                    "chance_best": chances[name],
                    "rank": _document(rank[:, g].astype(float), prob),
                    "regret_loss": float(np.mean(loss[:, g] - best)),
                    "regret_compute": _document(np.exp(regret), prob),
                    "order_changes": float(np.mean(changed)),
                    "crossing": self._crossing(g, C, prob),
                    "decades_beyond_runs": float(beyond[g]),
                    "wall_clock": self._wall_clock(name, log_m, prob),
                }
            )
        return {
            "C": C,
            "choice": self.best(C),
            "recipes": records,
            "undecided": self._undecided(loss),
            "next": [run.as_json() for run in self.settle(C)],
        }

    def _order(self, loss: np.ndarray) -> np.ndarray:
        """Whether recipes are better than the baseline, (draw, recipe)."""
        return loss < loss[:, [self._number(self.baseline)]]

    def _undecided(self, loss: np.ndarray) -> list[Document]:
        """Pairs whose order is not sure enough, the least sure first."""
        pairs = []
        for i, a in enumerate(self.names):
            for j in range(i + 1, len(self.names)):
                chance = float(np.mean(loss[:, i] < loss[:, j]))
                if max(chance, 1 - chance) < UNDECIDED:
                    pairs.append(
                        {"a": a, "b": self.names[j], "chance_a_better": chance}
                    )
        return sorted(pairs, key=lambda pair: abs(pair["chance_a_better"] - 0.5))

    def _crossing(self, g: int, C: float, prob: float) -> Document | None:
        """Where a recipe's curve crosses the baseline's between the largest runs and C."""
        log_C = self.curves.log_C
        inside = (log_C > np.log(min(self.top, C))) & (log_C < np.log(max(self.top, C)))
        if g == self._number(self.baseline) or inside.sum() < 2:
            return None
        base = self.curves.log_loss[:, self._number(self.baseline), inside]
        better = self.curves.log_loss[:, g, inside] < base
        changes = better[:, 1:] != better[:, :-1]
        crossed = changes.any(axis=1)
        if crossed.mean() < WORTH_A_WORD:
            return {"share": float(crossed.mean()), "C": None}
        first = np.exp(log_C[inside][1:][changes.argmax(axis=1)])
        return {
            "share": float(crossed.mean()),
            "C": _document(first[crossed], prob),
        }

    def _wall_clock(self, name: str, log_m: np.ndarray, prob: float) -> Document | None:
        """The multiplier in time, and in money at one price of an hour."""
        if name not in self.speeds:
            return None
        text, speed = self.speeds[name]
        return {"speed": text, "multiplier": _document(np.exp(log_m) * speed, prob)}

    def _with_floor(self, floor: Floor) -> Floor:
        """Fit anew from where these draws are, with another prior of the floors."""
        model = place(self.model.ladders, floor.of(self.model.priors))
        near = self.draws.proposal
        near = None if near is None else free(near, floor.unknown)
        draws = sample(model, self.seed, len(self.draws.level), near)
        ends = np.exp(self.curves.log_C[[0, -1]] + [REACH, -REACH])
        random = np.random.default_rng(self.seed)
        curves = follow(model, draws, ends, random, self.ratio)
        other = replace(self, model=model, draws=draws, curves=curves)
        medians = tuple(other._brief(C) for C in self.budgets)
        log_odds = draws.log_evidence - self.draws.log_evidence
        return replace(floor, medians=medians, log_odds=log_odds)

    def _brief(self, C: float) -> Document:
        """Median multipliers and chances alone."""
        recipes = [
            {
                "recipe": name,
                "multiplier": finite(self.multiplier(name, C).median),
                "chance_better": self.chance_better(name, C),
            }
            for name in self.names
        ]
        return {"C": C, "recipes": recipes}

    def _floor(self, floor: Floor) -> Document:
        return {
            "floor": floor.name,
            "words": floor.words,
            "log_odds": floor.log_odds,
            "budgets": list(floor.medians),
        }

    def _curves(self, prob: float) -> Document:
        low = arms.least_compute(self.model.ladders).min()
        C = np.geomspace(low, max(*self.budgets, self.top), POINTS)
        base = self._number(self.baseline)
        lines = {name: [] for name in self.names}
        for c in C:
            loss = self.curves.at(c)
            log_m = self.curves.log_compute(base, loss) - np.log(c)
            for g, name in enumerate(self.names):
                lines[name].append(_document(np.exp(log_m[:, g]), prob))
        return {"C": C.tolist(), "multiplier": lines}

    def _sampled(self) -> Check:
        c = self.draws.certificate
        detail = (
            f"weights of draws: Pareto k-hat {c.k_hat:.2f}, {c.ess:.0f} effective draws"
        )
        if c.passed:
            return Check("sampling", Status.PASS, detail)
        detail += "; the intervals may be off: try another --seed, and see whether the runs of a recipe scatter wildly"
        return Check("sampling", Status.REVIEW, detail)

    def _budget(self, C: float | None) -> float:
        return self.budgets[0] if C is None else float(C)

    def _number(self, name: str) -> int:
        if name not in self.names:
            msg = f"no recipe {name!r}; {suggest(name, self.names)}"
            raise ValueError(msg)
        return self.names.index(name)


def recipes(
    runs: Observations | Any,
    by: str = "recipe",
    baseline: str | None = None,
    budget: float | Sequence[float] = (),
    *,
    spend: str | float | None = None,
    speed: Mapping[str, Guess] | None = None,
    priors: Priors | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> Recipes:
    """Compare recipes at budgets, in one hierarchical posterior over all of them.

    Args:
        runs: what `read_runs` returns, or anything it reads, with N, D, C and L.
        by: the column that names each run's recipe.
        baseline: the recipe that others are compared with; the first by name unless given.
        budget: training FLOP, one or several; the largest run's unless given.
        spend: how a budget is spent: "optimum", each recipe along its own; "runs", at the
            tokens per parameter of its own runs; or a number of tokens per parameter.
            Optima unless given, where the runs of every recipe show them.
        speed: relative tokens a second of recipes at equal FLOP, beside the baseline's: a
            number or a distribution each.
        priors: of the scales, for what they share and in what they differ.
        seed: the same seed gives the same answer.
        draws: of the posterior.

    Returns:
        Multipliers, chances and ranks of every recipe at each budget.

    Raises:
        ValueError: the runs cannot be compared, there is no such baseline, a budget or a
            speed is not positive, or a speed is of no recipe.

    Examples:
        >>> nstar.recipes("ladders.csv", baseline="adamw", budget=1e24)  # doctest: +SKIP
    """
    if not isinstance(runs, Observations):
        runs = read_runs(runs, by=by, accept=ACCEPTED)
    ladders, runs = find_ladders(runs, by)
    base = find_baseline(ladders.names, baseline)
    largest = float(runs["C"].max())
    budgets = tuple(float(C) for C in np.ravel(budget)) or (largest,)
    if not all(np.isfinite(C) and C > 0 for C in budgets):
        msg = f"budget: expected positive FLOP such as 1e24, got {list(budgets)}"
        raise ValueError(msg)
    ratio, path = _paths(ladders, spend)
    speeds = _speeds(ladders.names, speed or {}, seed, draws)
    usual = priors or Priors()
    ends = np.array([*budgets, *arms.least_compute(ladders), largest])
    model = place(ladders, usual)
    posterior = sample(model, seed, draws)
    curves = follow(model, posterior, ends, np.random.default_rng(seed), ratio)
    return Recipes(
        runs,
        model,
        posterior,
        curves,
        ladders.names[base],
        budgets,
        path,
        ratio,
        seed,
        by,
        speeds,
    )


def _paths(
    ladders: Ladders, spend: str | float | None
) -> tuple[np.ndarray | None, str]:
    """Log D/N of each recipe as a line in log C, (recipe, 2), and how that is said."""
    lines, spread = arms.ratio_lines(ladders)
    if spend is None:
        seen = spread.min() > SPREAD_OF_RATIO
        spend = OPTIMUM if seen else RUNS
    if spend == OPTIMUM:
        return None, "each recipe at its own optimum"
    if spend == RUNS:
        return lines, "each recipe at the tokens per parameter of its own runs"
    try:
        tokens = float(spend)
    except ValueError:
        tokens = np.nan
    if not (np.isfinite(tokens) and tokens > 0):
        msg = f"spend {spend!r}: expected {OPTIMUM}, {RUNS} or tokens per parameter such as 20"
        raise ValueError(msg)
    line = np.array([np.log(tokens), 0.0])
    words = f"every recipe at {tokens:g} tokens per parameter"
    return np.tile(line, (len(ladders.names), 1)), words


def _speeds(
    names: Sequence[str], speed: Mapping[str, Guess], seed: int, count: int
) -> dict[str, tuple[str, np.ndarray]]:
    """Draws of relative speeds, and how they are said.

    Raises:
        ValueError: one is of no recipe, or not positive.
    """
    speeds = {}
    for i, (name, value) in enumerate(speed.items()):
        if name not in names:
            msg = f"speed of {name!r}: no recipe of that name; {suggest(name, names)}"
            raise ValueError(msg)
        drawn = draw_guess(value, np.random.default_rng([seed, i]), count)
        if not np.all(np.isfinite(drawn) & (drawn > 0)):
            msg = f"speed of {name!r}: expected a positive number or distribution, as in 0.93, got {format_guess(value)}"
            raise ValueError(msg)
        speeds[name] = (format_guess(value), drawn)
    return speeds


def _interval(values: np.ndarray, prob: float) -> Interval:
    """Median and bounds by order alone, since draws may be infinite."""
    levels = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    return Interval(*map(float, np.quantile(values, levels, method="inverted_cdf")))


def _document(values: np.ndarray, prob: float) -> Document:
    return {n: finite(v) for n, v in _interval(values, prob).as_json().items()}
