"""Any law over groups of runs that differ a little: each group borrows from the others."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float
from numpy.typing import ArrayLike
from numpyro.distributions import biject_to

from nstar.departures.marginalised import BEND_AT_RUNS, Marginalised
from nstar.laws.priors import log_normal
from nstar.runs.grouping import NEXT, group_names
from nstar.runs.observations import Observations
from nstar.types import (
    Array,
    Centred,
    Cost,
    Derived,
    Derives,
    Inputs,
    Labelled,
    Law,
    Marginalisable,
    Params,
    Prior,
    Response,
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

    `offset_*` is $z_g$ where a group's runs say little (not centred), $s z_g$ over the
    typical spread where they determine it (centred), and between these by `known`: the
    same prior in coordinates without a funnel (Papaspiliopoulos et al. 2007, doi:10.1214/088342307000000014).
    It is itself a law; its input named `over` is the number of each run's group.
    """

    law: Any
    groups: tuple[str, ...] = ()
    over: str = "ladder"  # the runs' column that names their group
    common: tuple[str, ...] = ()  # unknowns that all groups share
    # prior medians of the spreads on the real line, (unknown,)
    typical_spread: Any = field(default=None, compare=False)
    # share of the typical spread's variance that a group's runs explain, (unknown, group)
    known: Any = field(default=None, compare=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that the law reads, and the group."""
        return (*self.law.inputs, self.over)

    @property
    def response(self) -> Response:
        """Response of the law."""
        return self.law.response

    @property
    def differing(self) -> tuple[str, ...]:
        """Unknowns that groups have of their own.

        Raises:
            ValueError: an unknown cannot be pooled, or `common` names none of the law's.
        """
        priors = self.law.priors()
        unknown = [name for name in self.common if name not in priors]
        free = {n: p for n, p in priors.items() if n not in self.common}
        unpoolable = [
            n for n, p in free.items() if getattr(p, "batch_shape", None) != ()
        ]
        if unknown or unpoolable:
            name = type(self.law).__name__
            msg = (
                f"common: {unknown[0]!r} is no unknown of the {name} law; there are {', '.join(priors)}"
                if unknown
                else f"the {name} law cannot be pooled: {', '.join(unpoolable)} is not one number but several, "
                "or depends on other unknowns; pool the allocation law or a loss surface"
            )
            raise ValueError(msg)
        return tuple(free)

    def at(self, x: Inputs, cost: Cost) -> "Pooled":
        """Put the law's reference at the centre of all runs, and scale offsets by group."""
        law = self.law.at(x, cost) if isinstance(self.law, Centred) else self.law
        return replace(self, law=law).about(x)

    def about(self, x: Inputs) -> "Pooled":
        """Set `typical_spread` from the priors' widths and `known` from each group's design."""
        with jax.enable_x64(True):
            centre, widths = self._prior()
            typical_spread = SPREAD * widths
            slope = self._slopes(centre, x) / self.response.scatter
        group = np.asarray(x[self.over], dtype=int)
        known = [
            _share(slope[group == g].reshape(-1, len(typical_spread)), typical_spread)
            for g in range(len(self.groups))
        ]
        return replace(
            self, typical_spread=typical_spread, known=np.stack(known, axis=1)
        )

    def _prior(self) -> tuple[Derived, Float[np.ndarray, " unknowns"]]:
        """Medians of all unknowns, and widths on the real line of those that differ."""
        key, centre, widths = jax.random.key(0), {}, []
        for name, prior in self.law.priors().items():
            distribution = (
                prior(centre) if not isinstance(prior, dist.Distribution) else prior
            )
            draws = distribution.sample(key, (DRAWS,))
            centre[name] = np.median(np.asarray(draws), axis=0)
            if name in self.differing:
                on_real_line = np.asarray(biject_to(distribution.support).inv(draws))
                low, high = np.quantile(on_real_line, [0.25, 0.75])
                widths.append((high - low) / 1.349)  # the sd, were it normal
        return centre, np.array(widths)

    def _slopes(self, centre: Params, x: Inputs) -> np.ndarray:
        """Derivatives of each run's expected response, (run, ..., unknown)."""
        to, names = self._to_real(), self.differing
        columns = {name: np.asarray(x[name], dtype=float) for name in self.law.inputs}

        def expected(u: Array) -> Array:
            differing = {name: to[name](u[i]) for i, name in enumerate(names)}
            return self.law.expected({**centre, **differing}, columns)

        u = jnp.stack([to[name].inv(centre[name]) for name in names])
        return np.nan_to_num(np.asarray(jax.jit(jax.jacfwd(expected))(u)))

    def _to_real(self) -> dict[str, Any]:
        """Map from the real line to each unknown that differs."""
        priors = self.law.priors()
        return {name: biject_to(priors[name].support) for name in self.differing}

    def priors(self) -> dict[str, Prior]:
        """The law's priors for the population, and those of the groups' spreads and offsets."""
        priors = dict(self.law.priors())
        for i, name in enumerate(self.differing):
            priors[f"spread_{name}"] = log_normal(self.typical_spread[i], FACTOR)
            priors[f"offset_{name}"] = self._offsets(i, name)
        return priors

    def _offsets(self, i: int, name: str) -> Prior:
        def prior(params: Params) -> dist.Distribution:
            ratio = params[f"spread_{name}"] / self.typical_spread[i]
            return dist.Normal(0.0, ratio ** jnp.asarray(self.known[i]))

        return prior

    def values(self, params: Params) -> dict[str, Float[Array, " groups"]]:
        """The law's unknowns in every group, (group,) each."""
        values = {}
        for i, (name, to) in enumerate(self._to_real().items()):
            spread, offset = params[f"spread_{name}"], params[f"offset_{name}"]
            z = offset * (spread / self.typical_spread[i]) ** -jnp.asarray(
                self.known[i]
            )
            values[name] = to(to.inv(params[name]) + spread * z)
        return values

    def in_group(self, params: Params, group: int) -> Derived:
        """The law's unknowns in one group of the runs, by its number."""
        common = {name: params[name] for name in self.law.priors()}
        return common | {n: v[group] for n, v in self.values(params).items()}

    def draw_next_group(self, key: Array, params: Params) -> Derived:
        """Draw the law's unknowns in the population's next group."""
        unknowns = {name: params[name] for name in self.law.priors()}
        z = jax.random.normal(key, (len(self.differing),))
        for i, (name, to) in enumerate(self._to_real().items()):
            unknowns[name] = to(to.inv(params[name]) + params[f"spread_{name}"] * z[i])
        return unknowns

    def expected(self, params: Params, x: Inputs) -> Float[Array, "runs ..."]:
        """Response of each run under its own group's unknowns."""
        group = jnp.asarray(x[self.over]).astype(int)
        common = {name: params[name] for name in self.law.priors()}
        differing = {name: value[group] for name, value in self.values(params).items()}
        columns = {name: jnp.asarray(x[name]) for name in self.law.inputs}
        return jax.vmap(
            lambda differing, x: self.law.expected({**common, **differing}, x)
        )(differing, columns)

    def marginalise(
        self, x: Inputs, linearisation: Any = None, rank: int = 0
    ) -> tuple["Pooled", Inputs]:
        """Marginalise the waves of its discrepancy, if it has one."""
        if not isinstance(self.law, Marginalisable):
            return self, x
        sampled_law, x = self.law.marginalise(x, linearisation, rank)
        common = [n for n in sampled_law.priors() if n in (*self.common, BEND_AT_RUNS)]
        return replace(self, law=sampled_law, common=tuple(common)), x

    def draw_conditional(
        self,
        random: np.random.Generator,
        sampled_law: "Pooled",
        params: Params,
        x: Inputs,
    ) -> Derived:
        """Draw this law's unknowns given draws of the marginalised law's, (draw, ...)."""
        if not isinstance(self.law, Marginalisable):
            return dict(params)
        return self.law.draw_conditional(random, sampled_law.law, params, x)

    @property
    def reparameterised(self) -> tuple[str, ...]:
        """The bend alone, since groups differ in the law's unknowns."""
        return (BEND_AT_RUNS,) if isinstance(self.law, Marginalised) else ()

    def condition(self, params: Params) -> "Pooled":
        """Factorise the covariance of the bend for the amplitudes, if there is one."""
        bent = isinstance(self.law, Marginalised)
        return replace(self, law=self.law.condition(params)) if bent else self

    def reparameterise(
        self, u: Params, constrain: Callable[[Params], Params], x: Inputs, y: Array
    ) -> tuple["Pooled", dict[str, Array], Array]:
        """Scale the bend by its conditional width; its centre stays at zero."""
        if not isinstance(self.law, Marginalised):
            return self, dict(u), jnp.zeros(())
        c, width = self.law.reparameterise_bend(u, jnp.zeros(u[BEND_AT_RUNS].shape))
        return self, {**u, BEND_AT_RUNS: c}, width

    def linearise(self, *arguments: Any) -> None:
        """Return None: the guide is the same wherever the mode is."""

    def derived(self, params: Params) -> Derived:
        """Derived quantities of the law for the population, and the unknowns by group."""
        law = self.law.derived(params) if isinstance(self.law, Derives) else {}
        return law | {f"{n}_by_group": v for n, v in self.values(params).items()}

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates are the groups' names, for offsets and for unknowns by group."""
        coords, dims = self.law.labels() if isinstance(self.law, Labelled) else ({}, {})
        by_group = [
            n.format(m) for m in self.differing for n in ("offset_{}", "{}_by_group")
        ]
        return coords | {"group": list(self.groups)}, dims | {
            n: ["group"] for n in by_group
        }

    def number(self, names: ArrayLike) -> Float[np.ndarray, " names"]:
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


def _share(
    slope: Float[np.ndarray, "runs unknowns"],
    typical_spread: Float[np.ndarray, " unknowns"],
) -> Float[np.ndarray, " unknowns"]:
    """Share of the typical spread's variance that runs with these slopes explain."""
    precision = slope.T @ slope + np.diag(typical_spread**-2.0)
    return np.clip(1 - np.diag(np.linalg.inv(precision)) / typical_spread**2, 0.0, 1.0)


def pool_law(law: Law, runs: Observations, over: str | None = None) -> Pooled:
    """Pool a law over a column, by our name or the table's; or name a pooled law's groups.

    Raises:
        ValueError: as `group_names` and `Pooled.differing` say.
    """
    pooled = law if isinstance(law, Pooled) else Pooled(law)
    over = over or pooled.over
    over = next((n for n, header in runs.named.items() if header == over), over)
    names = np.unique(group_names(runs, over))
    pooled = replace(pooled, over=over, groups=tuple(str(name) for name in names))
    _ = pooled.differing  # refuses what cannot be pooled before anything is sampled
    return pooled


def pool_placed(
    pooled: Pooled, law: Law, runs: Observations, x: Inputs
) -> tuple[Pooled, Inputs]:
    """Pool a law that has been placed among its runs; what bends it is common to all.

    Returns:
        The pooled law, and the inputs with the number of each run's group.
    """
    bends = [name for name in law.priors() if name not in pooled.law.priors()]
    common = tuple(dict.fromkeys((*pooled.common, *bends)))
    pooled = pool_law(replace(pooled, law=law, common=common), runs)
    x = {**x, pooled.over: pooled.number(group_names(runs, pooled.over))}
    return pooled.about(x), x
