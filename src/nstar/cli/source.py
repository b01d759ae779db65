"""From what a command names to a fit, with progress on stderr."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from nstar.cli import options as o
from nstar.cli.asked import Asked

if TYPE_CHECKING:
    from nstar.fits.mixture import Posterior
    from nstar.runs.observations import Observations


class Found(NamedTuple):
    """A fit, or an average of several, and why it is of this law."""

    fit: "Posterior"
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
    from nstar.runs.reading import read_runs

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
        from nstar.validation.averaging import average

        made = average(runs, names, *how, discrepancy=asked.discrepancy)
        return Found(made, reason)
    from nstar.fits.fitting import fit

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
    from nstar.fits.mixture import load

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
