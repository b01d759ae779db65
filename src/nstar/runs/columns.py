"""Which column is which: our names and their usual aliases; and cells as numbers."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nstar.amounts import (
    ANY,
    COMMA,
    EMPTY,
    NUMBER,
    POINT,
    Amount,
    Habits,
    could_be_thousands,
    read_amount,
    read_size,
    writes_points,
)
from nstar.costs.training import FLOP_PER_PARAM_TOKEN
from nstar.files.tables import Table
from nstar.runs.headers import (
    QUANTITIES,
    Meaning,
    read_meaning,
    read_unit,
    words_of,
)
from nstar.runs.missing import explain_missing
from nstar.runs.problems import Problem, ReadOptions, list_some
from nstar.verdicts import Status

ALIASES = {
    "N": (
        "params",
        "parameters",
        "n_params",
        "num_params",
        "model_size",
        "params_opt",
        "n_opt",
    ),
    "D": (
        "tokens",
        "n_tokens",
        "num_tokens",
        "train_tokens",
        "tokens_opt",
        "d_opt",
        "data_size",
    ),
    "C": (
        "flops",
        "flop",
        "compute",
        "training_flops",
        "training_flop",
        "train_flops",
        "train_flop",
    ),
    "L": ("loss", "val_loss", "validation_loss", "eval_loss", "final_loss", "loss_opt"),
    "se": ("log_tokens_se",),
    "log10_D_se": ("log10_tokens_se",),  # in decades; kept in natural logs as `se`
    "budget": ("isoflop_budget", "nominal_flops"),
    "unique_tokens": ("tokens_unique", "n_unique_tokens"),
    "total_params": ("params_total", "total_parameters", "n_total_params"),
    "dense_tokens": ("tokens_dense", "parent_tokens"),
    "vocabulary_params": ("params_vocab", "vocab_params"),
    "weight_bits": ("w_bits", "bits_weights"),
    "activation_bits": ("a_bits", "bits_activations"),
    "sparsity": (),
    "P": ("parallel_streams",),
    "T": ("visual_tokens",),
    "lr": ("learning_rate", "peak_lr", "max_lr"),
    "batch": ("batch_size", "bs", "bsz", "global_batch_size"),
    "run": ("run_id", "run_name"),
    "corpus": ("dataset",),
    "ladder": ("condition",),
}
GROUPS = ("ladder", "run", "corpus")
SETTINGS = ("lr", "batch")  # named where they are numbers; few laws read them
MEASURED = ("N", "D", "C", "L")  # no two of them can be one column
RESPONSES = ("metric", "accuracy", "successes")  # of laws that read no loss
NAMES = {"N": "parameters", "D": "tokens", "C": "FLOP", "L": "loss"}
KINDS = {  # what it means to take them for N
    "total": "all parameters, embeddings and every expert with them",
    "active": "those that a token meets, which is what FLOP are spent on",
    "non-embedding": "those outside the embeddings, as Kaplan et al. count",
    "trainable": "those that are trained",
}


@dataclass(frozen=True)
class Naming:
    """Which of a table's columns is which of ours, and what is to be said of it."""

    columns: dict[str, str]  # our names to the table's
    problems: list[Problem]


@dataclass(frozen=True)
class Cells:
    """A column as numbers, and the cells that are none."""

    values: np.ndarray  # floats, (row,); NaN where a cell is empty or not read
    problems: list[Problem]


def name_columns(table: Table, chosen: Mapping[str, str] | None = None) -> Naming:
    """Map our names to the table's: by the user's map, then by alias, then by meaning.

    Names that are not ours are kept: a law of the user's own may read them.  Nothing is
    raised: what cannot be named is a problem with FAIL, and its repair the option that
    names it; what was read by meaning or in another unit is a note.
    """
    chosen = chosen or {}
    columns, problems = _chosen_columns(table, chosen)
    for ours, aliases in ALIASES.items():
        if ours in columns:
            continue
        matches = [
            name
            for alias in (ours, *aliases)
            for name in table.columns
            if name not in columns.values() and _same(name, alias, exact=len(ours) == 1)
        ]
        exact = [name for name in matches if name == ours]
        matches = exact or list(dict.fromkeys(matches))
        if ours in SETTINGS:
            matches = [m for m in matches if not read_numbers(table, ours, m).problems]
            problems += _first_of(ours, matches)
        elif len(matches) > 1 and ours not in GROUPS:
            matches = _validation_first(matches)
            problems.append(_ambiguous(ours, matches))
        if matches:
            columns[ours] = matches[0]
    if not table.described and not chart_series(table):
        for ours in ("L", "D", "C", "N"):
            if ours not in columns:
                taken = [chosen[name] for name in chosen if name not in GROUPS]
                _name_by_meaning(table, ours, columns, problems, taken)
        problems += _unit_notes(table, columns) + _missing(table, columns)
    return Naming(columns, problems + _shared(columns))


