"""Batches by manifest: names, chunks, resuming, survival, and what a bad manifest is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr

import nstar as package
from nstar.batch import digests, fitting, running, timing
from nstar.batch.engines import ORPHAN, Processes, interleaved
from nstar.batch.manifest import Sampler, read
from nstar.batch.manifest_errors import line_of
from nstar.batch.plan import plan
from nstar.batch.store import Store
from nstar.batch.table import csv_text, undated
from nstar.fits.batch_tasks import batch_options
from nstar.fits.model import problem
from nstar.fits.resampling import reweighted
from nstar.priors.sets import PriorSet
from test_batches import RUNS, ladder

MANIFEST = """name = "trial"

[[data]]
source = "tables/*.csv"

[grid]
laws = ["chinchilla"]
noises = ["normal"]

[[resample]]
kind = "bootstrap"
count = 20

[[resample]]
kind = "hold_out"

[targets]
budgets = [1e22]
runs = [{ N = 7e9, D = 1.4e11 }]

[sampler]
draws = 100
precision = "float32"
"""


def write(folder, name, table):
    rows = zip(*table.values(), strict=True)
    lines = [
        ",".join(table),
        *(",".join(f"{v!r}" for v in map(float, row)) for row in rows),
    ]
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    (folder / "tables" / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path):
    for i in range(2):
        write(tmp_path, f"t{i}", ladder(i))
    (tmp_path / "m.toml").write_text(MANIFEST)
    return tmp_path


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What an undisturbed run of the manifest gives."""
    folder = tmp_path_factory.mktemp("here")
    for i in range(2):
        write(folder, f"t{i}", ladder(i))
    (folder / "m.toml").write_text(MANIFEST)
    refit(folder)
    return folder / "out"


def refit(folder, out="out", **how):
    said = []
    made = running.refit(folder / "m.toml", folder / out, say=said.append, **how)
    return made, said


def contents(out):
    """What must be the same whenever and wherever it is made."""
    table = undated(pq.read_table(out / "fits.parquet"))
    with xr.open_datatree(out / "draws.nc", engine="h5netcdf") as tree:
        return csv_text(table), tree.load()


def same(a, b):
    (one, drawn), (other, others) = contents(a), contents(b)
    assert one == other
    assert drawn["posterior"].dataset.identical(others["posterior"].dataset)


# What a manifest is told, and where

