"""What nstar's fits of a family's measured points say of its released models."""

from functools import cache
from math import log10
from typing import Any

from nstar.files.data_files import read_toml
from nstar.published.models import Model


@cache
def _registry() -> tuple[dict[str, Any], ...]:
    return tuple(read_toml("families.toml")["prediction"])


def predict_by_family(model: Model) -> list[dict[str, Any]]:
    """Predict a model's quality from measured points of its family.

    The fits are stored (`benchmarks/families.py --write`): nothing is sampled here.

    Returns:
        A record a table: `table`, `law`, `quantity`, `runs` fitted, `prob` and
        `predicted` (`median`, `lower`, `upper`: of a measurement, scatter included),
        `measured` (None where the catalogue has none), `at` (the law's inputs) and a
        `note`, which says what may move the level and how far the model lies beyond the
        points.

    Example:
        >>> predict_by_family(models.get("stable-diffusion-1.5"))[0]["predicted"]
    """
    return [
        {key: entry[key] for key in ("table", "law", "quantity", "runs", "prob", "at")}
        | {
            "predicted": {key: entry[key] for key in ("median", "lower", "upper")},
            "measured": model.measured.get(entry["quantity"]),
            "note": entry["note"] + _beyond(entry["at"], entry["largest"]),
        }
        for entry in _registry()
        if entry["model"] == model.name
    ]


def _beyond(at: dict[str, float], largest: dict[str, float]) -> str:
    """Write how far a model lies beyond the largest that was measured."""
    decades = max(log10(at[name] / largest[name]) for name in at)
    return f"; {decades:.1f} decades beyond the points" if decades > 0.05 else ""