def chart_series(table: Table) -> dict[str, list[str]]:
    """List the series of a chart's export, whose columns are `run - metric`.

    Returns:
        The columns of each metric, one a run; empty if the table is of another kind.
    """
    pairs = {
        name: match[1]
        for name in table.columns
        if (match := re.fullmatch(r".+ - (.+?)(?:__(?:MIN|MAX))?", name))
    }
    series: dict[str, list[str]] = {}
    for name, metric in pairs.items():
        if not name.endswith(("__MIN", "__MAX")):
            series.setdefault(metric, []).append(name)
    return series if 2 * len(pairs) > len(table.columns) else {}


def read_numbers(
    table: Table,
    ours: str,
    theirs: str,
    decimal: str = "",
    unit: float | None = None,
) -> Cells:
    """Read a column's cells as floats; an empty cell is NaN, an infinite one infinite.

    Args:
        table: with that column.
        ours: our name, which says what the column counts.
        theirs: the table's name of it.
        decimal: "comma" or "point" where the decimal sign is stated.
        unit: what plain numbers are multiplied by, in place of the unit that the header
            names; a cell such as 125M says its own.
    """
    cells = table.columns[theirs]
    factor = unit or _header_factor(theirs, ours)
    if cells.dtype.kind in "fiu":
        return Cells(cells.astype(float) * factor, [])
    written = [_text(cell) for cell in cells]
    plain = ["nan" if text.lower() in EMPTY else text for text in written]
    habits = Habits() if decimal or writes_points(plain) else table.habits
    if decimal != COMMA and not habits.dots_unsure:
        try:
            return Cells(np.array(plain).astype(float) * factor, [])
        except ValueError:
            pass
    kind = QUANTITIES.get(ours, NUMBER if ours in ALIASES else ANY)
    amounts = {text: read_amount(text, kind, decimal, habits) for text in set(plain)}
    if ours == "N" and _bears_sizes(amounts):
        amounts = {text: _size_borne(text) for text in amounts}
    values = [
        amounts[text].value * (1.0 if amounts[text].scaled else factor)
        for text in plain
    ]
    bad = [i for i, text in enumerate(plain) if amounts[text].problem]
    problems = (
        [_unreadable(table, ours, theirs, bad, plain, amounts, decimal)] if bad else []
    )
    return Cells(np.array(values), problems)


def numbers(
    table: Table,
    ours: str,
    theirs: str,
    decimal: str = "",
    unit: float | None = None,
) -> np.ndarray:
    """Read a column's cells as floats; an empty cell is NaN.

    Raises:
        ValueError: a cell is no number, naming every such row and value.
    """
    cells = read_numbers(table, ours, theirs, decimal, unit)
    if cells.problems:
        raise ValueError(f"{table.source}, {cells.problems[0].sentence()}")
    return cells.values


def numbers_or_text(table: Table, theirs: str, decimal: str = "") -> np.ndarray:
    """Read a column that is none of ours as plain numbers, or else as text."""
    filled = (t for c in table.columns[theirs] if (t := _text(c)).lower() not in EMPTY)
    if read_amount(next(filled, "0"), NUMBER, decimal).problem:
        return texts(table, theirs)  # seen at the first cell
    cells = read_numbers(table, "se", theirs, decimal)  # neither suffix nor unit
    return texts(table, theirs) if cells.problems else cells.values