BAD = {
    "not TOML": ('name = "x"\n[[data]\n', r"not TOML: .*line 2"),
    "no data": ('name = "x"\n', "data: is missing"),
    "unknown key": (
        '[[data]]\nsource = "a.csv"\nsauce = "b"\n',
        r"line 3: data.sauce: unknown key; did you mean 'source'",
    ),
    "unknown table": (
        '[[data]]\nsource = "a.csv"\n[gird]\n',
        r"line 3: gird: unknown key; did you mean 'grid'",
    ),
    "wrong type": ("[[data]]\nsource = 3\n", r"line 2: data.source: .*got 3"),
    "second entry": (
        '[[data]]\nsource = "a.csv"\n\n[[data]]\nwhere = "x"\nsource = "b"\n',
        r"line 5: data.where",
    ),
    "no such law": (
        '[[data]]\nsource = "a.csv"\n[grid]\nlaws = ["chinchila"]\n',
        r"line 4: grid: no law 'chinchila'",
    ),
    "no such noise": (
        '[[data]]\nsource = "a.csv"\n[grid]\nnoises = [\n  "loud",\n]\n',
        r"line 4: grid: no noise 'loud'",
    ),
    "noise of another law": (
        '[[data]]\nsource = "a.csv"\n[grid]\nlaws = ["chinchilla"]\nnoises = ["correlated"]\n',
        r"line 5: grid: correlated noise",
    ),
    "no such discrepancy": (
        '[[data]]\nsource = "a.csv"\n[grid]\ndiscrepancies = ["ripples"]\n',
        r"line 4: grid.discrepancies: no discrepancy 'ripples'",
    ),
    "no such set": (
        '[[data]]\nsource = "a.csv"\n[grid]\npriors = ["strong"]\n',
        r"line 4: grid.priors: no set 'strong'",
    ),
    "nstar's own set": (
        '[[data]]\nsource = "a.csv"\n[priors.weak]\nset = "weak"\n',
        r"line 3: priors.weak: is the name",
    ),
    "a prior misspelt": (
        '[[data]]\nsource = "a.csv"\n[priors.mine]\nown = { alpha1 = "Norml(0, 1)" }\n',
        r"line 3: priors.mine: .*Norml",
    ),
    "a prior of nothing": (
        '[[data]]\nsource = "a.csv"\n[priors.mine]\nown = { alpha9 = "Normal(0, 1)" }\n',
        r"line 4: priors.mine.own: 'alpha9' is no unknown",
    ),
    "no such kind": (
        '[[data]]\nsource = "a.csv"\n[[resample]]\nkind = "jackknife"\n',
        r"line 3: resample: kind is one of",
    ),
    "key of another kind": (
        '[[data]]\nsource = "a.csv"\n[[resample]]\nkind = "leave_out"\ncount = 3\n',
        r"line 5: resample.count: unknown key; there are kind, by",
    ),
    "no resamples": (
        '[[data]]\nsource = "a.csv"\n[[resample]]\nkind = "bootstrap"\ncount = 0\n',
        r"line 5: resample.count: .*got 0",
    ),
    "bootstrap of waves": (
        '[[data]]\nsource = "a.csv"\n[grid]\ndiscrepancies = ["waves"]\n[[resample]]\nkind = "bootstrap"\n',
        r"line 4: .*bootstrap is of a law whose form is exact",
    ),
    "negative budget": (
        '[[data]]\nsource = "a.csv"\n[targets]\nbudgets = [-1e22]\n',
        r"line 4: targets.budgets: .*got -1e\+22",
    ),
    "text for a budget": (
        '[[data]]\nsource = "a.csv"\n[targets]\nbudgets = ["1e22"]\n',
        r"line 4: targets.budgets: .*got '1e22'",
    ),
    "a run without tokens": (
        '[[data]]\nsource = "a.csv"\n[[targets.runs]]\nN = 7e9\n',
        r"targets.runs.D: is missing",
    ),
    "too few draws": (
        '[[data]]\nsource = "a.csv"\n[sampler]\ndraws = 5\n',
        r"line 4: sampler.draws: .*got 5",
    ),
    "no such precision": (
        '[[data]]\nsource = "a.csv"\n[sampler]\nprecision = "half"\n',
        r"line 4: sampler.precision: .*got 'half'",
    ),
    "percent": (
        '[[data]]\nsource = "a.csv"\n[outputs]\nprob = 90\n',
        r"line 4: outputs.prob: .*got 90",
    ),
    "a law twice": (
        '[[data]]\nsource = "a.csv"\n[grid]\nlaws = ["coupled", "coupled"]\n',
        r"line 4: grid.laws: 'coupled' comes twice",
    ),
    "endless budget": (
        '[[data]]\nsource = "a.csv"\n[targets]\nbudgets = [inf]\n',
        r"line 4: targets.budgets: .*finite.*got inf",
    ),
    "endless run": (
        '[[data]]\nsource = "a.csv"\n[targets]\nruns = [{ N = nan, D = 1e9 }]\n',
        r"line 4: targets.runs.N: .*got nan",
    ),
    "a name twice": (
        '[[data]]\nsource = "a.csv"\n\n[[data]]\nsource = "b/a.csv"\n',
        r"line 4: data: two ladders are named 'a'",
    ),
    "a baseline of nothing": (
        '[[data]]\nsource = "a.csv"\nbaseline = "adamw"\n',
        r"line 3: data: baseline 'adamw' of which recipes\? name their column",
    ),
    "a comparison without budgets": (
        '[[data]]\nsource = "a.csv"\nby = "recipe"\nbaseline = "adamw"\n',
        r"line 4: data: recipes are compared at budgets, and there are none",
    ),
    "at": ('at = ["x"]\n[[data]]\nsource = "a.csv"\n', r"line 1: at: unknown key"),
    "folder": (
        'folder = "x"\n[[data]]\nsource = "a.csv"\n',
        r"line 1: folder: unknown key",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_manifest_is_told_where(tmp_path, case):
    text, expected = BAD[case]
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=expected) as caught:
        read(tmp_path / "bad.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'bad.toml'}")


def test_lines_are_those_of_the_text():
    text = (
        'a = 1\n[[b]]\nc = [\n  "x = 1",\n]\nd = 2\n[[b]]\n"e" = { f = 1 }\ng.h = 3\n'
    )
    places = {("a",): 1, ("b", 0, "d"): 6, ("b", 1, "e", "f"): 8, ("b", 1, "g", "h"): 9}
    for place, line in places.items():
        assert line_of(text, place) == line, place


def test_manifests_that_are_shipped_are_read():
    for name in ("public-ladders", "public-ladders-small.toml"):
        assert len(read(name).grid.laws) == 4
    with pytest.raises(
        FileNotFoundError, match=r"those are public-ladders-small, public"
    ):
        read("nothing-like-it")


# Names and chunks


def test_chunks_are_those_of_the_manifest_alone(folder):
    one, other = plan(read(folder / "m.toml")), plan(read(folder / "m.toml"))
    assert [(c.name, c.fits) for c in one] == [(c.name, c.fits) for c in other]
    assert [len(c.samples) for c in one] == [1, 20, 1] * 2
    assert len({f for c in one for f in c.fits}) == 44
    assert sorted(c.name for c in interleaved(one, 4)) == sorted(c.name for c in one)


def test_a_changed_row_touches_its_own_ladder_only(folder):
    before = {c.name: c.ladder for c in plan(read(folder / "m.toml"))}
    table = ladder(1)
    table["L"][4] *= 1.001
    write(folder, "t1", table)
    after = {c.name: c.ladder for c in plan(read(folder / "m.toml"))}
    assert {after[n] for n in after.keys() - before.keys()} == {"t1"}
    assert {before[n] for n in before.keys() & after.keys()} == {"t0"}


def test_a_name_hangs_on_all_that_makes_a_fit(monkeypatch, folder):
    runs = plan(read(folder / "m.toml"))[0].runs

    def name(law="chinchilla", noise="normal", waves="none", priors=PriorSet(), seed=0):  # noqa: B008
        return digests.of_model(law, noise, waves, priors, seed, runs)

    own = PriorSet(overrides={"alpha1": "Normal(0.5, 0.05)"})
    names = [
        name(),
        name("tied"),
        name(noise="student_t"),
        name(waves="waves"),
        name(priors=own),
        name(priors=PriorSet("informed")),
        name(seed=1),
    ]
    assert len(set(names)) == len(names)
    samplers = [Sampler(), Sampler(draws=200), Sampler(precision="float32")]
    assert len({digests.of_sampler(s) for s in samplers}) == 3
    monkeypatch.setattr(digests, "MODEL", digests.MODEL + 1)
    assert name() not in names


SETS = """[priors.ours]
own = { nu = "Gamma(4, 0.2)", bend_along = "LogNormal(-5, 1)" }
"""


def test_priors_that_a_choice_does_not_know_are_of_the_others(folder):
    """Each choice has fits of its own, under its own name, and none is told of strangers."""
    text = (
        (folder / "m.toml")
        .read_text()
        .replace(
            'noises = ["normal"]',
            'noises = ["normal", "student_t"]\npriors = ["weak", "ours"]',
        )
    )
    (folder / "m.toml").write_text(text + SETS)
    chunks = plan(read(folder / "m.toml"))
    assert len({c.name for c in chunks}) == len(chunks) == 24
    told = {
        (c.choice.noise, c.choice.priors): set(c.choice.prior_set.overrides)
        for c in chunks
    }
    assert told == {
        (n, p): {"nu"} if (n, p) == ("student_t", "ours") else set()
        for n in ("normal", "student_t")
        for p in ("weak", "ours")
    }
    fits = {(c.ladder, *c.choice[1:4:2], c.samples[0].resample): c.fits for c in chunks}
    assert fits["t0", "normal", "weak", "none"] == fits["t0", "normal", "ours", "none"]
    assert (
        fits["t0", "student_t", "weak", "none"]
        != fits["t0", "student_t", "ours", "none"]
    )
    for c in chunks:
        problem(c.runs, c.choice.law, c.choice.noise, c.choice.prior_set, "none")
    bending = text.replace(
        "[grid]", '[grid]\ndiscrepancies = ["none", "waves"]'
    ).replace('kind = "bootstrap"\ncount = 20', 'kind = "leave_out"')
    (folder / "m.toml").write_text(bending + SETS)
    chunks = [c for c in plan(read(folder / "m.toml")) if c.choice.priors == "ours"]
    assert {
        c.choice.discrepancy
        for c in chunks
        if "bend_along" in c.choice.prior_set.overrides
    } == {"waves"}


def test_weights_of_resamples_are_of_the_runs_that_the_law_takes(folder, monkeypatch):
    table = ladder(0, 32)
    C = np.repeat([1e19, 3e19, 1e20, 3e20], 8)
    table["D"] = C / 6 / table["N"]
    table["L"] = (
        1.7 + 0.5 * (table["N"] / 1e9) ** -0.35 + 0.5 * (table["D"] / 2e10) ** -0.35
    )
    table["budget"] = C.copy()
    table["budget"][[0, 13]] = np.nan
    write(folder, "t0", table)
    (folder / "m.toml").write_text(
        (folder / "m.toml").read_text().replace('"chinchilla"', '"isoflop"')
    )
    (chunk,) = (
        c
        for c in plan(read(folder / "m.toml"))
        if c.ladder == "t0" and len(c.samples) == 20
    )
    seen = {}

    def seeing(p, weights, *_):
        seen.update(p=p, weights=weights)
        raise ValueError

    monkeypatch.setattr(fitting, "reweighted", seeing)
    fitting.fit_chunk(chunk, fitting.request_of(read(folder / "m.toml")))
    assert len(seen["p"].runs) == 30
    for i, sample in enumerate(chunk.samples):
        assert (
            seen["weights"][str(i)].tolist()
            == np.delete(sample.weight, [0, 13]).tolist()
        )
    monkeypatch.undo()
    asked = batch_options(0, 100, [], None, "float64")
    with pytest.raises(ValueError, match="32 weights of 30 runs"):
        reweighted(seen["p"], {"0": chunk.samples[0].weight}, asked, lambda *_: None)


# Running, resuming, and what is refused


def test_a_batch_goes_on_and_a_bad_table_fails_alone(folder, nstar):
    (folder / "tables" / "bad.csv").write_text("N,D\n1e9,1e10\n")
    made, said = refit(folder)
    assert made.fitted == 3 * 22
    assert [row["ladder"] for row in made.failed] == ["bad"] * 22
    assert "'L'" in made.failed[0]["reason"]
    assert any("FAILED" in line and "bad" in line for line in said)
    rows = {row["fit"]: row for row in made.table.to_pylist()}
    whole = rows["t0/chinchilla/normal/none/weak/0/none"]
    assert whole["N[1e+22]_lo"] < whole["N[1e+22]_median"] < whole["N[1e+22]_hi"]
    assert whole["alpha1_mean"] + whole["alpha2_mean"] == pytest.approx(1)
    held = rows["t0/chinchilla/normal/none/weak/0/hold out/1 decades"]
    assert 0 < held["held_out_coverage_90"] <= 1
    assert held["runs"] + held["held_out_runs"] == RUNS
    again, _ = refit(folder)
    assert again.fitted == 0
    assert again.table.equals(made.table)
    table = ladder(1)
    table["L"][4] *= 1.001
    write(folder, "t1", table)
    changed, _ = refit(folder)
    assert changed.fitted == 22
    assert pq.read_table(folder / "out" / "previous.parquet").num_rows == 66
    how = "--out", folder / "out", "--engine", "local", "--json"
    code, out, _ = nstar("refit", folder / "m.toml", *how)
    told = json.loads(out)
    assert code == 1
    assert (told["fits"], told["fitted"], told["passed"]) == (66, 0, 44)


def test_draws_are_labelled_as_the_field_expects(folder):
    import arviz_stats

    made, _ = refit(folder, only=["t0"])
    assert not made.whole
    with xr.open_datatree(folder / "out" / "draws.nc", engine="h5netcdf") as tree:
        fit = "t0/chinchilla/normal/none/weak/0/bootstrap by run/7"
        one = tree["posterior"].dataset.sel(fit=fit).load()
    assert one.sizes["draw"] == 100
    summary = arviz_stats.summary(
        xr.DataTree.from_dict({"posterior": one}),
        var_names=["alpha1"],
        ci_prob=0.9,
        ci_kind="eti",
    )
    row = next(r for r in made.table.to_pylist() if r["fit"] == fit)
    assert summary["mean"].iloc[0] == pytest.approx(row["alpha1_mean"], abs=0.01)
    assert float(one["log_N"].mean()) == pytest.approx(
        row["log_N[1e+22]_mean"], rel=1e-5
    )


def test_a_store_that_was_edited_is_refused_and_made_again_on_request(folder, here):
    out, good = folder / "out", here
    for name, harm in (("draws.nc", edit), ("draws.nc", cut), ("fits.parquet", cut)):
        subprocess.run(["cp", "-r", good, out], check=True)
        harm(out / name)
        with pytest.raises(ValueError, match=r"cut short or edited.*--remake"):
            refit(folder)
        made, _ = refit(folder, remake=True)
        assert made.fitted > 0
        same(out, good)
        subprocess.run(["rm", "-r", out], check=True)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path):
    import h5py

    with h5py.File(path, "r+") as file:
        file["posterior/alpha1"][3, 0, 5] += 0.01


