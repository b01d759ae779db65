"""Read tables of mixtures: shares of domains, sizes, and losses by domain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nstar.files.tables import Table
from nstar.runs.columns import read_numbers, suggest, texts
from nstar.runs.filters import keep_rows
from nstar.runs.problems import Problem, TableProblems, list_some, sort_problems
from nstar.runs.sources import open_source
from nstar.verdicts import Check, Status

SHARES = ("mix_", "proportion_", "share_", "shares_", "weight_", "ratio_", "train_")
LOSSES = ("loss_", "val_loss_", "eval_loss_", "valid_", "val_", "eval_", "nll_", "bpb_")
SIZE = ("params", "N", "n_params", "parameters", "params_label", "size", "model_size")
SIZES = (*SIZE, "group", "model")
TOKENS = ("tokens", "D", "n_tokens", "train_tokens")
NEAR_ONE = 0.02  # from which a sum of shares is no rounding
EXACT = 1e-6
PERCENT = 100.0
FEWEST = 8  # rows with a loss


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Runs on mixtures of domains."""

    source: str
    sha256: str
    domains: tuple[str, ...]  # that have shares
    losses: tuple[str, ...]
    shares: Float[np.ndarray, "row domain"]  # sum one
    N: Float[np.ndarray, " row"]  # parameters; NaN where not known
    D: Float[np.ndarray, " row"]  # tokens; NaN where not known
    values: Float[np.ndarray, "row loss"]  # of the losses, nats; NaN where empty
    rows: np.ndarray  # by their number in the source
    split: np.ndarray  # train, test or whatever the table says
    problems: tuple[Problem, ...]

    def __len__(self) -> int:
        """Count the runs."""
        return len(self.shares)

    def take(self, keep: Float[np.ndarray, " kept"]) -> "Mixtures":
        """Keep some rows."""
        return Mixtures(
            self.source,
            self.sha256,
            self.domains,
            self.losses,
            self.shares[keep],
            self.N[keep],
            self.D[keep],
            self.values[keep],
            self.rows[keep],
            self.split[keep],
            self.problems,
        )

    def checks(self) -> list[Check]:
        """What was noted as it was read."""
        return [problem.as_check() for problem in self.problems]


def read_mixtures(
    source: Any,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    *,
    shares: str | None = None,
    losses: str | None = None,
    percent: bool = False,
) -> Mixtures:
    """Read a table with a row for each run: shares of domains, and losses.

    Args:
        source: a file, the name of a data set, a dict of arrays or a frame.
        columns: our names (N, D, split) to the table's, where they differ.
        where: filters of rows, as in `group=70M`.
        shares: what the columns of shares begin with, as in `mix_`.
        losses: what the columns of losses begin with, as in `loss_`.
        percent: shares are in percent.

    Returns:
        Shares, (run, domain), and losses, (run, loss), with sizes and tokens.

    Raises:
        TableProblems: naming each problem with its rows and what to do.
        ValueError: no readable table, or `columns` names one that it has not.

    Examples:
        >>> runs = nstar.read_mixtures("proxies.csv")  # doctest: +SKIP
    """
    opened = open_source(source, columns)
    table = keep_rows(opened.table, where, opened.columns)
    problems: list[Problem] = []
    for ours, theirs in opened.columns.items():
        if theirs not in table.columns:
            msg = f"{table.source}: no column {theirs!r} for {ours}; {suggest(theirs, table.columns)}"
            raise ValueError(msg)
    of_shares = _columns(table, "shares", shares, SHARES, problems)
    of_losses = _columns(table, "losses", losses, LOSSES, problems)
    N = _sizes(table, opened.columns.get("N"), problems)
    D = _optional(table, "D", opened.columns.get("D"), TOKENS, problems)
    split = _named(table, opened.columns.get("split"), ("split",))
    parts = _matrix(table, of_shares, problems)
    values = _matrix(table, of_losses, problems)
    if of_shares and of_losses and not _stops(problems):
        _check_losses(table, of_losses, values, problems)
        parts = _check_shares(table, of_shares, parts, problems, percent=percent)
    if _stops(problems):
        raise TableProblems(table.source, problems)
    enough = np.isfinite(values).any(axis=1)
    return Mixtures(
        table.source,
        table.sha256,
        tuple(of_shares),
        tuple(of_losses),
        parts,
        N,
        D,
        values,
        table.rows,
        np.full(len(table), "") if split is None else texts(table, split),
        tuple(sort_problems(problems)),
    ).take(enough)


