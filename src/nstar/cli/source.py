"""From what a command names to a fit, with progress on stderr."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nstar.cli import options as o

if TYPE_CHECKING:
    from nstar.fitting import Fit
    from nstar.mixture import Average
    from nstar.observations import Observations
    from nstar.prior_sets import PriorSet


@dataclass(frozen=True)
class Asked:
    """What the options of a command said of the runs and the law."""

    source: str
    law: str | None = None
    noise: str | None = None
    discrepancy: str | None = None
    priors: Sequence[str] | None = None
    columns: str | None = None
    where: Sequence[str] | None = None
    k: float | None = None
    params_counted: str | None = None
    seed: int | None = None
    cache: bool = True
    pool: str | None = None
    set_name: str | None = None

    @property
    def saved(self) -> bool:
        """Say whether the source is a saved fit."""
        return Path(self.source).suffix == ".nc"

    @property
    def chosen_priors(self) -> dict[str, str]:
        """The priors by name."""
        return o.pairs(self.priors, "--prior", "alpha1='Normal(0.5, 0.05)'")

    @property
    def prior_set(self) -> "PriorSet":
        """The set of priors, with those chosen by name on top."""
        from nstar.prior_sets import DEFAULT, PriorSet

        return PriorSet(self.set_name or DEFAULT, self.chosen_priors)


class Found(NamedTuple):
    """A fit, or an average of several, and why it is of this law."""

    fit: "Fit | Average"
    reason: str


def read(asked: Asked) -> "Observations":
    """Read the table of runs.

    Raises:
        ValueError: an option or the table is not as it should be.
    """
    parts = [part for part in (asked.columns or "").split(",") if part]
    columns = o.pairs(parts, "--columns", "N=params,D=tokens,L=loss")
    k = 6.0 if asked.k is None else asked.k
    o.require_positive("--flop-per-param-token", [k], "6")
    from nstar.reading import read_runs

    return read_runs(
        asked.source,
        columns,
        list(asked.where or ()),
        k=k,
        params_counted=asked.params_counted,
    )


def get_fit(asked: Asked, *, surface: bool = False) -> Found:
    """Load a saved fit, or read the runs and fit them.

    Args:
        asked: the options.
        surface: whether runs of any (N, D) are asked for, where no law was named.

    Raises:
        ValueError: an option cannot be met.
    """
    if asked.saved:
        return _load(asked)
    from nstar.cli.choice import choose, require

    require(asked)
    law, runs, reason = choose(read(asked), asked.law, surface=surface)
    tell(f"law {law}: {reason}")
    if asked.cache:
        use_cache()
    names, how = o.laws(law), (asked.noise, asked.prior_set, asked.seed or 0)
    if len(names) > 1:
        if asked.pool:
            msg = "--pool is for one law, not yet for an average of several"
            raise ValueError(msg)
        from nstar.averaging import average

        made = average(runs, names, *how, discrepancy=asked.discrepancy)
        return Found(made, reason)
    from nstar.fitting import fit

    made = fit(runs, law, *how, discrepancy=asked.discrepancy, pool=asked.pool)
    return Found(made, reason)


def _load(asked: Asked) -> Found:
    plain = Asked(asked.source, seed=asked.seed, cache=asked.cache)
    if replace(asked, cache=plain.cache) != plain:
        msg = (
            f"{asked.source} is a saved fit, made once and for all: options on the runs, the "
            "law, the noise or the priors are for a table of runs. Fit the runs again with them"
        )
        raise ValueError(msg)
    if asked.cache:
        use_cache()
    from nstar.mixture import load

    return Found(load(asked.source), f"as saved in {asked.source}")


def use_cache() -> None:
    """Keep compiled programs, unless their folder cannot be written."""
    from nstar import cache

    try:
        cache.use_cache()
    except OSError as error:
        tell(f"no cache for compiled programs: {error}")


def tell(text: str) -> None:
    """Say something on stderr that is not the result."""
    print(text, file=sys.stderr)