def test_a_chunk_cut_short_is_refused(folder, monkeypatch):
    monkeypatch.setattr(running, "gather", lambda *a, **k: exit_early())
    with pytest.raises(KeyboardInterrupt):
        refit(folder, only=["t0"])
    file = sorted((folder / "out" / "chunks").glob("*.npz"))[0]
    cut(file)
    with pytest.raises(ValueError, match=f"{file.name}: does not match the digest"):
        refit(folder, only=["t0"])


def exit_early():
    raise KeyboardInterrupt


def test_a_full_disk_loses_nothing(folder, here, monkeypatch):
    put, count = Store.add, [0]

    def full(self, part):
        count[0] += 1
        if count[0] == 3:
            raise OSError(28, "No space left on device")
        put(self, part)

    monkeypatch.setattr(Store, "add", full)
    with pytest.raises(OSError, match="No space"):
        refit(folder)
    monkeypatch.setattr(Store, "add", put)
    made, _ = refit(folder)
    assert 0 < made.fitted < 44
    same(folder / "out", here)


def test_what_the_machine_could_not_finish_is_tried_again(folder, monkeypatch):
    fitted = fitting._fit

    def short(chunk, told):
        if chunk.ladder == "t1":
            raise MemoryError
        return fitted(chunk, told)

    monkeypatch.setattr(fitting, "_fit", short)
    made, _ = refit(folder)
    assert {row["method"] for row in made.failed} == {"lost"}
    monkeypatch.setattr(fitting, "_fit", fitted)
    made, _ = refit(folder)
    assert (made.fitted, made.failed) == (22, [])


