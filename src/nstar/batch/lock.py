"""One batch at a time in a folder."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not everywhere; then nothing is held
    fcntl = None


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold a folder; the system lets it go however the process ends.

    Raises:
        ValueError: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        msg = f"--out {folder}: cannot be written ({error.strerror or error})"
        raise ValueError(msg) from None
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                msg = f"--out {folder}: another batch is being written there; wait for it, or name another folder"
                raise ValueError(msg) from None
        yield
