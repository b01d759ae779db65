"""Who answers for a page."""

from typing import NamedTuple


class Signature(NamedTuple):
    """Who answers for a sheet, and when it was made."""

    author: str | None = None
    date: str | None = None  # as people write it
    accelerators: float | None = None  # that the run is to have
