"""The command that fits many ladders under many choices, as a manifest says."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import remark, use_cache

if TYPE_CHECKING:
    from nstar.batch.engines import Engine
    from nstar.batch.running import Refit

SHOWN = 12  # failures told on the terminal; all are in the table
FIRST = 6  # things to look at first, likewise


class Engines(StrEnum):
    """Where fits are worked out."""

    local = "local"
    processes = "processes"
    ray = "ray"


@o.command(
    "nstar refit public-ladders-small --out public", without=("prob",), panel=o.KEEP
)
def refit(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="A TOML file, or one that nstar ships: public-ladders, public-ladders-small.",
        ),
    ],
    output: o.Output,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder of the results, named as the manifest unless given; what is there already and unchanged is not fitted again.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be fitted, and about how long it takes."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh", help="Keep what the folder has, or fit all again."
        ),
    ] = True,
    remake: Annotated[
        bool,
        typer.Option(
            "--remake",
            help="Fit again what a damaged file of the folder held, rather than refuse.",
        ),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="WORD",
            help="Only chunks with this in their title (a ladder, a law). Repeatable.",
        ),
    ] = None,
    engine: Annotated[
        Engines,
        typer.Option(
            "--engine",
            help="This process, processes of this machine, or a Ray cluster.",
        ),
    ] = Engines.processes,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="COUNT",
            min=1,
            help="Processes; as devices, cores and memory allow unless given.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="Of a running Ray cluster; one of this machine unless given.",
        ),
    ] = None,
    gpus: Annotated[
        float,
        typer.Option(
            "--gpus",
            metavar="SHARE",
            min=0.0,
            help="Of a GPU for a chunk, on Ray: 0.5 puts two on one.",
        ),
    ] = 0.0,
    cache: o.Cache = True,
) -> None:
    """Fit many ladders under many choices, as a manifest says."""
    _require(engine, workers, address, gpus)
    from nstar.batch.manifest import read

    request = read(manifest)
    folder = Path(out or Path(manifest).stem)
    if cache:
        use_cache()
    if dry_run:
        _print_plan(
            request,
            folder,
            only or [],
            engine,
            workers,
            fresh=not resume,
            json=output.json,
        )
        return
    from nstar.batch.running import refit as run

    batch = run(
        request,
        folder,
        engine=_engine(engine, workers, address, gpus, cache=cache),
        only=only or (),
        fresh=not resume,
        remake=remake,
        command=shlex.join(["nstar", *sys.argv[1:]]),
    )
    _print_results(batch, request.name, request.grid.seeds, json=output.json)
    if batch.failed:
        raise typer.Exit(1)


def _require(
    engine: Engines, workers: int | None, address: str | None, gpus: float
) -> None:
    """Refuse options that the engine does not have.

    Raises:
        ValueError: naming the one that does.
    """
    if engine is not Engines.ray and (address or gpus):
        msg = f"{'--address' if address else '--gpus'} is of --engine ray; got --engine {engine}"
        raise ValueError(msg)
    if engine is not Engines.processes and workers:
        msg = f"--workers is of --engine processes; got --engine {engine}"
        raise ValueError(msg)


def _engine(
    engine: Engines,
    workers: int | None,
    address: str | None,
    gpus: float,
    *,
    cache: bool,
) -> "Engine":
    from nstar.batch.engines import OnRay, Processes, local
    from nstar.cache import default_folder

    folder = default_folder() if cache else None
    if engine is Engines.ray:
        return OnRay(address, gpus, cache=folder)
    return local if engine is Engines.local else Processes(workers, folder)


def _print_plan(
    request: Any,
    out: Path,
    only: list[str],
    engine: Engines,
    workers: int | None,
    *,
    fresh: bool,
    json: bool,
) -> None:
    """Print what would be fitted; nothing is written."""
    from nstar.batch.engines import Processes
    from nstar.batch.plan import plan
    from nstar.batch.running import matching
    from nstar.batch.store import Damage, Store
    from nstar.batch.timing import duration, seconds

    store = Store(out, Damage.PASS_OVER)
    selected = matching(plan(request), only)
    draws = request.outputs.draws
    pending = [c for c in selected if fresh or not store.finished(c, draws=draws)]
    count = Processes(workers).places if engine is Engines.processes else 1
    estimate = seconds(pending, store, count)
    fits = sum(len(c.samples) for c in pending)
    present = sum(len(c.samples) for c in selected) - fits
    refused = sum(len(c.samples) for c in pending if c.reason)
    # each table once, whatever is asked of it
    unreadable = {c.ladder: c.reason for c in pending if c.runs is None}
    if json:
        show.as_json(
            {
                "manifest": request.name,
                "fits": fits,
                "there": present,
                "chunks": [
                    {
                        "title": c.title,
                        "fits": len(c.samples),
                        "names": c.fits,
                        "reason": c.reason,
                    }
                    for c in pending
                ],
                "unreadable": unreadable,
                "seconds": estimate,
                "workers": count,
            }
        )
        return
    for ladder in dict.fromkeys(c.ladder for c in pending):
        of_ladder = [c for c in pending if c.ladder == ladder]
        choices = len({c.choice[:5] for c in of_ladder})
        show.line(
            f"{ladder}: {sum(len(c.samples) for c in of_ladder)} fits, {choices} choices"
        )
        for reason in dict.fromkeys(c.reason for c in of_ladder if c.reason):
            show.line(f"  fails: {reason}")
    show.line(f"{fits} fits in {len(pending)} chunks, {present} are there", bold=True)
    if unreadable:
        show.line(
            f"cannot be fetched or read: {', '.join(unreadable)}; say where they are with NSTAR_DATA_DIR, or give their files as source"
        )
    if refused:
        show.line(f"{refused} of the fits will fail, as said above")
    workplace = f"on {count} worker{'s' * (count > 1)}"
    show.line(
        f"about {duration(estimate)} {workplace}, with all programs to compile; a rough estimate"
    )


def _print_results(batch: "Refit", name: str, seeds: list[int], *, json: bool) -> None:
    """Print a finished batch."""
    failed, total = batch.failed, batch.table.num_rows
    files = sorted(
        file.name
        for file in batch.folder.iterdir()
        if file.is_file() and file.name != ".lock"
    )
    if json:
        from nstar.batch.summary import recipes_compared

        show.as_json(
            {
                "manifest": name,
                "out": str(batch.folder),
                "seeds": seeds,
                "fits": total,
                "fitted": batch.fitted,
                "passed": total - len(failed),
                "whole": batch.whole,
                "files": files,
                "recipes": recipes_compared(batch.table),
                "headline": batch.summary and batch.summary["headline"],
                "look_first": batch.summary and batch.summary["look_first"],
                "failed": [
                    {k: row[k] for k in ("fit", "method", "reason")} for row in failed
                ],
            }
        )
        return
    from nstar.batch.triage import reasons_of

    reasons = reasons_of(failed)
    for (ladder, reason), count in list(reasons.items())[:SHOWN]:
        show.line(f"FAIL: {ladder}, {count} fit{'s' * (count > 1)}: {reason}")
    if len(reasons) > SHOWN:
        show.line(
            f"and {len(reasons) - SHOWN} more reasons; see {batch.folder / 'fits.parquet'}"
        )
    findings = batch.summary["look_first"] if batch.summary else []
    others = [
        finding for finding in findings if finding["what"] not in ("failed", "lost")
    ]  # printed above
    for finding in others[:FIRST]:
        show.line(
            f"{finding['status']}: {finding['what']}, {finding['ladder']}{', ' * bool(finding['choice'])}{finding['choice']}: {finding['detail']}"
        )
    if len(others) > FIRST:
        show.line(
            f"and {len(others) - FIRST} more to look at first; see {batch.folder / 'index.html'}"
        )
    omission = (
        "" if batch.whole else "; the manifest asks for more, which --only left out"
    )
    show.line(
        f"{name}: {total} fits, {total - len(failed)} passed, {batch.fitted} made now{omission}",
        bold=True,
    )
    show.line(
        f"seeds {', '.join(map(str, seeds))}; results in {batch.folder}: {', '.join(files)}"
    )
    if failed:
        remark(f"{len(failed)} fits failed: exit code 1")
