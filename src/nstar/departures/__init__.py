"""How the truth departs from one law: smooth waves, bent lines, groups that differ."""

from nstar.wording import alternatives

DISCREPANCIES = ("waves", "none")


def require_discrepancy(name: str) -> str:
    """Refuse a discrepancy that there is not; return its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in DISCREPANCIES:
        msg = f"no discrepancy {name!r}; {alternatives(name, DISCREPANCIES)}"
        raise ValueError(msg)
    return name
