"""Docstrings of the names at the top: what they take, return and raise, and an example."""

import doctest
import inspect
import re

import pytest

import nstar
import pages

FUNCTIONS = [n for n in nstar.__all__ if inspect.isfunction(getattr(nstar, n))]
NEVER_RAISE = {"check_fit", "track_record"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sections_of_a_function(name):
    function = getattr(nstar, name)
    text = inspect.getdoc(function)
    wanted = {"Args:", "Returns:", "Raises:", "Examples:"}
    if name in NEVER_RAISE:
        wanted.remove("Raises:")
    assert wanted <= {line.strip() for line in text.splitlines()}
    described = text.partition("Args:")[2].partition("Returns:")[0]
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter}: " in described, parameter


def test_every_name_at_the_top_is_on_the_page_of_the_api():
    page = (pages.REPO / "docs" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^::: (\S+)$", page, re.MULTILINE))
    at_the_top = (getattr(nstar, name) for name in nstar.__all__)
    assert named == {f"{each.__module__}.{each.__name__}" for each in at_the_top}


@pytest.fixture(scope="module")
def files(tmp_path_factory, isoflop_fit, llama3):
    folder = tmp_path_factory.mktemp("files")
    pages.write_files(folder, isoflop_fit, llama3)
    return folder


@pytest.mark.parametrize("name", nstar.__all__)
def test_the_example_runs(name, files, monkeypatch, isoflop_fit):
    """Its quick lines; those marked +SKIP fit for long."""
    monkeypatch.chdir(files)
    text = inspect.getdoc(getattr(nstar, name))
    examples = doctest.DocTestParser().get_examples(text)
    assert examples
    shared = {"nstar": nstar, "fit": isoflop_fit}
    for example in examples:
        code = compile(example.source, name, "exec")
        if not example.options.get(doctest.SKIP):
            exec(code, shared)  # noqa: S102  our own
