"""The posterior of a fit as an answer: every unknown, with its prior and its diagnostics."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.fits.unknown_words import describe_unknown
from nstar.validation.checks import check_fit
from nstar.verdicts import Check
from nstar.wording import percent, three


@dataclass(frozen=True)
class Summary(Answer):
    """Unknowns of a fit, or of every law that is averaged."""

    records_key = "unknowns"

    fit: Posterior
    saved: str | None = None  # the file it was written to

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        several = len(self.fit.components) > 1
        pairs = zip(self.fit.names, self.fit.components, strict=True)
        unknowns = {
            f"{law}: {name}" if several else name: row
            for law, part in pairs
            for name, row in _unknowns(part, prob).items()
        }
        return {"unknowns": unknowns, "saved": self.saved}

    def checks(self) -> list[Check]:
        """Check the sampler, the priors and the law."""
        return check_fit(self.fit)

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """One row for each scalar unknown; array unknowns are only named."""
        unknowns = self.as_json(prob)["unknowns"]
        arrays = dict.fromkeys(name.split("[")[0] for name in unknowns if "[" in name)
        yield Table(
            f"Posterior; {percent(prob)} equal-tailed credible intervals of the law's unknowns",
            [
                "unknown",
                "what it is",
                "mean",
                "sd",
                "lower",
                "upper",
                "R-hat",
                "ESS",
                "prior",
            ],
            [
                [
                    name,
                    describe_unknown(name.split(": ")[-1]),
                    *(three(row[n]) for n in ("mean", "sd", "lower", "upper")),
                    f"{row['r_hat']:.3f}",
                    f"{min(row['ess_bulk'], row['ess_tail']):.0f}",
                    row["prior"] or "follows from the others",
                ]
                for name, row in unknowns.items()
                if "[" not in name
            ],
        )
        yield (
            "R-hat says whether the chains agree (1.01 at most), ESS how many independent draws "
            "the chains are worth (400 at least)."
        )
        if arrays:
            yield f"Not shown: {', '.join(arrays)}, one for each budget or group; --json has them."
        if self.saved:
            yield f"saved to {self.saved}"


def _unknowns(fit: Fit, prob: float) -> dict[str, dict[str, Any]]:
    """The summary by unknown, with its prior; null where it follows from others."""
    table = fit.summary(prob)
    low, high = (str(n) for n in table.columns if str(n).startswith("eti"))
    priors = json.loads(fit.tree.attrs["priors"])
    names = {"mean": "mean", "sd": "sd", "lower": low, "upper": high}
    names |= {name: name for name in ("r_hat", "ess_bulk", "ess_tail")}
    return {
        str(name): {ours: float(row[theirs]) for ours, theirs in names.items()}
        | {"prior": priors.get(str(name).split("[")[0])}
        for name, row in table.iterrows()
    }
