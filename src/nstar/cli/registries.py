"""Commands on what nstar ships: data, published, models."""

from typing import Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show


def add(app: typer.Typer) -> None:
    """Hang the commands into the door."""
    for command, example in (
        (data, "nstar data chinchilla_epoch"),
        (published, "nstar published llama3 --budget 3.8e25"),
        (models, "nstar models llama3_405b --against llama3"),
    ):
        app.command(epilog=f"Example: {example}")(command)


def data(
    name: Annotated[str | None, typer.Argument(help="A data set; all are listed without one.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Find the file and check its hash.")] = False,
    json: o.Json = False,
) -> None:  # fmt: skip
    """List data sets, or show where one comes from and how its columns read."""
    from nstar import datasets

    if name is None:
        entries = [datasets.get(n) for n in datasets.names()]
        if json:
            show.as_json({"datasets": [_record(e) for e in entries]})
        else:
            rows = [[e.name, str(e.rows), e.access, e.title] for e in entries]
            show.table("Data sets", ["name", "rows", "access", "title"], rows)
        return
    entry = datasets.get(name)
    record = _record(entry)
    if verify:
        record["verified"] = str(datasets.verify(name))
    _one(record, json=json)


def published(
    name: Annotated[str | None, typer.Argument(help="A published fit; all are listed without one.")] = None,
    budget: Annotated[list[float] | None, typer.Option("--budget", "-C", help="Training FLOP. Repeatable.")] = None,
    core: Annotated[bool, typer.Option("--core", help="Only recommended comparisons.")] = False,
    json: o.Json = False,
) -> None:  # fmt: skip
    """List published fits, or show one with its units, source and traps."""
    from nstar import published as registry

    if name is None:
        entries = [registry.get(n) for n in registry.names(core=core)]
        if json:
            show.as_json({"published": [_record(e) for e in entries]})
        else:
            rows = [
                [e.id, e.modality, e.law_form[:60], e.citation[:40]] for e in entries
            ]
            show.table("Published fits", ["id", "modality", "law", "source"], rows)
        return
    fit = registry.get(name)
    record = _record(fit) | {"exponents": fit.exponents()}
    if budget:
        record["at"] = [_at(fit, C) for C in budget]
    _one(record, json=json)


def _at(fit: Any, C: float) -> dict[str, Any]:
    import numpy as np

    values = fit.optimum(np.array([C]))._asdict()
    return {"C": C} | {
        n: None if v is None else float(np.ravel(v)[0]) for n, v in values.items()
    }


def models(
    name: Annotated[str | None, typer.Argument(help="A model; all are listed without one.")] = None,
    against: Annotated[str | None, typer.Option("--against", help="A published fit to hold it against.")] = None,
    json: o.Json = False,
) -> None:  # fmt: skip
    """List released models, or show one, against a published law where units allow."""
    from nstar import models as registry
    from nstar import published as laws

    if name is None:
        entries = [registry.get(n) for n in registry.names()]
        if json:
            show.as_json({"models": [_record(e) for e in entries]})
        else:
            from nstar.wording import count, flop

            rows = [
                [
                    n,
                    count(e.N) if e.N else "-",
                    count(e.D) if e.D else "-",
                    flop(e.C) if e.C else "-",
                ]
                for n, e in zip(registry.names(), entries, strict=True)
            ]
            show.table(
                "Released models",
                ["name", "parameters", "tokens or samples", "training FLOP"],
                rows,
            )
        return
    model = registry.get(name)
    record = _record(model)
    if against:
        record["against"] = registry.against(model, laws.get(against))
    _one(record, json=json)


def _record(entry: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {k: v for k, v in asdict(entry).items() if v not in (None, (), {}, [])}


def _one(record: dict[str, Any], *, json: bool) -> None:
    if json:
        show.as_json(record)
        return
    for key, value in record.items():
        show.console().print(f"[bold]{show.escape(key)}[/]: {show.escape(str(value))}")
