"""Several laws read as one posterior: fits of the same runs, each with a weight."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nstar.fits import store
from nstar.fits.fitting import Fit
from nstar.laws.parsing import require_names
from nstar.runs.observations import Observations
from nstar.types import Law, Noise
from nstar.verdicts import Check, Status


@dataclass(frozen=True)
class Average:
    r"""A mixture of posteriors, read wherever a fit is read.

    $$ p(\tilde y) = \sum_k w_k\, p_k(\tilde y) $$

    Each draw of whatever is predicted belongs to one law: draws have a coordinate `law`,
    and each law has as many of them as its weight asks for.
    """

    components: tuple[Fit, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]  # sum to one
    how: Check  # the weights came about, and whether they are to be relied on

    def __post_init__(self) -> None:
        """Refuse what is no mixture.

        Raises:
            ValueError: too many components, or they do not speak of the same table.
        """
        require_names(self.names)
        if not len(self.components) == len(self.names) == len(self.weights):
            msg = f"expected a name and a weight for each component, got {len(self.components)} components, names {self.names} and weights {self.weights}"
            raise ValueError(msg)
        if not (min(self.weights) >= 0 and np.isclose(sum(self.weights), 1)):
            msg = f"weights must be at least 0 and sum to 1, got {self.weights}"
            raise ValueError(msg)
        first, *others = self.components
        for name, fit in zip(self.names[1:], others, strict=True):
            if fit.runs.source != first.runs.source:
                msg = f"the laws of an average take runs of one source, but {name} takes {fit.runs.source} and {self.names[0]} takes {first.runs.source}"
                raise ValueError(msg)
            if fit.law.response != first.law.response:
                msg = f"the laws of an average predict the same response, but {name} predicts {fit.law.response.name} and {self.names[0]} predicts {first.law.response.name}"
                raise ValueError(msg)

    @property
    def runs(self) -> Observations:
        """The runs of the component that has learned from most."""
        return max((fit.runs for fit in self.components), key=len)

    @property
    def seed(self) -> int:
        """Seed of the components."""
        return self.components[0].seed

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Draws of each component in the mixture: weights, rounded by largest remainder."""
        total = min(len(next(iter(fit.draws.values()))) for fit in self.components)
        exact = np.asarray(self.weights) * total
        counts = np.floor(exact).astype(int)
        most_short = np.argsort(counts - exact, kind="stable")
        counts[most_short[: total - counts.sum()]] += 1
        return tuple(int(n) for n in counts)

    @cached_property
    def parts(self) -> tuple[Fit, ...]:
        """Each component with its share of the draws; those without any are left out."""
        pairs = zip(self.components, self.counts, strict=True)
        return tuple(thinned(fit, count) for fit, count in pairs if count)

    @property
    def mixture(self) -> dict[str, float]:
        """Weights by law."""
        return dict(zip(self.names, self.weights, strict=True))

    @property
    def coords(self) -> dict[str, tuple[str, np.ndarray]]:
        """Coordinates of draws of a prediction: the law that each belongs to."""
        return {"law": ("draw", self.law_of_draw)}

    @property
    def law_of_draw(self) -> np.ndarray:
        """Name of the law that each draw of the mixture belongs to, (draw,)."""
        return np.repeat(self.names, self.counts)

    def shared_out(self, values: np.ndarray) -> list[np.ndarray]:
        """Part what was computed by draw into what each of `parts` has of it."""
        return np.split(values, np.cumsum([n for n in self.counts if n])[:-1])

    def of_components(self, components: Sequence[Fit]) -> "Average":
        """Return the average with others in the place of its components."""
        return replace(self, components=tuple(components))

    def equal(self) -> "Average":
        """Return the same components with equal weights."""
        return replace(self, weights=(1 / len(self.names),) * len(self.names))

    def summary(self) -> list[dict[str, Any]]:
        """One record a law: its weight, the equal weight beside, and its draws."""
        laws = zip(self.names, self.weights, self.counts, strict=True)
        equal = 1 / len(self.names)
        return [
            {"law": name, "weight": weight, "equal_weight": equal, "draws": count}
            for name, weight, count in laws
        ]

    def save(self, path: str | Path) -> Path:
        """Write every component, and the weights, to one file, whole or not at all.

        Raises:
            ValueError: it cannot be written there.
        """
        record = {
            "names": self.names,
            "weights": self.weights,
            "how": self.how.as_json(),
        }
        parts = [(fit.tree, fit.runs, fit.notes) for fit in self.components]
        return store.write_parts(parts, json.dumps(record), path)

    @property
    def tree(self) -> xr.DataTree:
        """Every component's groups under its name; the weights among the attributes."""
        trees = zip(self.names, (fit.tree for fit in self.components), strict=True)
        tree = xr.DataTree.from_dict(dict(trees))
        weights = dict(zip(self.names, self.weights, strict=True))
        tree.attrs = {"weights": json.dumps(weights), "weights_from": self.how.detail}
        return tree

    def __repr__(self) -> str:
        """One line, as `str` has it."""
        return f"Average: {self}"

    def __str__(self) -> str:
        """Name the laws with their weights, equal weights beside, and the data."""
        laws = zip(self.names, self.weights, strict=True)
        return (
            f"average of {', '.join(f'{name} {weight:.2f}' for name, weight in laws)} "
            f"(equal weights would be {1 / len(self.names):.2f}), "
            f"{len(self.runs)} runs of {self.runs.source}, seed {self.seed}"
        )


type Posterior = Fit | Average  # a fit is read as an average of one


def load(
    path: str | Path, law: Law | None = None, noise: Noise | None = None
) -> Posterior:
    """Read a fit or an average back, identical to the one that was saved.

    Args:
        path: the file.
        law: the law of a fit, where it is one of the user's own.
        noise: the noise, likewise.

    Returns:
        The fit, or the average.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is cut short, edited, no fit, or of a newer format.

    Examples:
        >>> nstar.load("ladder.nc").summary(prob=0.9)
    """
    text, stored = store.read_parts(path, law, noise)
    parts = [Fit(*part) for part in stored]
    if text is None:
        return parts[0]
    record = json.loads(text)
    how = Check(
        record["how"]["name"], Status(record["how"]["status"]), record["how"]["detail"]
    )
    return Average(tuple(parts), tuple(record["names"]), tuple(record["weights"]), how)


def thinned(fit: Fit, count: int) -> Fit:
    """Keep this many draws, evenly spaced over the chains joined."""
    joined = fit.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    at = np.arange(count) * joined.sizes["sample"] // count
    picked = joined.isel(sample=at).drop_vars(["sample", "chain", "draw"])
    picked = (
        picked.rename(sample="draw")
        .expand_dims("chain")
        .transpose("chain", "draw", ...)
    )
    seen = {name: fit.tree[name].dataset for name in ("observed_data", "constant_data")}
    tree = xr.DataTree.from_dict({"posterior": picked, **seen})
    tree.attrs = fit.tree.attrs
    return replace(fit, tree=tree)
