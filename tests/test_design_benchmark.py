"""The benchmark of next runs: targets resampled from a table, and policies beside each other."""

from pathlib import Path

import numpy as np
import pytest

from conftest import REPO
from nstar.laws import LAWS

N, D, LAW = np.geomspace(1e8, 3e9, 8), np.geomspace(1e9, 1e11, 8), "chinchilla"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import design

    return design


@pytest.fixture
def table(bench):
    """A grid of sizes and tokens under Hoffmann's law, with scatter of .5 %."""
    n, d = (v.ravel() for v in np.meshgrid(N, D))
    scatter = np.random.default_rng(1).normal(0, 0.005, n.size)
    loss = (1.8 + 480 * n**-0.35 + 2100 * d**-0.37) * np.exp(scatter)
    x = {"N": n, "D": d, "C": 6 * n * d, "L": loss}
    return bench.Table(x, loss, x["C"], 52, LAWS[LAW](), 0.0)


@pytest.mark.parametrize(
    ("kind", "axis"), [("cost", "C"), ("size", "N"), ("data", "D")]
)
def test_a_target_is_the_largest_of_some_of_the_runs(bench, table, kind, axis):
    shares = set()
    for seed in range(6):
        (split,) = bench.design_splits.resample([table], kind, seed)
        (again,) = bench.design_splits.resample([table], kind, seed)
        np.testing.assert_array_equal(split.L, again.L)
        values, pool = split.x[axis], split.pool
        assert len(values) == len(split.L) == round(0.8 * 64)
        assert values[:pool].max() < values[pool:].min()
        assert 4 <= len(values) - pool <= len(values) / 2
        rows = set(zip(split.L, split.C, split.x["N"], strict=True))
        assert rows <= set(zip(table.L, table.C, table.x["N"], strict=True))
        shares.add(len(values) - pool)
    assert len(shares) > 1


def test_a_block_is_of_neighbours(bench, table):
    (split,) = bench.design_splits.resample([table], "block", 3)
    z = np.log([split.x["N"], split.x["D"]])
    spread = np.ptp(z[:, split.pool :], axis=1) / np.ptp(z, axis=1)
    assert np.all(spread < 0.8)
    assert np.prod(spread) < 0.45


def test_what_hardly_varies_is_no_axis(bench, table):
    same = table._replace(x=table.x | {"D": np.full(64, 1e10)})
    assert bench.design_splits.kinds([same]) == ["cost", "size", "block"]
    assert bench.design_splits.kinds([table]) == ["cost", "size", "data", "block"]


def test_policies_see_the_same_splits_and_keep_to_the_budget(bench, table, monkeypatch):
    monkeypatch.setattr(bench, "tables", lambda folder, name: [table])
    scores = bench.resampled_table(Path(), "grid", 3, fast=True)
    assert scores["splits"] == 12
    ours, theirs = (scores["policies"][p]["0.1"] for p in ("nstar", "v_optimal"))
    assert theirs["less_v_optimal"] == theirs["se"] == 0
    assert ours["less_v_optimal"] == pytest.approx(ours["mean"] - theirs["mean"])
    kinds = ours["kinds"].values()
    assert ours["mean"] == pytest.approx(np.mean([k["mean"] for k in kinds]))
    summary = bench.summarise({"grid": scores})
    assert summary["means"]["nstar"]["0.1"]["mean"] == pytest.approx(ours["mean"])
    (split,) = bench.pools(bench.design_splits.resample([table], "cost", 0))
    pool = split[1]
    rows = bench.POLICIES["nstar"](
        pool, 0.1 * pool.cost.sum(), np.random.default_rng(0)
    )
    assert pool.cost[rows].sum() <= 0.1 * pool.cost.sum() * (1 + 1e-9)
    assert len(set(rows)) == len(rows) >= 4


def test_a_table_far_behind_is_named(bench):
    def table(less, se):
        scores = {"0.1": {"mean": 0.5, "less_v_optimal": less, "se": se}}
        return {"policies": {"nstar": scores}}

    results = {
        "a": table(-0.009, 0.0),
        "b": table(-0.05, 0.03),
        "c": table(-0.05, 0.02),
    }
    summary = bench.summarise(results)
    assert summary["behind_v_optimal"] == ["c at 0.1: -0.050 ± 0.020"]
    assert summary["means"]["nstar"]["0.1"]["less_v_optimal"] == pytest.approx(
        -0.1090 / 3
    )
