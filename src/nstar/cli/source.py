"""Read a command's runs and fit them, or load a saved fit, with progress on stderr."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nstar.cli import options as o
from nstar.runs.problems import SWEEP, ReadOptions, TableProblems

if TYPE_CHECKING:
    from nstar.fits.mixture import Posterior
    from nstar.runs.observations import Observations


SLOW = 300  # runs of a sweep, from which a surface that bends takes tens of minutes


class Fitted(NamedTuple):
    """A fit, or an average of several, and the reason for its law."""

    fit: "Posterior"
    reason: str


class RunsRefused(TableProblems):
    """The table of a command is not fitted as it is; the command's options may repair it."""

    def __init__(self, problems: TableProblems, options: ReadOptions) -> None:
        super().__init__(problems.source, problems.problems, problems.repair)
        self.options = options  # as they were given


def read(
    request: o.Request, *, by: str | None = None, ladder: bool = True
) -> "Observations":
    """Read the table of runs.

    Args:
        request: the options.
        by: column whose groups are fitted apart, where it is not `--pool`.
        ladder: whether its rows are runs to which a law of loss may be fitted.

    Raises:
        RunsRefused: the table has problems.
        ValueError: an option is not as it should be.
    """
    by = by or request.pool
    try:
        return read_table(request.runs, request, by=by, ladder=ladder)
    except RunsRefused as refused:
        if not (request.law and any(p.name == SWEEP for p in refused.problems)):
            raise
        reads = _law_reads(request.law)  # a law may read the settings
        return read_table(request.runs, request, by=by, ladder=ladder, reads=reads)


def read_table(
    source: str,
    table: o.TableOptions,
    *,
    by: str | None = None,
    ladder: bool = True,
    reads: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> "Observations":
    """Read a table of runs.

    Args:
        source: a file or a data set.
        table: how it is read.
        by: column whose groups are fitted apart.
        ladder: whether its rows are runs to which a law of loss may be fitted.
        reads: what the law that is meant reads besides N, D and C.
        accept: problems that are none to the command.

    Raises:
        RunsRefused: the table has problems.
        ValueError: an option is not as it should be.
    """
    options = table.read_options()
    from nstar.runs.reading import read_runs

    try:
        return read_runs(
            source,
            options.columns,
            options.where,
            k=flop_per_param_token(table),
            params_counted=table.params_counted,
            units=options.units,
            skip_rows=options.skip_rows,
            decimal=options.decimal,
            drop_diverged=options.drop_diverged,
            accept=(*options.accept, *accept),
            by=by,
            reads=reads,
            ladder=ladder,
        )
    except TableProblems as problems:
        raise RunsRefused(problems, options) from None


def _law_reads(law: str) -> list[str]:
    """List what laws read."""
    from nstar.laws.parsing import parse_law

    return [name for part in o.laws(law) for name in parse_law(part).inputs]


def flop_per_param_token(request: o.TableOptions) -> float:
    """Read the FLOP convention.

    Raises:
        ValueError: it is no positive number.
    """
    k = 6.0 if request.flop_per_param_token is None else request.flop_per_param_token
    o.require_positive("--flop-per-param-token", [k], "6")
    return k


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
    table = read(request)  # before JAX is imported: it may be refused
    from nstar.cli.choice import choose

    law, runs, reason = choose(table, request.law, surface=surface)
    remark(f"law {law}: {reason}")
    _remark_on_bend(law, request.discrepancy, len(runs))
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


def _remark_on_bend(law: str, discrepancy: str | None, runs: int) -> None:
    """Say where a sweep has more runs than a surface that bends is fitted to in minutes."""
    if discrepancy == "none" or runs <= SLOW:
        return
    from nstar.laws.parsing import parse_law
    from nstar.types import Tunable

    if any(isinstance(parse_law(part), Tunable) for part in o.laws(law)):
        remark(
            f"a surface that bends over {runs} runs of a sweep takes tens of minutes (2,400 have taken more than 25): --discrepancy none takes its form as exact, and minutes"
        )


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
