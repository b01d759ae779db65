"""From what a command names to a fit, with a progress bar on stderr."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nstar.fitting import Fit
    from nstar.observations import Observations


@dataclass(frozen=True)
class Asked:
    """What the options of a command said of the runs and the law."""

    source: str
    law: str | None = None
    noise: str | None = None
    priors: Sequence[str] = ()
    columns: str | None = None
    where: Sequence[str] = ()
    k: float = 6.0
    params_counted: str | None = None
    seed: int = 0
    cache: bool = True


def read(asked: Asked) -> "Observations":
    """Read the table of runs."""
    from nstar.reading import read_runs

    return read_runs(
        asked.source,
        pairs(asked.columns, "--columns"),
        list(asked.where or ()),
        k=asked.k,
        params_counted=asked.params_counted,
    )


def get_fit(asked: Asked) -> "Fit":
    """Load a saved fit, or read the runs and fit them."""
    if Path(asked.source).suffix == ".nc":
        from nstar.fitting import load

        return load(asked.source)
    runs = read(asked)
    if asked.cache:
        from nstar.cache import use_cache

        use_cache()
    from nstar.fitting import fit
    from nstar.routes import possible

    law = asked.law
    if law is None:
        law = next(iter(reversed(possible(runs)[0])), "chinchilla")
    data = runs
    if law == "allocation" and "L" in runs and "budget" in runs:
        data = possible(runs)[0].get("allocation", runs)
    with progress() as bar:
        tick = bar(f"sampling the {law} law")
        return fit(data, law, asked.noise, priors(asked), asked.seed, tick=tick)


def priors(asked: Asked) -> dict[str, str]:
    """Read `name=Family(...)` options."""
    return {n: p for text in asked.priors or () for n, p in [_pair(text, "--prior")]}


def pairs(text: str | None, option: str) -> dict[str, str]:
    """Read `N=params,D=tokens`.

    Raises:
        ValueError: a part is no pair.
    """
    return dict(_pair(part, option) for part in (text or "").split(",") if part)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        msg = f"{option} {text!r}: expected name=value"
        raise ValueError(msg)
    return name.strip(), value.strip()


@contextmanager
def progress() -> Generator[Callable[[str], Callable[[int, int], None]]]:
    """Show a bar on stderr for each titled task; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(
        *columns, console=console, disable=not sys.stderr.isatty(), transient=True
    ) as bars:

        def start(title: str) -> Callable[[int, int], None]:
            task = bars.add_task(f"{title} (compiling)", total=None)
            return lambda done, total: bars.update(
                task, completed=done, total=total, description=title
            )

        yield start
