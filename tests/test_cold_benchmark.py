"""The benchmarks of cold starts and of accelerators: what they count, and small runs of them."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conftest import REPO

FITS, SINGLE, NUTS = "fits-float64", "fits-float32", "nuts"


@pytest.fixture
def cold(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import cold

    return cold


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import gpu

    return gpu


class Monitoring:
    """Where listeners register; JAX's own, if given, hears of them too."""

    def __init__(self, real=None):
        self.real, self.listeners = real, {}

    def __getattr__(self, name):
        def register(listener):
            self.listeners[name] = listener
            if self.real:
                getattr(self.real, name)(listener)

        return register

    def leave(self):
        self.real.unregister_scalar_listener(self.listeners["register_scalar_listener"])
        self.real.unregister_event_duration_listener(
            self.listeners["register_event_duration_secs_listener"]
        )
        self.real.unregister_event_listener(self.listeners["register_event_listener"])


def test_a_program_is_counted_once_and_a_cached_one_apart(cold):
    clock, own, ledger = iter(range(100)), Monitoring(), cold.Ledger()
    ledger.listen(own)
    events = {kind: event for event, kind in cold.KINDS.items()}

    def begin(kind, name):
        own.listeners["register_scalar_listener"](events[kind], 0.0, fun_name=name)

    def end(kind):
        own.listeners["register_event_duration_secs_listener"](events[kind], 0.0)

    def settle():  # every event is a second of CPU after the last
        next(clock)
        for stack in ledger.threads.values():
            if stack:
                stack[-1].cpu += 1

    ledger.settle = settle
    ledger.begin("sampling", "sample")
    end("compiling")  # of one that began before anyone listened
    begin("tracing", "outer.<locals>.energy")
    begin("tracing", "inner")
    end("tracing")
    end("tracing")
    begin("lowering", "jit(energy)")
    end("lowering")
    for cached in (False, True):
        begin("compiling", "jit_energy")
        if cached:
            own.listeners["register_event_listener"](cold.FROM_CACHE)
        end("compiling")
    ledger.end("sampling")
    made = ledger.document()
    assert (made["programs"], made["loaded"]) == (1, 1)
    (row,) = made["by_name"]
    assert row["name"] == "energy"
    parts = {n: part["cpu"] for n, part in made["parts"].items()}
    assert parts == {
        "compiling": 1,
        "loading": 1,
        "tracing": 3,
        "lowering": 1,
        "sampling": 6,
        "importing": 0,
    }


def test_jax_tells_of_its_programs_as_is_expected(cold):
    own, ledger = Monitoring(jax.monitoring), cold.Ledger()
    ledger.listen(own)
    try:
        x = np.arange(7.0)

        def seventh_of_a_kind(x):
            return jnp.sin(x) * 7

        jax.jit(seventh_of_a_kind)(x)
    finally:
        own.leave()
    rows = {row["name"]: row for row in ledger.document()["by_name"]}
    row = rows["seventh_of_a_kind"]
    assert row["compiled"] + row["loaded"] == 1  # the tests' own cache may have it
    assert row["tracing"] > 0
    assert row["lowering"] > 0


def test_a_command_is_measured_from_outside_and_inside(cold, tmp_path):
    row = cold.run(["--", "--help"], tmp_path, "none")
    assert row["exit_code"] == 0
    assert row["programs"] == 0
    assert row["modules"] == []
    assert 0 < row["parts"]["importing"]["cpu"] < row["cpu"]
    assert sum(part["cpu"] for part in row["parts"].values()) == pytest.approx(
        row["cpu"]
    )
    failed = cold.run(["--", "models", "no such model"], tmp_path, "none")
    assert failed["failed"].startswith("nstar: ")


def test_cases_come_after_those_they_need(cold):
    names = list(cold.CASES)
    for name, case in cold.CASES.items():
        assert all(names.index(first) < names.index(name) for first in case.after)
    assert cold.chosen(["plan-again", "help"]) == [
        "fit-cold",
        "plan-cold",
        "plan-again",
        "help",
    ]


