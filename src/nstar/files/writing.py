"""Files written whole or not at all, and JSON that every reader can read."""

import contextlib
import json
import math
import secrets
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any


def write_atomically(path: str | Path, text: str | bytes) -> Path:
    """Write text or bytes beside the file and put them in place in one step.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path = Path(path)
    with atomic_path(path) as partial:
        partial.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@contextlib.contextmanager
def atomic_path(path: Path) -> Generator[Path]:
    """Yield a temporary path beside the file, and rename it to the file on success.

    The file may be read by whom the user's umask lets read what they write.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name[:40]}.{secrets.token_hex(6)}.part")
    partial.touch(exist_ok=False)
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def require_writable(path: str | Path, *suffixes: str, option: str = "--out") -> Path:
    """Refuse a path that could not be written later, before hours are spent.

    Raises:
        ValueError: its name ends otherwise than expected, or nothing can be written there.
    """
    path = Path(path)
    if suffixes and path.suffix not in suffixes:
        msg = f"{option} {path}: expected a name that ends in {' or '.join(suffixes)}"
        raise ValueError(msg)
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        msg = f"{option} {path}: cannot be written ({error.strerror or error})"
        raise ValueError(msg) from None
    return path


def json_text(document: Any) -> str:
    """Write strict JSON: arrays as lists, numbers that are not finite as null."""
    return json.dumps(_strict(document), indent=2, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _strict(v) for name, v in value.items()}
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "tolist"):
        return _strict(value.tolist())
    if isinstance(value, list | tuple):
        return [_strict(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int) else str(value)
