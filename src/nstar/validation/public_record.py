"""What is publicly known of a budget, beside what these runs say of it, route by route."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior, thinned
from nstar.intervals import interval
from nstar.plans.planning import Plan
from nstar.predictions.allocating import optima
from nstar.predictions.prediction import law_loss, loss_of_draws
from nstar.published import fits as published
from nstar.published import models
from nstar.published.fits import PublishedFit
from nstar.published.models import Model
from nstar.runs import datasets
from nstar.runs.observations import Observations
from nstar.types import Floored, Surface
from nstar.validation.comparison import compare_draws, published_optimum, same_loss_unit
from nstar.verdicts import Check
from nstar.wording import count, digits, flop, numbers, percent, standing, three

NEAR = 3.0  # factor of compute between the budget and a model of about its size
SHOWN = 3  # models at most
DRAWS = 400  # of a route, that a model is compared with


@dataclass(frozen=True)
class KnownModel:
    """A released model, and what every route says at its own compute."""

    model: Model
    of_these_runs: bool  # whether it was sized by the ladder of these runs
    N: Mapping[str, np.ndarray]  # N* by route, (draw,)
    regret: np.ndarray | None  # loss it gives away by what is decided with, (draw,)


@dataclass(frozen=True)
class PublicRecord(Answer):
    """Models that everybody knows and published fits of the same runs, beside a decision."""

    C: float  # FLOP of the budget
    N: float  # of the recommended run
    D: float
    plans: Mapping[str, Plan]  # by route
    models: tuple[KnownModel, ...]
    fits: tuple[PublishedFit, ...]  # of the same runs

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data; ratios are ours over theirs, of N*."""
        return {
            "budget": self.C,
            "N": self.N,
            "D": self.D,
            "models": [self._model(known, prob) for known in self.models],
            "fits": [self._fit(fit, prob) for fit in self.fits],
        }

    def _model(self, known: KnownModel, prob: float) -> Document:
        model, regret = known.model, known.regret
        return {
            "name": model.title,
            "C": model.C,
            "N": model.N,
            "D": model.D,
            "of_these_runs": known.of_these_runs,
            "routes": {
                title: compare_draws(N, model.N, prob) for title, N in known.N.items()
            },
            "given_away": None if regret is None else interval(regret, prob).as_json(),
            "why": model.why,
            "citation": model.citation,
        }

    def _fit(self, fit: PublishedFit, prob: float) -> Document:
        optima = {
            title: published_optimum(fit, self.C, plan.fit.runs.cost.k)
            for title, plan in self.plans.items()
        }
        theirs = next(iter(optima.values()))
        routes = {
            title: compare_draws(
                plan.draws["N"].sel(budget=self.C).to_numpy(),
                optima[title].N,
                prob,
                reason=optima[title].reason,
            )
            for title, plan in self.plans.items()
        }
        return {
            "id": fit.id,
            "N": theirs.N,
            "D": theirs.D,
            "exponent": fit.exponents()["N"],
            "our_exponents": {
                title: interval(plan.draws["alpha1"].to_numpy(), prob).as_json()
                for title, plan in self.plans.items()
            },
            "floor": fit.values.get("E"),
            "our_floors": {
                title: floor
                for title, plan in self.plans.items()
                if "E" in fit.values and (floor := _floor(plan, fit, prob)) is not None
            },
            "routes": routes,
            "why": fit.why,
            "citation": fit.citation,
        }

    def checks(self) -> list[Check]:
        """Return none: each comparison has its own."""
        return []

    def headline(self, prob: float = 0.9) -> str:
        """Say of the nearest model, and of the fits, how ours stands to them."""
        document = self.as_json(prob)
        sentences = []
        for model in document["models"][:1]:
            given = model["given_away"]
            away = f", which gives away {numbers(given, 2)} of loss" if given else ""
            sentences.append(
                f"Known of about this budget: {model['name']}, {count(model['N'])} parameters "
                f"on {count(model['D'])} tokens at {flop(model['C'])} FLOP{away}. "
                f"Our N* as a multiple of its size: {_standings(model['routes'], prob)}."
            )
        sizes = [fit["N"] for fit in document["fits"] if fit["N"] is not None]
        if sizes:
            sentences.append(
                f"{len(sizes)} published fits of these runs ask for {count(min(sizes))} to "
                f"{count(max(sizes))} parameters at {flop(self.C)} FLOP; recommended here are "
                f"{count(self.N)}."
            )
        return " ".join(sentences)

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """One table: the recommended run, models that everybody knows, published fits."""
        document = self.as_json(prob)
        titles = list(self.plans)
        rows = [
            _row("recommended here", self.C, self.N, self.D, ["–"] * len(titles), "")
        ]
        rows += [
            _row(
                model["name"],
                model["C"],
                model["N"],
                model["D"],
                [_cell(model["routes"][title], prob) for title in titles],
                _why_model(model),
            )
            for model in document["models"]
        ]
        rows += [
            _row(
                fit["id"],
                self.C,
                fit["N"],
                fit["D"],
                [_cell(fit["routes"][title], prob) for title in titles],
                _why_fit(fit),
            )
            for fit in document["fits"]
            if fit["N"] is not None
        ]
        yield Table(
            f"Models that everybody knows, at their own budgets, and published fits of these "
            f"runs, at this one; N* / N is ours over theirs, median, by each route, and "
            f"theirs lies inside or outside our {percent(prob)} interval",
            ["", "FLOP", "N", "D", "D / N"]
            + [f"N* / N, {title}" for title in titles]
            + ["why they differ"],
            rows,
        )
        others = [fit for fit in document["fits"] if fit["N"] is None]
        if others:
            listed = ", ".join(_exponent(fit) for fit in others)
            yield f"Without an N* at this budget: {listed}; ours {_ours(others[0]['our_exponents'])}."
        if not document["models"]:
            yield f"No released model of the registry is of within a factor {NEAR:g} of this budget."
        if not document["fits"]:
            yield "The registry has no published fit of these runs."


