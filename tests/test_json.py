"""The shape of every command's --json: key sets at every level, as others build on them."""

import json

import jsonschema
import numpy as np
import pytest

from conftest import REPO
from nstar import load

INTERVAL = {"median": float, "lower": float, "upper": float}
CHECKS = [{"name": str, "status": str, "detail": str}]
HEAD = {
    "data": str,
    "data_sha256": str,
    "runs": int,
    "law": str,
    "law_reason": str,
    "noise": str,
    "discrepancy": str,
    "priors": str,
    "seed": int,
    "prob": float,
    "interval": str,
    "flop_convention": str,
    "params_counted": str,
    "loss_unit": str,
    "derived": (str, None),
}
UNKNOWN = {
    "mean": float,
    "sd": float,
    "lower": float,
    "upper": float,
    "r_hat": float,
    "ess_bulk": float,
    "ess_tail": float,
    "prior": (str, None),
}
SUMMARY = HEAD | {"unknowns": {...: UNKNOWN}, "saved": (str, None), "checks": CHECKS}
PREDICT = HEAD | {
    "noise_seed": int,
    "predictions": [
        {
            "N": float,
            "D": float,
            "C": float,
            "loss": INTERVAL,
            "measured": INTERVAL,
            "decades_beyond_data": (float, None),
            "shares": {
                "parameters": float,
                "discrepancy": float,
                "law": float,
                "noise": float,
            },
        }
    ],
    "checks": CHECKS,
}
BUDGET = {
    "C": float,
    "N": INTERVAL,
    "D": INTERVAL,
    "loss": (INTERVAL, None),
    "tokens_per_parameter": INTERVAL,
    "recommended": {"N": float, "D": float, "epochs": (float, None)},
    "limits_cost": (float, None),
    "loss_oracle": (INTERVAL, None),
    "regret": (INTERVAL, None),
    "optimum": ({"N": INTERVAL, "D": INTERVAL}, None),
    "N_law": (INTERVAL, None),
    "D_law": (INTERVAL, None),
    "on_edge": (float, None),
    "slope_beyond": (INTERVAL, None),
    "decades_beyond_data": float,
}
OVER = ([float], None)
LIMITS = {...: float}  # those given, by name
EXPONENTS = {"N": INTERVAL, "D": INTERVAL}
COEFFICIENTS = {"A1": INTERVAL, "A2": INTERVAL}
PLAN = HEAD | {
    "budgets": [BUDGET],
    "exponents": EXPONENTS,
    "exponents_over": OVER,
    "coefficients": COEFFICIENTS,
    "limits": LIMITS,
    "checks": CHECKS,
}
BESIDE = {
    "posterior": (INTERVAL, None),
    "published": (float, None),
    "ratio": (INTERVAL, None),
    "credible_level": (float, None),
    "reason": (str, None),
}
BOTH = {"C": float} | dict.fromkeys(("N", "D", "tokens_per_parameter", "loss"), BESIDE)
PRINTED = [{"C": float, "N": float, "D": float, "note": str}]
COMPARE = HEAD | {
    "published": {
        "id": str,
        "law_form": str,
        "citation": str,
        "params_counted": str,
        "printed": PRINTED,
    },
    "budgets": [BOTH],
    "exponents": {"N": BESIDE, "D": BESIDE},
    "exponents_over": OVER,
    "sentence": str,
    "checks": CHECKS,
}
SHARES = dict.fromkeys(("parameters", "discrepancy", "law", "noise"), float)
ACTION = {
    "name": str,
    "N": float,
    "D": float,
    "epochs": (float, None),
    "C": float,
    "loss": INTERVAL,
    "regret": INTERVAL,
    "expected_regret": float,
    "wasted": INTERVAL,
    "expected_wasted": float,
    "wasted_share": INTERVAL,
    "beyond_frontier": float,
    "value_at_risk": float,
    "expected_shortfall": float,
    "best_probability": (float, None),
    "miss_probability": (float, None),
    "hours": (INTERVAL, None),
    "cost": (INTERVAL, None),
    "cost_shortfall": (float, None),
    "wasted_cost": (INTERVAL, None),
}
WEIGHED = {
    "budget": float,
    "N": INTERVAL,
    "target_loss": (float, None),
    "level": float,
    "bill": (str, None),
    "currency": (str, None),
    "perfect_information": float,
    "repaired": float,
    "limits": LIMITS,
    "as_good": ({"within": float, "N": [float]}, None),
    "actions": [ACTION],
}
CROSSING = {"median": (float, None), "lower": (float, None), "upper": (float, None)}
REACHED = {
    "target": float,
    "chance": float,
    "up_to": float,
    "budget": (float, None),
    "N": (float, None),
    "D": (float, None),
    "crossing": CROSSING,
    "crossing_oracle": CROSSING,
    "reached": float,
    "below_floor": float,
    "before": float,
    "repaired": float,
    "epochs": (float, None),
    "limits": LIMITS,
    "decades_beyond_data": (float, None),
}
LIVED = {
    "N": float,
    "D": float,
    "epochs": (float, None),
    "training": float,
    "serving": INTERVAL,
    "lifetime": INTERVAL,
    "loss": INTERVAL,
}
SERVED = {
    "budget": float,
    "limits": LIMITS,
    "served_tokens": INTERVAL,
    "expected_served_tokens": float,
    "training_alone": LIVED,
    "lifetime": LIVED,
    "saved": INTERVAL,
    "expected_saved": float,
    "loss_given_up": INTERVAL,
}
SCORED = {
    "error": float,
    "pit": float,
    "crps": float,
    "interval_score": {"0.9": float},
    "log_density": float,
    "held": dict.fromkeys(("0.5", "0.8", "0.9", "0.95"), bool),
}
FORECAST = {
    "name": str,
    "frozen": str,
    "hash": str,
    "note": str,
    "N": float,
    "D": float,
    "C": float,
    "budget": (float, None),
    "decades_beyond_data": (float, None),
    "data": str,
    "law": str,
    "loss_unit": str,
    "loss": INTERVAL,
    "measured": INTERVAL,
    "status": str,
    "among_data": [int],
    "outcome": (
        SCORED
        | {
            "loss": float,
            "measured": str,
            "entered": str,
            "note": str,
            "measured_again": bool,
            "counted": bool,
            "why_not": (str, None),
        },
        None,
    ),
}
COUNTED = dict.fromkeys(("held", "of", "lower", "upper"), int)
RECORD = {
    "scored": int,
    "counted": int,
    "open": [str],
    "crps": (float, None),
    "log_density": (float, None),
    "bias": (float, None),
    "rmse": (float, None),
    "interval_score": ({"0.9": float}, None),
    "coverage": (dict.fromkeys(("0.5", "0.8", "0.9", "0.95"), COUNTED), None),
    "chances": (
        {
            "scored": int,
            "counted": int,
            "brier": (float, None),
            "brier_expected": (float, None),
            "log_score": (float, None),
            "decided": (float, None),
            "even": {"brier": float, "log_score": float},
        },
        None,
    ),
}
BOUNDED = dict.fromkeys(("median", "lower", "upper"), (float, None))
CHOICE = {
    "name": str,
    "frozen": str,
    "hash": str,
    "note": str,
    "baseline": str,
    "recipe": str,
    "C": float,
    "decades_beyond_data": float,
    "data": str,
    "loss_unit": str,
    "chance": float,
    "chance_of_law": float,
    "multiplier": BOUNDED | {"prob": float},
    "runs": {...: {"N": float, "D": float, "loss": INTERVAL}},
    "status": str,
    "among_data": [int],
    "outcome": (
        {
            "losses": {...: float},
            "better": bool,
            "brier": float,
            "log_score": float,
            "measured": str,
            "entered": str,
            "note": str,
            "measured_again": bool,
            "counted": bool,
            "why_not": (str, None),
        },
        None,
    ),
}
BOOK = {
    "ledger": str,
    "entries": int,
    "head": str,
    "forecasts": [FORECAST],
    "choices": [CHOICE],
    "record": RECORD,
}
RECIPES = {
    "by": str,
    "baseline": str,
    "recipes": [str],
    "path": str,
    "largest_common_compute": float,
    "prob": float,
    "seed": int,
    "budgets": [
        {
            "C": float,
            "choice": str,
            "recipes": [
                {
                    "recipe": str,
                    "loss": INTERVAL,
                    "multiplier": BOUNDED,
                    "log_multiplier": BOUNDED,
                    "unbounded": float,
                    "chance_better": float,
                    "chance_best": float,
                    "rank": INTERVAL,
                    "regret_loss": float,
                    "regret_compute": BOUNDED,
                    "order_changes": float,
                    "crossing": ({"share": float, "C": (BOUNDED, None)}, None),
                    "decades_beyond_runs": float,
                    "wall_clock": ({"speed": str, "multiplier": BOUNDED}, None),
                }
            ],
            "undecided": [{"a": str, "b": str, "chance_a_better": float}],
            "next": [
                {
                    "recipes": [str],
                    "C": float,
                    "N": [float],
                    "D": [float],
                    "saves": float,
                    "costs": float,
                    "worth": bool,
                }
            ],
        }
    ],
    "floors": [
        {
            "floor": str,
            "words": str,
            "log_odds": float,
            "budgets": [
                {
                    "C": float,
                    "recipes": [
                        {
                            "recipe": str,
                            "multiplier": (float, None),
                            "chance_better": float,
                        }
                    ],
                }
            ],
        }
    ],
    "pocket": {...: (float, None)},
    "curves": {"C": [float], "multiplier": {...: [BOUNDED]}},
}
RECIPES_ALONE = RECIPES | {
    "data": str,
    "data_sha256": str,
    "runs": int,
    "interval": str,
    "flop_convention": str,
    "params_counted": str,
    "loss_unit": str,
    "checks": CHECKS,
}
RECIPES_FROZEN = RECIPES_ALONE | {"ledger": str, "head": str, "frozen": [CHOICE]}
LEDGER = BOOK | {"prob": float, "interval": str, "checks": CHECKS}
FROZEN = HEAD | {"ledger": str, "head": str, "frozen": [FORECAST], "checks": CHECKS}
OUTCOME = {
    "ledger": str,
    "head": str,
    "prob": float,
    "interval": str,
    "scored": [FORECAST],
    "scored_choices": [CHOICE],
    "not_forecast": int,
    "record": RECORD,
    "checks": CHECKS,
}
SCORES = {
    "coverage": dict.fromkeys(("0.5", "0.8", "0.9", "0.95"), float),
    "interval_score": {"0.9": float},
    "crps": float,
    "rmse": float,
    "bias": float,
    "width": {"0.9": float},
}
OPTIMA = (
    {
        "N": SCORES,
        "D": SCORES,
        "budgets": [float],
        "error": [float],
        "misses": int,
        "chance": float,
        "log_density": [float],
    },
    None,
)
PILOT = {
    "N": float,
    "D": float,
    "C": float,
    "saved": float,
    "worth": float,
    "regret": float,
    "expected": INTERVAL,
    "cost": (INTERVAL, None),
    "worth_cost": (INTERVAL, None),
}
VERDICT = {
    "ruling": str,
    "reason": str,
    "rule": str,
    "rests_on": str,
    "failed": [str],
    "target": ({"loss": float, "asked": float, "chance": float}, None),
    "pilot": (PILOT, None),
}
SHEET = {
    "sentence": str,
    "N": float,
    "D": float,
    "as_good": ([float], None),
    "lines": {...: str},
    "cost": (
        {
            "hours": INTERVAL,
            "cost": (INTERVAL, None),
            "accelerators": float,
            "stated": bool,
            "days": INTERVAL,
            "currency": str,
        },
        None,
    ),
    "risks": [str],
    "data": str,
    "date": (str, None),
    "author": (str, None),
    "version": str,
}
REPORT = {
    "headline": str,
    "verdict": VERDICT,
    "sheet": SHEET,
    "evidence": {
        "runs": int,
        "smallest": float,
        "largest": float,
        "decades_beyond": float,
        "tokens_per_parameter": ([float], None),
    },
    "status": str,
    "data": str,
    "seed": int,
    "prob": float,
    "interval": str,
    "checks": CHECKS,
    "routes": [
        {
            "route": str,
            "law": str,
            "noise": str,
            "runs": int,
            "budgets": [BUDGET],
            "exponents": EXPONENTS,
            "exponents_over": OVER,
            "coefficients": COEFFICIENTS,
            "loss_from": ([SHARES], None),
            "unknowns": {
                ...: {"mean": float, "sd": float, "lower": float, "upper": float}
            },
        }
    ],
    "routes_missing": {...: str},
    "risk": [WEIGHED | {"route": str}],
    "published": [
        {
            "id": str,
            "law_form": str,
            "citation": str,
            "confidence": str,
            "notes": [str],
            "printed": PRINTED,
            "sentence": str,
            "budgets": [BOTH],
            "exponents": {"N": BESIDE, "D": BESIDE},
            "exponents_over": OVER,
        }
    ],
    "decision": {
        "by": str,
        "weights": {...: float},
        "weighted": str,
        "doubts": {...: {...: str}},
        "budget": float,
        "N": float,
        "D": float,
        "N_star": INTERVAL,
        "D_star": INTERVAL,
        "loss": (INTERVAL, None),
        "regret": (INTERVAL, None),
        "expected_regret": (float, None),
        "expected_regret_alone": {...: float},
    },
    "held_out": [
        {
            "route": str,
            "hold_out_decades": float,
            "n_train": int,
            "n_test": int,
            "coverage": {...: float},
            "interval_score": {...: float},
            "crps": float,
            "rmse": float,
            "bias": float,
            "width": {...: float},
            "log_density": float,
            "trouble": (str, None),
            "optima": OPTIMA,
        }
    ],
    "forecasts": (BOOK, None),
    "recipes": (RECIPES, None),
    "not_tested": (str, None),
    "loss_by_budget": (
        [
            {
                "C": float,
                "N": float,
                "D": float,
                "median": float,
                "bands": {...: [float]},
            }
        ],
        None,
    ),
    "target": (REACHED, None),
    "serving": (SERVED, None),
    "placed": [{"route": str, "name": str, "N": float, "below": float}],
    "universes": [
        {
            "kind": str,
            "name": str,
            "N": (INTERVAL, None),
            "D": (INTERVAL, None),
            "loss": (INTERVAL, None),
            "regret": (INTERVAL, None),
            "expected_regret": (float, None),
            "trouble": (str, None),
        }
    ],
    "owed_to_priors": {
        "route": str,
        "budget": float,
        "check": CHECKS[0],
        "scales": [
            {
                "unknown": str,
                "factor": float,
                "budgets": [float],
                "intervals": {...: [INTERVAL]},
                "how": str,
            }
        ],
    },
    "public_record": {
        "budget": float,
        "N": float,
        "D": float,
        "models": [
            {
                "name": str,
                "C": float,
                "N": float,
                "D": float,
                "of_these_runs": bool,
                "routes": {...: BESIDE},
                "given_away": (INTERVAL, None),
                "why": str,
                "citation": str,
            }
        ],
        "fits": [
            {
                "id": str,
                "N": (float, None),
                "D": (float, None),
                "exponent": (float, None),
                "our_exponents": {...: INTERVAL},
                "floor": (float, None),
                "our_floors": {...: INTERVAL},
                "routes": {...: BESIDE},
                "why": str,
                "citation": str,
            }
        ],
    },
    "released": [
        {
            "name": str,
            "N": float,
            "D": float,
            "C": float,
            "citation": str,
            "N_star": INTERVAL,
            "D_star": INTERVAL,
            "ratio": INTERVAL,
            "level": float,
        }
    ],
    "next_runs": [
        {
            "N": float,
            "D": float,
            "C": float,
            "saved": float,
            "worth": float,
            "regret": float,
            "expected": INTERVAL,
        }
    ],
    "provenance": {
        "command": str,
        "data": str,
        "data_sha256": str,
        "runs": int,
        "flop_convention": str,
        "derived": str,
        "params_counted": str,
        "loss_unit": str,
        "seed": int,
        "precision": str,
        "nstar": str,
        "jax": str,
        "numpyro": str,
        "arviz_stats": str,
    },
}
TAKES = ({"hours": INTERVAL, "cost": (INTERVAL, None)}, None)
NEXT = HEAD | {
    "target": float,
    "pilot_budget": float,
    "candidates": int,
    "by": str,
    "parallel": int,
    "action": ({"N": float, "D": float}, None),
    "before": {"regret": float, "sd": float, "log_N_sd": float},
    "steps": [
        {
            "step": int,
            "round": int,
            "C": float,
            "spent": float,
            "saved": float,
            "worth": (float, None),
            "variance": float,
            "nats": float,
            "worth_per_cost": (float, None),
            "regret_left": float,
            "sd_left": float,
            "log_N_sd_left": float,
            "worth_it": bool,
            "takes": TAKES,
            "worth_takes": TAKES,
            "runs": [
                {
                    "N": float,
                    "D": float,
                    "C": float,
                    "x": {...: float},
                    "expected": (INTERVAL, None),
                }
            ],
        }
    ],
    "spent": float,
    "stop_after": int,
    "sweep": [{"run": str, "round": int, "N": str, "D": str, "C": str}],
    "bill": (str, None),
    "currency": (str, None),
    "checks": CHECKS,
}
SPLIT = SCORES | {
    "hold_out_decades": float,
    "n_train": int,
    "n_test": int,
    "optima": OPTIMA,
}
BACKTEST = {
    "data": str,
    "law": str,
    "seed": int,
    "along": str,
    "splits": [SPLIT],
    "checks": CHECKS,
}
LADDERS = {
    "data": str,
    "law": str,
    "seed": int,
    "along": str,
    "by": str,
    "checks": CHECKS,
    "ladders": [{"ladder": str, "splits": [SPLIT], "checks": CHECKS}],
}
PRIOR = {
    "data": str,
    "law": str,
    "priors": str,
    "seed": int,
    "prob": float,
    "interval": str,
    "statistics": [
        {"statistic": str, "measured": float, "prior": INTERVAL, "probability": float}
    ],
    "budgets": [{"C": float, "N": INTERVAL, "D": INTERVAL, "loss": INTERVAL}],
    "checks": CHECKS,
}
SENSITIVITY = HEAD | {
    "sensitivity": [
        {
            "quantity": str,
            "prior": float,
            "likelihood": float,
            "prior_of": str,
            "says": str,
        }
    ],
    "checks": CHECKS,
}
ANY = object  # as a registry's entry has it
SET = dict.fromkeys(
    (
        "name",
        "title",
        "citation",
        "licence",
        "access",
        "file",
        "sha256",
        "rows",
        "header",
        "kind",
        "params_kind",
        "params_counted",
        "flops_kind",
        "loss_unit",
        "data_unit",
        "paper",
        "part",
        "columns",
        "upstream_columns",
        "where",
        "quirks",
        "published",
        "check",
        "manual",
        "upstream",
    ),
    ANY,
)
PUBLISHED = dict.fromkeys(
    (
        "id",
        "data_sets",
        "why",
        "family",
        "modality",
        "form",
        "law_form",
        "citation",
        "confidence",
        "values",
        "coefficients",
        "unpublished",
        "uncertainties",
        "units",
        "compute_unit",
        "compute_scope",
        "compute_range",
        "C_range",
        "params_counted",
        "loss_unit",
        "fit_method",
        "where_in_source",
        "relevance",
        "notes",
        "printed",
        "table",
        "variants",
        "input",
        "output",
    ),
    ANY,
)
OPTIMUM = {"C": float, "N": (float, None), "D": (float, None), "loss": (float, None)}
MODEL = dict.fromkeys(
    (
        "name",
        "data_sets",
        "why",
        "title",
        "modality",
        "citation",
        "data_unit",
        "N_total",
        "N_non_embedding",
        "D",
        "C",
        "C_counted",
        "gpu_hours",
        "gpu",
        "measured",
        "architecture",
        "stages",
        "notes",
    ),
    ANY,
)
AGAINST = dict.fromkeys(
    (
        "model",
        "fit",
        "C",
        "N",
        "D",
        "data_unit",
        "params_counted",
        "tokens_per_parameter",
        "N_star",
        "D_star",
        "tokens_per_parameter_star",
        "N_ratio",
        "D_ratio",
        "loss",
        "loss_star",
        "loss_unit",
        "reason",
    ),
    ANY,
)
SIMULATE = {
    "design": str,
    "law": str,
    "seed": int,
    "draws": int,
    "runs": int,
    "flop_convention": str,
    "unknowns": {...: [float]},
    "columns": {...: ANY},
    "saved": (str, None),
}


