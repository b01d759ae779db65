"""Checks of a column's values: finite, in range, whole, no more successes than samples."""

import numpy as np

from nstar.runs.observations import Observations
from nstar.types import Response


def require_finite(runs: Observations, name: str) -> None:
    """Require that every cell of a column is a finite number.

    Raises:
        ValueError: naming the first that is not.
    """
    values = runs[name]
    if values.dtype.kind not in "fiu":
        bad = np.array([not _is_number(cell) for cell in values])
        value, kind = repr(str(values[np.argmax(bad)])), "a number"
    else:
        bad = ~np.isfinite(values)
        first = values[np.argmax(bad)]
        value = "an empty cell" if np.isnan(first) else f"{first:g}"
        kind = "a finite number"
    if bad.any():
        msg = (
            f"{runs.source}, row {runs.rows[np.argmax(bad)]}, column {runs.header(name)}: expected {kind}, "
            f"got {value} ({bad.sum()} such row{'s' if bad.sum() > 1 else ''}); correct them, "
            f"or keep the others with --where, as in '{name}>0'"
        )
        raise ValueError(msg)


RANGES = {  # of what laws read besides N, D and C: (low, high), both excluded ...
    "L": (0.0, np.inf),
    "P": (0.0, np.inf),
    "T": (0.0, np.inf),
    "k": (0.0, np.inf),
    "samples": (0.0, np.inf),
    "forward_flop": (0.0, np.inf),
    "unique_tokens": (0.0, np.inf),
    "total_params": (0.0, np.inf),
    "dense_tokens": (-1e-12, np.inf),  # ... but a run from scratch's zero
    "vocabulary_params": (0.0, np.inf),
    "weight_bits": (0.0, np.inf),
    "activation_bits": (0.0, np.inf),
    "lr": (0.0, np.inf),
    "batch": (0.0, np.inf),
    "sparsity": (-1e-12, 1.0),  # ... but a dense model's zero
}


def require_range(runs: Observations, name: str) -> None:
    """Require that an input besides N, D and C is in its range.

    Raises:
        ValueError: naming the first that has not.
    """
    low, high = RANGES.get(name, (-np.inf, np.inf))
    bad = (runs[name] <= low) | (runs[name] >= high)
    if bad.any():
        i = int(np.argmax(bad))
        interval = "a share from 0 to below 1" if high == 1 else "a positive number"
        msg = (
            f"{runs.source}, row {runs.rows[i]}, column {runs.header(name)}: expected "
            f"{interval}, got {runs[name][i]:g} ({bad.sum()} such row{'s' if bad.sum() > 1 else ''})"
        )
        raise ValueError(msg)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def require_response(runs: Observations, name: str, response: Response) -> None:
    """Require that a column has only values this response can take.

    Raises:
        ValueError: naming the first that it cannot.
    """
    values = runs[name]
    require_finite(runs, name)
    low, high = response.lower, response.upper
    allowed = (
        (values >= low) & (values <= high)
        if response.closed
        else (values > low) & (values < high)
    )
    if response.whole:
        allowed &= values == np.floor(values)
    if allowed.all():
        return
    i = int(np.argmax(~allowed))
    interval = f"{'[' if response.closed else '('}{low:g}, {high:g}{']' if response.closed else ')'}"
    kind = "a whole number" if response.whole else "a number"
    hint = "; correct it or leave the row out"
    if response.log_loss:
        hint = "; a normalised loss may be negative, but needs a law with response normalised_loss"
    elif high == 1 and 1 < values.max() <= 100:
        hint = "; if these are percent, divide by 100"
    msg = (
        f"{runs.source}, row {runs.rows[i]}, column {runs.header(name)}: expected {kind} in {interval} "
        f"for {response.name}, got {values[i]:g}{hint}"
    )
    raise ValueError(msg)


def require_successes(runs: Observations) -> None:
    """Require that no run has more successes than samples.

    Raises:
        ValueError: naming the first that has.
    """
    over = runs["successes"] > runs["samples"]
    if over.any():
        i = int(np.argmax(over))
        msg = (
            f"{runs.source}, row {runs.rows[i]}, column 'successes': expected at most the "
            f"{runs['samples'][i]:g} samples of the row, got {runs['successes'][i]:g}; are "
            "the two columns swapped?"
        )
        raise ValueError(msg)


def require_questions(runs: Observations) -> None:
    """Require that every run answered a positive number of questions.

    Raises:
        ValueError: naming the first that did not.
    """
    require_finite(runs, "questions")
    bad = runs["questions"] < 1
    if bad.any():
        i = int(np.argmax(bad))
        msg = (
            f"{runs.source}, row {runs.rows[i]}, column {runs.header('questions')}: expected the number of "
            f"questions behind the accuracy, at least 1, got {runs['questions'][i]:g}"
        )
        raise ValueError(msg)
