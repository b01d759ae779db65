"""Read a command's runs and fit them, or load a saved fit, with progress on stderr."""

import sys
from typing import TYPE_CHECKING, NamedTuple

from nstar.cli import options as o

if TYPE_CHECKING:
    from nstar.fits.mixture import Posterior
    from nstar.runs.observations import Observations


class Fitted(NamedTuple):
    """A fit, or an average of several, and the reason for its law."""

    fit: "Posterior"
    reason: str


def read(request: o.Request) -> "Observations":
    """Read the table of runs.

    Raises:
        ValueError: an option or the table is not as it should be.
    """
    columns = o.columns(request.columns)
    k = 6.0 if request.flop_per_param_token is None else request.flop_per_param_token
    o.require_positive("--flop-per-param-token", [k], "6")
    from nstar.runs.reading import read_runs

    return read_runs(
        request.runs,
        columns,
        list(request.where or ()),
        k=k,
        params_counted=request.params_counted,
    )


def get_fit(request: o.Request, *, surface: bool = False) -> Fitted:
    """Load a saved fit, or read the runs and fit them.

    Args:
        request: the options.
        surface: whether the default law must predict runs of any (N, D).

    Raises:
        ValueError: an option cannot be met.
    """
    if request.saved:
        return _load(request)
    from nstar.cli.choice import choose

    law, runs, reason = choose(read(request), request.law, surface=surface)
    remark(f"law {law}: {reason}")
    if request.cache:
        use_cache()
    names, settings = o.laws(law), (request.noise, request.prior_set, request.seed or 0)
    if len(names) > 1:
        if request.pool:
            msg = "--pool is for one law, not yet for an average of several"
            raise ValueError(msg)
        from nstar.validation.averaging import average

        fitted = average(runs, names, *settings, discrepancy=request.discrepancy)
        return Fitted(fitted, reason)
    from nstar.fits.fitting import fit

    fitted = fit(
        runs, law, *settings, discrepancy=request.discrepancy, pool=request.pool
    )
    return Fitted(fitted, reason)


def _load(request: o.Request) -> Fitted:
    bare = o.Request(
        request.runs, seed=request.seed, cache=request.cache, group=request.group
    )
    if request != bare:
        msg = (
            f"{request.runs} is a saved fit, made once and for all: options on the runs, the "
            "law, the noise or the priors are for a table of runs. Fit the runs again with them"
        )
        raise ValueError(msg)
    if request.cache:
        use_cache()
    from nstar.fits.mixture import load

    return Fitted(load(request.runs), f"as saved in {request.runs}")


def use_cache() -> None:
    """Keep compiled programs, unless their folder cannot be written."""
    from nstar import cache

    try:
        cache.use_cache()
    except OSError as error:
        remark(f"no cache for compiled programs: {error}")


def remark(text: str) -> None:
    """Print a remark on stderr, apart from the result."""
    print(text, file=sys.stderr)
