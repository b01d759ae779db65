"""What the options of a command said of the runs and the law."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstar.cli import options as o

if TYPE_CHECKING:
    from nstar.priors.sets import PriorSet


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
        from nstar.priors.sets import DEFAULT, PriorSet

        return PriorSet(self.set_name or DEFAULT, self.chosen_priors)
