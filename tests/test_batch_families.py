"""Batches of laws whose response is no loss: coefficients, answers and scores, not empty rows."""

import numpy as np
import pytest
import xarray as xr

import nstar
from nstar.batch.estimates import quantities
from nstar.batch.manifest import read
from nstar.batch.plan import plan
from nstar.batch.running import refit
from nstar.costs.training import SIX
from nstar.fits.model import parse_model

TRUTH = {"error": 0.3, "error_floor_share": 0.3, "slope": 0.12, "sigma_accuracy": 0.01}
LAW = "bounded_metric(chance=0.001)"
MANIFEST = f"""
[[data]]
source = "clip.csv"
[grid]
laws = ["{LAW}"]
[[resample]]
kind = "hold_out"
decades = [0.7]
[targets]
budgets = [1e22]
[sampler]
draws = 200
"""


def test_a_law_with_settings_is_known_to_a_manifest(tmp_path):
    (tmp_path / "m.toml").write_text(MANIFEST.replace("chance=0.001", "chanc=1"))
    with pytest.raises(ValueError, match=r"line \d+: grid: law .* no setting 'chanc'"):
        read(tmp_path / "m.toml")
    (tmp_path / "m.toml").write_text(MANIFEST.replace(LAW, "token_budget"))
    (tmp_path / "clip.csv").write_text(
        "T,accuracy\n" + "\n".join(f"{10.0**i},0.{i}" for i in range(1, 7))
    )
    _, held = plan(read(tmp_path / "m.toml"))
    assert held.samples[0].keep.sum() == 5  # along T, which the law reads


@pytest.mark.slow
def test_a_metric_has_coefficients_answers_and_scores(tmp_path):
    C = np.geomspace(1e17, 1e21, 14)
    metric = nstar.simulate(LAW, {"C": C}, TRUTH, seed=1)["metric"].to_numpy()[0]
    rows = [f"{c!r},{m!r}" for c, m in zip(C.tolist(), metric.tolist(), strict=True)]
    (tmp_path / "clip.csv").write_text("C,metric\n" + "\n".join(rows) + "\n")
    (tmp_path / "m.toml").write_text(MANIFEST)
    table = refit(tmp_path / "m.toml", tmp_path / "out", say=lambda _: None).table
    whole, held = (table.slice(i, 1).to_pydict() for i in range(2))
    assert (whole["passed"], held["passed"]) == ([True], [True])
    with xr.open_datatree(tmp_path / "out" / "draws.nc", engine="h5netcdf") as tree:
        assert tree["posterior"]["metric"].dims == ("fit", "chain", "draw", "C")
    law = parse_model(LAW, None).law.at({"C": C}, SIX)
    low, high = (whole[f"metric[1e+22]_{n}"][0] for n in ("lo", "hi"))
    assert low < float(law.expected(TRUTH, {"C": 1e22})) < high
    assert whole["gamma_lo"][0] < TRUTH["slope"] / 0.7 < whole["gamma_hi"][0]
    assert "error at 1e22 FLOP" in {q.title for q in quantities(whole)}
    assert held["held_out_runs"] == [3]
    assert 0 <= held["held_out_coverage_90"][0] <= 1
    assert held["held_out_crps"][0] < 0.05
    assert held["held_out_by_chance"][0] > 0.001