def require_name(name: str, known: Iterable[str], what: str) -> str:
    """Return the name if it is known.

    Raises:
        ValueError: it is not; the message has the nearest.
    """
    known = list(known)
    if name in known:
        return name
    msg = f"{what} {name!r} is none of the table's; {suggest(name, known)}"
    raise ValueError(msg)


def _stops(problems: Sequence[Problem]) -> bool:
    return any(p.status is Status.FAIL for p in problems)


def _columns(
    table: Table,
    what: str,
    prefix: str | None,
    usual: Sequence[str],
    problems: list[Problem],
) -> dict[str, str]:
    """Find the columns of shares or of losses: names of domains to the table's."""
    for start in [prefix] if prefix else usual:
        names = [c for c in table.columns if c.lower().startswith(start.lower())]
        if len(names) > (what == "shares"):
            return {name[len(start) :]: name for name in names}
    begin = f"begin with {prefix!r}" if prefix else f"begin with {list_some(usual)}"
    problems.append(
        Problem(
            f"no {what}",
            Status.FAIL,
            f"no columns of {what}: {'no two' if what == 'shares' else 'none'} of {list_some([*table.columns])} {begin}",
            f"give them one beginning and name it with --{what}, as in --{what} {usual[0]}",
        )
    )
    return {}


def _named(table: Table, chosen: str | None, usual: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(table.columns)}
    return chosen or next((lower[n.lower()] for n in usual if n.lower() in lower), None)


def _sizes(
    table: Table, chosen: str | None, problems: list[Problem]
) -> Float[np.ndarray, " row"]:
    """Read sizes; text that bears none is set aside with a note."""
    name = _named(table, chosen, SIZES)
    unknown = np.full(len(table), np.nan)
    if name is None:
        return unknown
    cells = read_numbers(table, "N", name)
    if cells.problems and not chosen:
        note = f"no sizes in {name!r}: all rows are taken to be of one size"
        problems.append(Problem("sizes", Status.REVIEW, note, "name --columns N=NAME"))
        return unknown
    problems += cells.problems
    _check_positive(table, "N", name, cells.values, problems)
    return cells.values


def _optional(
    table: Table,
    ours: str,
    chosen: str | None,
    usual: Sequence[str],
    problems: list[Problem],
) -> Float[np.ndarray, " row"]:
    name = _named(table, chosen, usual)
    if name is None:
        return np.full(len(table), np.nan)
    cells = read_numbers(table, ours, name)
    problems += cells.problems
    _check_positive(table, ours, name, cells.values, problems)
    return cells.values


def _check_positive(
    table: Table, ours: str, name: str, values: np.ndarray, problems: list[Problem]
) -> None:
    bad = np.flatnonzero((values <= 0) | np.isinf(values))
    if len(bad):
        problems.append(
            _at(
                table,
                f"{ours} of runs",
                name,
                bad,
                values,
                "expected a number above zero",
                "correct the cells",
            )
        )


def _matrix(
    table: Table, columns: Mapping[str, str], problems: list[Problem]
) -> Float[np.ndarray, "row column"]:
    parts = np.empty((len(table), len(columns)))
    for i, name in enumerate(columns.values()):
        cells = read_numbers(table, "", name)
        problems += cells.problems
        parts[:, i] = cells.values
    return parts


