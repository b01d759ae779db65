"""JSON Schemas in docs/: what tests hold answers to, and what answers are."""

import json

import jsonschema
import pytest

import schemas

QUICK = {
    "plan": ("-C", "1e24"),
    "predict": ("--at", "7B@140B"),
    "summary": (),
    "risk": ("-C", "1e24"),
    "compare": ("--published", "llama3", "-C", "1e24"),
}


@pytest.mark.parametrize("command", schemas.COMMANDS)
def test_a_schema_in_the_docs_is_that_of_the_tests(command):
    """`uv run python tests/schemas.py` writes them."""
    file = schemas.FOLDER / f"{command}.json"
    assert file.read_text(encoding="utf-8") == schemas.text(schemas.schemas()[command])


def test_no_schema_is_of_a_command_that_is_not():
    there = {file.stem for file in schemas.FOLDER.glob("*.json")}
    assert there == set(schemas.COMMANDS)


@pytest.mark.parametrize("command", QUICK)
def test_an_answer_is_as_its_schema_says(command, nstar, isoflop_fit, tmp_path):
    fit = isoflop_fit.save(tmp_path / "fit.nc")
    _, out, _ = nstar(command, fit, *QUICK[command], "--json")
    schema = json.loads((schemas.FOLDER / f"{command}.json").read_text())
    answer = json.loads(out)
    jsonschema.Draft202012Validator(schema).validate(answer)
    answer["checks"][0]["status"] = None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer, schema)
