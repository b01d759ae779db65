"""Any law over groups of runs that differ a little: each group borrows from the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import biject_to

from nstar.departures.summed import SUMMED, Summed
from nstar.laws.priors import log_normal
from nstar.runs.grouping import NEXT, group_names
from nstar.runs.observations import Observations
from nstar.types import (
    Array,
    Centred,
    Cost,
    Derives,
    Inputs,
    Labelled,
    Law,
    Params,
    Prior,
    Response,
    Summable,
)

SPREAD = 0.2  # usual spread between groups, in sds of the unknown's own prior
FACTOR = 0.7  # sd of its log: 90 % lies within a factor of 3.2
DRAWS = 2000  # of the prior, that measure its width


@dataclass(frozen=True)
class Pooled:
    r"""A law whose unknowns differ between groups about a population.

    $$ T(\theta_g) = T(\theta) + s\,z_g, \qquad z_g \sim \mathrm{Normal}(0, 1) $$

    (partial pooling: Gelman & Hill 2007, ch. 12.)  T takes an unknown to the real line:
    a log, a logit.  $\theta$ is the population's and has the law's own prior.  The prior
    of s is log-normal about a fifth of that prior's sd on the real line, within a factor
    of three: the law's priors span all published fits, and recipes of one table differ
    less than those (alpha1 by 0.02, exponents by a tenth, the loss by a fifth); spread
    zero is left out, as no two recipes are alike and there a sampler is stuck.

    `offset_*` is $z_g$ where a group's runs say little and $s z_g$ over the usual spread
    where they pin it, and between these by `known`: the same prior in coordinates that
    a sampler can walk (Papaspiliopoulos et al. 2007, doi:10.1214/088342307000000014).
    It is itself a law; its input named `over` is the number of each run's group.
    """

    law: Any
    groups: tuple[str, ...] = ()
    over: str = "ladder"  # the runs' column that names their group
    common: tuple[str, ...] = ()  # unknowns that all groups share
    usual: Any = field(
        default=None, compare=False
    )  # spreads on the real line, (unknown,)
    known: Any = field(default=None, compare=False)  # 0 to 1, (unknown, group)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those of the law, and the group."""
        return (*self.law.inputs, self.over)

    @property
    def response(self) -> Response:
        """That of the law."""
        return self.law.response

    @property
    def differing(self) -> tuple[str, ...]:
        """Unknowns that groups have of their own.

        Raises:
            ValueError: an unknown cannot be pooled, or `common` names none of the law's.
        """
        priors = self.law.priors()
        strange = [name for name in self.common if name not in priors]
        free = {n: p for n, p in priors.items() if n not in self.common}
        odd = [n for n, p in free.items() if getattr(p, "batch_shape", None) != ()]
        if strange or odd:
            name = type(self.law).__name__
            msg = (
                f"common: {strange[0]!r} is no unknown of the {name} law; there are {', '.join(priors)}"
                if strange
                else f"the {name} law cannot be pooled: {', '.join(odd)} is not one number but several, "
                "or depends on other unknowns; pool the allocation law or a loss surface"
            )
            raise ValueError(msg)
        return tuple(free)

    def at(self, x: Inputs, cost: Cost) -> "Pooled":
        """Put the law's reference at the centre of all runs, and look at the groups'."""
        law = self.law.at(x, cost) if isinstance(self.law, Centred) else self.law
        return replace(self, law=law).about(x)

    def about(self, x: Inputs) -> "Pooled":
        """Measure the priors' widths, and what each group's runs can know by design."""
        with jax.enable_x64(True):
            centre, widths = self._prior()
            usual = SPREAD * widths
            slope = self._slopes(centre, x) / self.response.scatter
        group = np.asarray(x[self.over], dtype=int)
        known = [
            _share(slope[group == g].reshape(-1, len(usual)), usual)
            for g in range(len(self.groups))
        ]
        return replace(self, usual=usual, known=np.stack(known, axis=1))

    def _prior(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Medians of all unknowns, and widths on the real line of those that differ."""
        key, centre, widths = jax.random.key(0), {}, []
        for name, prior in self.law.priors().items():
            given = prior(centre) if not isinstance(prior, dist.Distribution) else prior
            draws = given.sample(key, (DRAWS,))
            centre[name] = np.median(np.asarray(draws), axis=0)
            if name in self.differing:
                real = np.asarray(biject_to(given.support).inv(draws))
                low, high = np.quantile(real, [0.25, 0.75])
                widths.append((high - low) / 1.349)  # the sd, were it normal
        return centre, np.array(widths)

    def _slopes(self, centre: Mapping[str, Any], x: Inputs) -> np.ndarray:
        """Derivatives of each run's expected response, (run, ..., unknown)."""
        to, names = self._to_real(), self.differing
        inner = {name: np.asarray(x[name], dtype=float) for name in self.law.inputs}

        def expected(u: Array) -> Array:
            own = {name: to[name](u[i]) for i, name in enumerate(names)}
            return self.law.expected({**centre, **own}, inner)

        u = jnp.stack([to[name].inv(centre[name]) for name in names])
        return np.nan_to_num(np.asarray(jax.jit(jax.jacfwd(expected))(u)))

    def _to_real(self) -> dict[str, Any]:
        """Map from the real line to each unknown that differs."""
        priors = self.law.priors()
        return {name: biject_to(priors[name].support) for name in self.differing}

    def priors(self) -> dict[str, Prior]:
        """Those of the law for the population, and spreads and offsets of the groups."""
        found = dict(self.law.priors())
        for i, name in enumerate(self.differing):
            found[f"spread_{name}"] = log_normal(self.usual[i], FACTOR)
            found[f"offset_{name}"] = self._offsets(i, name)
        return found

    def _offsets(self, i: int, name: str) -> Prior:
        def prior(params: Params) -> Prior:
            ratio = params[f"spread_{name}"] / self.usual[i]
            return dist.Normal(0.0, ratio ** jnp.asarray(self.known[i]))

        return prior

    def values(self, params: Params) -> dict[str, Array]:
        """Every group's own unknowns, (group,) each."""
        found = {}
        for i, (name, to) in enumerate(self._to_real().items()):
            spread, offset = params[f"spread_{name}"], params[f"offset_{name}"]
            z = offset * (spread / self.usual[i]) ** -jnp.asarray(self.known[i])
            found[name] = to(to.inv(params[name]) + spread * z)
        return found

    def one(self, params: Params, group: int) -> dict[str, Array]:
        """Give the law's unknowns in a group of the runs."""
        shared = {name: params[name] for name in self.law.priors()}
        return shared | {n: v[group] for n, v in self.values(params).items()}

    def next(self, key: Array, params: Params) -> dict[str, Array]:
        """Draw the law's unknowns in the population's next group."""
        found = {name: params[name] for name in self.law.priors()}
        z = jax.random.normal(key, (len(self.differing),))
        for i, (name, to) in enumerate(self._to_real().items()):
            found[name] = to(to.inv(params[name]) + params[f"spread_{name}"] * z[i])
        return found

    def expected(self, params: Params, x: Inputs) -> Array:
        """Response of each run under its own group's unknowns."""
        group = jnp.asarray(x[self.over]).astype(int)
        shared = {name: params[name] for name in self.law.priors()}
        own = {name: value[group] for name, value in self.values(params).items()}
        inner = {name: jnp.asarray(x[name]) for name in self.law.inputs}
        return jax.vmap(lambda own, x: self.law.expected({**shared, **own}, x))(
            own, inner
        )

    def summed(
        self, x: Inputs, look: Any = None, rank: int = 0
    ) -> tuple["Pooled", Inputs]:
        """Tell this law for the sampler: what bends it, if anything, summed out."""
        if not isinstance(self.law, Summable):
            return self, x
        told, x = self.law.summed(x, look, rank)
        shared = [n for n in told.priors() if n in (*self.common, SUMMED)]
        return replace(self, law=told, common=tuple(shared)), x

    def drawn(
        self, random: np.random.Generator, told: "Pooled", params: Params, x: Inputs
    ) -> dict[str, Array]:
        """Unknowns of this law from draws of the one told for the sampler."""
        if not isinstance(self.law, Summable):
            return dict(params)
        return self.law.drawn(random, told.law, params, x)

    @property
    def leads(self) -> tuple[str, ...]:
        """The bend alone: groups differ in the law's unknowns."""
        return (SUMMED,) if isinstance(self.law, Summed) else ()

    def settled(self, params: Params) -> "Pooled":
        """Work out what amplitudes decide."""
        bent = isinstance(self.law, Summed)
        return replace(self, law=self.law.settled(params)) if bent else self

    def lead(
        self, u: Params, constrain: Any, x: Inputs, y: Array
    ) -> tuple["Pooled", dict[str, Array], Array]:
        """Give the bend its width under the amplitudes; where it lies, groups decide."""
        if not isinstance(self.law, Summed):
            return self, dict(u), jnp.zeros(())
        c, width = self.law.bend_led(u, jnp.zeros(u[SUMMED].shape))
        return self, {**u, SUMMED: c}, width

    def looked(self, *at: Any) -> None:
        """Say nothing: the guide is the same wherever the mode is."""

    def derived(self, params: Params) -> dict[str, Array]:
        """Give the law's own numbers for the population, and the unknowns by group."""
        law = self.law.derived(params) if isinstance(self.law, Derives) else {}
        return law | {f"{n}_by_group": v for n, v in self.values(params).items()}

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Offsets and unknowns by group have the groups' names."""
        coords, dims = self.law.labels() if isinstance(self.law, Labelled) else ({}, {})
        each = [
            n.format(m) for m in self.differing for n in ("offset_{}", "{}_by_group")
        ]
        return coords | {"group": list(self.groups)}, dims | {
            n: ["group"] for n in each
        }

    def number(self, names: Array) -> np.ndarray:
        """Give the number of each named group, as the law's input has it.

        Raises:
            ValueError: a name is no group of the runs.
        """
        known = {name: float(i) for i, name in enumerate(self.groups)}
        for name in np.atleast_1d(names):
            if str(name) not in known:
                msg = f"no group {str(name)!r} among the runs; there are {', '.join(self.groups)}, and {NEXT!r}, one not seen yet"
                raise ValueError(msg)
        return np.array([known[str(name)] for name in np.atleast_1d(names)])


def _share(slope: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Share of the usual spread's variance that runs with these slopes take away."""
    both = slope.T @ slope + np.diag(usual**-2.0)
    return np.clip(1 - np.diag(np.linalg.inv(both)) / usual**2, 0.0, 1.0)


def pooled(law: Law, runs: Observations, over: str | None = None) -> Pooled:
    """Pool a law over a column, by our name or the table's; or name a pooled law's groups.

    Raises:
        ValueError: as `group_names` and `Pooled.differing` say.
    """
    made = law if isinstance(law, Pooled) else Pooled(law)
    over = over or made.over
    over = next((n for n, header in runs.named.items() if header == over), over)
    names = np.unique(group_names(runs, over))
    made = replace(made, over=over, groups=tuple(str(name) for name in names))
    _ = made.differing  # refuses what cannot be pooled before anything is sampled
    return made


def together(
    made: Pooled, law: Law, runs: Observations, x: Inputs
) -> tuple[Pooled, Inputs]:
    """Pool a law that has been placed among its runs; what bends it is common to all.

    Returns:
        The pooled law, and the inputs with the number of each run's group.
    """
    bends = [name for name in law.priors() if name not in made.law.priors()]
    common = tuple(dict.fromkeys((*made.common, *bends)))
    made = pooled(replace(made, law=law, common=common), runs)
    x = {**x, made.over: made.number(group_names(runs, made.over))}
    return made.about(x), x