def test_before_and_after_stand_side_by_side(cold):
    def made(cpu, count):
        parts = {part: {"cpu": cpu / 8, "clock": cpu / 8} for part in cold.PARTS}
        rows = [
            {
                "name": "advance",
                "compiled": count,
                "loaded": 0,
                "compiling": cpu / 2,
                "tracing": 1.0,
            },
            *(
                {"name": f"one{i}", "compiled": 1, "loaded": 0, "compiling": 0.1}
                for i in range(20)
            ),
        ]
        case = {
            "command": "nstar report llama3 --budget 3.8e25",
            "cpu": cpu,
            "wall": cpu / 2,
            "peak_MiB": 3000,
            "exit_code": 0,
            "programs": count + 20,
            "loaded": 0,
            "parts": parts,
            "by_name": rows,
        }
        stick = {"cpu": 40.0, "wall": 42.0, "peak_MiB": 500.0}
        return cold.document(
            {"report-cold": case}, {"mcmc": stick}, {"mcmc": stick | {"cpu": 60.0}}
        )

    before, after = made(500.0, 8), made(100.0, 1)
    assert before["yardsticks"]["mcmc"]["cpu"] == 50
    assert before["cases"]["report-cold"]["yardsticks"] == 10
    text = cold.table(before, after)
    assert (
        "| `nstar report llama3 --budget 3.8e25` | report-cold | 500.0 → 100.0 | 10.00 → 2.00 | 0.20 | 28 → 21 |"
        in text
    )
    assert "| `advance` | 8 → 1 | 250.0 → 50.0 |" in text
    assert "| 6 others | 6 → 6 | 0.6 → 0.6 |" in text
    assert "50.0 CPU-s (40.0 and 60.0)" in cold.page(before)
    for page in (text, cold.page(after)):  # every row has its table's columns
        for one, two in pairwise(page.splitlines()):
            if one.startswith("|") and two.startswith("|"):
                assert one.count("|") == two.count("|")


def test_float32_is_held_against_float64(gpu, tmp_path):
    files = [tmp_path / name for name in ("one.npz", "two.npz")]
    mean, sd = np.array([1.0, 2.0, np.nan]), np.array([0.1, 0.2, np.nan])
    np.savez(files[0], alpha=np.stack([mean + 0.5 * sd, 1.1 * sd], 1))
    np.savez(files[1], alpha=np.stack([mean, sd], 1), beta=np.stack([mean, sd], 1))
    made = gpu.agreement(*files)
    assert (made["fits"], made["quantities"]) == (2, ["alpha"])
    assert made["means_apart_in_sds"]["largest"] == pytest.approx(0.5)
    assert made["mean_sd_ratio"] == pytest.approx(1.1)


def test_a_part_that_is_stopped_is_said_to_be(gpu, tmp_path):
    lines = [
        {"device": {"name": "a"}},
        {"begins": FITS},
        {"part": FITS, "slice": {"fits": 1}},
        {"ends": FITS},
        {"begins": SINGLE},
        {"ends": SINGLE, "failed": "out of memory"},
        {"begins": NUTS},
    ]
    (tmp_path / "lines").write_text("\n".join(map(json.dumps, lines)) + '\n{"half')
    watch = gpu.Watch(tmp_path)
    watch.update()
    assert watch.parts == {FITS: [{"fits": 1}]}
    assert watch.stop("stopped") == NUTS
    assert watch.left_out == {SINGLE: "out of memory", NUTS: "stopped"}


def accelerated(*options):
    folder = os.environ.get("NSTAR_TEST_CACHE") or str(REPO / ".cache" / "jax")
    own = {
        "PYTHON": sys.executable,
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    command = ["bash", REPO / "benchmarks" / "gpu.sh", *options]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | own
    )
    return json.loads(done.stdout)


def test_a_small_batch_is_fitted_as_on_an_accelerator():
    made = accelerated("--fits", "2", "--parts", FITS)
    assert made["left_out"] == {}
    assert made["device"]["jax"] == jax.__version__
    first, again = made["parts"][FITS]["slices"]
    assert first["passed"] == again["passed"] == 2
    assert made["parts"][FITS]["fits_per_second"] == 2 / again["seconds"]


def test_what_no_time_is_left_for_is_left_out(gpu):
    made = accelerated("--seconds", "1")
    assert made["left_out"] == dict.fromkeys(gpu.PARTS, "no time was left")
    assert made["parts"] == {}
