"""Commands on a posterior: fit, summary."""

import json as json_room
from typing import TYPE_CHECKING, Any

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import Fitted, get_fit

if TYPE_CHECKING:
    from nstar.fits.fitting import Fit


@o.command("nstar fit ladder.csv --law chinchilla --out ladder.nc", without=("group",))
def fit(
    request: o.Request,
    output: o.Output,
    out: o.Out = None,
) -> None:
    """Fit a law to runs and print its posterior.

    With --out the fit is saved, and every other command takes it in place of runs.
    """
    if request.saved:
        msg = f"{request.runs} is a saved fit; print it with: nstar summary {request.runs}"
        raise ValueError(msg)
    _summarise(request, output.prob, json=output.json, out=out)


@o.command("nstar summary ladder.nc --prob 0.9", without=("group",))
def summary(
    request: o.Request,
    output: o.Output,
) -> None:
    """Print the posterior of a saved fit or of runs."""
    _summarise(request, output.prob, json=output.json, out=None)


def _summarise(request: o.Request, prob: float, *, json: bool, out: str | None) -> None:
    from nstar.files.writing import require_writable

    o.require_prob(prob)
    if out:
        require_writable(out, ".nc")
    found = get_fit(request)
    from nstar.cli import head
    from nstar.validation.checks import check_fit
    from nstar.wording import plainly

    fit = found.fit
    checks = plainly(check_fit(fit))
    several = len(fit.components) > 1
    unknowns = {
        f"{law}: {name}" if several else name: row
        for law, part in zip(fit.names, fit.components, strict=True)
        for name, row in _unknowns(part, prob).items()
    }
    saved = str(fit.save(out)) if out else None
    if json:
        show.as_json(
            head.head(found, prob)
            | {
                "unknowns": unknowns,
                "saved": saved,
                "checks": [c.as_json() for c in checks],
            }
        )
    else:
        head.title(found)
        show.checks(checks)
        _print(found, unknowns, prob)
        head.conventions(found)
        if saved:
            show.line(f"saved to {saved}")
    show.finish(checks)


def _unknowns(fit: "Fit", prob: float) -> dict[str, dict[str, Any]]:
    """The summary by unknown, with its prior; null where it follows from others."""
    table = fit.summary(prob)
    low, high = (str(n) for n in table.columns if str(n).startswith("eti"))
    priors = json_room.loads(fit.tree.attrs["priors"])
    names = {"mean": "mean", "sd": "sd", "lower": low, "upper": high}
    names |= {name: name for name in ("r_hat", "ess_bulk", "ess_tail")}
    return {
        str(unknown): {name: float(row[theirs]) for name, theirs in names.items()}
        | {"prior": priors.get(str(unknown).split("[")[0])}
        for unknown, row in table.iterrows()
    }


def _print(found: Fitted, unknowns: dict[str, dict[str, Any]], prob: float) -> None:
    from nstar.wording import percent, three, unknown

    each = [name for name in unknowns if "[" in name]
    rows = [
        [
            name,
            unknown(name.split(": ")[-1]),
            *(three(u[n]) for n in ("mean", "sd", "lower", "upper")),
            f"{u['r_hat']:.3f}",
            f"{min(u['ess_bulk'], u['ess_tail']):.0f}",
            u["prior"] or "follows from the others",
        ]
        for name, u in unknowns.items()
        if name not in each
    ]
    show.table(
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
        rows,
    )
    show.line(
        "R-hat says whether the chains agree (1.01 at most), ESS how many independent draws "
        "the chains are worth (400 at least)."
    )
    if each:
        kinds = dict.fromkeys(name.split("[")[0] for name in each)
        show.line(
            f"Not shown: {', '.join(kinds)}, one for each budget or group; --json has them."
        )