def test_a_table_out_of_reach_for_a_night_costs_no_fits(folder):
    refit(folder)
    (folder / "tables" / "t1.csv").rename(folder / "t1.csv")
    made, _ = refit(folder)
    assert made.table.num_rows == 22
    (folder / "t1.csv").rename(folder / "tables" / "t1.csv")
    made, _ = refit(folder)
    assert (made.fitted, made.table.num_rows) == (0, 44)


def test_one_batch_at_a_time_in_a_folder(folder):
    from nstar.batch.store import locked

    with locked(folder / "out"), pytest.raises(ValueError, match="another batch"):
        refit(folder)


def test_a_log_file_has_few_lines():
    pace = timing.Pace(1000, every=False)
    assert sum(pace.due(i, 0.01 * i) for i in range(1, 1001)) == 10
    assert all(timing.Pace(3, every=True).due(i, 0.0) for i in (1, 2, 3))


# Other engines, and death


@pytest.mark.slow
def test_processes_give_the_same_to_the_last_bit(folder, here):
    refit(folder, engine=Processes(2, Path(jax.config.jax_compilation_cache_dir)))
    same(folder / "out", here)


def test_a_worker_does_not_outlive_the_batch():
    """Not even one that begins when the batch is dead already."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    code = f"from nstar.batch.engines import _watch; _watch({gone.pid})"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == ORPHAN


@pytest.mark.slow
def test_killed_at_any_instant_and_resumed_it_is_as_undisturbed(folder, here):
    rng = np.random.default_rng(0)
    nstar = Path(sys.executable).with_name("nstar")
    command = [nstar, "refit", "m.toml", "--out", "out", "--engine", "local"]
    for chunks in (1, 3, 5):
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < until:
            if len(list((folder / "out" / "chunks").glob("*"))) >= chunks:
                time.sleep(rng.uniform(0, 0.3))
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert len(list((folder / "out" / "chunks").glob("*.npz"))) >= chunks
    assert 0 < refit(folder)[0].fitted < 44
    same(folder / "out", here)
    assert not list(Path(folder / "out" / "chunks").glob("*.npz"))


@pytest.mark.slow
def test_two_nodes_a_worker_and_a_node_lost_and_all_arrives_once(folder, here):
    script = Path(__file__).with_name("ray_cluster.py")
    quiet = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    told = subprocess.run(
        [sys.executable, script, "m.toml", "out"],
        cwd=folder,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    assert "a worker was killed" in told.stdout
    assert "a node was removed" in told.stdout
    assert "on GPU 0 and on GPU 0 of another node" in told.stdout
    same(folder / "out", here)


@pytest.mark.slow
def test_ladders_pooled_stand_beside_each_alone(folder):
    text = "pooled = true\n[targets]\nbudgets = [1e22]\n"
    manifest = (folder / "m.toml").read_text().replace("chinchilla", "allocation")
    (folder / "m.toml").write_text(manifest[: manifest.index("[[resample]]")] + text)
    made, _ = refit(folder)
    sds = {(r["resample"], r["ladder"]): r["alpha1_sd"] for r in made.table.to_pylist()}
    assert len(sds) == 4
    assert all(sds["pooled", t] < 1.1 * sds["none", t] for t in ("t0", "t1"))


# Recipes compared

RECIPES = """
[[data]]
source = "recipes/*.csv"
by = "recipe"
baseline = "adamw"

