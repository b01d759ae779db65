"""How a check speaks: a name, PASS, REVIEW or FAIL, what was seen and what to do."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How much a finding matters to someone about to act on the numbers."""

    PASS = "PASS"
    REVIEW = "REVIEW"
    FAIL = "FAIL"


class Check(NamedTuple):
    """One finding, in words a reader can act on."""

    name: str
    status: Status
    detail: str  # what was seen, and what to do where that is anything

    def as_json(self) -> dict[str, str]:
        """Plain data, for `--json`."""
        return {"name": self.name, "status": str(self.status), "detail": self.detail}


def worst(checks: list[Check]) -> Status:
    """Status of the whole: FAIL before REVIEW before PASS."""
    statuses = {check.status for check in checks}
    for status in (Status.FAIL, Status.REVIEW):
        if status in statuses:
            return status
    return Status.PASS
