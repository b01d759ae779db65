"""Checks of what is annotated: arrays have the shapes and dtypes that functions say."""

from collections.abc import Callable

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

ROOMS = [f"nstar.{r}" for r in ("laws", "noises", "departures", "predictions", "plans")]
WHOLE_NUMBERS_ARE_FLOATS = BeartypeConf(is_pep484_tower=True)


def check(function: Callable) -> Callable:
    """Check every call of a function.

    Fields of dataclasses are left alone: those of a law are traced where it is compiled;
    and so are other special methods, which take and give no arrays.
    """
    if function.__name__.startswith("__"):
        return function
    return beartype(function, conf=WHOLE_NUMBERS_ARE_FLOATS)


install_import_hook(ROOMS, f"{__name__}.{check.__name__}")
