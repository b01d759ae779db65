"""The site and the README: what they say runs, builds and asks nothing of a network."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import pages
from conftest import REPO
from nstar.cli import app
from nstar.laws import ENTRIES
from nstar.noises import UNKNOWNS

RUN = [
    page
    for page in pages.pages()
    if any(b.language in {"python", "sh"} and not b.mark for b in pages.blocks(page))
]
DONE: set[str] = set()  # commands on the same files that another page has run
FOREIGN = re.compile(
    r"""(?:\bsrc|\bsrcset|<link[^>]*\bhref)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|@import\s+["'](?:https?:)?//"""
)


@pytest.fixture(scope="module")
def files(tmp_path_factory, isoflop_fit, llama3):
    folder = tmp_path_factory.mktemp("files")
    pages.write_files(folder, isoflop_fit, llama3)
    return folder


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_code_of_a_page_runs(page, files, tmp_path, monkeypatch):
    """Quick blocks, from the text; `uv run python tests/pages.py` runs the slow ones too."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert pages.run(page, slow=False, done=DONE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=REPO, env=quiet, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_builds_without_a_warning_and_asks_nothing_of_a_network(site):
    texts = {
        file: file.read_text(encoding="utf-8")
        for file in site.rglob("*")
        if file.suffix in {".html", ".css", ".svg"}
    }
    assert len(texts) > 40
    for file, text in texts.items():
        assert not FOREIGN.search(text), (file, FOREIGN.search(text))
        formula = file.suffix == ".html" and "arithmatex" in text
        assert not formula, f"a formula of {file} was not written as MathML"


def test_a_request_to_a_network_would_be_seen():
    for text in (
        '<script src="https://cdn.example/a.js">',
        '<link rel="stylesheet" href="//fonts.example/a.css">',
        "a { background: url(https://example/a.png) }",
    ):
        assert FOREIGN.search(text)
    assert not FOREIGN.search('<a href="https://arxiv.org/abs/2203.15556">')


def test_every_law_noise_and_command_is_on_the_pages_that_choose():
    """Which law, which noise; and by what question a command is asked."""
    texts = {
        name: (REPO / "docs" / name).read_text(encoding="utf-8")
        for name in ("which_law.md", "inference.md", "howto/index.md")
    }
    chosen = texts["which_law.md"] + texts["inference.md"]
    assert [name for name in (*ENTRIES, *UNKNOWNS) if f"`{name}`" not in chosen] == []
    index = texts["howto/index.md"]
    commands = [c.name or c.callback.__name__ for c in app.registered_commands]
    assert [name for name in commands if f"`{name}`" not in index] == []
