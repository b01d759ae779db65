"""nstar in Python: what is at the top, what has moved, and where the rest is."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import nstar
from conftest import REPO

PAGE = (REPO / "docs" / "python.md").read_text(encoding="utf-8")
PATHS = re.findall(r"`nstar\.([\w.]+)`", PAGE)
DOCUMENTS = [
    REPO / "README.md",
    REPO / "src" / "nstar" / "cli" / "README.md",
    *(REPO / "docs").rglob("*.md"),
    REPO / "CONTRIBUTING.md",
    REPO / "CHANGELOG.md",
]


def find(path: str) -> object:
    """What a path below nstar names: a module, or a name in one."""
    room, _, name = path.rpartition(".")
    module = import_module(f"nstar.{room}".rstrip("."))
    return getattr(module, name)


def used(text: str) -> set[str]:
    """Paths below nstar that a document uses in Python."""
    imported = re.findall(r"from nstar\.([\w.]+) import ([\w, ]+)", text)
    paths = {
        f"{room}.{n.strip()}" for room, names in imported for n in names.split(",")
    }
    text = re.sub(
        r"^::: .*$", "", text, flags=re.MULTILINE
    )  # the site's build finds these
    paths |= set(re.findall(r"\bnstar\.(\w+(?:\.\w+)*\.\w+)\b(?!/)", text))
    return {path for path in paths if path.partition(".")[0] not in nstar.__all__}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_the_page_is_there(path):
    assert callable(find(path)) or "." in path


def test_the_page_lists_the_top_and_all_that_has_moved():
    assert {p for p in PATHS if "." not in p} == set(nstar.__all__)
    assert {f"{room}.{name}" for name, room in nstar._MOVED.items()} <= set(PATHS)
    assert len(nstar.__all__) <= 30  # 23, and seven of curves, mixtures and tasks


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_what_documents_use_is_on_the_page(document):
    """By itself, or as the name of a module of which a name is."""
    rooms = {p.rpartition(".")[0] for p in PATHS}
    for path in used(document.read_text(encoding="utf-8")):
        a_module = path in rooms or path.endswith((".md", ".py"))
        assert a_module or path in PATHS or find_spec(f"nstar.{path}"), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_no_document_uses_a_name_that_has_moved(document):
    names = set(re.findall(r"\bnstar\.([A-Za-z_]\w*)\b(?![/.])", document.read_text()))
    assert not names & set(nstar._MOVED)


@pytest.mark.parametrize("name", nstar._MOVED)
def test_a_name_that_has_moved_says_where_to(name):
    with pytest.warns(DeprecationWarning, match="and goes from here") as noted:
        moved = getattr(nstar, name)
    assert noted[0].filename == __file__  # the caller's line, not ours
    (path,) = re.findall(r"is now nstar\.(\S+),", str(noted[0].message))
    assert moved is find(path)
    assert name not in dir(nstar)


def test_the_version_is_the_packages():
    assert nstar.__version__ == version("nstar")
    code = "import sys, nstar; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_types_are_for_others_to_check():
    assert (Path(nstar.__file__).parent / "py.typed").is_file()
