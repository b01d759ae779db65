"""What a folder of a batch keeps, forgets and refuses, with fits that cost nothing."""

import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr

from nstar.batch import engines, fitting, store, timing
from nstar.batch.manifest import read
from nstar.batch.plan import plan
from nstar.batch.store import Damage, Store
from nstar.fits.batches import OF_BUDGET
from nstar.fits.certificates import Certificate
from nstar.fits.model import problem
from nstar.types import SHARED
from test_batch import MANIFEST, cut, refit, write
from test_batches import RUNS, ladder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for i in range(2):
        write(tmp_path, f"t{i}", ladder(i))
    (tmp_path / "m.toml").write_text(MANIFEST)
    monkeypatch.setattr(fitting, "_fit", at_once)
    return tmp_path


def at_once(chunk, document, shift=0.0):
    """Draws of nothing, the same for the same chunk."""
    rng = np.random.default_rng(int(chunk.name[:8], 16))
    shape = len(chunk.samples), document.draws
    said = [Certificate("importance", 0.1, 900.0, passed=True)] * shape[0]
    return fitting.Posteriors(
        said, {"alpha1": shift + rng.normal(size=shape)}, [{}] * shape[0]
    )


def moved(chunk, document):
    return at_once(chunk, document, shift=1.0)


def edited(folder, old, new):
    text = (folder / "m.toml").read_text()
    assert old in text
    (folder / "m.toml").write_text(text.replace(old, new))


def means(out):
    return dict(
        zip(
            *(
                pq.read_table(out / "fits.parquet")[n].to_pylist()
                for n in ("fit", "alpha1_mean")
            ),
            strict=True,
        )
    )


def interrupted(monkeypatch, after):
    """Stop a batch after so many chunks are kept."""
    add, count = store.Store.add, [0]

    def some(self, part):
        if count[0] == after:
            raise KeyboardInterrupt
        count[0] += 1
        add(self, part)

    monkeypatch.setattr(store.Store, "add", some)
    return lambda: monkeypatch.setattr(store.Store, "add", add)


