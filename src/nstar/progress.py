"""Progress on stderr: a bar for each task that takes more than a moment."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

type Tick = Callable[[int, int], None]  # told how much is done, and of how much


@contextmanager
def progress() -> Generator[Callable[[str], Tick]]:
    """Show a bar for each titled task; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(
        *columns, console=console, disable=not sys.stderr.isatty(), transient=True
    ) as bars:

        def start(title: str) -> Tick:
            task = bars.add_task(f"{title} (compiling)", total=None)
            return lambda done, total: bars.update(
                task, completed=done, total=total, description=title
            )

        yield start
