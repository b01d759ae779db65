"""A chunk's results as bytes, with a digest: whole, or refused."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from nstar.batch.work import Part
from nstar.files.writing import write_whole


def sealed(draws: dict[str, np.ndarray]) -> str:
    """Hash draws, (fit, draw, ...) each, whatever order they come in."""
    found = hashlib.sha256()
    for name in sorted(draws):
        values = np.ascontiguousarray(draws[name], np.float32)
        if not np.isnan(values).all():
            found.update(f"{name}{values.shape}".encode() + values.tobytes())
    return found.hexdigest()


def put(part: Part, folder: Path) -> Path:
    """Write a chunk's results in one step.

    Raises:
        OSError: there is no room, or no right to write.
    """
    return write_whole(folder / f"{part.chunk}.npz", packed(part))


def packed(part: Part) -> bytes:
    """Turn results into bytes: an archive of arrays and of JSON, with a digest before it."""
    held = io.BytesIO()
    text = json.dumps({"chunk": part.chunk, "table": part.table}, allow_nan=True)
    arrays: dict[str, Any] = {f"draws_{n}": v for n, v in part.draws.items()}
    np.savez(held, table=np.frombuffer(text.encode(), np.uint8), **arrays)
    body = held.getvalue()
    return hashlib.sha256(body).digest() + body


def take(path: Path) -> Part:
    """Read a chunk's results.

    Raises:
        FileNotFoundError: there are none.
        ValueError: the file was cut short or edited.
    """
    raw = path.read_bytes()
    if hashlib.sha256(raw[32:]).digest() != raw[:32]:
        msg = f"{path}: does not match the digest written with it; the file was cut short or edited. --remake fits its chunk again"
        raise ValueError(msg)
    try:
        with np.load(io.BytesIO(raw[32:]), allow_pickle=False) as held:
            said = json.loads(held["table"].tobytes())
            draws = {
                n.removeprefix("draws_"): held[n] for n in held.files if n != "table"
            }
    except (zipfile.BadZipFile, KeyError) as error:
        msg = f"{path}: is no chunk of a batch ({error})"
        raise ValueError(msg) from error
    return Part(said["chunk"], said["table"], draws)
