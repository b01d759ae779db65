"""The public record as tables: published fits, released models, accelerators."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstar.published.fits import get as get
    from nstar.published.fits import names as names
    from nstar.published.forms import FORMS as FORMS

# name: room; loaded on first use, since NumPy takes longer than a list of models
_ROOMS = {"get": "fits", "names": "fits", "FORMS": "forms"}


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name not in _ROOMS:
        msg = f"module 'nstar.published' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"nstar.published.{_ROOMS[name]}"), name)
