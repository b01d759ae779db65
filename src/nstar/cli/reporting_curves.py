"""The pages of curves and of counts, for laws whose response is not a loss."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nstar.answers import Document
from nstar.cli import curves, show
from nstar.cli import options as o
from nstar.cli.source import get_fit, read, remark, use_cache

if TYPE_CHECKING:
    from nstar.verdicts import Check

COUNTS = ("repeated_sampling",)


class PageOptions(NamedTuple):
    """Options of a page of curves or counts besides the request."""

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


def choose_page(request: o.Request, laws: list[str]) -> str:
    """Choose the page: counts, a curve, or a training budget."""
    if request.saved:
        from nstar.fits.mixture import load

        return "curve" if curves.is_curve(load(request.runs)) else "budget"
    if laws:
        from nstar.laws import LAWS
        from nstar.laws.parsing import parse_law
        from nstar.predictions.responding import is_curve
        from nstar.types import Kind

        if laws[0].partition("(")[0].strip() not in LAWS:
            return "budget"  # where it is refused
        law = parse_law(laws[0])
        if law.response.kind is Kind.COUNTS:
            return "counts"
        return "curve" if is_curve(law) else "budget"
    return "counts" if "successes" in read(request) else "budget"


def write_other_page(
    request: o.Request, kind: str, law: str | None, options: PageOptions, *, json: bool
) -> None:
    """Write a page of a curve or of counts, with its numbers beside it."""
    from nstar.files.writing import require_writable

    o.require_prob(options.prob)
    o.require_prob(options.chance, "--chance")
    file = require_writable(
        options.out or f"{Path(request.runs).stem}-report.html", ".html", ".htm"
    )
    command = shlex.join(["nstar", *sys.argv[1:]])
    if request.cache:
        use_cache()
    text, document, checks = (_counts if kind == "counts" else _curve)(
        request, law, options, command
    )
    write_page(file, text, document, checks, json=json)


def _curve(
    request: o.Request, law: str | None, options: PageOptions, command: str
) -> tuple[str, Document, "list[Check]"]:
    from nstar.published import fits as registry
    from nstar.report.curve_facts import CurveQuestion, gather_curve
    from nstar.report.curve_page import curve_page

    at: dict[str, list[float]] = curves.points(options.at) or {"C": options.budget}
    if not any(at.values()):
        msg = "say where the curve is read: --budget FLOP, or --at with what the law reads, as in --at k=100"
        raise ValueError(msg)
    published_fits = [registry.get(name) for name in options.published]
    fitted = get_fit(replace(request, law=law) if law else request)
    fit: Any = fitted.fit
    question = CurveQuestion(
        published_fits,
        options.our_compute,
        options.value,
        options.chance,
        options.quick,
    )
    facts = gather_curve(fit, at, options.prob, command, question)
    return curve_page(facts), facts.document, _checks(facts.document)


def _counts(
    request: o.Request, law: str | None, options: PageOptions, command: str
) -> tuple[str, Document, "list[Check]"]:
    from nstar.cli.sampling import numbers
    from nstar.cli.spending import lengths
    from nstar.report.counts_facts import gather_counts
    from nstar.report.counts_page import counts_page

    if law and law not in COUNTS:
        msg = f"--law {law}: the page of counts fits {', '.join(COUNTS)} to each model; nstar passk takes other laws"
        raise ValueError(msg)
    ks = numbers(options.k) if options.k else []
    runs = read(request)
    if "successes" not in runs:
        msg = f"{runs.source}: a page of counts needs columns samples and successes, one row a problem"
        raise ValueError(msg)
    facts = gather_counts(
        runs,
        ks,
        lambda names: lengths(options.tokens, names) if options.tokens else None,
        options.budget,
        prob=options.prob,
        seed=request.seed or 0,
        command=command,
    )
    return counts_page(facts), facts.document, _checks(facts.document)


def _checks(document: Document) -> "list[Check]":
    from nstar.verdicts import Check, Status

    return [
        Check(c["name"], Status(c["status"]), c["detail"]) for c in document["checks"]
    ]


def write_page(
    file: Path,
    text: str,
    document: Document,
    checks: "list[Check]",
    *,
    json: bool,
    print_details: Callable[[], None] = lambda: None,
    verdict: str = "",
) -> None:
    """Write a page and its numbers, print its headline and checks; exit with 1 on FAIL.

    Args:
        file: of the page; its numbers lie beside it, as .json.
        text: of the page.
        document: its numbers.
        checks: on them.
        json: whether to print the document in place of words.
        print_details: between the checks and the names of the files.
        verdict: on spending the budget, where the page has one.
    """
    from nstar.files.writing import json_text, write_atomically

    write_atomically(file, text)
    numbers = write_atomically(file.with_suffix(".json"), json_text(document))
    if json:
        remark(f"page {file}, numbers {numbers}")
        show.as_json(document)
    else:
        if verdict:
            show.line(verdict, bold=True)
        show.line(document["headline"], bold=True)
        show.checks(checks)
        print_details()
        show.line(f"page {file}, numbers {numbers}, seed {document['seed']}")
    show.finish(checks)
