"""Priors a user sets by name, written as `LogNormal(-1.0, 0.5)`."""

import difflib
from collections.abc import Callable, Mapping

import jax
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.distributions.transforms import ExpTransform, SigmoidTransform, Transform

from nstar.priors.families import read_prior
from nstar.types import Law, Noise, Prior


def _transformed_student(transform: Transform) -> Callable[..., dist.Distribution]:
    def family(
        df: float, loc: float, scale: float, *, validate_args: bool | None = None
    ) -> dist.Distribution:
        base = dist.StudentT(df, loc, scale, validate_args=validate_args)
        return dist.TransformedDistribution(base, transform)

    return family


# heavy-tailed on the scale of the log, or of the logit
TRANSFORMS = {"LogStudentT": ExpTransform(), "LogitStudentT": SigmoidTransform()}
_TRANSFORMED = {name: _transformed_student(t) for name, t in TRANSFORMS.items()}


def parse(text: str) -> dist.Distribution:
    """Read a prior such as `Normal(0.5, 0.1)` or `StudentT(4, 0, 1)`; no code is run.

    Raises:
        ValueError: unknown family, or arguments that are no numbers it accepts.
    """
    stated = read_prior(text)
    make = _TRANSFORMED.get(stated.family) or getattr(dist, stated.family)
    return make(**stated.params, validate_args=True)


def describe(prior: Prior) -> str:
    """Write a prior as `parse` reads it, as far as its family allows."""
    if callable(prior) and not isinstance(prior, dist.Distribution):
        return "given the others"
    if isinstance(prior, dist.TransformedDistribution) and not isinstance(
        prior, dist.LogNormal
    ):
        for name, transform in TRANSFORMS.items():
            if [type(t) for t in prior.transforms] == [type(transform)] and isinstance(
                prior.base_dist, dist.StudentT
            ):
                return f"{name}{describe(prior.base_dist).removeprefix('StudentT')}"
        maps = " then ".join(type(t).__name__ for t in prior.transforms)
        return f"{describe(prior.base_dist)} through {maps}"
    if isinstance(prior, dist.ExpandedDistribution):
        return describe(prior.base_dist)
    names = type(prior).reparametrized_params or list(type(prior).arg_constraints)
    order = [n for n in type(prior).arg_constraints if hasattr(prior, n)] or names
    numbers = ", ".join(f"{float(getattr(prior, n)):.6g}" for n in order)
    return f"{type(prior).__name__}({numbers})"


def choose(
    law: Law, noise: Noise, chosen: Mapping[str, Prior | str] | None
) -> dict[str, Prior]:
    """Parse the user's priors and check their names.

    Raises:
        ValueError: a name is no unknown of this law and noise, or a prior is not read.
    """
    with jax.enable_x64(True):  # as everywhere, or small programs are compiled twice
        known = law.priors() | noise.priors(law.response)
    ready: dict[str, Prior] = {}
    for name, prior in (chosen or {}).items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
            msg = (
                f"prior for {name!r}: no such unknown; did you mean {near or list(known)}? "
                f"(unknowns: {', '.join(known)})"
            )
            raise ValueError(msg)
        ready[name] = parse(prior) if isinstance(prior, str) else prior
        _check_discrepancy_prior(name, ready[name])
    return ready


def _check_discrepancy_prior(name: str, prior: Prior) -> None:
    """Refuse a prior of a discrepancy's unknown that the sampler cannot take."""
    if name.startswith("waves_"):
        msg = f"prior for {name!r}: weights of waves are standard normal by what they are; give the amplitude bend_{name[6:]} another prior"
        raise ValueError(msg)
    support = getattr(prior, "support", None)
    if name.startswith("bend_") and support is not constraints.positive:
        msg = f"prior for {name!r}: {describe(prior)} is not over all positive numbers, as an amplitude's must be; expected, say, LogNormal(-4, 1)"
        raise ValueError(msg)
