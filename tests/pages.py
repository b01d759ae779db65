"""Code of the README and of docs/, run from the text itself.

uv run python tests/pages.py                     every block, slow ones too: minutes
uv run python tests/pages.py docs/routes.md      those of a page
uv run python tests/pages.py --write             the notebooks, and what they print below each block

Blocks marked `python` and `sh` are run, in order, in a folder with the files that pages
speak of; one that has `title="NAME"` is such a file. A comment before a block says that it
is slow, and left to this command, or why it is run by hand alone.
"""

import os
import re
import shlex
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

import nstar
import page_tables
from nstar import cli
from nstar.cache import use_cache

REPO = Path(__file__).parent.parent
FENCE = re.compile(
    r"(?:<!-- (slow|by hand)\b[^\n]*-->\n+)?^```(\w+)?(?: title=\"([\w.]+)\")?\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


RUN = ("python", "sh")
WRITES = {"--out", "--repair", "--ledger", "outcome", "--figure", "--sweep"}


class Block(NamedTuple):
    """One fenced block of a page."""

    mark: str  # slow, by hand or nothing
    language: str
    title: str  # the file that it is, or nothing
    text: str


def pages() -> list[Path]:
    """List the README and every page of docs/."""
    return [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Read the fenced blocks of a page, in order."""
    fences = FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(*block) for block in fences]


def commands(text: str) -> Iterator[list[str]]:
    """Split a block of the shell into its commands, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def call(words: list[str]) -> int:
    """Run a command of nstar in this process; its exit code."""
    program, *arguments = words
    if program != "nstar" or "|" in arguments:
        msg = f"only commands of nstar are run, this block has {shlex.join(words)}"
        raise ValueError(msg)
    before, sys.argv = sys.argv, ["nstar", *arguments]
    try:
        cli.main()
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        sys.argv = before
    return 0


def run(page: Path, *, slow: bool, done: set[str] | None = None) -> list[str]:
    """Run a page's blocks in the current folder; what each that ran has printed.

    Tables of the page's own subject are written there first.
    A command may exit with 1, a check that failed; with 2 it was not understood.  One
    that is in `done`, and writes no file, is not run again; others are added to it.
    """
    if page.name in page_tables.TABLES:
        page_tables.TABLES[page.name](Path())
    shared: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for mark, language, title, text in blocks(page):
        if title:
            Path(title).write_text(text, encoding="utf-8")
            continue
        if language not in RUN or mark == "by hand" or (mark == "slow" and not slow):
            continue
        with redirect_stdout(StringIO()) as out:
            if language == "python":
                exec(compile(text, str(page), "exec"), shared)  # noqa: S102  our own
            else:
                for words in commands(text):
                    command = shlex.join(words)
                    if done is not None and command in done:
                        continue
                    code = call(words)
                    assert code in (0, 1), f"{command} exits with {code}"
                    if done is not None and not WRITES & set(words):
                        done.add(command)
        printed.append(out.getvalue())
    return printed


def wrapped(line: str) -> str:
    """Break a sentence that is too long for a page; a row of a table stays as it is."""
    return line if "  " in line else textwrap.fill(line, 100)


def write_outputs(page: Path, printed: list[str]) -> None:
    """Write below each block of a notebook what it has printed."""
    text = re.sub(r"\n```text\n.*?^```\n", "", page.read_text(), flags=re.M | re.DOTALL)
    outputs = iter(printed)

    def followed(block: re.Match[str]) -> str:
        if block[2] not in RUN or block[3]:
            return block[0]
        lines = [line.rstrip() for line in next(outputs).splitlines()]
        out = "\n".join(wrapped(line) for line in lines if line)
        return f"{block[0]}\n\n```text\n{out}\n```" if out else block[0]

    page.write_text(FENCE.sub(followed, text), encoding="utf-8")


def write_files(folder: Path, ladder: nstar.Fit, llama3: nstar.Observations) -> None:
    """Write the files that pages speak of: a ladder and its fit, counts, evaluations."""
    ladder.save(folder / "ladder.nc")
    rows = [
        f"{llama3['N'][i]},{llama3['D'][i]},{llama3['L'][i]}" for i in range(0, 133, 3)
    ]
    (folder / "ladder.csv").write_text("params,tokens,loss\n" + "\n".join(rows) + "\n")
    random = np.random.default_rng(0)
    for name, ease in (("counts", 0.3), ("counts8", 0.25), ("counts70", 0.6)):
        rates = random.beta(ease, 2.0, 60)
        solved = random.binomial(100, rates)
        lines = [f"{i},100,{k}" for i, k in enumerate(solved)]
        text = "problem,samples,successes\n" + "\n".join(lines) + "\n"
        (folder / f"{name}.csv").write_text(text)
    grid = 'laws = ["chinchilla"]\nnoises = ["normal"]\n'
    manifest = f'[[data]]\nsource = "ladder.csv"\n[grid]\n{grid}'
    (folder / "nightly.toml").write_text(manifest)


def main(names: list[str]) -> None:
    """Run the pages that are named, or all, each in a folder of its own."""
    use_cache()
    llama3 = nstar.read_runs("llama3")
    ladder = nstar.fit(llama3, "isoflop")
    write = "--write" in names
    named = [Path(name).resolve() for name in names if name != "--write"]
    usual = [page for page in pages() if not write or page.parent.name == "notebooks"]
    for page in named or usual:
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), ladder, llama3)
            os.chdir(folder)
            printed = run(page, slow=True)
        if write:
            write_outputs(page, printed)
        print(page.relative_to(REPO), len(printed), "blocks", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