def public_record(
    plans: Mapping[str, Plan],
    posterior: Posterior | None,
    C: float,
    run: tuple[float, float],
) -> PublicRecord:
    """Collect what is publicly known of a budget, and what these runs say of it.

    Args:
        plans: by route, of this budget among others.
        posterior: what the decision is made with, where it has a loss.
        C: the budget, FLOP.
        run: N and D of the recommended run.
    """
    runs = next(iter(plans.values())).fit.runs
    names = data_sets_of(runs)
    fits = tuple(published.of_data_sets(names))
    if any(fit.modality != "text" for fit in fits):
        return PublicRecord(C, *run, plans, (), fits)
    near = _models_near(C, names)
    known = tuple(_known(model, plans, posterior, names) for model in near)
    return PublicRecord(C, *run, plans, known, fits)


def data_sets_of(runs: Observations) -> list[str]:
    """Name the registered data sets that a table is, by its name or its file's sha256."""
    name = runs.source.removeprefix("optima of ")
    return [
        entry.name
        for entry in map(datasets.get, datasets.names())
        if name == entry.name
        or runs.sha256 in {entry.sha256, *(up.sha256 for up in entry.upstream)}
    ]


def _models_near(C: float, names: Sequence[str]) -> list[Model]:
    """Return language models of about this compute, that of these runs first."""

    def order(model: Model) -> tuple[bool, float]:
        return set(model.data_sets).isdisjoint(names), _distance(model, C)

    entries = [models.get(name) for name in models.names()]
    sized = [m for m in entries if m.modality == "text" and m.N and m.D and m.C]
    near = [m for m in sized if _distance(m, C) <= np.log(NEAR)]
    return sorted(near, key=order)[:SHOWN]


def _distance(model: Model, C: float) -> float:
    return abs(float(np.log((model.C or np.nan) / C)))