def test_all_made_afresh_stays_so_for_who_resumes(folder, monkeypatch):
    refit(folder)
    before = means(folder / "out")
    monkeypatch.setattr(fitting, "_fit", moved)
    undo = interrupted(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        refit(folder, fresh=True)
    undo()
    made, _ = refit(folder)
    assert made.fitted == 44 - 1 - 20
    after = means(folder / "out")
    assert all(after[n] == pytest.approx(before[n] + 1, abs=1e-6) for n in before)
    previous = pq.read_table(folder / "out" / "previous.parquet")
    assert previous["alpha1_mean"].to_pylist() == list(before.values())
    assert refit(folder)[0].fitted == 0


def test_what_was_lost_and_came_later_is_the_same_batch(folder, monkeypatch):
    """The page goes on comparing with the night before, not with the first attempt."""
    refit(folder)
    first = means(folder / "out")
    table = ladder(1)
    table["L"][4] *= 1.001
    write(folder, "t1", table)

    def full(chunk, document):
        if len(chunk.samples) > 1:
            raise MemoryError
        return at_once(chunk, document)

    monkeypatch.setattr(fitting, "_fit", full)
    assert len(refit(folder)[0].failed) == 20
    monkeypatch.setattr(fitting, "_fit", at_once)
    assert refit(folder)[0].failed == []
    previous = pq.read_table(folder / "out" / "previous.parquet")
    assert previous["alpha1_mean"].to_pylist() == list(first.values())


def test_a_ladder_that_fails_two_nights_running_keeps_its_fits(folder):
    refit(folder)
    good = (folder / "tables" / "t1.csv").read_text()
    for wrong in ("x", "y"):
        write(folder, "t1", {"N": [1e9], "D": [1e10]})
        (folder / "tables" / "t1.csv").write_text(f"N,D,L\n1e9,1e10,{wrong}\n")
        refit(folder)
    (folder / "tables" / "t1.csv").write_text(good)
    assert refit(folder)[0].fitted == 0


def test_a_part_of_a_batch_is_not_what_the_next_is_compared_with(folder, monkeypatch):
    refit(folder)
    first = means(folder / "out")
    for i in range(2):
        write(folder, f"t{i}", ladder(i + 2))
    part, _ = refit(folder, only=["t0"])
    assert (part.table.num_rows, part.whole) == (22, False)
    assert "22 more of the manifest are left for later" in part.summary["headline"]
    assert part.summary["left"] == 22
    assert part.summary["drift"]["vanished_ladders"] == []
    assert part.summary["drift"]["matched"] == 1
    whole, _ = refit(folder)
    assert (whole.fitted, whole.whole, whole.summary["left"]) == (22, True, 0)
    assert whole.summary["drift"]["matched"] == 2
    previous = pq.read_table(folder / "out" / "previous.parquet")
    assert previous["alpha1_mean"].to_pylist() == list(first.values())


def test_a_set_of_priors_that_is_renamed_is_told_by_its_new_name(folder):
    sets = '[priors.mine]\nown = { alpha1 = "Normal(0.5, 0.05)" }\n'
    edited(folder, 'laws = ["chinchilla"]', 'laws = ["chinchilla"]\npriors = ["mine"]')
    (folder / "m.toml").write_text((folder / "m.toml").read_text() + sets)
    refit(folder)
    (folder / "m.toml").write_text(
        (folder / "m.toml").read_text().replace("mine", "ours")
    )
    made, _ = refit(folder)
    assert set(made.table["priors"].to_pylist()) == {"ours"}
    with xr.open_datatree(folder / "out" / "draws.nc", engine="h5netcdf") as tree:
        assert tree["fit"].values.tolist() == made.table["fit"].to_pylist()


def test_answers_of_budgets_and_runs_keep_their_labels(folder, monkeypatch):
    def answered(chunk, document):
        posteriors = at_once(chunk, document)
        values = posteriors.draws["alpha1"][..., None]
        answers = {n: values for n in (*OF_BUDGET, "loss")}
        return posteriors._replace(draws=posteriors.draws | answers)

    monkeypatch.setattr(fitting, "_fit", answered)
    refit(folder)
    with xr.open_datatree(folder / "out" / "draws.nc", engine="h5netcdf") as tree:
        dims = {n: v.dims for n, v in tree["posterior"].data_vars.items()}
        assert tree["posterior"]["C"].values.tolist() == [1e22]
    over = dict.fromkeys(OF_BUDGET, "C") | {"loss": "run"}
    assert dims == {"alpha1": ("fit", "chain", "draw")} | {
        n: ("fit", "chain", "draw", d) for n, d in over.items()
    }


def test_a_part_made_afresh_keeps_the_rest(folder):
    refit(folder)
    made, _ = refit(folder, fresh=True, only=["t1"])
    assert (made.fitted, made.table.num_rows, made.whole) == (22, 44, True)


def test_what_is_no_longer_asked_for_goes_and_what_is_asked_for_again_comes(
    folder,
):
    refit(folder)
    out = folder / "out"
    names = "draws.nc", "fits.csv", "index.html", "summary.json"
    assert all((out / name).is_file() for name in names)
    (folder / "m.toml").write_text(
        (folder / "m.toml").read_text()
        + "[outputs]\ndraws = false\ncsv = false\npage = false\n"
    )
    assert refit(folder)[0].fitted == 0
    assert not any((out / name).exists() for name in names)
    edited(folder, "draws = false", "draws = true")
    made, _ = refit(folder)
    assert made.fitted == 44
    with xr.open_datatree(out / "draws.nc", engine="h5netcdf") as tree:
        assert np.isfinite(tree["posterior"]["alpha1"].values).all()
    assert refit(folder)[0].fitted == 0


def test_the_reason_of_a_table_that_cannot_be_read_is_todays(folder):
    bad = folder / "tables" / "bad.csv"
    for wrong in ("x", "y"):
        bad.write_text(f"N,D,L\n1e9,1e10,{wrong}\n")
        made, _ = refit(folder)
        assert f"'{wrong}'" in made.failed[0]["reason"]


def test_a_damaged_table_of_the_batch_before_is_refused_and_forgotten_on_request(
    folder, monkeypatch
):
    refit(folder)
    monkeypatch.setattr(fitting, "_fit", moved)
    refit(folder, fresh=True)
    cut(folder / "out" / "previous.parquet")
    with pytest.raises(ValueError, match=r"previous.parquet: .*--remake"):
        refit(folder)
    assert refit(folder, remake=True)[0].fitted == 0
    assert not (folder / "out" / "previous.parquet").exists()


def test_killed_between_draws_and_table_what_was_put_aside_is_kept(folder, monkeypatch):
    refit(folder)
    (folder / "tables" / "t1.csv").rename(folder / "t1.csv")
    whole = store.write_table
    monkeypatch.setattr(store, "write_table", lambda *_: stop())
    with pytest.raises(KeyboardInterrupt):
        refit(folder)
    half, foreign = folder / "out" / "fits.parquetx1.part", folder / "out" / "film.part"
    half.write_text("x")
    foreign.write_text("x")
    monkeypatch.setattr(store, "write_table", whole)
    refit(folder)
    assert not half.exists()
    assert foreign.exists()  # not ours
    (folder / "t1.csv").rename(folder / "tables" / "t1.csv")
    assert refit(folder)[0].fitted == 0


def stop():
    raise KeyboardInterrupt


def test_a_device_without_room_is_for_another_try_and_a_fault_of_ours_is_not(
    folder, monkeypatch
):
    full = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
    wrong = jax.errors.JaxRuntimeError("INVALID_ARGUMENT: shapes")

    def fails(chunk, document):
        raise full if chunk.ladder == "t0" else wrong

    monkeypatch.setattr(fitting, "_fit", fails)
    made, _ = refit(folder)
    methods = {row["ladder"]: row["method"] for row in made.failed}
    assert methods == {"t0": "lost", "t1": "none"}
    monkeypatch.setattr(fitting, "_fit", at_once)
    assert refit(folder)[0].fitted == 22


class Dying:
    """A pool whose worker dies as work is handed to it for the third time."""

    handed = 0

    def submit(self, call, *given):
        Dying.handed += 1
        if Dying.handed == 3:
            raise BrokenProcessPool
        done = Future()
        done.set_result(call(*given))
        return done

    def shutdown(self, **_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_chunk_in_hand_when_a_worker_dies_is_not_lost(folder, monkeypatch):
    monkeypatch.setattr(engines.Processes, "_pool", lambda *_: Dying())
    Dying.handed = 0
    made, _ = refit(folder, engine=engines.Processes(1))
    assert (made.fitted, made.table.num_rows, made.failed) == (44, 44, [])


@pytest.mark.parametrize(
    ("discrepancy", "kinds"), [("none", engines.KINDS), ("waves", 2)]
)
def test_a_worker_holds_few_programs(folder, monkeypatch, discrepancy, kinds):
    """And fewer of laws that bend."""
    held = []
    monkeypatch.setattr(
        engines.jax, "clear_caches", lambda: held.append(len(engines._compiled))
    )
    monkeypatch.setattr(engines, "_compiled", {})
    monkeypatch.setattr(engines, "fit_chunk", lambda *_: None)
    one = planned(folder)[0]
    laws = [
        one.choice._replace(law=f"law {i}", discrepancy=discrepancy)
        for i in range(2 * kinds + 1)
    ]
    for choice in [c for c in laws for _ in range(2)]:
        engines.fit_next(replace(one, choice=choice), None)
    assert held == [kinds, kinds]


def test_an_engine_that_forgets_a_chunk_is_found_out(folder):
    def forgetful(chunks, document):
        yield from engines.local(chunks[1:], document)

    with pytest.raises(RuntimeError, match="5 of 6 chunks"):
        refit(folder, engine=forgetful)
    assert refit(folder)[0].fitted < 44


def test_a_dry_run_tells_and_writes_nothing(folder, nstar):
    code, out, _ = nstar(
        "refit", folder / "m.toml", "--out", folder / "dry", "--dry-run"
    )
    assert code == 0
    assert "44 fits in 6 chunks, 0 are there" in out
    assert not (folder / "dry").exists()


def test_a_dry_run_says_what_cannot_be_fetched(folder, nstar, monkeypatch):
    """By name, once, with what to do; and counts what will fail for it."""

    def offline(*_, **__):
        raise OSError("no route to host")

    for name in ("NSTAR_DATA_DIR", "NSTAR_CACHE"):
        monkeypatch.setenv(name, str(folder / "nothing"))
    monkeypatch.setattr("pooch.retrieve", offline)
    edited(folder, "[grid]", '[[data]]\nsource = "chinchilla_epoch"\n[grid]')
    words = "refit", folder / "m.toml", "--out", folder / "dry", "--dry-run"
    code, out, _ = nstar(*words)
    assert code == 0
    lines = " ".join(out.split())
    assert "cannot be fetched or read: chinchilla_epoch; say where" in lines
    assert "cannot fetch https://" in lines
    assert "(no route to host); put it at" in lines
    document = json.loads(nstar(*words, "--json")[1])
    assert list(document["unreadable"]) == ["chinchilla_epoch"]
    refused = sum(c["fits"] for c in document["chunks"] if c["reason"])
    assert f"{refused} of the fits will fail" in lines
    assert refused >= 1


def test_an_estimate_is_of_what_is_made_and_of_the_longest(folder, tmp_path):
    """More workers than chunks are of no use; what cannot be read takes no time."""
    made = [
        replace(c, choice=c.choice._replace(discrepancy="waves"))
        for c in planned(folder)
    ]
    store = Store(tmp_path, Damage.REFUSE)
    one, two, many = (timing.seconds(made, store, n) for n in (1, 2, 99))
    assert one > two > many > max(len(c.samples) for c in made) * timing.BENT
    assert timing.seconds(made[:1], store, 99) == timing.seconds(made[:1], store, 1)
    lost = [replace(c, runs=None, reason="gone") for c in made]
    assert timing.seconds(lost, store, 1) == 0
    assert timing.seconds([*made, *lost], store, 1) == one


MEASURED = {  # wall seconds on two cores, benchmarks/results/refit.md
    "public-ladders": 3228,
    "public-ladders-small": 4897,
}


@pytest.mark.parametrize("name", MEASURED)
def test_an_estimate_is_within_a_factor_of_two_of_what_was_measured(
    name, data_dir, tmp_path
):
    estimate = timing.seconds(plan(read(name)), Store(tmp_path, Damage.REFUSE), 2)
    assert 0.5 < estimate / MEASURED[name] < 2


# What is planned


def planned(folder):
    return plan(read(folder / "m.toml"))


def test_tables_in_folders_of_one_name_are_told_apart(folder):
    for name in ("a", "b"):
        write(folder / name, "runs", ladder(0))
    edited(folder, "tables/*.csv", "[ab]/tables/*.csv")
    assert {c.ladder for c in planned(folder)} == {"a/tables/runs", "b/tables/runs"}


def test_ladders_of_one_name_are_told_apart_or_refused_by_line(folder):
    (folder / "tables" / "t0.tsv").write_text(
        (folder / "tables" / "t0.csv").read_text()
    )
    edited(folder, "tables/*.csv", "tables/*")
    assert {c.ladder for c in planned(folder)} == {"t0.csv", "t0.tsv", "t1"}
    edited(folder, "[grid]", '[[data]]\nsource = "tables/t1.csv"\n[grid]')
    with pytest.raises(
        ValueError, match=r"m.toml, line 6: data: two ladders are named 't1'"
    ):
        planned(folder)


def test_rows_of_no_ladder_fail_alone(folder):
    table = ladder(0)
    table["half"] = np.where(
        np.arange(RUNS) < 12, 1.0, np.where(np.arange(RUNS) < 26, 2.0, np.nan)
    )
    write(folder, "t0", table)
    edited(folder, 'source = "tables/*.csv"', 'source = "tables/t0.csv"\nby = "half"')
    found = {
        c.ladder: (c.reason, None if c.runs is None else len(c.runs))
        for c in planned(folder)
    }
    assert found["t0 1.0"] == ("", 12)
    assert found["t0 2.0"] == ("", 14)
    assert "blank in 22 of 48 rows" in found["t0 without half"][0]


def test_a_table_without_losses_is_left_out_of_the_pool(folder):
    (folder / "tables" / "bad.csv").write_text("N,D\n1e9,1e10\n1e9,2e10\n")
    edited(folder, 'laws = ["chinchilla"]', 'laws = ["chinchilla"]\npooled = true')
    left, pooled = (c for c in planned(folder) if c.ladder == "pooled")
    assert pooled.reason == ""
    assert [s.label for s in pooled.samples] == ["t0", "t1"]
    assert pooled.runs.loss_unit == "unknown"
    assert [s.label for s in left.samples] == ["bad"]
    assert left.reason == "left out of the pool: it has no 'L'"


def test_a_pool_keeps_what_its_noise_reads(folder):
    for i in range(2):
        write(
            folder,
            f"t{i}",
            ladder(i) | {"se": np.full(RUNS, 0.01), "recipe": np.arange(RUNS) % 5.0},
        )
    edited(folder, 'noises = ["normal"]', 'noises = ["between:recipe"]\npooled = true')
    (pooled,) = (c for c in planned(folder) if c.ladder == "pooled")
    assert {"se", "recipe"} <= set(pooled.runs.columns)
    p = problem(pooled.runs, "chinchilla", "between:recipe", pool="ladder")
    assert len(np.unique(p.data.x[SHARED])) == 10


def test_a_hold_out_that_is_too_large_leaves_the_others(folder):
    edited(folder, 'kind = "hold_out"', 'kind = "hold_out"\ndecades = [0.5, 1, 30]')
    held = [
        c
        for c in planned(folder)
        if c.samples[0].resample == "hold out" and c.ladder == "t0"
    ]
    assert [([s.label for s in c.samples], bool(c.reason)) for c in held] == [
        (["0.5 decades", "1 decades"], False),
        (["30 decades"], True),
    ]


def test_ladders_of_long_numbers_are_told_apart(folder):
    table = ladder(0)
    table["id"] = np.where(np.arange(RUNS) < 12, 1700000000123.0, 1700000000456.0)
    write(folder, "t0", table)
    edited(folder, 'source = "tables/*.csv"', 'source = "tables/t0.csv"\nby = "id"')
    assert len({c.ladder for c in planned(folder)}) == 2


def test_optima_at_an_end_of_the_search_are_counted():
    document = fitting.Request(100, "float64", (1e22, 1e24), (), 0.9)
    ratio = np.log([[20.0, 5.0], [20.0, 200.0], [20.0, 200.0], [20.0, 199.9]])
    values = {"log_N": np.zeros((4, 2)), "log_D": ratio}
    assert fitting._at_edge(values, (5.0, 200.0), document) == {
        "on_edge[1e+22]": 0.0,
        "on_edge[1e+24]": 1.0,
    }
    assert fitting._at_edge(values, (1.0, 200.0), document)["on_edge[1e+24]"] == 0.75


def test_runs_of_no_budget_are_not_drawn_as_one(folder):
    table = ladder(0)
    table["half"] = np.where(np.arange(RUNS) < 12, 1.0, np.nan)
    write(folder, "t0", table)
    edited(folder, 'kind = "bootstrap"', 'kind = "bootstrap"\nby = "half"')
    (why,) = (
        c.reason
        for c in planned(folder)
        if c.ladder == "t0" and c.samples[0].resample.startswith("bootstrap")
    )
    assert "'half' is blank in 36 of 48 runs" in why


def test_the_command_says_what_to_look_at_first(folder, nstar, monkeypatch):
    def divergent(chunk, document):
        posteriors = at_once(chunk, document)
        diverged = [
            c._replace(method="nuts", divergences=2) for c in posteriors.certificates
        ]
        return posteriors._replace(
            certificates=diverged if chunk.ladder == "t1" else posteriors.certificates
        )

    monkeypatch.setattr(fitting, "_fit", divergent)
    how = folder / "m.toml", "--out", folder / "out", "--engine", "local"
    code, out, _ = nstar("refit", *how)
    assert code == 0
    assert (
        "REVIEW: divergences, t1, chinchilla · normal: passed with 2 divergences; all where an amplitude"
        in out
    )
    assert "fit with another seed" in out
    assert "more to look at first; see" in out
    document = json.loads(nstar("refit", *how, "--json")[1])
    assert document["headline"].startswith("REVIEW: 44 of 44 fits passed")
    assert {"what", "status", "ladder", "choice", "detail"} == document["look_first"][
        0
    ].keys()