[targets]
budgets = [1e22, 1e21]

[sampler]
draws = 100
"""


def recipe_table(seed, names=("adamw", "muon", "lion")):
    """Three recipes on one ray: constant multipliers of 1, 1.35 and 1.1."""
    rng = np.random.default_rng(seed)
    gains = dict(zip(("adamw", "muon", "lion"), (0.0, 0.3, 0.1), strict=True))
    lines = ["recipe,N,D,C,L"]
    for name in names:
        for C in np.geomspace(1e18, 1e21, 6):
            N = np.sqrt(C / 120)
            L = 1.7 + (C * np.exp(gains.get(name, 0.0)) / 1e19) ** -0.15
            L *= np.exp(0.001 * rng.normal())
            lines.append(f"{name},{N:.9g},{20 * N:.9g},{C:.9g},{L:.9g}")
    return "\n".join(lines) + "\n"


def test_recipes_of_many_tables_are_compared(tmp_path, nstar):
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "a.csv").write_text(recipe_table(0))
    (folder / "b.csv").write_text(recipe_table(1))
    (folder / "none.csv").write_text(recipe_table(2, ("sgd", "muon", "lion")))
    (tmp_path / "m.toml").write_text(RECIPES)
    batch = refit(tmp_path)[0]
    rows = batch.table.to_pylist()
    ladders = [f"{t}: {r} beside adamw" for t in "ab" for r in ("lion", "muon")]
    assert [row["ladder"] for row in rows] == [*ladders, "none"]
    assert [row["passed"] for row in rows] == [True] * 4 + [False]
    assert "baseline 'adamw': no recipe of that name" in rows[-1]["reason"]
    alone = package.recipes(
        folder / "b.csv", baseline="adamw", budget=[1e22, 1e21], draws=100
    )
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    of_table = [r for r in summary["recipes"] if r["ladder"] == ladders[3]]
    assert [r["C"] for r in of_table] == [1e21, 1e22]
    for record in of_table:
        interval = alone.multiplier("muon", record["C"])
        assert record["lo"] < np.exp(0.3) < record["hi"]
        got = [record[n] for n in ("median", "lo", "hi")]
        np.testing.assert_allclose(got, interval, rtol=1e-6)
        assert record["chance_better"] == alone.chance_better("muon", record["C"])
        assert record["chance_best"] == alone.chances_best(record["C"])["muon"]
    (quantity,) = [q for q in summary["quantities"] if q["key"] == "multiplier[1e+21]"]
    assert [row["ladder"] for row in quantity["rows"]] == ladders
    with xr.open_datatree(tmp_path / "out" / "draws.nc", engine="h5netcdf") as tree:
        drawn = tree["posterior"]["log_multiplier"].sel(fit=rows[3]["fit"], C=1e21)
        np.testing.assert_allclose(
            drawn.to_numpy().ravel(), alone.log_multiplier("muon", 1e21), rtol=1e-5
        )
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Recipes compared" in page
    assert ladders[0] in page
    assert refit(tmp_path)[0].fitted == 0
    (folder / "a.csv").write_text(recipe_table(7))
    words = ["refit", tmp_path / "m.toml", "--out", tmp_path / "out", "--json"]
    code, out, _ = nstar(*words, "--dry-run")
    assert (code, json.loads(out)["fits"]) == (0, 2)
    code, out, _ = nstar(*words, "--engine", "local")
    assert code == 1  # the table without the baseline
    document = json.loads(out)
    assert (document["fitted"], document["passed"]) == (2, 4)
    assert document["recipes"][:4] != summary["recipes"][:4]
    assert document["recipes"][4:] == summary["recipes"][4:]
