"""What can be measured of a run: the scale it is modelled on and the values it may take."""

from dataclasses import replace

import numpy as np

from nstar.types import Kind, Response


def _exp(y: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.exp(np.clip(y, -700.0, 700.0)),)  # the far tail of a Student-t overflows


def _same(y: np.ndarray) -> tuple[np.ndarray, ...]:
    return (y,)


def _stack_logs(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    return np.stack([np.log(N), np.log(D)], axis=-1)


def _split_exp(y: np.ndarray) -> tuple[np.ndarray, ...]:
    return np.exp(y[..., 0]), np.exp(y[..., 1])


def _stack_nll(nll: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    return np.stack([np.log(nll), accuracy], axis=-1)


def _split_nll(y: np.ndarray) -> tuple[np.ndarray, ...]:
    return (*_exp(y[..., 0]), y[..., 1])


LOG_LOSS = Response(
    "log_loss",
    ("L",),
    "log nats per token",
    np.log,
    _exp,
    kind=Kind.LOSS,
    logged=True,
    lower=0.0,
)
TUNED_LOSS = replace(LOG_LOSS, noise="mistuned")  # of runs that differ in tuning
LOG_TOKENS = Response(
    "log_tokens",
    ("D",),
    "log tokens",
    np.log,
    _exp,
    kind=Kind.OPTIMUM,
    logged=True,
    lower=0.0,
    scatter=0.1,
    noise="normal",
)
LOG_OPTIMUM = Response(
    "log_optimum",
    ("N", "D"),
    "log parameters, log tokens",
    _stack_logs,
    _split_exp,
    kind=Kind.OPTIMUM,
    lower=0.0,
    scatter=0.1,
    noise="correlated",
)
NORMALISED_LOSS = Response(  # above a baseline, so it may be negative
    "normalised_loss", ("L",), "nats per token", np.asarray, _same, kind=Kind.LOSS
)
SUCCESSES = Response(
    "successes",
    ("successes",),
    "count",
    np.asarray,
    _same,
    kind=Kind.COUNTS,
    rising=True,
    lower=0.0,
    closed=True,
    whole=True,
    noise="binomial",
)
LOG_NLL = Response(
    "log_nll",
    ("nll",),
    "log nats",
    np.log,
    _exp,
    kind=Kind.NLL,
    logged=True,
    lower=0.0,
    scatter=0.02,
    noise="normal",
)
ACCURACY = Response(
    "accuracy",
    ("accuracy",),
    "fraction",
    np.asarray,
    _same,
    kind=Kind.ACCURACY,
    rising=True,
    lower=0.0,
    upper=1.0,
    closed=True,
    scatter=0.01,
    noise="bounded",
)
TASK = Response(  # the task's negative log-likelihood, and the accuracy that follows
    "task",
    ("nll", "accuracy"),
    "log nats, fraction",
    _stack_nll,
    _split_nll,
    kind=Kind.TASK,
    own_noise=True,
    noise="two_steps",
    parts=(LOG_NLL, ACCURACY),
)
METRIC = Response(
    "metric",
    ("metric",),
    "fraction",
    np.asarray,
    _same,
    kind=Kind.METRIC,
    lower=0.0,
    upper=1.0,
    closed=True,
    scatter=0.01,
    noise="bounded",
)
LOG_FID = Response(
    "log_fid",
    ("fid",),
    "log FID",
    np.log,
    _exp,
    kind=Kind.DISTANCE,
    logged=True,
    lower=0.0,
    scatter=0.1,
)
