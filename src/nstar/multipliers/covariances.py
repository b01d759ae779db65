"""Covariances of blocks with a few directions in common: solved a block at a time."""

from typing import NamedTuple

import numpy as np

JITTER = 1e-12  # of the largest variance, on the diagonal


class Covariance(NamedTuple):
    r"""A stack of blockdiag(B) + U U', factorised.

    $$ B = R R^\top, \qquad X = R^{-1} U, \qquad I + X^\top X = S S^\top $$

    so that $|A| = |B|\,|S|^2$ and $A^{-1} = R^{-\top} (I - X (S S^\top)^{-1} X^\top) R^{-1}$.
    """

    root: np.ndarray  # R, (..., block, row, row)
    inverse: np.ndarray  # of R
    common: np.ndarray  # U, (..., block, row, direction)
    whitened: np.ndarray  # X
    small: np.ndarray  # inverse of S, (..., direction, direction)
    half_log_det: np.ndarray  # (...,)

    def square(self, r: np.ndarray) -> np.ndarray:
        """Return r' A^-1 r, (...,), of r, (..., block, row)."""
        x, shared = self._whiten(r)
        return np.square(x).sum(axis=(-2, -1)) - np.square(shared).sum(axis=-1)

    def solve(self, r: np.ndarray) -> np.ndarray:
        """A^-1 r, (..., block, row)."""
        x, shared = self._whiten(r)
        back = np.einsum("...ij,...i->...j", self.small, shared)
        x = x - np.einsum("...gbq,...q->...gb", self.whitened, back)
        return np.einsum("...ji,...j->...i", self.inverse, x)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Draw from the normal of this covariance, (..., block, row)."""
        *stack, blocks, rows, directions = self.common.shape
        alone = random.standard_normal((*stack, blocks, rows))
        shared = random.standard_normal((*stack, directions))
        return np.einsum("...ij,...j->...i", self.root, alone) + np.einsum(
            "...gbq,...q->...gb", self.common, shared
        )

    def _whiten(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.einsum("...ij,...j->...i", self.inverse, r)
        shared = np.einsum("...gbq,...gb->...q", self.whitened, x)
        return x, np.einsum("...ij,...j->...i", self.small, shared)


def factorise(blocks: np.ndarray, common: np.ndarray) -> Covariance:
    """Factorise blocks, (..., block, row, row), and directions, (..., block, row, direction)."""
    root = _root(blocks)
    inverse = np.linalg.inv(root)
    whitened = inverse @ np.nan_to_num(common)
    *stack, count, rows, directions = whitened.shape
    flat = whitened.reshape(*stack, count * rows, directions)
    gram = np.eye(directions) + np.swapaxes(flat, -1, -2) @ flat
    small = _root(gram)
    log_det = _log_diagonal(root).sum(axis=-1) + _log_diagonal(small)
    return Covariance(root, inverse, common, whitened, np.linalg.inv(small), log_det)


def _root(matrices: np.ndarray) -> np.ndarray:
    """Cholesky factors of matrices that may be singular to rounding, or no numbers at all.

    Draws of scales far out have such; their weights are next to nothing whatever they are.
    """
    finite = np.isfinite(matrices).all(axis=(-2, -1), keepdims=True)
    eye = np.eye(matrices.shape[-1])
    safe = np.where(finite, matrices, eye)
    most = np.diagonal(safe, axis1=-2, axis2=-1).max(axis=-1, initial=0.0)
    return np.linalg.cholesky(safe + JITTER * most[..., None, None] * eye)


def _log_diagonal(root: np.ndarray) -> np.ndarray:
    return np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
