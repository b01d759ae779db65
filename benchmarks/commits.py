"""The commit that figures are of."""

import subprocess
from pathlib import Path


def commit() -> str:
    """Name the commit of this checkout, with a plus where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+"]
    here = Path(__file__).parent
    answer = subprocess.run(command, cwd=here, capture_output=True, text=True)
    return answer.stdout.strip()
