"""Fits and answers made before, in the user's cache, found by all that they are made of."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nstar.cache import default_folder
from nstar.files.tree_files import PLAIN
from nstar.files.writing import json_text, write_atomically
from nstar.fits.fitting import Fit
from nstar.fits.mixture import load
from nstar.runs.digest import digest_of_runs
from nstar.runs.observations import Observations

OF_A_FILE = (
    "nstar_format",
    "fit_notes",
    "contents_sha256",
    "diagnostics",
)  # told when it is saved
MOST = 400  # files that are kept; the oldest go first


@dataclass(frozen=True)
class RefitCache:
    """A folder of what was made before; without one nothing is kept.

    What it is found by holds the program's own text too: a newer nstar makes it anew.
    A file that cannot be read, or is of another fit, is made again.
    """

    folder: Path | None = None

    def fit(self, made_of: Any, make: Callable[[], Fit]) -> Fit:
        """Find a fit, or make it and keep it."""
        if self.folder is None:
            return make()
        file = self.folder / f"{_digest(made_of)}{PLAIN}"
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            saved = load(file)
            if isinstance(saved, Fit):
                return saved
        fitted = make()
        with contextlib.suppress(OSError, ValueError):  # a full disk stops no fit
            fitted.save(file)
            self._prune()
        return fitted

    def answer(self, made_of: Any, make: Callable[[], Any]) -> Any:
        """Find plain data, or make it and keep it."""
        if self.folder is None:
            return json.loads(json_text(make()))
        file = self.folder / f"{_digest(made_of)}.json"
        with contextlib.suppress(FileNotFoundError, ValueError):
            return json.loads(file.read_text(encoding="utf-8"))
        text = json_text(make())
        with contextlib.suppress(OSError):
            write_atomically(file, text)
        return json.loads(text)

    def _prune(self) -> None:
        for kind in (
            f"*{PLAIN}",
            "*.json",
            "*.nc",
        ):  # the last as older versions kept them
            files = sorted(
                (f.stat().st_mtime, f) for f in (self.folder or Path()).glob(kind)
            )
            for _, file in files[:-MOST]:
                file.unlink(missing_ok=True)


def usual_folder() -> Path:
    """Name the user's folder for fits."""
    return default_folder().parent / "fits"


def of_runs(runs: Observations) -> str:
    """Digest what a law may learn from runs, and where they came from."""
    origin = runs.source, runs.sha256, runs.loss_unit, runs.derived, runs.rows.tolist()
    text = repr((digest_of_runs(runs), *origin))
    return hashlib.sha256(text.encode()).hexdigest()


def of_fit(fit: Fit) -> dict[str, Any]:
    """Say what a fit is made of."""
    attrs = {str(n): str(v) for n, v in fit.tree.attrs.items() if n not in OF_A_FILE}
    sizes = fit.tree["posterior"].sizes
    return attrs | {"runs": of_runs(fit.runs), "draws": [sizes["chain"], sizes["draw"]]}


def _digest(made_of: Any) -> str:
    text = json.dumps([_program(), made_of], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _program() -> str:
    """Digest of nstar's own text."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
