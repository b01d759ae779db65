"""What each check means and asks, from the page of troubleshooting that nstar ships."""

import re

from nstar.files.data_files import shipped


def read_check_meanings() -> dict[str, str]:
    """Map the name of each check to its paragraph, without marks of Markdown."""
    text = shipped("troubleshooting.md").read_text(encoding="utf-8")
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    named = zip(parts[1::2], parts[2::2], strict=True)
    return {name: re.sub(r"[*`\\]", "", body).strip() for name, body in named}