def _at(
    table: Table,
    name: str,
    column: str,
    bad: np.ndarray,
    values: np.ndarray,
    detail: str,
    remedy: str,
) -> Problem:
    """A problem of some cells or rows."""
    return Problem(
        name,
        Status.FAIL,
        detail,
        remedy,
        column,
        rows=tuple(int(r) for r in table.rows[bad]),
        values=tuple(f"{v:.4g}" for v in values[bad]),
    )


def _check_losses(
    table: Table,
    columns: Mapping[str, str],
    values: np.ndarray,
    problems: list[Problem],
) -> None:
    """Refuse losses that are not above zero, and columns that are nearly empty."""
    for i, name in enumerate(columns.values()):
        wrong = (values[:, i] <= 0) | np.isinf(values[:, i])
        if wrong.any():
            bad = np.flatnonzero(wrong)
            remedy = "give the loss itself, in nats per token, not its logarithm"
            problems.append(
                _at(
                    table,
                    "losses",
                    name,
                    bad,
                    values[:, i],
                    "losses must be above zero",
                    remedy,
                )
            )
        elif (n := int(np.isfinite(values[:, i]).sum())) < FEWEST:
            detail = f"{n} losses; {FEWEST} are needed"
            problems.append(
                Problem(
                    "few losses",
                    Status.FAIL,
                    detail,
                    "give more runs, or leave the column out",
                    name,
                )
            )


def _check_shares(
    table: Table,
    columns: Mapping[str, str],
    parts: np.ndarray,
    problems: list[Problem],
    *,
    percent: bool,
) -> Float[np.ndarray, "row domain"]:
    """Refuse shares that are none, and scale the others to a sum of one."""
    names, empty = list(columns.values()), ~np.isfinite(parts)
    for i in np.flatnonzero(empty.any(axis=0) & ~empty.all(axis=0)):
        bad = np.flatnonzero(empty[:, i])
        problems.append(
            _at(
                table,
                "empty shares",
                names[i],
                bad,
                parts[:, i],
                "no share",
                "write 0 where a domain was left out",
            )
        )
    for i in np.flatnonzero((parts < 0).any(axis=0)):
        bad = np.flatnonzero(parts[:, i] < 0)
        problems.append(
            _at(
                table,
                "negative shares",
                names[i],
                bad,
                parts[:, i],
                "shares below zero",
                "correct the cells",
            )
        )
    if _stops(problems):
        return parts
    total = parts.sum(axis=1) / (PERCENT if percent else 1.0)
    if not percent and np.all(np.abs(total / PERCENT - 1) < NEAR_ONE):
        detail = f"shares sum to about {np.median(total):.4g} in every row: they are in percent"
        problems.append(
            Problem(
                "percent",
                Status.FAIL,
                detail,
                "read them with --percent, or divide them by 100",
            )
        )
        return parts
    bad = np.flatnonzero(np.abs(total - 1) > NEAR_ONE)
    if len(bad):
        detail = (
            f"shares of a mixture must sum to one, over the columns {list_some(names)}"
        )
        remedy = "correct them, leave the rows out with --where, or name their columns with --shares"
        problems.append(_at(table, "sum of shares", "", bad, total, detail, remedy))
        return parts
    off = np.abs(total - 1).max()
    if off > EXACT:
        note = f"shares sum to one within {off:.2g}: scaled to a sum of one"
        problems.append(Problem("rounded shares", Status.PASS, note))
    parts = parts / parts.sum(axis=1, keepdims=True)
    never = [n for n, column in zip(names, parts.T, strict=True) if not column.any()]
    if never:
        note = f"no run has any of {list_some(never)}: nothing can be said of that data, and its share stays zero"
        problems.append(
            Problem(
                "domain never seen", Status.REVIEW, note, "make a run with some of it"
            )
        )
    if np.ptp(parts, axis=0).max() < EXACT:
        problems.append(
            Problem(
                "one mixture",
                Status.FAIL,
                "all runs have the same shares",
                "give runs on other mixtures",
            )
        )
    return parts