def texts(table: Table, theirs: str) -> np.ndarray:
    """Read a column's cells as text; an empty cell is the empty text."""
    cells = [_text(cell) for cell in table.columns[theirs]]
    return np.array(["" if c.lower() in EMPTY else c for c in cells], dtype=str)


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest names, or list the known ones."""
    known = list(known)
    lower = {k.lower(): k for k in reversed(known)}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)
    if near:
        return f"did you mean {[lower[n] for n in near]}?"
    rest = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"there are {known[:12]}{rest}"


def _chosen_columns(
    table: Table, chosen: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    columns, problems = {}, []
    for ours, theirs in chosen.items():
        if detail := _misspelt(ours, theirs):
            problems.append(Problem("column names", Status.FAIL, detail))
        elif theirs not in table.columns:
            lower = {name.lower(): name for name in reversed(table.columns)}
            near = difflib.get_close_matches(theirs.lower(), lower, n=1, cutoff=0.6)
            repair = ReadOptions(columns={ours: lower[near[0]]} if near else {})
            detail = (
                f"no column {theirs!r} for {ours}; {suggest(theirs, table.columns)}"
            )
            problems.append(Problem("column names", Status.FAIL, detail, repair=repair))
        else:
            columns[ours] = theirs
    return columns, problems


def _misspelt(ours: str, theirs: str) -> str:
    if ours in ALIASES:
        return ""
    intended = [
        n for n, aliases in ALIASES.items() if ours.lower() in (n.lower(), *aliases)
    ]
    near = intended or difflib.get_close_matches(ours, ALIASES, n=1, cutoff=0.75)
    if not near:
        return ""
    return (
        f"no column of ours is called {ours!r}; did you mean {near[0]}={theirs}? "
        f"(ours: {', '.join(ALIASES)})"
    )


def _same(name: str, alias: str, *, exact: bool) -> bool:
    """Compare a header with an alias; `n` may be a number of anything, so not N."""
    if exact and len(alias) == 1:
        return name == alias
    return re.sub(r"[\s-]+", "_", name.strip().lower()) == alias.lower()


def _shared(columns: Mapping[str, str]) -> list[Problem]:
    names_of: dict[str, str] = {}
    problems = []
    for ours in MEASURED:
        theirs = columns.get(ours)
        if theirs in names_of:
            detail = f"column {theirs!r} cannot be both {names_of[theirs]} and {ours}"
            remedy = "leave one out of the map"
            problems.append(Problem("column names", Status.FAIL, detail, remedy))
        elif theirs is not None:
            names_of[theirs] = ours
    return problems


def _first_of(ours: str, matches: Sequence[str]) -> list[Problem]:
    """Note which of several columns is taken for a setting that few laws read."""
    if len(matches) < 2:
        return []
    detail = f"read as {ours}, rather than {', '.join(map(repr, matches[1:]))}"
    remedy = f"--columns {ours}={matches[1]} takes that"
    return [Problem(f"column of {ours}", Status.PASS, detail, remedy, matches[0])]


def _validation_first(matches: Sequence[str]) -> list[str]:
    """Sort columns that one name may mean, held-out losses first."""

    def rank(name: str) -> int:
        meaning = read_meaning(name)
        return meaning.rank if meaning else 0

    return sorted(matches, key=rank)


def _ambiguous(ours: str, matches: Sequence[str], detail: str = "") -> Problem:
    return Problem(
        f"which {ours}",
        Status.FAIL,
        f"columns [{list_some([repr(name) for name in sorted(matches)])}] could each be {ours}{detail}",
        f"say which with --columns {ours}={matches[0]}, or columns={{{ours!r}: {matches[0]!r}}}",
        repair=ReadOptions(columns={ours: matches[0]}),
    )


def _name_by_meaning(
    table: Table,
    ours: str,
    columns: dict[str, str],
    problems: list[Problem],
    taken: Sequence[str],
) -> None:
    """Name N, D, C or L by the words of the headers, with a note or a question.

    Columns that the user took for something else are `taken`.
    """
    measured = [columns[name] for name in MEASURED if name in columns]
    meanings = {
        name: meaning
        for name in table.columns
        if name not in measured
        and name not in taken
        and (meaning := read_meaning(name))
        and meaning.ours == ours
        and (meaning.kind != "label" or "C" not in columns or "D" not in columns)
        and _may_be(table, ours, name, meaning)
    }
    if not meanings:
        return
    least = min(meaning.rank for meaning in meanings.values())
    best = [name for name, meaning in meanings.items() if meaning.rank == least]
    if len(best) > 1 and not _alike(table, best):
        best = _by_evidence(table, ours, columns, best)
        problems.append(
            _ambiguous(ours, best, _kinds(table, ours, columns, best, meanings))
        )
    else:
        problems.append(_note(table, ours, best[0], meanings))
    columns[ours] = best[0]


def _missing(table: Table, columns: Mapping[str, str]) -> list[Problem]:
    """Note which columns could make one of N, D and L that is not there."""
    sizes = [name for name in ("N", "D", "C") if name in columns]
    wanted = [n for n in ("N", "D") if n not in sizes and len(sizes) < 2]
    if not {"L", *RESPONSES}.intersection(columns):
        wanted.append("L")
    if not wanted:
        return []
    cells = {name: numbers_or_text(table, name) for name in table.columns}
    return [
        Problem(f"no {ours}", Status.REVIEW, f"no column of {NAMES[ours]}; {how}")
        for ours in wanted
        if (how := explain_missing(cells, ours))
    ]


def _may_be(table: Table, ours: str, name: str, meaning: Meaning) -> bool:
    """Tell whether the cells are of the kind that the header says."""
    if meaning.kind == "label" and table.columns[name].dtype.kind not in "fiu":
        read = {
            text: read_amount(text, QUANTITIES[ours]) for text in _filled(table, name)
        }
        return all(a.scaled for a in read.values()) or _bears_sizes(read)
    values = read_numbers(table, ours, name).values
    values = values[np.isfinite(values)]
    least = 1e5 if meaning.kind == "label" else -np.inf
    return 2 * values.size >= len(set(_filled(table, name))) and bool(
        np.all(values > least)
    )


def _filled(table: Table, name: str) -> set[str]:
    return {
        t for cell in table.columns[name] if (t := _text(cell)).lower() not in EMPTY
    }


def _alike(table: Table, names: Sequence[str]) -> bool:
    first, *others = ([_text(cell) for cell in table.columns[name]] for name in names)
    return all(other == first for other in others)


def _by_evidence(
    table: Table, ours: str, columns: Mapping[str, str], names: Sequence[str]
) -> list[str]:
    """Sort columns that could each be ours, the likeliest first."""
    shortest = sorted(names, key=lambda name: len(words_of(name)))
    if ours != "N":
        return shortest
    if "C" in columns and "D" in columns:
        distance = {
            name: np.abs(np.log(_flop_ratio(table, columns, name))).max(initial=0.0)
            for name in shortest
        }
        return sorted(shortest, key=lambda name: float(distance[name]))
    order = ("active", "", "total", "non-embedding")
    kind = {name: meaning.kind for name in names if (meaning := read_meaning(name))}
    return sorted(
        shortest, key=lambda name: order.index(kind[name]) if kind[name] in order else 9
    )


def _flop_ratio(table: Table, columns: Mapping[str, str], name: str) -> np.ndarray:
    """Return the smallest and largest C / (6 N D), with a column as N, if there are any."""
    if "C" not in columns or "D" not in columns:
        return np.empty(0)
    N, D, C = (
        read_numbers(table, ours, theirs).values
        for ours, theirs in (("N", name), ("D", columns["D"]), ("C", columns["C"]))
    )
    with np.errstate(all="ignore"):
        ratio = C / (FLOP_PER_PARAM_TOKEN * N * D)
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    return np.array([ratio.min(), ratio.max()]) if ratio.size else ratio


def _kinds(
    table: Table,
    ours: str,
    columns: Mapping[str, str],
    names: Sequence[str],
    meanings: Mapping[str, Meaning],
) -> str:
    """Say what it means to take each of several columns."""
    parts = []
    for name in names:
        meant = KINDS.get(meanings[name].kind, "")
        ratio = _flop_ratio(table, columns, name) if ours == "N" else np.empty(0)
        if ratio.size:
            span = " to ".join(dict.fromkeys(f"{r:.2g}" for r in ratio))
            meant += f"{', ' if meant else ''}with which C / (6 N D) is {span}"
        if meant:
            parts.append(f"{name!r}: {meant}")
    if {"active", "total"} <= {meanings[name].kind for name in names}:
        parts.append("the experts law reads both, N active and total_params")
    return f" ({'; '.join(parts)})" if parts else ""


def _note(
    table: Table, ours: str, name: str, meanings: Mapping[str, Meaning]
) -> Problem:
    kind = meanings[name].kind
    others = [other for other in meanings if other != name]
    rather = f", rather than {', '.join(map(repr, others))}" if others else ""
    what = f"{kind} loss" if ours == "L" and kind else NAMES[ours]
    detail = f"read as {ours}, the {what}{rather}"
    status = Status.PASS
    if kind == "label":
        detail += "; sizes as names give them are rounded"
        status = Status.REVIEW
    remedy = f"--columns {ours}={others[0]} takes that" if others else ""
    return Problem(f"column of {ours}", status, detail, remedy, column=name)


def _unit_notes(table: Table, columns: Mapping[str, str]) -> list[Problem]:
    notes = []
    for ours, theirs in columns.items():
        if unit := read_unit(theirs, ours):
            detail = f"plain numbers are read as {ours} in units of {unit.factor:g} ({unit.text!r}), as the header says"
            notes.append(Problem(f"unit of {ours}", Status.PASS, detail, column=theirs))
        if (
            ours == "N"
            and theirs not in notes
            and table.columns[theirs].dtype.kind in "OSU"
        ):
            read = {t: read_amount(t, QUANTITIES["N"]) for t in _filled(table, theirs)}
            if _bears_sizes(read):
                detail = "sizes are read from names, where they are rounded"
                notes.append(
                    Problem("sizes in names", Status.REVIEW, detail, column=theirs)
                )
    return notes


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return (
        cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
    ).strip()


def _header_factor(theirs: str, ours: str) -> float:
    unit = read_unit(theirs, ours)
    return unit.factor if unit else 1.0


def _bears_sizes(amounts: Mapping[str, Amount]) -> bool:
    """Tell whether texts are no amounts, but each bears one size, as pythia-1.4b does."""
    filled = {text: a for text, a in amounts.items() if text.lower() not in EMPTY}
    return bool(filled) and all(
        amount.problem and not amount.european and np.isfinite(read_size(text))
        for text, amount in filled.items()
    )


def _size_borne(text: str) -> Amount:
    return Amount(read_size(text), scaled=True)


def _unreadable(
    table: Table,
    ours: str,
    theirs: str,
    bad: Sequence[int],
    written: Sequence[str],
    amounts: Mapping[str, Amount],
    decimal: str,
) -> Problem:
    """Say which cells of a column are no numbers, why, and what would read them."""
    reasons = {amounts[written[i]].problem: written[i] for i in reversed(bad)}
    readings = [f"{text!r} {reason}" for reason, text in reversed(reasons.items())]
    counted = QUANTITIES.get(ours)
    example = "7e9 or 7B" if counted else "2.5"
    rows = tuple(int(table.rows[i]) for i in bad)
    repair, remedy = _repair(table, ours, bad, written, amounts, decimal)
    return Problem(
        "unreadable cells",
        Status.FAIL,
        f"({ours}) expected a number such as {example}, but {'; '.join(readings[:2])}",
        remedy,
        column=theirs,
        rows=rows,
        values=tuple(written[i] for i in bad),
        repair=repair,
    )


def _repair(
    table: Table,
    ours: str,
    bad: Sequence[int],
    written: Sequence[str],
    amounts: Mapping[str, Amount],
    decimal: str,
) -> tuple[ReadOptions, str]:
    """Choose the options that read a column's cells, or leave out their rows."""
    kind = QUANTITIES.get(ours, NUMBER if ours in ALIASES else ANY)
    european = [i for i in bad if amounts[written[i]].european]
    skipped, sign = list(bad), ""
    if european and not decimal:
        sign = _sign(table, kind, [written[i] for i in european])
        if not sign:
            remedy = "write them with a decimal point and without separators, or say which sign divides with --decimal comma or --decimal point"
            return ReadOptions(), remedy
        skipped = [i for i in bad if i not in european]
    if 2 * len(skipped) > len(written):
        return ReadOptions(), "correct them, or name another column with --columns"
    rows = tuple(int(table.rows[i]) for i in skipped)
    remedies = [f"read them with --decimal {sign}"] if sign else []
    if rows:
        remedies.append("correct them, or leave the rows out with --skip-rows")
    return ReadOptions(skip_rows=rows, decimal=sign), "; ".join(remedies)


def _sign(table: Table, kind: str, texts: Sequence[str]) -> str:
    """Choose the decimal sign with which a table is read; none where two would do.

    A loss or an error has no thousands, so that its comma divides, if any does.
    """
    habits, small = table.habits, kind == NUMBER
    commas = habits.european or (small and not habits.english)
    if commas and _all_read_with_commas(table):
        return COMMA
    points = habits.english and not small
    point = all(not read_amount(text, kind, POINT).problem for text in texts)
    return POINT if points and point else ""


def _all_read_with_commas(table: Table) -> bool:
    """Tell whether every column of numbers reads with decimal commas, and as meant."""
    for name, cells in table.columns.items():
        if cells.dtype.kind not in "OSU":
            continue
        texts = _filled(table, name)
        plain = [read_amount(text) for text in texts]
        if 2 * sum(not a.problem or a.european for a in plain) < len(texts):
            continue
        if any(read_amount(text, decimal=COMMA).problem for text in texts):
            return False
        dotted = [text for text in texts if text.count(".") == 1 and "," not in text]
        if (
            dotted
            and not table.habits.commas_divide
            and all(map(could_be_thousands, dotted))
        ):
            return False  # 3.973 beside 63.000.000 may be of either kind
    return True
