"""JSON Schemas in docs/: what tests hold answers to, and what answers are."""

import json

import jsonschema
import pytest

import schemas


@pytest.mark.parametrize("command", schemas.COMMANDS)
def test_a_schema_in_the_docs_is_that_of_the_tests(command):
    """`uv run python tests/schemas.py` writes them."""
    file = schemas.FOLDER / f"{command}.json"
    assert file.read_text(encoding="utf-8") == schemas.text(schemas.schemas()[command])


def test_no_schema_is_of_a_command_that_is_not():
    there = {file.stem for file in schemas.FOLDER.glob("*.json")}
    assert there == set(schemas.COMMANDS)


def test_a_schema_refuses_what_an_answer_is_not(nstar, isoflop_fit, tmp_path):
    """`tests/test_json.py` holds the answers of commands to their schemas."""
    fit = isoflop_fit.save(tmp_path / "fit.nc")
    _, out, _ = nstar("plan", fit, "-C", "1e24", "--json")
    schema = json.loads((schemas.FOLDER / "plan.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(out), schema)
    for change in ({"seed": None}, {"more": 1}, {"checks": [{"name": "x"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(out) | change, schema)
