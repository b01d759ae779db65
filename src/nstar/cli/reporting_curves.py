"""The pages of laws whose response is no loss: a curve, and counts of samples."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nstar.cli import curves, show
from nstar.cli import options as o
from nstar.cli.source import get_fit, read, remark, use_cache

if TYPE_CHECKING:
    from nstar.verdicts import Check

COUNTS = ("repeated_sampling",)


class Also(NamedTuple):
    """What a page of curves or counts is asked besides."""

    at: list[str]
    budget: list[float]
    published: list[str]
    value: float | None
    chance: float
    our_compute: str
    k: str | None
    tokens: str | None
    quick: bool
    prob: float
    out: str | None


def kind_of(request: o.Request, laws: list[str]) -> str:
    """Say which page it is: of counts, of a curve, or of a training budget."""
    if request.saved:
        from nstar.fits.mixture import load

        return "curve" if curves.is_one(load(request.runs)) else "budget"
    if laws:
        from nstar.fits.model import named
        from nstar.laws import LAWS
        from nstar.predictions.responding import is_curve
        from nstar.types import Kind

        if laws[0].partition("(")[0].strip() not in LAWS:
            return "budget"  # where it is refused
        law, _ = named(laws[0], None)
        if law.response.kind is Kind.COUNTS:
            return "counts"
        return "curve" if is_curve(law) else "budget"
    return "counts" if "successes" in read(request) else "budget"


def written(
    request: o.Request, kind: str, law: str | None, also: Also, *, json: bool
) -> None:
    """Write a page of a curve or of counts, with its numbers beside it."""
    from nstar.files.writing import require_writable

    o.require_prob(also.prob)
    o.require_prob(also.chance, "--chance")
    file = require_writable(
        also.out or f"{Path(request.runs).stem}-report.html", ".html", ".htm"
    )
    command = shlex.join(["nstar", *sys.argv[1:]])
    if request.cache:
        use_cache()
    text, document, checks = (_counts if kind == "counts" else _curve)(
        request, law, also, command
    )
    _put(file, text, document, checks, json=json)


def _curve(
    request: o.Request, law: str | None, also: Also, command: str
) -> tuple[str, dict[str, Any], "list[Check]"]:
    from nstar.published import fits as registry
    from nstar.report.curve_facts import CurveAsked, gather_curve
    from nstar.report.curve_page import curve_page

    at: dict[str, list[float]] = curves.points(also.at) or {"C": also.budget}
    if not any(at.values()):
        msg = "say where the curve is read: --budget FLOP, or --at with what the law reads, as in --at k=100"
        raise ValueError(msg)
    theirs = [registry.get(name) for name in also.published]
    found = get_fit(replace(request, law=law) if law else request)
    fit: Any = found.fit
    question = CurveAsked(theirs, also.our_compute, also.value, also.chance, also.quick)
    facts = gather_curve(fit, at, also.prob, command, question)
    return curve_page(facts), facts.document, _checks(facts.document)


def _counts(
    request: o.Request, law: str | None, also: Also, command: str
) -> tuple[str, dict[str, Any], "list[Check]"]:
    from nstar.cli.sampling import numbers
    from nstar.cli.spending import lengths
    from nstar.report.counts_facts import gather_counts
    from nstar.report.counts_page import counts_page

    if law and law not in COUNTS:
        msg = f"--law {law}: the page of counts fits {', '.join(COUNTS)} to each model; nstar passk takes other laws"
        raise ValueError(msg)
    ks = numbers(also.k) if also.k else []
    runs = read(request)
    if "successes" not in runs:
        msg = f"{runs.source}: a page of counts needs columns samples and successes, one row a problem"
        raise ValueError(msg)
    facts = gather_counts(
        runs,
        ks,
        lambda names: lengths(also.tokens, names) if also.tokens else None,
        also.budget,
        prob=also.prob,
        seed=request.seed or 0,
        command=command,
    )
    return counts_page(facts), facts.document, _checks(facts.document)


def _checks(document: dict[str, Any]) -> "list[Check]":
    from nstar.verdicts import Check, Status

    return [
        Check(c["name"], Status(c["status"]), c["detail"]) for c in document["checks"]
    ]


def _put(
    file: Path,
    text: str,
    document: dict[str, Any],
    checks: "list[Check]",
    *,
    json: bool,
) -> None:
    from nstar.files.writing import json_text, write_whole

    write_whole(file, text)
    numbers = write_whole(file.with_suffix(".json"), json_text(document))
    if json:
        remark(f"page {file}, numbers {numbers}")
        show.as_json(document)
    else:
        show.line(document["headline"], bold=True)
        show.checks(checks)
        show.line(f"page {file}, numbers {numbers}, seed {document['seed']}")
    show.finish(checks)