def hold(shape, value, at="$"):
    """Fail where a document is not of this shape; `...` stands for any name."""
    if isinstance(shape, tuple):
        shape = None if value is None else shape[0]
    if shape is None:
        assert value is None, at
    elif isinstance(shape, dict):
        assert isinstance(value, dict), at
        names = value if ... in shape else shape
        assert set(value) == set(names), at
        for name in value:
            hold(shape.get(name, shape.get(...)), value[name], f"{at}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), at
        for i, one in enumerate(value):
            hold(shape[0], one, f"{at}[{i}]")
    elif shape is float:
        assert isinstance(value, float | int), at
    else:
        assert isinstance(value, shape), f"{at}: {value!r}"


@pytest.fixture(scope="module")
def fits(isoflop_fit, allocation_fit, surface_fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    made = {"isoflop": isoflop_fit, "allocation": allocation_fit}
    made["chinchilla"] = surface_fit
    return {name: str(fit.save(folder / f"{name}.nc")) for name, fit in made.items()}


@pytest.fixture
def document(nstar):
    """Run a command with --json, read its one document strictly, and by its schema."""

    def run(*words):
        code, out, _ = nstar(*words, "--json")
        assert not code
        answer = json.loads(out, parse_constant=pytest.fail)
        schema = REPO / "docs" / "schemas" / f"{words[0]}.json"
        if schema.is_file():
            jsonschema.validate(answer, json.loads(schema.read_text(encoding="utf-8")))
        return answer

    return run


@pytest.mark.parametrize("law", ["isoflop", "allocation", "chinchilla"])
def test_plan(document, fits, law):
    answer = document("plan", fits[law], "-C", "1e24", "-C", "3.8e25", "--prob", "0.8")
    hold(PLAN, answer)
    assert (answer["law"], answer["seed"], answer["prob"]) == (law, 0, 0.8)
    assert [b["C"] for b in answer["budgets"]] == [1e24, 3.8e25]
    for budget in answer["budgets"]:
        lossless = law == "allocation"
        for name in ("loss", "loss_oracle", "regret"):
            assert (budget[name] is None) == lossless
        assert (budget["optimum"] is None) == (law == "chinchilla")
        for name in ("N", "D", "tokens_per_parameter"):
            i = budget[name]
            assert i["lower"] < i["median"] < i["upper"]
        product = budget["recommended"]["N"] * budget["recommended"]["D"]
        assert 6 * product == pytest.approx(budget["C"], rel=1e-6)


@pytest.mark.parametrize("law", ["isoflop", "allocation"])
def test_compare(document, fits, law):
    answer = document("compare", fits[law], "--published", "llama3", "-C", "3.8e25")
    hold(COMPARE, answer)
    tokens = answer["budgets"][0]["D"]
    ratio = tokens["posterior"]["median"] / tokens["published"]
    assert tokens["ratio"]["median"] == pytest.approx(ratio, rel=1e-3)
    assert 0 <= tokens["credible_level"] <= 1
    assert answer["budgets"][0]["loss"]["published"] is None


def test_compare_with_a_table_outside_its_rows_is_null(document, fits):
    answer = document(
        "compare", fits["allocation"], "--published", "chinchilla", "-C", "1e24"
    )
    hold(COMPARE, answer)
    assert answer["budgets"][0]["loss"]["posterior"] is None


def test_summary(document, fits):
    answer = document("summary", fits["isoflop"])
    hold(SUMMARY, answer)
    assert answer["unknowns"]["E"]["prior"] is None
    assert answer["unknowns"]["alpha1"]["prior"]


def test_fit(document, tmp_path):
    file = tmp_path / "fit.nc"
    answer = document("fit", "llama3_optima", "--out", file)
    hold(SUMMARY, answer)
    assert answer["saved"] == str(file)
    saved = load(file).draws["alpha1"]
    alpha1 = answer["unknowns"]["alpha1"]
    assert alpha1["mean"] == pytest.approx(saved.mean(), rel=1e-9)
    assert alpha1["upper"] == pytest.approx(np.quantile(saved, 0.95), rel=1e-9)


def test_predict(document, fits):
    answer = document(
        "predict", fits["chinchilla"], "--at", "7e9,1.4e11", "--at", "4e11,1.6e13"
    )
    hold(PREDICT, answer)
    for one in answer["predictions"]:
        spread = [one[n]["upper"] - one[n]["lower"] for n in ("loss", "measured")]
        assert spread[0] < spread[1]
    assert answer["noise_seed"] == 0


def test_forecast_outcome_and_ledger(document, fits, tmp_path):
    file = str(tmp_path / "forecasts.jsonl")
    words = ["--at", "7e9,1.4e11", "-C", "1e23", "--name", "hero", "--name", "next"]
    answer = document("forecast", fits["chinchilla"], *words, "--ledger", file)
    hold(FROZEN, answer)
    assert [one["outcome"] for one in answer["frozen"]] == [None, None]
    nothing = document("ledger", file)
    hold(LEDGER, nothing)
    assert nothing["record"]["coverage"] is None
    hero = answer["frozen"][0]
    assert hero["loss"]["lower"] > hero["measured"]["lower"]
    scored = document("outcome", file, "--name", "hero", "--loss", "0.71")
    hold(OUTCOME, scored)
    assert scored["head"] != answer["head"]
    listed = document("ledger", file, "--prob", "0.8")
    hold(LEDGER, listed)
    assert (listed["entries"], listed["head"]) == (3, scored["head"])
    assert listed["forecasts"][0]["outcome"] == scored["scored"][0]["outcome"]


def test_recipes_and_their_choice(document, tmp_path):
    rows = []
    for name, gain in (("adamw", 0.0), ("muon", 0.3)):
        for C in (1e18, 3e18, 1e19, 3e19):
            N = (C / 120) ** 0.5
            L = 1.7 + (C * 2.718**gain / 1e19) ** -0.15
            rows.append(f"{name},{N},{20 * N},{L}")
    table = tmp_path / "recipes.csv"
    table.write_text("recipe,N,D,L\n" + "\n".join(rows) + "\n", encoding="utf-8")
    file = str(tmp_path / "forecasts.jsonl")
    words = ["--speed", "muon=0.9", "--name", "switch", "--ledger", file]
    answer = document("recipes", table, "-C", "1e21", *words)
    hold(RECIPES_FROZEN, answer)
    losses = ["--loss", "adamw=2.2", "--loss", "muon=2.1"]
    scored = document("outcome", file, "--name", "switch", *losses)
    hold(OUTCOME, scored)
    assert scored["record"]["chances"]["counted"] == 1
    listed = document("ledger", file)
    hold(LEDGER, listed)
    assert listed["choices"] == scored["scored_choices"]


def test_prior(document):
    answer = document(
        "prior", "llama3", "--law", "coupled", "--priors", "informed", "-C", "1e21"
    )
    hold(PRIOR, answer)
    assert answer["priors"] == "informed"
    detail = {check["name"]: check["detail"] for check in answer["checks"]}
    assert "llama3" in detail["priors"]


def test_sensitivity(document, fits):
    answer = document("sensitivity", fits["allocation"])
    hold(SENSITIVITY, answer)
    at = document("sensitivity", fits["allocation"], "--budget", "1e23")
    scaled = {"unknown": str, "factor": float, "budgets": [float], "how": str}
    scales = [scaled | {"intervals": {"log N*": [INTERVAL]}}]
    hold(SENSITIVITY | {"prior_scales": scales}, at)
    assert at["checks"][-1]["name"] == "owed to priors"
    assert {"alpha1_bent", "sigma"} <= {
        row["quantity"] for row in answer["sensitivity"]
    }
    assert all(row["says"] for row in answer["sensitivity"])


def test_informed_priors_are_named(document):
    answer = document(
        "fit",
        "llama3_optima",
        "--priors",
        "informed",
        "--prior",
        "alpha1=Normal(0.5, 0.1)",
        "--discrepancy",
        "none",
    )
    hold(SUMMARY, answer)
    assert answer["priors"] == "informed"
    assert answer["unknowns"]["alpha1"]["prior"] == "Normal(0.5, 0.1)"
    assert answer["unknowns"]["sigma"]["prior"].startswith("LogStudentT(4, ")
    assert any("left out: llama3" in check["detail"] for check in answer["checks"])


def test_report(document, tmp_path):
    file = tmp_path / "page.html"
    answer = document("report", "llama3_optima", "-C", "1e22", "--out", file)
    hold(REPORT, answer)
    assert [route["law"] for route in answer["routes"]] == ["allocation"]
    assert set(answer["routes_missing"]) == {"isoflop", "coupled"}
    assert json.loads(file.with_suffix(".json").read_text(encoding="utf-8")) == answer
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_of_every_route(isoflop_fit, allocation_fit, bent_fit, llama3):
    from nstar.files.writing import json_text
    from nstar.plans.actions import parse_actions
    from nstar.plans.planning import plan
    from nstar.plans.routes import Route, Routes
    from nstar.report.facts import Question, gather

    fits = isoflop_fit, allocation_fit, bent_fit
    names = "isoflop", "allocation", "coupled"
    taken = (Route(n, f, plan(f, [3.8e25])) for n, f in zip(names, fits, strict=True))
    asked = Question(parse_actions(["8B"]), target=0.62, served=1e13, quick=True)
    routes = Routes(llama3, tuple(taken), {})
    facts = gather(routes, None, 0.9, "nstar report", asked)
    hold(REPORT, json.loads(json_text(facts.document)))


def test_registries(document):
    hold({"datasets": [SET]}, document("data"))
    hold(SET | {"verified": (str, None)}, document("data", "llama3"))
    hold(SET | {"verified": (str, None)}, document("data", "llama3", "--verify"))
    hold({"published": [PUBLISHED]}, document("published"))
    one = PUBLISHED | {
        "exponents": {"N": (float, None), "D": (float, None)},
        "at": [OPTIMUM],
    }
    hold(one, document("published", "llama3", "-C", "3.8e25"))
    hold(one, document("published", "openclip"))
    hold({"models": [MODEL]}, document("models"))
    family = [
        dict.fromkeys(
            ("fit", "quantity", "published", "measured", "ratio", "note", "reason"), ANY
        )
    ]
    points = dict.fromkeys(
        (
            "table",
            "law",
            "quantity",
            "runs",
            "prob",
            "at",
            "predicted",
            "measured",
            "note",
        ),
        ANY,
    )
    dit = MODEL | {"against": None, "family": family, "by_measured_points": [points]}
    hold(dit, document("models", "dit-xl-2"))
    answer = document("models", "llama3-405b", "--against", "llama3")
    llama = MODEL | {"against": AGAINST, "family": family, "by_measured_points": []}
    hold(llama, answer)


@pytest.mark.parametrize("law", ["chinchilla", "allocation"])
def test_next(document, fits, law):
    bill = ("--hardware", "h100") if law == "chinchilla" else ()
    answer = document(
        "next",
        fits[law],
        "--target",
        "3.8e25",
        "--pilot-budget",
        "1e22",
        "--most",
        "2",
        *bill,
    )
    hold(NEXT, answer)
    assert len(answer["sweep"]) == len(answer["steps"]) == 2


CHECK = {
    "data": str,
    "data_sha256": str,
    "rows": int,
    "runs": int,
    "columns": ANY,
    "ranges": {"N": [float], "D": [float], "C": [float], "L": [float]},
    "law": (str, None),
    "headline": str,
    "problems": [
        {
            "name": str,
            "status": str,
            "column": (str, None),
            "rows": ANY,
            "values": ANY,
            "detail": str,
            "remedy": (str, None),
            "options": (str, None),
        }
    ],
    "repair": (str, None),
    "repaired": bool,
    "command": (str, None),
    "next": (str, None),
    "rewritten": (
        {
            "path": str,
            "left_out": [int],
            "changes": [{"row": int, "column": str, "before": str, "after": str}],
        },
        None,
    ),
    "checks": CHECKS,
}


def test_check(document, nstar, llama3, tmp_path):
    table, out = tmp_path / "t.csv", tmp_path / "out.csv"
    rows = [
        f"{llama3['N'][i] / 1e6},{llama3['D'][i]},{llama3['L'][i]}" for i in range(133)
    ]
    rows[7] = rows[7].replace(f"{llama3['L'][7]}", "11")
    table.write_text("N,D,L\n" + "\n".join(rows) + "\n", encoding="utf-8")
    code, printed, _ = nstar("check", table, "--json")
    assert code == 1
    answer = json.loads(printed)
    hold(CHECK, answer)
    assert answer["repair"].startswith("--units N=1e6 --where 'L<")
    assert answer["next"].startswith("nstar report ")
    answer = document("check", table, "--repair", out)
    hold(CHECK, answer)
    assert answer["rewritten"]["left_out"] == [9]
    assert answer["runs"] == 132


def test_simulate(document):
    answer = document("simulate", "llama3", "--seed", "1", "--draws", "2")
    hold(SIMULATE, answer)
    assert len(answer["columns"]["N"]) == 133
    assert [len(table) for table in answer["columns"]["L"]] == [133, 133]
    assert all(len(values) == 2 for values in answer["unknowns"].values())


def test_backtest(document, tmp_path):
    file = tmp_path / "held.csv"
    answer = document("backtest", "llama3", "--law", "isoflop", "--predictions", file)
    hold(BACKTEST, answer)
    assert answer["splits"][0]["optima"]["budgets"] == pytest.approx([1e21, 3e21, 1e22])
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 24


def test_backtest_of_several_ladders(document, llama3, tmp_path):
    table = tmp_path / "two.csv"
    rows = [
        f"{llama3['N'][i]},{llama3['D'][i]},{llama3['L'][i] * scale},{name}"
        for name, scale in (("a", 1.0), ("b", 1.1))
        for i in range(133)
    ]
    table.write_text("N,D,L,recipe\n" + "\n".join(rows) + "\n", encoding="utf-8")
    answer = document("backtest", table, "--by", "recipe", "--discrepancy", "none")
    hold(LADDERS, answer)
    assert [ladder["ladder"] for ladder in answer["ladders"]] == ["a", "b"]
    a, b = (ladder["splits"][0]["crps"] for ladder in answer["ladders"])
    assert a == pytest.approx(b, rel=0.05)  # a change of unit is no news
