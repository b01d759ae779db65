"""JSON Schemas of every answer, from the shapes that tests hold commands to.

uv run python tests/schemas.py     writes docs/schemas/COMMAND.json
"""

import json
from pathlib import Path
from types import EllipsisType

import test_downstream
import test_endings
import test_json as shapes
import test_mismatched_inputs
import test_mixtures
import test_passk
import test_pictures
import test_risk_command
import test_spending
import test_tasks
import test_tuning
import test_watch

type Shape = (
    type | dict[str | EllipsisType, Shape] | list[Shape] | tuple[Shape, None] | None
)
type Schema = dict[str, object]

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS = {float: "number", int: "integer", str: "string", bool: "boolean"}
POOL = {"over": str, "groups": [str], "group": (str, None)}
SOMETIMES = {  # of a fit that is pooled, or an average of laws
    "pool": POOL,
    "weights": {...: float},
    "prior_scales": [shapes.ANY],  # of `sensitivity` at a budget
}
COMMANDS: dict[
    str, list[Shape]
] = {  # several where the answer depends on what is asked
    "backtest": [shapes.BACKTEST, shapes.LADDERS],
    "check": [shapes.CHECK],
    "compare": [shapes.COMPARE],
    "cost": [test_risk_command.COST],
    "data": [{"datasets": [shapes.SET]}, shapes.SET | {"verified": (str, None)}],
    "finish": [test_endings.FINISH],
    "fit": [shapes.SUMMARY],
    "forecast": [shapes.FROZEN],
    "ledger": [shapes.LEDGER],
    "lifetime": [test_mismatched_inputs.LIFETIME],
    "mix": [test_mixtures.MIX],
    "next": [shapes.NEXT],
    "outcome": [shapes.OUTCOME],
    "passk": [test_passk.PASSK],
    "plan": [shapes.PLAN],
    "predict": [shapes.PREDICT],
    "prior": [shapes.PRIOR],
    "recipes": [shapes.RECIPES_ALONE, shapes.RECIPES_FROZEN],
    "report": [shapes.REPORT],
    "risk": [test_risk_command.RISK],
    "sensitivity": [shapes.SENSITIVITY],
    "serve": [test_risk_command.SERVE],
    "simulate": [shapes.SIMULATE],
    "spend": [test_spending.SPEND],
    "summary": [shapes.SUMMARY],
    "target": [test_risk_command.TARGET],
    "task": [test_downstream.TASK, test_tasks.TASKS],
    "tune": [test_tuning.TUNE],
    "visual": [test_pictures.VISUAL],
    "watch": [test_watch.WATCH],
}


def describe(shape: Shape) -> Schema:
    """Write a shape as a JSON Schema, closed: no key is left out and none is added."""
    if shape is None:
        return {"type": "null"}
    if isinstance(shape, tuple):
        return {"anyOf": [describe(shape[0]), {"type": "null"}]}
    if isinstance(shape, list):
        return {"type": "array", "items": describe(shape[0])}
    if isinstance(shape, dict):
        if ... in shape:
            return {"type": "object", "additionalProperties": describe(shape[...])}
        complete = shape | SOMETIMES if shapes.HEAD.keys() <= shape.keys() else shape
        return {
            "type": "object",
            "properties": {
                str(name): describe(each) for name, each in complete.items()
            },
            "required": list(shape),
            "additionalProperties": False,
        }
    return {"type": KINDS[shape]} if shape in KINDS else {}


def schemas() -> dict[str, Schema]:
    """Return the schema of each command's answer, by the command."""
    answers = {}
    for command, each in COMMANDS.items():
        of = describe(each[0]) if len(each) == 1 else {"anyOf": [*map(describe, each)]}
        title = f"the answer of nstar {command} --json"
        answers[command] = {"$schema": DIALECT, "title": title} | of
    return answers


def text(schema: Schema) -> str:
    """Write a schema as its file has it."""
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for command, schema in schemas().items():
        (FOLDER / f"{command}.json").write_text(text(schema), encoding="utf-8")
