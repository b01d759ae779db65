"""The house in order: linted, typed, layered, packed, and the README true."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from conftest import REPO
from nstar import types
from nstar.files.check_meanings import read_check_meanings

TOOLS = Path(sys.executable).parent


def run(*command: str) -> str:
    done = subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "ruff check .",
        "ruff format --check .",
        "ty check --error-on-warning",
        "lint-imports",
    ],
)
def test_tool_finds_nothing(command):
    tool, *args = command.split()
    run(str(TOOLS / tool), *args)


def test_public_names_are_what_they_say():
    """A module of the same name as a function must not take its place once imported."""
    import nstar.fits.fitting
    import nstar.predictions.prediction
    import nstar.validation.comparison

    for name in nstar.__all__:
        assert callable(getattr(nstar, name)), name
    assert set(nstar.__all__) <= set(dir(nstar))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        nstar.nonsense  # noqa: B018


def test_help_does_not_wait_for_jax():
    code = "import sys, nstar.cli; print([m for m in ('jax', 'numpyro', 'arviz_stats', 'matplotlib', 'xarray') if m in sys.modules])"
    assert run(sys.executable, "-c", code).strip() == "[]"


def test_wheel_carries_its_data(tmp_path):
    run("uv", "build", "--wheel", "--out-dir", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "llama3_figure2.csv",
        "llama3_optima.csv",
        "published.toml",
        "datasets.toml",
        "models.toml",
        "sources.toml",
        "priors.toml",
        "troubleshooting.md",
    ):
        assert f"nstar/data/{name}" in names
    assert "nstar/report/page.html.j2" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_no_measured_table_is_in_the_project(data_dir):
    """Sets we may not ship stay out, whatever their name."""
    sizes = {p.stat().st_size for p in data_dir.glob("*.csv")}
    ours = [
        p
        for p in REPO.rglob("*.csv")
        if ".venv" not in p.parts and p.stat().st_size in sizes
    ]
    assert not ours


def test_the_page_of_laws_names_every_member_and_kind():
    """Tables of docs/laws.md: what protocols have, and the kinds that there are."""
    page = (REPO / "docs" / "laws.md").read_text(encoding="utf-8")
    cells = [row.split("|")[1] for row in page.splitlines() if row.startswith("| ")]
    shown = {n for cell in cells for n in re.findall(r"`(\w+)", cell)}
    protocols = [v for v in vars(types).values() if getattr(v, "_is_protocol", False)]
    members = {
        n
        for p in protocols
        if p.__module__ == types.__name__
        for n in p.__protocol_attrs__
    }
    of_bends = {
        "marginalise",
        "draw_conditional",
        "reparameterised",
        "condition",
        "reparameterise",
        "linearise",
    }
    of_costs = {"flop", "tokens", "params"}
    assert shown == members - of_bends - of_costs
    kinds = {kind.strip() for cell in cells for kind in cell.split(",")}
    assert {str(kind) for kind in types.Kind} - {"nll"} <= kinds


def test_every_place_of_the_glossary_is_there():
    """And every room of the house has a word in it."""
    page = (REPO / "docs" / "glossary.md").read_text(encoding="utf-8")
    places = re.findall(r"`([\w.]+):(\w+)`", page)
    for module, name in places:
        assert hasattr(import_module(f"nstar.{module}"), name), f"{module}:{name}"
    rooms = {f.parent.name for f in (REPO / "src" / "nstar").glob("*/__init__.py")}
    assert rooms == {m.split(".")[0] for m, _ in places} & rooms


def test_the_citation_and_the_changelog_are_of_this_version():
    """The version stands in pyproject.toml; what cites it follows."""
    cited = (REPO / "CITATION.cff").read_text(encoding="utf-8")
    version = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in cited
    assert version in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")


NAMED = re.compile(r"\b(?:Check|Problem)\(\s*\"([^\"]+)\"")


def test_troubleshooting_has_a_paragraph_for_each_check():
    """In data/troubleshooting.md, by the check's name, and none of a check that is gone."""
    source = REPO / "src" / "nstar"
    texts = {f.relative_to(source): f.read_text() for f in source.rglob("*.py")}
    named = {name for text in texts.values() for name in NAMED.findall(text)}
    meanings = read_check_meanings()
    page = (REPO / "data" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert sorted(named - set(headings)) == []
    every_text = "\n".join(texts.values())
    assert not [name for name in headings if name not in every_text]
    assert len(headings) == len(set(headings))
    assert all(meanings[name] for name in headings)