def _known(
    model: Model,
    plans: Mapping[str, Plan],
    posterior: Posterior | None,
    names: Sequence[str],
) -> KnownModel:
    C = np.array([model.C or np.nan])
    stars = {
        title: np.concatenate([optima(part, C)[0][:, 0] for part in _few(plan.fit)])
        for title, plan in plans.items()
    }
    regret = None
    if posterior is not None and all(
        isinstance(part.law, Surface) for part in posterior.parts
    ):
        run = np.array([model.N]), np.array([model.D])
        spent = posterior.runs.cost.flop(*run)  # what is printed is rounded
        regret = np.concatenate(
            [
                law_loss(part, *run)[:, 0]
                - loss_of_draws(part, *optima(part, spent))[:, 0]
                for part in _few(posterior)
            ]
        )
    of_these_runs = not set(model.data_sets).isdisjoint(names)
    return KnownModel(model, of_these_runs, stars, regret)


def _few(fit: Posterior) -> list[Fit]:
    """Thin each averaged fit to its share of `DRAWS`."""
    counts = np.array([len(next(iter(part.draws.values()))) for part in fit.parts])
    sizes = np.maximum(counts * min(DRAWS / counts.sum(), 1.0), 1).astype(int)
    return [thinned(part, int(n)) for part, n in zip(fit.parts, sizes, strict=True)]


def _floor(plan: Plan, theirs: PublishedFit, prob: float) -> Document | None:
    """Give the irreducible loss of a route, where it may be held beside theirs."""
    parts = plan.fit.parts
    laws = [part.law for part in parts]
    if not same_loss_unit(plan.fit.runs, theirs):
        return None
    if not all(isinstance(law, Floored) for law in laws):
        return None
    floors = [
        np.asarray(part.law.floor(part.draws))
        for part in parts
        if isinstance(part.law, Floored)
    ]
    return interval(np.concatenate(floors), prob).as_json()


def _row(
    name: str, C: float, N: float | None, D: float | None, cells: list[str], why: str
) -> list[str]:
    sizes = [count(value) if value else "–" for value in (N, D)]
    ratio = three(D / N) if N and D else "–"
    return [name, flop(C), *sizes, ratio, *cells, why]


def _cell(entry: Document, prob: float) -> str:
    if entry["ratio"] is None:
        return entry["reason"]
    where = "inside" if entry["credible_level"] <= prob else "outside"
    return f"{digits(entry['ratio']['median'], 2)} {where}"


def _exponent(fit: Document) -> str:
    """Name a fit without N*, with its exponent, or with why it has none."""
    reason = next(iter(fit["routes"].values()))["reason"]
    exponent = fit["exponent"]
    described = reason if exponent is None else f"exponent {three(exponent)}"
    return f"{fit['id']} ({described})"


def _ours(intervals: Document) -> str:
    """Write the medians of ours, route by route."""
    medians = {title: three(i["median"]) for title, i in intervals.items()}
    return ", ".join(f"{value} by {title}" for title, value in medians.items())


def _standings(routes: Document, prob: float) -> str:
    """Say where its size lies, route by route."""
    return ", ".join(
        f"{title} {digits(entry['ratio']['median'], 2)} ({standing(entry['credible_level'], prob)})"
        for title, entry in routes.items()
    )


def _why_model(model: Document) -> str:
    given = model["given_away"]
    away = f"it gives away {numbers(given, 2)} of loss" if given else ""
    return "; ".join(part for part in (model["why"], away) if part)


def _why_fit(fit: Document) -> str:
    """Say how it was fitted, and how its exponent and floor stand to ours."""
    parts = [fit["why"]]
    for name, theirs, ours in (
        ("exponent of N*", fit["exponent"], fit["our_exponents"]),
        ("floor", fit["floor"], fit["our_floors"]),
    ):
        if theirs is not None and ours:
            medians = ", ".join(three(i["median"]) for i in ours.values())
            parts.append(f"{name} {three(theirs)} (ours {medians})")
    return "; ".join(part for part in parts if part)
