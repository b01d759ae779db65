"""The registry of data sets: found, fetched, verified, converted."""

import csv
import gzip
import hashlib
import json
import os
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nstar.files import data_files
from nstar.runs import datasets
from nstar.runs.readers import READERS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def data_dir(monkeypatch):
    """Give the folder of development tables, NSTAR_DATA_DIR or beside the project."""
    folder = Path(os.environ.get("NSTAR_DATA_DIR", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the development tables: no folder {folder}")
        pytest.skip(f"the development tables are not here: no folder {folder}")
    monkeypatch.setenv("NSTAR_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Leave nothing but an empty cache to find files in."""
    monkeypatch.delenv("NSTAR_DATA_DIR", raising=False)
    monkeypatch.setenv("NSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def site(monkeypatch, tmp_path):
    """Serve a folder on this machine; give the folder and its address."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def published_at(name, site, *files):
    """Take a registered set, its upstream files being those just written."""
    folder, address = site
    sources = tuple(
        datasets.Upstream(
            url=f"{address}/{file}", licence="none", sha256=sha256(folder / file)
        )
        for file in files
    )
    return replace(datasets.get(name), upstream=sources)


def rows_of(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


@pytest.mark.parametrize("name", datasets.names())
def test_an_entry_says_what_it_is_and_how_it_is_had(name):
    entry = datasets.get(name)
    assert entry.title
    assert entry.citation
    assert entry.licence
    assert entry.loss_unit
    assert len(entry.sha256) == 64
    assert set(entry.columns.values()) <= set(entry.header)
    assert set(entry.where) <= set(entry.header)
    assert bool(entry.upstream) == (entry.access != "shipped")
    assert (entry.access == "direct") == bool(entry.upstream_columns)
    assert (entry.access == "convert") == (name in READERS)
    assert (entry.access == "manual") == bool(entry.manual)
    for source in entry.upstream:
        assert source.sha256 is None or len(source.sha256) == 64
        assert source.sha256 or entry.access == "manual"


def test_names_within_a_set_differ_in_the_cache():
    for name in datasets.names():
        files = [u.url.rsplit("/", 1)[-1] for u in datasets.get(name).upstream]
        if datasets.get(name).access == "convert":
            assert len(set(files)) == len(files)


@pytest.mark.parametrize("name", ["llama3", "llama3_optima"])
def test_the_shipped_tables_are_here_and_whole(name, cache):
    entry = datasets.get(name)
    rows = rows_of(datasets.verify(name))
    assert len(rows) == entry.rows
    assert tuple(rows[0]) == entry.header
    assert not cache.exists()


def test_the_shipped_optima_give_the_published_line():
    rows = rows_of(datasets.path("llama3_optima"))
    C, D, N = (column(rows, name) for name in ("flops", "tokens", "params"))
    np.testing.assert_allclose(6.0 * N * D, C, rtol=1e-3)
    alpha, log_A = np.polyfit(np.log(C), np.log(D), 1)
    np.testing.assert_allclose([alpha, np.exp(log_A)], [0.5368, 0.2994], rtol=1e-3)


def test_the_shipped_optima_are_the_minima_of_the_shipped_points():
    points = rows_of(datasets.path("llama3"))
    C, D, L = (column(points, name) for name in ("flops", "tokens", "loss"))
    for row in rows_of(datasets.path("llama3_optima")):
        here = float(row["flops"]) == C
        c2, c1, c0 = np.polyfit(np.log10(D[here]), L[here], 2)
        np.testing.assert_allclose(
            10 ** (-c1 / c2 / 2), float(row["tokens"]), rtol=5e-3
        )
        np.testing.assert_allclose(c0 - c1**2 / c2 / 4, float(row["loss"]), atol=1e-4)


@pytest.mark.parametrize(
    "name", [n for n in datasets.names() if datasets.get(n).access != "shipped"]
)
def test_the_development_tables_are_the_registered_ones(name, data_dir):
    entry = datasets.get(name)
    located = datasets.locate(name, fetch=False)
    assert located.path == data_dir / entry.file
    rows = rows_of(located.path)
    assert len(rows) == entry.rows
    assert tuple(rows[0]) == entry.header
    for key, value in located.where.items():
        assert any(row[key] == value for row in rows)


def test_a_file_in_the_data_folder_that_is_another_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("NSTAR_DATA_DIR", str(tmp_path))
    file = tmp_path / "farseer.csv"
    file.write_text("params_nonembed,tokens,loss\n")
    with pytest.raises(ValueError, match="not the registered file") as refusal:
        datasets.path("farseer")
    entry = datasets.get("farseer")
    for part in (str(file), entry.sha256, sha256(file)):
        assert part in str(refusal.value)


def test_what_is_not_here_and_not_to_be_fetched_says_so(cache):
    with pytest.raises(FileNotFoundError, match="NSTAR_DATA_DIR") as absence:
        datasets.path("chinchilla_epoch", fetch=False)
    assert "svg_extracted_data.csv" in str(absence.value)
    assert not cache.exists()


def test_an_unknown_name_says_what_is_near():
    with pytest.raises(ValueError, match="'chinchila'; nearest: chinchilla_epoch"):
        datasets.get("chinchila")


def test_a_direct_set_is_fetched_once_and_read_as_it_is(cache, site):
    folder, _ = site
    (folder / "a.csv").write_text("Model Size,Training FLOP,loss\n1e9,6e20,2.5\n")
    entry = published_at("chinchilla_epoch", site, "a.csv")
    located = datasets.locate(entry)
    assert located.path == cache / "chinchilla_epoch" / "a.csv"
    (row,) = rows_of(located.path)
    assert row[located.columns["N"]] == "1e9"
    assert row[located.columns["C"]] == "6e20"
    (folder / "a.csv").unlink()
    assert datasets.locate(entry, fetch=False) == located


def test_a_tampered_download_is_refused_and_not_kept(cache, site):
    folder, _ = site
    (folder / "a.csv").write_text("Model Size,Training FLOP,loss\n1e9,6e20,2.5\n")
    entry = published_at("chinchilla_epoch", site, "a.csv")
    (folder / "a.csv").write_text("Model Size,Training FLOP,loss\n1e9,6e20,1.5\n")
    with pytest.raises(ValueError, match=r"a\.csv"):
        datasets.locate(entry)
    assert not (cache / "chinchilla_epoch" / "a.csv").exists()


def test_a_tampered_file_of_the_cache_is_refused(cache, site):
    folder, _ = site
    (folder / "a.csv").write_text("Model Size,Training FLOP,loss\n1e9,6e20,2.5\n")
    entry = published_at("chinchilla_epoch", site, "a.csv")
    file = datasets.locate(entry).path
    file.write_text("Model Size,Training FLOP,loss\n1e9,6e20,1.5\n")
    with pytest.raises(ValueError, match="not the registered file") as refusal:
        datasets.locate(entry)
    for part in (str(file), entry.upstream[0].sha256, sha256(file)):
        assert part in str(refusal.value)


def test_an_address_that_does_not_answer_says_what_to_do(cache, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    nobody = datasets.Upstream(
        url="http://127.0.0.1:9/a.csv", licence="none", sha256="0" * 64
    )
    entry = replace(datasets.get("chinchilla_epoch"), upstream=(nobody,))
    with pytest.raises(OSError, match="cannot fetch") as failure:
        datasets.locate(entry)
    assert "NSTAR_DATA_DIR" in str(failure.value)
    assert str(cache / "chinchilla_epoch" / "a.csv") in str(failure.value)


def test_a_pickle_is_fetched_and_verified_and_never_opened(cache, site):
    folder, _ = site
    bomb = b"cos\nsystem\n(S'touch opened'\ntR."  # a pickle that would run a command
    (folder / "summary_df.pickle.xz").write_bytes(bomb)
    entry = published_at("porian_isoflop", site, "summary_df.pickle.xz")
    with pytest.raises(ValueError, match="never opens them") as told:
        datasets.locate(entry)
    kept = cache / "porian_isoflop" / "summary_df.pickle.xz"
    assert kept.read_bytes() == bomb
    assert f"verified: {kept}" in str(told.value)


def test_a_set_without_a_checksum_is_not_fetched(cache):
    with pytest.raises(ValueError, match="type them into a CSV"):
        datasets.path("dit_fid")
    assert not cache.exists()


def convert(site, name, *files):
    entry = published_at(name, site, *files)
    located = datasets.locate(entry)
    rows = rows_of(located.path)
    assert tuple(rows[0]) == entry.header
    return rows


MARIN = (
    "Name,parameter_count,throughput/total_tokens,throughput/total_gflops,"
    "eval/paloma/macro_loss,trainer.train_batch_size,trainer.num_train_steps,"
    "optimizer.learning_rate,model.hidden_dim,model.num_layers\n"
)


def test_marin_budgets_are_brought_to_training_flop(cache, site):
    (site[0] / "isoflop-dclm.csv").write_text(
        f'{MARIN}"isoflop-1e+20-d768-L8-B512-x","2e8","3e11","3e11","3.5",512,9,,768,8\n'
        '"y-validation-optimal-3e+19-ab12","5e8","1e10","3e10","3.4",32,9,,1280,13\n'
    )
    swept, optimal = convert(site, "marin_isoflop", "isoflop-dclm.csv")
    assert swept["corpus"] == "dclm"
    assert float(swept["budget"]) == 3e20
    assert float(swept["flops"]) == 6.0 * 2e8 * 3e11
    assert float(swept["fwd_flops_logged"]) == 3e20
    assert (optimal["validation_optimal"], float(optimal["budget"])) == ("1", 3e19)


def test_a_run_without_a_budget_leaves_no_table_behind(cache, site):
    (site[0] / "isoflop-dclm.csv").write_text(f"{MARIN}odd,1,1,1,1,1,1,1,1,1\n")
    with pytest.raises(ValueError, match="no budget in the run name 'odd'"):
        convert(site, "marin_isoflop", "isoflop-dclm.csv")
    assert [f.name for f in (cache / "marin_isoflop").iterdir()] == ["isoflop-dclm.csv"]


def test_vocabulary_counts_among_the_parameters(cache, site):
    (site[0] / "exp_data.csv").write_text(
        "vocab_size,embed_dim,num_characters,Non_vocab_parameters,FLOPs,Lossu\n"
        "4096.0,512.0,180820540.9,33222784.0,12715176960000000.0,-1.349\n"
    )
    (row,) = convert(site, "vocab_scaling", "exp_data.csv")
    assert float(row["params"]) == 33222784 + 4096 * 512
    np.testing.assert_allclose(float(row["tokens"]), 6e7)


def test_routing_takes_the_last_evaluation_of_each_run(cache, site):
    names = (
        "hyper_id,step,router_type,num_experts,k,routing_frequency,flop_increase,d_model,"
        "num_blocks,num_heads,kqv_size,seed,total_parameter_count,dense_parameter_count,"
        "flops_per_step,model_size_label,loss_validation,loss_c4,loss_curation_corpus,"
        "loss_lambada,loss_pile,loss_wikitext103\n"
    )
    rest = "Dense,1,1,0.5,1,512,6,8,64,42,1.5e7,1.5e7,4e13,15M"
    lines = [
        f"7,240000,{rest},3.2,1,2,3,4,5\n",
        f"7,250000,{rest},3.1,1,2,3,4,5\n",
        f"8,250000,{rest},,1,2,3,4,5\n",
    ]
    with gzip.open(site[0] / "curves.csv.gz", "wt") as file:
        file.write(names + "".join(lines))
    (row,) = convert(site, "routing_moe", "curves.csv.gz")
    assert (row["hyper_id"], row["loss"], row["loss_pile"]) == ("7", "3.1", "4")
    assert float(row["tokens"]) == 250000 * 524288
    assert float(row["flops"]) == 3.0 * 4e13 * 250000


def test_openclip_takes_accuracy_or_recall_and_joins_the_architecture(cache, site):
    (site[0] / "zeroshot_results.csv").write_text(
        "arch,samples_seen,gmacs_total,gmacs,upstream_dataset,downstream_dataset,acc1,"
        "acc5,image_retrieval_recall@5,name\n"
        "ViT-L-14,12.8e9,1122944000000.0,87.73,CLIP-WIT,imagenet,0.75,0.9,,openai\n"
        "ViT-L-14,12.8e9,1122944000000.0,87.73,CLIP-WIT,flickr,,,0.6,openai\n"
    )
    (site[0] / "arch_info.csv").write_text(
        "model,gmacs,mparams\nViT-L-14,87.7,427.62\n"
    )
    first, second = convert(site, "openclip", "zeroshot_results.csv", "arch_info.csv")
    np.testing.assert_allclose(float(first["flops"]), 6.737664e21)
    assert (first["error"], float(first["params"])) == ("0.25", 427.62e6)
    assert (second["metric"], second["error"]) == ("image_retrieval_recall@5", "0.4")


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        (
            "farseer",
            {"N": 2e8, "D": 2e9, "loss": 0.6, "group": "all"},
            ("flops", 2.4e18),
        ),
        (
            "parscale",
            {"num_params": 5, "parallel_size": 8, "group": "pile", "loss": 2.0},
            ("parallel_streams", 8),
        ),
        (
            "sparsity_upcycle",
            dict(P=7.0, N_active=0.1, N_dense=0.2, D1=2.0, D2=4.0, loss=2.7, group="g"),
            ("active_ratio_P", 7.0),
        ),
    ],
)
def test_parquet_splits_become_one_table(cache, site, name, row, expected):
    files = ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet")
    for file in files:
        parquet.write_table(pa.Table.from_pylist([row]), site[0] / file)
    train, test = convert(site, name, *files)
    assert (train["split"], test["split"]) == ("train", "test")
    key, value = expected
    assert float(train[key]) == value


def test_token_budget_melts_the_tasks(cache, site):
    said = [{"token_limit": 16, "avg_tokens_used": 363.5, "accuracy": 0.2}]
    for file in ("vote.json", "ask.json"):
        (site[0] / file).write_text(json.dumps(said))
    (site[0] / "results.csv").write_text(
        "Model,Prompting,Keyword,Budget,AIME 2025,MATH500,MMLU Pro-1K,SuperGPQA-1K\n"
        "phi-4,CoT+BF,Wait,256,20,43.2,60.01,29\n"
    )
    rows = convert(site, "token_budget", "vote.json", "ask.json", "results.csv")
    assert [row["strategy"].split()[-1] for row in rows[:2]] == ["sample", "vote"]
    np.testing.assert_allclose(column(rows[2:], "accuracy"), [0.2, 0.432, 0.6001, 0.29])
    assert {row["strategy"] for row in rows[2:]} == {"CoT+BF Wait"}


def test_a_file_that_is_not_shipped_says_where_it_was_looked_for():
    with pytest.raises(FileNotFoundError, match=r"nstar ships no nothing\.csv"):
        data_files.shipped("nothing.csv")
