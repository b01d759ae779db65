"""Commands on what nstar ships: data, published, models."""

from typing import Annotated, Any

import typer

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli import show


@o.command("nstar data chinchilla_epoch", without=("prob",), panel=o.BEGIN)
def data(
    output: o.Output,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A data set; all are listed without one."
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Find the file on this machine and check its hash; nothing is fetched.",
        ),
    ] = False,
) -> None:
    """List data sets, or show one and its columns."""
    from nstar.runs import datasets

    if name is None:
        entries = [datasets.get(n) for n in datasets.names()]
        if output.json:
            show.as_json({"datasets": [_record(e) for e in entries]})
            return
        rows = [[e.name, str(e.rows), e.access, e.title] for e in entries]
        show.table("Data sets", ["name", "rows", "access", "title"], rows)
        show.line(
            "access: shipped with nstar; direct and convert are fetched once and verified; "
            "manual ones say what to do. `nstar data NAME` shows one."
        )
        return
    record = _record(datasets.get(name))
    record["verified"] = str(datasets.verify(name)) if verify else None
    _print_entry(record, json=output.json)


@o.command("nstar published llama3 --budget 3.8e25", without=("prob",), panel=o.CHECK)
def published(
    output: o.Output,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="A published fit; all are listed without one."
        ),
    ] = None,
    budget: Annotated[
        list[float] | None,
        o.budget("A training budget to read it at. Repeatable."),
    ] = None,
    core: Annotated[
        bool, typer.Option("--core", help="Only recommended comparisons.")
    ] = False,
) -> None:
    """List published fits, or show one with its traps."""
    from nstar.published import fits as registry

    o.require_positive("--budget", budget or (), "3.8e25")
    if name is None:
        entries = [registry.get(n) for n in registry.names(core=core)]
        if output.json:
            show.as_json({"published": [_record(e) for e in entries]})
            return
        rows = [
            [e.id, e.modality, _cut(e.law_form, 50), _cut(e.citation, 44)]
            for e in entries
        ]
        show.table("Published fits", ["id", "modality", "law", "source"], rows)
        show.line("`nstar published ID` shows one with its units, range and traps.")
        return
    fit = registry.get(name)
    at = [_at(fit, C) for C in budget or ()]
    _print_entry(
        _record(fit) | {"exponents": fit.exponents(), "at": at}, json=output.json
    )


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _at(fit: Any, C: float) -> Document:
    import numpy as np

    values = fit.optimum(np.array([C]))._asdict()
    return {"C": C} | {
        n: None if v is None else float(np.ravel(v)[0]) for n, v in values.items()
    }


@o.command(
    "nstar models llama3-405b --against llama3", without=("prob",), panel=o.CHECK
)
def models(
    output: o.Output,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A model; all are listed without one."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="ID", help="A published fit to hold it against."
        ),
    ] = None,
) -> None:
    """List released models, or hold one against a law."""
    from nstar.published import models as registry
    from nstar.wording import count, flop

    if name is None:
        if against:
            msg = "--against needs a model, as in: nstar models llama3-405b --against llama3"
            raise ValueError(msg)
        entries = [registry.get(n) for n in registry.names()]
        if output.json:
            show.as_json({"models": [_record(e) for e in entries]})
            return
        rows = [
            [
                e.name,
                count(e.N) if e.N else "–",
                f"{count(e.D)} {e.data_unit}" if e.D else "–",
                flop(e.C) if e.C else "–",
            ]
            for e in entries
        ]
        show.table(
            "Released models",
            ["name", "parameters", "training data", "training FLOP"],
            rows,
        )
        return
    from nstar.published import fits as laws
    from nstar.published.families import compare_with_family
    from nstar.published.measured_families import predict_by_family

    law = laws.get(against) if against else None
    model = registry.get(name)
    comparison = registry.compare(model, law) if law else None
    family, by_points = compare_with_family(model), predict_by_family(model)
    if output.json:
        _print_entry(
            _record(model)
            | {
                "against": comparison,
                "family": family,
                "by_measured_points": by_points,
            },
            json=True,
        )
        return
    _print_entry(_record(model), json=False)
    _family(family)
    _by_points(by_points)
    if comparison:
        show.line(f"against {comparison['fit']}", bold=True)
        show.entry({k: v for k, v in comparison.items() if k not in {"model", "fit"}})


def _family(family: list[Document]) -> None:
    """Print a model beside the laws of its family."""
    from nstar.wording import count, three

    def cell(quantity: str, value: float | None) -> str:
        return (
            "–" if value is None else count(value) if quantity == "N" else three(value)
        )

    if not family:
        show.line(
            "nothing to hold it against: no published law of its family is in the registry",
            bold=True,
        )
        return
    show.table(
        "Beside the published laws of its family, at its own compute",
        ["law", "quantity", "the law's", "the model's", "model / law", "of"],
        [
            [
                r["fit"],
                r["quantity"],
                cell(r["quantity"], r["published"]),
                cell(r["quantity"], r["measured"]),
                "–" if r["ratio"] is None else three(r["ratio"]),
                r["note"],
            ]
            for r in family
        ],
    )
    for r in family:
        if r["reason"]:
            show.line(f"nothing to hold it against by {r['fit']}: {r['reason']}")


def _by_points(predictions: list[Document]) -> None:
    """Print what nstar's fits of the family's measured points say of a model."""
    from nstar.wording import numbers, percent, three

    if not predictions:
        return
    prob = percent(predictions[0]["prob"])
    show.table(
        f"By nstar's own fit of its family's measured points; median [{prob} credible interval of a measurement]",
        ["points", "law", "quantity", "predicted", "measured", "of"],
        [
            [
                f"{r['runs']} of {r['table']}",
                r["law"],
                r["quantity"],
                numbers(r["predicted"]),
                "–" if r["measured"] is None else three(r["measured"]),
                r["note"],
            ]
            for r in predictions
        ],
    )


def _record(entry: Any) -> Document:
    from dataclasses import asdict

    return asdict(entry)


def _print_entry(record: Document, *, json: bool) -> None:
    if json:
        show.as_json(record)
    else:
        show.entry(record)


@o.command("nstar words regret", without=("prob",))
def words(
    output: o.Output,
    term: Annotated[
        str | None,
        typer.Argument(
            metavar="[TERM]",
            help="A word, or the name of a check; words are listed without one.",
        ),
    ] = None,
) -> None:
    """Say what the words and checks of pages and answers mean."""
    from nstar.definitions import DEFINITIONS, nearest
    from nstar.files.check_meanings import read_check_meanings

    terms = list(DEFINITIONS) if term is None else nearest(term)
    meanings = {name: DEFINITIONS[name] for name in terms}
    check = (term or "").rpartition(": ")[2].strip().lower()  # routes name theirs
    meanings |= {n: m for n, m in read_check_meanings().items() if n.lower() == check}
    if not meanings:
        msg = f"{term}: no such word here; `nstar words` lists those that there are"
        raise ValueError(msg)
    if output.json:
        show.as_json({"words": meanings})
        return
    for name, meaning in meanings.items():
        show.line(f"{name}: {meaning}")
